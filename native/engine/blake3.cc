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
constexpr uint32_t kKeyedHash = 16;

using Chaining = std::array<uint32_t, 8>;

constexpr Chaining kIv = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                          0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
constexpr uint8_t kPermutation[16] = {2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8};

// The message word that round r takes at place i: the permutation applied r times.
constexpr size_t kRounds = 7;
constexpr std::array<std::array<uint8_t, 16>, kRounds> MakeSchedule() {
  std::array<std::array<uint8_t, 16>, kRounds> schedule{};
  for (uint8_t i = 0; i < 16; ++i) schedule[0][i] = i;
  for (size_t round = 1; round < kRounds; ++round)
    for (size_t i = 0; i < 16; ++i) schedule[round][i] = schedule[round - 1][kPermutation[i]];
  return schedule;
}
constexpr auto kSchedule = MakeSchedule();

// Where every chunk and parent of one input starts from: the key or the IV, and the mode's flag.
struct Mode {
  Chaining start;
  uint32_t flags;
};

// A vector of words has one lane a chunk (or parent). The templates below take a vector or a uint32_t and
// hold no intrinsics: they are compiled for the unit of the function that they are inlined into.

template <int kBits, class Word>
[[gnu::always_inline]] inline Word RotateRight(const Word& x) {
  return (x >> kBits) | (x << (32 - kBits));
}

// Word x of column i, or of diagonal i where the rows are rotated by their number.
constexpr int At(int row, int i, int diagonal) { return 4 * row + ((i + row * diagonal) & 3); }

// Half a quarter round in all four columns, step by step side by side: no step waits for the one before.
template <int kBits, class Word>
[[gnu::always_inline]] inline void AddXorRotate(Word* v, int x, int y, int z, int diagonal) {
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) v[At(x, i, diagonal)] += v[At(y, i, diagonal)];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) v[At(z, i, diagonal)] ^= v[At(x, i, diagonal)];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i)
    v[At(z, i, diagonal)] = RotateRight<kBits>(v[At(z, i, diagonal)]);
}

// Half a round: `half` counts them from 0; columns first, then diagonals.
template <class Word>
[[gnu::always_inline]] inline void MixHalf(Word* v, const Word* message, size_t half) {
  const int diagonal = half % 2;
  const uint8_t* order = kSchedule[half / 2].data() + 8 * diagonal;
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) v[i] += message[order[2 * i]];
  AddXorRotate<16>(v, 0, 1, 3, diagonal);
  AddXorRotate<12>(v, 2, 3, 1, diagonal);
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) v[i] += message[order[2 * i + 1]];
  AddXorRotate<8>(v, 0, 1, 3, diagonal);
  AddXorRotate<7>(v, 2, 3, 1, diagonal);
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
#pragma GCC unroll 14
  for (size_t half = 0; half < 2 * kRounds; ++half) MixHalf(v, message, half);
  for (size_t i = 0; i < 8; ++i) chaining[i] = v[i] ^ v[i + 8];
}

size_t BlocksOf(size_t bytes) { return std::max<size_t>(1, (bytes + kBlockBytes - 1) / kBlockBytes); }

// A chunk of 0 to 1024 bytes; `root` where it is the whole input.
Chaining HashChunk(const Mode& mode, View chunk, uint64_t counter, bool root) {
  Chaining chaining = mode.start;
  const size_t blocks = BlocksOf(chunk.size());
  for (size_t i = 0; i < blocks; ++i) {
    uint8_t block[kBlockBytes] = {};
    const size_t offset = i * kBlockBytes;
    const size_t length = std::min(kBlockBytes, chunk.size() - offset);
    if (length > 0) std::memcpy(block, chunk.data() + offset, length);
    uint32_t flags = mode.flags | (i == 0 ? kChunkStart : 0);
    if (i + 1 == blocks) flags |= kChunkEnd | (root ? kRoot : 0);
    Compress(chaining, block, static_cast<uint32_t>(length), counter, flags);
  }
  return chaining;
}

Chaining HashParent(const Mode& mode, const Chaining& left, const Chaining& right, bool root) {
  uint8_t block[kBlockBytes];
  for (size_t i = 0; i < 8; ++i) {
    for (size_t byte = 0; byte < 4; ++byte) {
      block[4 * i + byte] = static_cast<uint8_t>(left[i] >> (8 * byte));
      block[32 + 4 * i + byte] = static_cast<uint8_t>(right[i] >> (8 * byte));
    }
  }
  Chaining chaining = mode.start;
  Compress(chaining, block, kBlockBytes, 0, mode.flags | kParent | (root ? kRoot : 0));
  return chaining;
}

#if defined(__x86_64__)

using Word8 = uint32_t __attribute__((vector_size(32)));
using Word16 = uint32_t __attribute__((vector_size(64)));
constexpr size_t kLanesMax = 16;

// Up to 16 chunks, or 16 parents, to be hashed side by side.
struct Batch {
  // One a lane; what no lane needs is the first one's again.
  std::array<const uint8_t*, kLanesMax> inputs;
  size_t lanes;
  size_t blocks;
  // Lane i counts from here by i * counter_step; parents count nothing.
  uint64_t counter;
  uint32_t counter_step;
  uint32_t flags;
  uint32_t flags_first;
  uint32_t flags_last;
  // The last lane may end early, after so many blocks; the last of them has so many bytes.
  size_t short_blocks;
  uint32_t short_bytes;
  // Where the next batch's bytes will be, or those of the next input in a buffer; null for parents.
  const uint8_t* ahead;
};

// The shuffles that the units do in one instruction each: within every 128 bits, or of whole 128 bits.
[[gnu::always_inline]] inline Word8 Low32(const Word8& a, const Word8& b) {
  return __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13);
}
[[gnu::always_inline]] inline Word8 High32(const Word8& a, const Word8& b) {
  return __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15);
}
[[gnu::always_inline]] inline Word8 Low64(const Word8& a, const Word8& b) {
  return __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13);
}
[[gnu::always_inline]] inline Word8 High64(const Word8& a, const Word8& b) {
  return __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15);
}
[[gnu::always_inline]] inline Word8 Low128(const Word8& a, const Word8& b) {
  return __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11);
}
[[gnu::always_inline]] inline Word8 High128(const Word8& a, const Word8& b) {
  return __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15);
}
[[gnu::always_inline]] inline Word16 Low32(const Word16& a, const Word16& b) {
  return __builtin_shufflevector(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29);
}
[[gnu::always_inline]] inline Word16 High32(const Word16& a, const Word16& b) {
  return __builtin_shufflevector(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
}
[[gnu::always_inline]] inline Word16 Low64(const Word16& a, const Word16& b) {
  return __builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
}
[[gnu::always_inline]] inline Word16 High64(const Word16& a, const Word16& b) {
  return __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
}
[[gnu::always_inline]] inline Word16 Even128(const Word16& a, const Word16& b) {
  return __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
}
[[gnu::always_inline]] inline Word16 Odd128(const Word16& a, const Word16& b) {
  return __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
}

// Transposes the 4 x 4 words in each 128 bits of four rows.
template <class Word>
[[gnu::always_inline]] inline void TransposeWithin128(Word* r) {
  const Word a = Low32(r[0], r[1]);
  const Word b = High32(r[0], r[1]);
  const Word c = Low32(r[2], r[3]);
  const Word d = High32(r[2], r[3]);
  r[0] = Low64(a, c);
  r[1] = High64(a, c);
  r[2] = Low64(b, d);
  r[3] = High64(b, d);
}

// Rows i and i + 4 of eight, for `count` of i: with the above, the whole transposition.
[[gnu::always_inline]] inline void TransposeAcross128(Word8* r, size_t first, size_t count) {
#pragma GCC unroll 4
  for (size_t i = first; i < first + count; ++i) {
    const Word8 low = Low128(r[i], r[i + 4]);
    r[i + 4] = High128(r[i], r[i + 4]);
    r[i] = low;
  }
}

// Rows i, i + 4, i + 8 and i + 12 of sixteen.
[[gnu::always_inline]] inline void TransposeAcross128(Word16* r, size_t i) {
  const Word16 a = Even128(r[i], r[i + 4]);
  const Word16 b = Odd128(r[i], r[i + 4]);
  const Word16 c = Even128(r[i + 8], r[i + 12]);
  const Word16 d = Odd128(r[i + 8], r[i + 12]);
  r[i] = Even128(a, c);
  r[i + 4] = Even128(b, d);
  r[i + 8] = Odd128(a, c);
  r[i + 12] = Odd128(b, d);
}

// One of the eight steps that bring word i of every lane's block into message[i].
constexpr size_t kLoadSteps = 8;
template <class Word>
[[gnu::always_inline]] inline void LoadStep(Word* message, const Batch& batch, size_t offset,
                                            size_t step) {
  constexpr size_t kLanes = sizeof(Word) / 4;
  if (step < 4) {
    const size_t row = 4 * step;
    const size_t part = row / kLanes * kLanes;
#pragma GCC unroll 4
    for (size_t i = row; i < row + 4; ++i)
      std::memcpy(&message[i], batch.inputs[i - part] + offset + 4 * part, sizeof(Word));
    TransposeWithin128(message + row);
  } else if constexpr (kLanes == 16) {
    TransposeAcross128(message, step - 4);
  } else {
    TransposeAcross128(message + (step - 4) / 2 * 8, step % 2 * 2, 2);
  }
}

[[gnu::always_inline]] inline void StoreChaining(const Word8* chaining, Chaining* out) {
  Word8 rows[8];
#pragma GCC unroll 8
  for (size_t i = 0; i < 8; ++i) rows[i] = chaining[i];
  TransposeWithin128(rows);
  TransposeWithin128(rows + 4);
  TransposeAcross128(rows, 0, 4);
#pragma GCC unroll 8
  for (size_t lane = 0; lane < 8; ++lane) std::memcpy(&out[lane], &rows[lane], sizeof(Chaining));
}

[[gnu::always_inline]] inline void StoreChaining(const Word16* chaining, Chaining* out) {
  Word8 low[8];
  Word8 high[8];
#pragma GCC unroll 16
  for (size_t i = 0; i < 8; ++i) {
    low[i] = __builtin_shufflevector(chaining[i], chaining[i], 0, 1, 2, 3, 4, 5, 6, 7);
    high[i] = __builtin_shufflevector(chaining[i], chaining[i], 8, 9, 10, 11, 12, 13, 14, 15);
  }
  StoreChaining(low, out);
  StoreChaining(high, out + 8);
}

template <class Word>
[[gnu::always_inline]] inline Word Iota() {
  if constexpr (sizeof(Word) == sizeof(Word8)) {
    return Word{0, 1, 2, 3, 4, 5, 6, 7};
  } else {
    return Word{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  }
}

// kAhead: load the next block while this one is hashed, so that its shuffles fill the gaps that the rounds
// leave. It takes 32 registers to gain by it.
template <class Word, bool kAhead>
[[gnu::always_inline]] inline void HashLanes(const Mode& mode, const Batch& batch, Chaining* out) {
  constexpr size_t kLanes = sizeof(Word) / 4;
  Word chaining[8];
#pragma GCC unroll 16
  for (size_t i = 0; i < 8; ++i) chaining[i] = Word{} + mode.start[i];
  const Word counter_low =
      Word{} + static_cast<uint32_t>(batch.counter) + Iota<Word>() * batch.counter_step;
  // Where the low half has wrapped (the comparison gives all ones, which is minus one), the high one is
  // one more.
  const Word counter_high = Word{} + static_cast<uint32_t>(batch.counter >> 32) -
                            (counter_low < static_cast<uint32_t>(batch.counter));
  Chaining early;
  Word messages[2][16];
  if constexpr (kAhead) {
#pragma GCC unroll 8
    for (size_t step = 0; step < kLoadSteps; ++step) LoadStep(messages[0], batch, 0, step);
  }
  for (size_t block = 0; block < batch.blocks; ++block) {
    const size_t offset = block * kBlockBytes;
    // The lanes are too many streams for the processor to fetch the next chunks ahead by itself.
    if (batch.ahead != nullptr) {
#pragma GCC unroll 16
      for (size_t lane = 0; lane < kLanes; ++lane)
        __builtin_prefetch(batch.ahead + (block * kLanes + lane) * kBlockBytes);
    }
    Word* message = messages[kAhead ? block % 2 : 0];
    if constexpr (!kAhead) {
#pragma GCC unroll 8
      for (size_t step = 0; step < kLoadSteps; ++step) LoadStep(message, batch, offset, step);
    }
    Word v[16];
#pragma GCC unroll 16
    for (size_t i = 0; i < 8; ++i) v[i] = chaining[i];
#pragma GCC unroll 16
    for (size_t i = 0; i < 4; ++i) v[8 + i] = Word{} + kIv[i];
    v[12] = counter_low;
    v[13] = counter_high;
    v[14] = Word{} + static_cast<uint32_t>(kBlockBytes);
    uint32_t flags = batch.flags | (block == 0 ? batch.flags_first : 0);
    if (block + 1 == batch.blocks) flags |= batch.flags_last;
    v[15] = Word{} + flags;
    const bool last_of_short = block + 1 == batch.short_blocks;
    if (last_of_short) {
      v[14][batch.lanes - 1] = batch.short_bytes;
      v[15][batch.lanes - 1] = flags | batch.flags_last;
    }
    const bool ahead = kAhead && block + 1 < batch.blocks;
#pragma GCC unroll 14
    for (size_t half = 0; half < 2 * kRounds; ++half) {
      MixHalf(v, message, half);
      if (ahead && half < kLoadSteps)
        LoadStep(messages[(block + 1) % 2], batch, offset + kBlockBytes, half);
    }
#pragma GCC unroll 16
    for (size_t i = 0; i < 8; ++i) chaining[i] = v[i] ^ v[i + 8];
    if (last_of_short)
#pragma GCC unroll 16
      for (size_t i = 0; i < 8; ++i) early[i] = chaining[i][batch.lanes - 1];
  }
  if (batch.lanes == kLanes) {
    StoreChaining(chaining, out);
  } else {
    std::array<Chaining, kLanes> all;
    StoreChaining(chaining, all.data());
    std::copy_n(all.begin(), batch.lanes, out);
  }
  if (batch.short_blocks > 0) out[batch.lanes - 1] = early;
}

CAPSTAN_AVX2 void HashEightByAvx2(const Mode& mode, const Batch& batch, Chaining* out) {
  HashLanes<Word8, false>(mode, batch, out);
}
CAPSTAN_AVX512 void HashEightByAvx512(const Mode& mode, const Batch& batch, Chaining* out) {
  HashLanes<Word8, true>(mode, batch, out);
}
CAPSTAN_AVX512 void HashSixteen(const Mode& mode, const Batch& batch, Chaining* out) {
  HashLanes<Word16, true>(mode, batch, out);
}

size_t LanesOf(VectorUnit unit) {
  return unit == VectorUnit::kAvx512 ? 16 : unit == VectorUnit::kAvx2 ? 8 : 1;
}

void HashBatch(VectorUnit unit, const Mode& mode, const Batch& batch, Chaining* out) {
  if (batch.lanes > 8) return HashSixteen(mode, batch, out);
  if (unit == VectorUnit::kAvx512) return HashEightByAvx512(mode, batch, out);
  return HashEightByAvx2(mode, batch, out);
}

#endif

// The chaining values of an input's chunks, of which there are at least two, into `out`.
void HashChunks([[maybe_unused]] VectorUnit unit, const Mode& mode, View bytes, Chaining* out) {
  const size_t chunks = (bytes.size() + kChunkBytes - 1) / kChunkBytes;
  size_t done = 0;
#if defined(__x86_64__)
  const size_t lanes = LanesOf(unit);
  const size_t last_bytes = bytes.size() - (chunks - 1) * kChunkBytes;
  // One chunk alone is as fast by itself.
  while (lanes > 1 && chunks - done > 1) {
    Batch batch{{}, std::min(lanes, chunks - done), kBlocksPerChunk, done, 1,
                mode.flags, kChunkStart, kChunkEnd, 0, 0,
                bytes.data() + (done + lanes) * kChunkBytes};
    batch.inputs.fill(bytes.data() + done * kChunkBytes);
    for (size_t lane = 1; lane < batch.lanes; ++lane)
      batch.inputs[lane] += lane * kChunkBytes;
    std::array<uint8_t, kChunkBytes> padded;
    if (done + batch.lanes == chunks && last_bytes < kChunkBytes) {
      padded.fill(0);
      std::memcpy(padded.data(), batch.inputs[batch.lanes - 1], last_bytes);
      batch.inputs[batch.lanes - 1] = padded.data();
      batch.short_blocks = BlocksOf(last_bytes);
      batch.short_bytes =
          static_cast<uint32_t>(last_bytes - (batch.short_blocks - 1) * kBlockBytes);
    }
    HashBatch(unit, mode, batch, out + done);
    done += batch.lanes;
  }
#endif
  for (; done < chunks; ++done) {
    const size_t offset = done * kChunkBytes;
    const View chunk = bytes.subspan(offset, std::min(kChunkBytes, bytes.size() - offset));
    out[done] = HashChunk(mode, chunk, done, false);
  }
}

// The parents of `count` chaining values, over the front of them; returns how many remain.
size_t HashParents([[maybe_unused]] VectorUnit unit, const Mode& mode, Chaining* level, size_t count) {
  const size_t pairs = count / 2;
  size_t done = 0;
#if defined(__x86_64__)
  // Two chaining values side by side in memory are their parent's block, least significant byte first.
  static_assert(sizeof(Chaining) * 2 == kBlockBytes);
  const size_t lanes = LanesOf(unit);
  while (lanes > 1 && pairs - done > 1) {
    Batch batch{{}, std::min(lanes, pairs - done), 1, 0, 0, mode.flags | kParent, 0, 0, 0, 0,
                nullptr};
    batch.inputs.fill(reinterpret_cast<const uint8_t*>(level + 2 * done));
    for (size_t lane = 1; lane < batch.lanes; ++lane)
      batch.inputs[lane] += lane * kBlockBytes;
    HashBatch(unit, mode, batch, level + done);
    done += batch.lanes;
  }
#endif
  for (; done < pairs; ++done)
    level[done] = HashParent(mode, level[2 * done], level[2 * done + 1], count == 2);
  if (count % 2 == 1) level[done++] = level[count - 1];
  return done;
}

Digest ToDigest(const Chaining& chaining) {
  Digest digest;
  for (size_t i = 0; i < 32; ++i)
    digest[i] = static_cast<uint8_t>(chaining[i / 4] >> (8 * (i % 4)));
  return digest;
}

Digest Hash(VectorUnit unit, const Mode& mode, View bytes) {
  const size_t chunks = (bytes.size() + kChunkBytes - 1) / kChunkBytes;
  if (chunks <= 1) return ToDigest(HashChunk(mode, bytes, 0, true));
  std::vector<Chaining> level(chunks);
  HashChunks(unit, mode, bytes, level.data());
  // Pairs level by level, the odd one carried up, give the tree whose left sides are whole powers of
  // two: the one that BLAKE3 prescribes.
  for (size_t count = chunks; count > 1;) count = HashParents(unit, mode, level.data(), count);
  return ToDigest(level[0]);
}

}  // namespace

Digest Blake3By(VectorUnit unit, View bytes) { return Hash(unit, {kIv, 0}, bytes); }

Digest Blake3KeyedBy(VectorUnit unit, const DigestKey& key, View bytes) {
  Mode mode{{}, kKeyedHash};
  for (size_t i = 0; i < mode.start.size(); ++i) mode.start[i] = Load32(key.data() + 4 * i);
  return Hash(unit, mode, bytes);
}

Digest Blake3(View bytes) { return Blake3By(BestVectorUnit(), bytes); }

Digest Blake3Keyed(const DigestKey& key, View bytes) {
  return Blake3KeyedBy(BestVectorUnit(), key, bytes);
}

}  // namespace capstan
