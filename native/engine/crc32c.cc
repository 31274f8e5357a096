#include "crc32c.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace capstan {
namespace {

constexpr uint32_t kPolynomial = 0x82f63b78;

constexpr std::array<uint32_t, 256> MakeTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) ? kPolynomial : 0u);
    table[i] = value;
  }
  return table;
}
constexpr std::array<uint32_t, 256> kTable = MakeTable();

#if defined(__x86_64__)

// x^exponent modulo the polynomial; its highest bit is the coefficient of x^0.
constexpr uint32_t PowerOfX(size_t exponent) {
  uint32_t value = 0x80000000;
  for (; exponent > 0; --exponent) value = (value >> 1) ^ ((value & 1) ? kPolynomial : 0u);
  return value;
}

// The instruction takes three times as long as it keeps its unit busy: three stripes of a block side by side
// fill it. Blocks of long stripes first, then of short ones.
constexpr size_t kLongStripeBytes = 4096;
constexpr size_t kShortStripeBytes = 256;

// What moves a checksum over that many bytes of zeros: the factor x^(8 * bytes). 32 of the exponent come
// from the instruction that reduces the product, one from the product of reflected numbers.
template <size_t kBytes>
constexpr uint32_t kMove = PowerOfX(8 * kBytes - 33);

uint64_t Load64(const uint8_t* at) {
  uint64_t word;
  std::memcpy(&word, at, 8);
  return word;
}

#define CAPSTAN_CRC32 __attribute__((target("sse4.2,pclmul")))

template <size_t kBytes>
CAPSTAN_CRC32 uint64_t Move(uint64_t value) {
  const __m128i product =
      _mm_clmulepi64_si128(_mm_cvtsi64_si128(static_cast<long long>(value)),
                           _mm_cvtsi64_si128(static_cast<long long>(kMove<kBytes>)), 0);
  return _mm_crc32_u64(0, static_cast<uint64_t>(_mm_cvtsi128_si64(product)));
}

// Takes whole blocks off the front of `bytes`.
template <size_t kStripeBytes>
CAPSTAN_CRC32 uint64_t TakeBlocks(uint64_t value, View& bytes) {
  while (bytes.size() >= 3 * kStripeBytes) {
    const uint8_t* at = bytes.data();
    uint64_t second = 0;
    uint64_t third = 0;
    for (const uint8_t* end = at + kStripeBytes; at < end; at += 8) {
      value = _mm_crc32_u64(value, Load64(at));
      second = _mm_crc32_u64(second, Load64(at + kStripeBytes));
      third = _mm_crc32_u64(third, Load64(at + 2 * kStripeBytes));
    }
    value = Move<2 * kStripeBytes>(value) ^ Move<kStripeBytes>(second) ^ third;
    bytes = bytes.subspan(3 * kStripeBytes);
  }
  return value;
}

CAPSTAN_CRC32 uint32_t ByInstruction(uint32_t crc, View bytes) {
  uint64_t value = ~crc;
  value = TakeBlocks<kLongStripeBytes>(value, bytes);
  value = TakeBlocks<kShortStripeBytes>(value, bytes);
  for (; bytes.size() >= 8; bytes = bytes.subspan(8))
    value = _mm_crc32_u64(value, Load64(bytes.data()));
  uint32_t rest = static_cast<uint32_t>(value);
  for (const uint8_t byte : bytes) rest = _mm_crc32_u8(rest, byte);
  return ~rest;
}

bool HasInstruction() {
  static const bool has = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
  return has;
}

#endif

}  // namespace

uint32_t Crc32cByTable(uint32_t crc, View bytes) {
  uint32_t value = ~crc;
  for (const uint8_t byte : bytes) value = (value >> 8) ^ kTable[(value ^ byte) & 0xff];
  return ~value;
}

uint32_t Crc32c(uint32_t crc, View bytes) {
#if defined(__x86_64__)
  if (HasInstruction()) return ByInstruction(crc, bytes);
#endif
  return Crc32cByTable(crc, bytes);
}

std::optional<uint64_t> FlippedBit(uint64_t byte_count, uint32_t difference) {
  // A checksum is linear: which bits a bit turns over in it depends on its distance from the end only.
  uint32_t turned = kPolynomial;
  for (uint64_t bit = 8 * byte_count; bit > 0; --bit) {
    if (turned == difference) return bit - 1;
    turned = (turned >> 1) ^ ((turned & 1) ? kPolynomial : 0u);
  }
  return std::nullopt;
}

}  // namespace capstan
