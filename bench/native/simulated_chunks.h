// Chunks that exist nowhere: their digests, drawn by number.
#pragma once

#include "../../native/engine/bytes.h"

namespace capstan::bench {

// SplitMix64 (Steele, Lea, Flood 2014) over the words of all digests in their order.
inline Digest SimulatedDigest(uint64_t number) {
  Digest digest;
  for (uint64_t word = 0; word < digest.size() / 8; ++word) {
    uint64_t z = (number * 4 + word + 1) * 0x9E3779B97F4A7C15ull;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ z >> 27) * 0x94D049BB133111EBull;
    z ^= z >> 31;
    std::memcpy(digest.data() + word * 8, &z, 8);
  }
  return digest;
}

}  // namespace capstan::bench
