// Which vector unit the digest and the chunker use; every choice gives the same bytes.
#pragma once

namespace capstan {

// What code for a unit may take for granted is named here and nowhere else: its functions carry the
// attribute CAPSTAN_AVX2 or CAPSTAN_AVX512, and run only where the processor has all of it.
enum class VectorUnit {
  kScalar,
  kAvx2,
  kAvx512,
};

#if defined(__x86_64__)

#define CAPSTAN_AVX2 __attribute__((target("avx2,aes")))
#if defined(__clang__)
// Knows no width that it should prefer, and would ignore the whole.
#define CAPSTAN_AVX512 __attribute__((target("avx2,aes,avx512f,avx512bw,avx512dq,avx512vl,gfni")))
#else
#define CAPSTAN_AVX512 \
  __attribute__((target("avx2,aes,avx512f,avx512bw,avx512dq,avx512vl,gfni,prefer-vector-width=512")))
#endif

inline bool HasVectorUnit(VectorUnit unit) {
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("aes");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("gfni");
  switch (unit) {
    case VectorUnit::kScalar: return true;
    case VectorUnit::kAvx2: return avx2;
    case VectorUnit::kAvx512: return avx512;
  }
  return false;
}

#else

inline bool HasVectorUnit(VectorUnit unit) { return unit == VectorUnit::kScalar; }

#endif

// The widest that this processor has; asked once.
inline VectorUnit BestVectorUnit() {
  static const VectorUnit best = HasVectorUnit(VectorUnit::kAvx512) ? VectorUnit::kAvx512
                                 : HasVectorUnit(VectorUnit::kAvx2) ? VectorUnit::kAvx2
                                                                    : VectorUnit::kScalar;
  return best;
}

}  // namespace capstan
