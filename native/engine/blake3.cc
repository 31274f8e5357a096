#include "blake3.h"

#include <algorithm>

namespace capstan {
namespace {

constexpr size_t kBlockBytes = 64;
constexpr size_t kChunkBytes = 1024;
constexpr size_t kBlocksPerChunk = kChunkBytes / kBlockBytes;

constexpr uint32_t kChunkStart = 1;
constexpr uint32_t kChunkEnd = 2;
constexpr uint32_t kParent = 4;
constexpr uint32_t kRoot = 8;

constexpr std::array<uint32_t, 8> kIv = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
constexpr uint8_t kPermutation[16] = {2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8};

// The message word that round r takes at place i: the permutation applied r times.
constexpr std::array<std::array<uint8_t, 16>, 7> MakeSchedule() {
  std::array<std::array<uint8_t, 16>, 7> schedule{};
  for (uint8_t i = 0; i < 16; ++i) schedule[0][i] = i;
  for (size_t round = 1; round < 7; ++round)
    for (size_t i = 0; i < 16; ++i) schedule[round][i] = schedule[round - 1][kPermutation[i]];
  return schedule;
}
constexpr auto kSchedule = MakeSchedule();

using Chaining = std::array<uint32_t, 8>;

// Word is uint32_t, or a vector of them: one lane a chunk.
template <class Word>
[[gnu::always_inline]] inline void Mix(Word* v, int a, int b, int c, int d, const Word& x,
                                       const Word& y) {
  v[a] = v[a] + v[b] + x;
  v[d] ^= v[a];
  v[d] = (v[d] >> 16) | (v[d] << 16);
  v[c] = v[c] + v[d];
  v[b] ^= v[c];
  v[b] = (v[b] >> 12) | (v[b] << 20);
  v[a] = v[a] + v[b] + y;
  v[d] ^= v[a];
  v[d] = (v[d] >> 8) | (v[d] << 24);
  v[c] = v[c] + v[d];
  v[b] ^= v[c];
  v[b] = (v[b] >> 7) | (v[b] << 25);
}

template <class Word>
[[gnu::always_inline]] inline void Rounds(Word* v, const Word* message) {
#pragma GCC unroll 7
  for (size_t round = 0; round < 7; ++round) {
    const auto& s = kSchedule[round];
    Mix(v, 0, 4, 8, 12, message[s[0]], message[s[1]]);
    Mix(v, 1, 5, 9, 13, message[s[2]], message[s[3]]);
    Mix(v, 2, 6, 10, 14, message[s[4]], message[s[5]]);
    Mix(v, 3, 7, 11, 15, message[s[6]], message[s[7]]);
    Mix(v, 0, 5, 10, 15, message[s[8]], message[s[9]]);
    Mix(v, 1, 6, 11, 12, message[s[10]], message[s[11]]);
    Mix(v, 2, 7, 8, 13, message[s[12]], message[s[13]]);
    Mix(v, 3, 4, 9, 14, message[s[14]], message[s[15]]);
  }
}

uint32_t Load32(const uint8_t* at) {
  return static_cast<uint32_t>(at[0]) | static_cast<uint32_t>(at[1]) << 8 |
         static_cast<uint32_t>(at[2]) << 16 | static_cast<uint32_t>(at[3]) << 24;
}

void Compress(Chaining& chaining, const uint8_t* block, uint32_t length, uint64_t counter,
              uint32_t flags) {
  uint32_t message[16];
  for (size_t i = 0; i < 16; ++i) message[i] = Load32(block + 4 * i);
  uint32_t v[16];
  for (size_t i = 0; i < 8; ++i) v[i] = chaining[i];
  for (size_t i = 0; i < 4; ++i) v[8 + i] = kIv[i];
  v[12] = static_cast<uint32_t>(counter);
  v[13] = static_cast<uint32_t>(counter >> 32);
  v[14] = length;
  v[15] = flags;
  Rounds(v, message);
  for (size_t i = 0; i < 8; ++i) chaining[i] = v[i] ^ v[i + 8];
}

// A chunk of 0 to 1024 bytes; `root` where it is the whole input.
Chaining HashChunk(View chunk, uint64_t counter, bool root) {
  Chaining chaining = kIv;
  const size_t blocks = std::max<size_t>(1, (chunk.size() + kBlockBytes - 1) / kBlockBytes);
  for (size_t i = 0; i < blocks; ++i) {
    uint8_t block[kBlockBytes] = {};
    const size_t offset = i * kBlockBytes;
    const size_t length = std::min(kBlockBytes, chunk.size() - offset);
    if (length > 0) std::memcpy(block, chunk.data() + offset, length);
    uint32_t flags = i == 0 ? kChunkStart : 0;
    if (i + 1 == blocks) flags |= kChunkEnd | (root ? kRoot : 0);
    Compress(chaining, block, static_cast<uint32_t>(length), counter, flags);
  }
  return chaining;
}

Chaining HashParent(const Chaining& left, const Chaining& right, bool root) {
  uint8_t block[kBlockBytes];
  for (size_t i = 0; i < 8; ++i) {
    for (size_t byte = 0; byte < 4; ++byte) {
      block[4 * i + byte] = static_cast<uint8_t>(left[i] >> (8 * byte));
      block[32 + 4 * i + byte] = static_cast<uint8_t>(right[i] >> (8 * byte));
    }
  }
  Chaining chaining = kIv;
  Compress(chaining, block, kBlockBytes, 0, kParent | (root ? kRoot : 0));
  return chaining;
}

// Hashes Lanes whole chunks at `input`, of counters from `counter` on, side by side.
template <class Word, size_t Lanes>
[[gnu::always_inline]] inline void HashLanes(const uint8_t* input, uint64_t counter,
                                             Chaining* out) {
  Word chaining[8];
  for (size_t i = 0; i < 8; ++i) chaining[i] = Word{} + kIv[i];
  for (size_t block = 0; block < kBlocksPerChunk; ++block) {
    Word message[16] = {};
    for (size_t i = 0; i < 16; ++i)
      for (size_t lane = 0; lane < Lanes; ++lane)
        std::memcpy(reinterpret_cast<uint8_t*>(&message[i]) + 4 * lane,
                    input + lane * kChunkBytes + block * kBlockBytes + 4 * i, 4);
    Word v[16] = {};
    for (size_t i = 0; i < 8; ++i) v[i] = chaining[i];
    for (size_t i = 0; i < 4; ++i) v[8 + i] = Word{} + kIv[i];
    for (size_t lane = 0; lane < Lanes; ++lane) {
      v[12][lane] = static_cast<uint32_t>(counter + lane);
      v[13][lane] = static_cast<uint32_t>((counter + lane) >> 32);
    }
    v[14] = Word{} + static_cast<uint32_t>(kBlockBytes);
    const uint32_t flags =
        (block == 0 ? kChunkStart : 0) | (block + 1 == kBlocksPerChunk ? kChunkEnd : 0);
    v[15] = Word{} + flags;
    Rounds(v, message);
    for (size_t i = 0; i < 8; ++i) chaining[i] = v[i] ^ v[i + 8];
  }
  for (size_t i = 0; i < 8; ++i)
    for (size_t lane = 0; lane < Lanes; ++lane) out[lane][i] = chaining[i][lane];
}

#if defined(__x86_64__)
using Word8 = uint32_t __attribute__((vector_size(32)));
constexpr size_t kLanes = 8;
__attribute__((target("avx2"))) void HashEight(const uint8_t* input, uint64_t counter,
                                               Chaining* out) {
  HashLanes<Word8, kLanes>(input, counter, out);
}
bool HasLanes() { return __builtin_cpu_supports("avx2"); }
#else
constexpr size_t kLanes = 8;
void HashEight(const uint8_t*, uint64_t, Chaining*) {}
bool HasLanes() { return false; }
#endif

Digest ToDigest(const Chaining& chaining) {
  Digest digest;
  for (size_t i = 0; i < 32; ++i)
    digest[i] = static_cast<uint8_t>(chaining[i / 4] >> (8 * (i % 4)));
  return digest;
}

Digest Hash(View bytes, bool lanes) {
  const size_t chunks = std::max<size_t>(1, (bytes.size() + kChunkBytes - 1) / kChunkBytes);
  if (chunks == 1) return ToDigest(HashChunk(bytes, 0, true));
  std::vector<Chaining> level(chunks);
  size_t done = 0;
  for (; lanes && (done + kLanes) * kChunkBytes <= bytes.size(); done += kLanes)
    HashEight(bytes.data() + done * kChunkBytes, done, &level[done]);
  for (; done < chunks; ++done) {
    const size_t offset = done * kChunkBytes;
    level[done] =
        HashChunk(bytes.subspan(offset, std::min(kChunkBytes, bytes.size() - offset)), done, false);
  }
  // Pairs level by level, the odd one carried up, give the tree whose left sides are whole powers of
  // two: the one that BLAKE3 prescribes.
  while (level.size() > 1) {
    const bool root = level.size() == 2;
    size_t out = 0;
    for (size_t i = 0; i + 1 < level.size(); i += 2)
      level[out++] = HashParent(level[i], level[i + 1], root);
    if (level.size() % 2 == 1) level[out++] = level.back();
    level.resize(out);
  }
  return ToDigest(level[0]);
}

}  // namespace

Digest Blake3(View bytes) { return Hash(bytes, HasLanes()); }
Digest Blake3Scalar(View bytes) { return Hash(bytes, false); }

}  // namespace capstan
