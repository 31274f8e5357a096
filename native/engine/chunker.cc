// The hash is a gear: h = 2h + g(byte) in 32 bits, so a byte has left it after 32 steps. g is four affine
// images of the byte's inverse in GF(2^8), one for each byte of the word: what the processor's
// GF2P8AFFINEINVQB computes for 64 bytes at once, so that a vector version can cut at the same places.
#include "chunker.h"

#include <algorithm>

namespace capstan {
namespace {

constexpr size_t kWindowBytes = 32;
// Normalised chunking: harder to cut before the average, easier behind it.
constexpr uint32_t kMaskBeforeAverage = ~0u << (32 - 17);
constexpr uint32_t kMaskBehindAverage = ~0u << (32 - 15);

constexpr uint8_t MultiplyGf(uint8_t a, uint8_t b) {
  unsigned product = 0;
  for (unsigned x = a, y = b; y != 0; y >>= 1) {
    if (y & 1) product ^= x;
    x <<= 1;
    if (x & 0x100) x ^= 0x11b;
  }
  return static_cast<uint8_t>(product);
}

// x^254, which is the inverse, and 0 for 0.
constexpr uint8_t InverseGf(uint8_t x) {
  uint8_t result = 1;
  for (int i = 0; i < 254; ++i) result = MultiplyGf(result, x);
  return result;
}

constexpr uint64_t kMatrices[4] = {0xf1e3c78f1f3e7cf8, 0x8f1e3d7af5ebd7ae, 0xa94fd3b8670e1d3b,
                                   0x6cd8b163c78e1d3a};
constexpr uint8_t kConstants[4] = {0x63, 0x1d, 0xa7, 0x5e};

constexpr std::array<uint32_t, 256> MakeGear() {
  std::array<uint32_t, 256> gear{};
  for (unsigned x = 0; x < 256; ++x) {
    const uint8_t inverse = InverseGf(static_cast<uint8_t>(x));
    for (int plane = 0; plane < 4; ++plane) {
      uint8_t image = kConstants[plane];
      for (int bit = 0; bit < 8; ++bit) {
        unsigned row = (kMatrices[plane] >> (8 * (7 - bit))) & inverse & 0xff;
        row ^= row >> 4;
        row ^= row >> 2;
        row ^= row >> 1;
        image = static_cast<uint8_t>(image ^ ((row & 1) << bit));
      }
      gear[x] |= static_cast<uint32_t>(image) << (8 * plane);
    }
  }
  return gear;
}
const std::array<uint32_t, 256> kGear = MakeGear();

}  // namespace

size_t FirstChunkLength(View bytes) {
  const size_t limit = std::min(kChunkBytesMax, bytes.size());
  if (limit <= kChunkBytesMin) return limit;
  const uint8_t* data = bytes.data();
  uint32_t hash = 0;
  size_t i = kChunkBytesMin - kWindowBytes;
  for (; i < kChunkBytesMin; ++i) hash = (hash << 1) + kGear[data[i]];
  const size_t average = std::min(kChunkBytesAverage, limit);
  for (; i < average; ++i) {
    hash = (hash << 1) + kGear[data[i]];
    if ((hash & kMaskBeforeAverage) == 0) return i + 1;
  }
  for (; i < limit; ++i) {
    hash = (hash << 1) + kGear[data[i]];
    if ((hash & kMaskBehindAverage) == 0) return i + 1;
  }
  return limit;
}

}  // namespace capstan
