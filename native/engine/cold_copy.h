// A copy into memory that nobody looks at soon: a block that goes to the disk past the page cache.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

namespace capstan {

// Past the processor's caches, which otherwise read every line before they write it, and give up others for it.
inline void ColdCopy(uint8_t* to, const uint8_t* from, size_t count) {
#if defined(__x86_64__)
  constexpr size_t kVectorBytes = sizeof(__m128i);
  constexpr size_t kStepBytes = 4 * kVectorBytes;
  const size_t misaligned = reinterpret_cast<uintptr_t>(to) % kVectorBytes;
  const size_t head = misaligned == 0 ? 0 : kVectorBytes - misaligned;
  if (count >= head + kStepBytes) {
    std::memcpy(to, from, head);
    to += head;
    from += head;
    count -= head;
    for (; count >= kStepBytes; count -= kStepBytes, to += kStepBytes, from += kStepBytes) {
      __m128i parts[4];
      std::memcpy(parts, from, kStepBytes);
      for (int i = 0; i < 4; ++i) _mm_stream_si128(reinterpret_cast<__m128i*>(to) + i, parts[i]);
    }
    // Before who is told that it is there reads it.
    _mm_sfence();
  }
#endif
  if (count > 0) std::memcpy(to, from, count);
}

}  // namespace capstan
