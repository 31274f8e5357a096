// The hash is a gear: h = 2h + g(byte) in 32 bits, so a byte has left it after 32 steps. g is four affine
// images of the byte's inverse in GF(2^8), one for each byte of the word: what the processor's
// GF2P8AFFINEINVQB computes for 64 bytes at once. The first of them is the S-box of AES, so that a processor
// without that instruction has it from AESENCLAST, and the others from it by two 16-byte tables each.
//
// A vector scan takes a tile of as many pieces as it has lanes, one behind the other in the stream; each
// lane hashes its piece, warmed up by the 32 bytes in front of it.
#include "chunker.h"

#include <algorithm>

#if defined(__x86_64__)
#pragma GCC diagnostic push
// A false alarm of GCC 12 over _mm512_undefined_epi32 (its bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#endif

namespace capstan {
namespace {

constexpr size_t kWindowBytes = 32;
constexpr uint32_t kLimitBeforeAverage = 1u << 15;
constexpr uint32_t kLimitBehindAverage = 1u << 17;

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
  for (int bit = 0x80; bit != 0; bit >>= 1) {
    result = MultiplyGf(result, result);
    if (254 & bit) result = MultiplyGf(result, x);
  }
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
constexpr std::array<uint32_t, 256> kGear = MakeGear();

// The first of the bytes from `from` to before `to` that has a hash below `limit`, or `to`. There are
// kWindowBytes in front of `from`.
size_t ScanByByte(const uint8_t* data, size_t from, size_t to, uint32_t limit) {
  uint32_t hash = 0;
  for (size_t i = from - kWindowBytes; i < from; ++i) hash = (hash << 1) + kGear[data[i]];
  for (size_t i = from; i < to; ++i) {
    hash = (hash << 1) + kGear[data[i]];
    if (hash < limit) return i;
  }
  return to;
}

#if defined(__x86_64__)

// A window of one byte only has the hash g * (2^32 - 1) = -g. It is below no limit for any byte, so a run
// of one byte has no cut from its 32nd byte on: it need not be scanned.
constexpr bool RunsHaveNoCut() {
  for (const uint32_t gear : kGear)
    if (0u - gear < kLimitBehindAverage || 0u - gear < kLimitBeforeAverage) return false;
  return true;
}
static_assert(RunsHaveNoCut());

bool IsRun(const uint8_t* data, size_t size) { return std::memcmp(data, data + 1, size - 1) == 0; }

// Bytes of one lane in a tile. A short piece warms up more often, a long one is scanned further behind a
// cut; between 256 and 1024 the difference is small.
constexpr size_t kPieceBytesMax = 256;

constexpr size_t kCacheLineBytes = 64;

// The pieces of a tile are too many streams for the processor to fetch ahead by itself: out of memory this
// makes the scan four times as fast.
[[gnu::always_inline]] inline void Prefetch(const uint8_t* at, size_t bytes) {
#pragma GCC unroll 16
  for (size_t offset = 0; offset < bytes; offset += kCacheLineBytes)
    __builtin_prefetch(at + offset);
}

// The lowest lane with a hash below the limit, and the first row of its piece that has one.
struct Hit {
  size_t lane;
  size_t row;
};

constexpr size_t kLanes16 = 16;
constexpr size_t kRowBytes16 = 64;

// From row l = 64 bytes of lane l to x[i] = bytes 4i to 4i+3 of every lane: in 128 bits byte 4i of four
// lanes, then byte 4i+1 of the same, and so on.
[[gnu::always_inline]] CAPSTAN_AVX512 inline void TransposeRows(__m512i* x) {
  __m512i t[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; i += 4) {
    const __m512i a = _mm512_unpacklo_epi8(x[i], x[i + 2]);
    const __m512i b = _mm512_unpackhi_epi8(x[i], x[i + 2]);
    const __m512i c = _mm512_unpacklo_epi8(x[i + 1], x[i + 3]);
    const __m512i d = _mm512_unpackhi_epi8(x[i + 1], x[i + 3]);
    t[i] = _mm512_unpacklo_epi8(a, c);
    t[i + 1] = _mm512_unpackhi_epi8(a, c);
    t[i + 2] = _mm512_unpacklo_epi8(b, d);
    t[i + 3] = _mm512_unpackhi_epi8(b, d);
  }
#pragma GCC unroll 16
  for (int i = 0; i < 4; ++i) {
    const __m512i a = _mm512_shuffle_i32x4(t[i], t[i + 4], 0x88);
    const __m512i b = _mm512_shuffle_i32x4(t[i], t[i + 4], 0xdd);
    const __m512i c = _mm512_shuffle_i32x4(t[i + 8], t[i + 12], 0x88);
    const __m512i d = _mm512_shuffle_i32x4(t[i + 8], t[i + 12], 0xdd);
    x[i] = _mm512_shuffle_i32x4(a, c, 0x88);
    x[i + 4] = _mm512_shuffle_i32x4(b, d, 0x88);
    x[i + 8] = _mm512_shuffle_i32x4(a, c, 0xdd);
    x[i + 12] = _mm512_shuffle_i32x4(b, d, 0xdd);
  }
}

// Four steps of every lane; the least of their hashes into `least`.
[[gnu::always_inline]] CAPSTAN_AVX512 inline void FourSteps(__m512i x, const __m512i* matrices,
                                                            __m512i& hash, __m512i& least) {
  const __m512i p0 = _mm512_gf2p8affineinv_epi64_epi8(x, matrices[0], kConstants[0]);
  const __m512i p1 = _mm512_gf2p8affineinv_epi64_epi8(x, matrices[1], kConstants[1]);
  const __m512i p2 = _mm512_gf2p8affineinv_epi64_epi8(x, matrices[2], kConstants[2]);
  const __m512i p3 = _mm512_gf2p8affineinv_epi64_epi8(x, matrices[3], kConstants[3]);
  const __m512i low01 = _mm512_unpacklo_epi8(p0, p1);
  const __m512i high01 = _mm512_unpackhi_epi8(p0, p1);
  const __m512i low23 = _mm512_unpacklo_epi8(p2, p3);
  const __m512i high23 = _mm512_unpackhi_epi8(p2, p3);
  const __m512i gears[4] = {
      _mm512_unpacklo_epi16(low01, low23), _mm512_unpackhi_epi16(low01, low23),
      _mm512_unpacklo_epi16(high01, high23), _mm512_unpackhi_epi16(high01, high23)};
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    hash = _mm512_add_epi32(_mm512_add_epi32(hash, hash), gears[i]);
    least = _mm512_min_epu32(least, hash);
  }
}

CAPSTAN_AVX512 Hit ScanTile16(const uint8_t* data, size_t piece_bytes, uint32_t limit) {
  __m512i matrices[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i)
    matrices[i] = _mm512_set1_epi64(static_cast<long long>(kMatrices[i]));
  const __m512i limits = _mm512_set1_epi32(static_cast<int>(limit));
  __m512i hash = _mm512_setzero_si512();
  __m512i unused = hash;
  __m512i x[16];
#pragma GCC unroll 16
  for (size_t lane = 0; lane < kLanes16; ++lane)
    x[lane] = _mm512_loadu_si512(data + lane * piece_bytes - kRowBytes16);
  TransposeRows(x);
#pragma GCC unroll 16
  for (int i = 8; i < 16; ++i) FourSteps(x[i], matrices, hash, unused);
  Hit hit{kLanes16, 0};
  for (size_t row = 0; row < piece_bytes; row += kRowBytes16) {
    Prefetch(data + kLanes16 * (piece_bytes + row), kLanes16 * kRowBytes16);
#pragma GCC unroll 16
    for (size_t lane = 0; lane < kLanes16; ++lane)
      x[lane] = _mm512_loadu_si512(data + lane * piece_bytes + row);
    TransposeRows(x);
    __m512i least = _mm512_set1_epi32(-1);
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) FourSteps(x[i], matrices, hash, least);
    const uint32_t below = _mm512_cmplt_epu32_mask(least, limits);
    if (below != 0) [[unlikely]] {
      const size_t lane = static_cast<size_t>(__builtin_ctz(below));
      if (lane < hit.lane) hit = {lane, row};
      if (lane == 0) break;
    }
  }
  return hit;
}

constexpr size_t kLanes8 = 8;
constexpr size_t kRowBytes8 = 32;

// Planes 1 to 3 of the gear by plane 0, which maps onto them affinely: the low nibble's share, then the
// high one's.
constexpr std::array<std::array<uint8_t, 32>, 3> MakeNibbleTables() {
  std::array<std::array<uint8_t, 32>, 3> tables{};
  for (unsigned plane = 1; plane < 4; ++plane) {
    std::array<uint8_t, 256> image{};
    for (const uint32_t gear : kGear)
      image[gear & 0xff] = static_cast<uint8_t>(gear >> (8 * plane));
    for (unsigned nibble = 0; nibble < 16; ++nibble) {
      tables[plane - 1][nibble] = image[nibble];
      tables[plane - 1][16 + nibble] = static_cast<uint8_t>(image[nibble << 4] ^ image[0]);
    }
  }
  return tables;
}
constexpr auto kNibbleTables = MakeNibbleTables();

struct Tables8 {
  __m256i low[3];
  __m256i high[3];
  // Undoes in advance what AESENCLAST does to the order of the bytes.
  __m256i unshift_rows;
};

[[gnu::always_inline]] CAPSTAN_AVX2 inline Tables8 LoadTables8() {
  Tables8 tables;
#pragma GCC unroll 3
  for (int i = 0; i < 3; ++i) {
    const auto* table = reinterpret_cast<const __m128i*>(kNibbleTables[static_cast<size_t>(i)].data());
    tables.low[i] = _mm256_broadcastsi128_si256(_mm_loadu_si128(table));
    tables.high[i] = _mm256_broadcastsi128_si256(_mm_loadu_si128(table + 1));
  }
  tables.unshift_rows = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, 13, 10, 7, 4, 1, 14, 11, 8, 5, 2, 15, 12, 9, 6, 3));
  return tables;
}

// As TransposeRows above, of 8 rows of 32 bytes.
[[gnu::always_inline]] CAPSTAN_AVX2 inline void TransposeRows(__m256i* x) {
  __m256i t[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; i += 4) {
    const __m256i a = _mm256_unpacklo_epi8(x[i], x[i + 2]);
    const __m256i b = _mm256_unpackhi_epi8(x[i], x[i + 2]);
    const __m256i c = _mm256_unpacklo_epi8(x[i + 1], x[i + 3]);
    const __m256i d = _mm256_unpackhi_epi8(x[i + 1], x[i + 3]);
    t[i] = _mm256_unpacklo_epi8(a, c);
    t[i + 1] = _mm256_unpackhi_epi8(a, c);
    t[i + 2] = _mm256_unpacklo_epi8(b, d);
    t[i + 3] = _mm256_unpackhi_epi8(b, d);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    x[i] = _mm256_permute2x128_si256(t[i], t[i + 4], 0x20);
    x[i + 4] = _mm256_permute2x128_si256(t[i], t[i + 4], 0x31);
  }
}

[[gnu::always_inline]] CAPSTAN_AVX2 inline void FourSteps(__m256i x, const Tables8& tables,
                                                          __m256i& hash, __m256i& least) {
  const __m256i nibble = _mm256_set1_epi8(15);
  const __m256i ordered = _mm256_shuffle_epi8(x, tables.unshift_rows);
  const __m128i zero = _mm_setzero_si128();
  const __m256i p0 =
      _mm256_set_m128i(_mm_aesenclast_si128(_mm256_extracti128_si256(ordered, 1), zero),
                       _mm_aesenclast_si128(_mm256_castsi256_si128(ordered), zero));
  const __m256i low = _mm256_and_si256(p0, nibble);
  const __m256i high = _mm256_and_si256(_mm256_srli_epi16(p0, 4), nibble);
  __m256i p[3];
#pragma GCC unroll 3
  for (int i = 0; i < 3; ++i)
    p[i] = _mm256_xor_si256(_mm256_shuffle_epi8(tables.low[i], low),
                            _mm256_shuffle_epi8(tables.high[i], high));
  const __m256i low01 = _mm256_unpacklo_epi8(p0, p[0]);
  const __m256i high01 = _mm256_unpackhi_epi8(p0, p[0]);
  const __m256i low23 = _mm256_unpacklo_epi8(p[1], p[2]);
  const __m256i high23 = _mm256_unpackhi_epi8(p[1], p[2]);
  const __m256i gears[4] = {
      _mm256_unpacklo_epi16(low01, low23), _mm256_unpackhi_epi16(low01, low23),
      _mm256_unpacklo_epi16(high01, high23), _mm256_unpackhi_epi16(high01, high23)};
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    hash = _mm256_add_epi32(_mm256_add_epi32(hash, hash), gears[i]);
    least = _mm256_min_epu32(least, hash);
  }
}

CAPSTAN_AVX2 Hit ScanTile8(const uint8_t* data, size_t piece_bytes, uint32_t limit) {
  const Tables8 tables = LoadTables8();
  const __m256i last_below = _mm256_set1_epi32(static_cast<int>(limit - 1));
  __m256i hash = _mm256_setzero_si256();
  Hit hit{kLanes8, 0};
  // The first row is the warm-up, which the hash of no lane begins in.
  for (size_t row = 0; row < piece_bytes + kRowBytes8; row += kRowBytes8) {
    Prefetch(data + kLanes8 * (piece_bytes + row), kLanes8 * kRowBytes8);
    __m256i x[8];
#pragma GCC unroll 8
    for (size_t lane = 0; lane < kLanes8; ++lane)
      x[lane] = _mm256_loadu_si256(
          reinterpret_cast<const __m256i*>(data + lane * piece_bytes + row - kRowBytes8));
    TransposeRows(x);
    __m256i least = _mm256_set1_epi32(-1);
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) FourSteps(x[i], tables, hash, least);
    const __m256i is_below = _mm256_cmpeq_epi32(_mm256_min_epu32(least, last_below), least);
    const auto below = static_cast<uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(is_below)));
    if (below != 0 && row > 0) [[unlikely]] {
      const size_t lane = static_cast<size_t>(__builtin_ctz(below));
      if (lane < hit.lane) hit = {lane, row - kRowBytes8};
      if (lane == 0) break;
    }
  }
  return hit;
}

size_t ScanByTile(VectorUnit unit, const uint8_t* data, size_t from, size_t to, uint32_t limit) {
  const bool wide = unit == VectorUnit::kAvx512;
  const size_t lanes = wide ? kLanes16 : kLanes8;
  const size_t row_bytes = wide ? kRowBytes16 : kRowBytes8;
  static_assert(kChunkBytesMin >= kRowBytes16 && kWindowBytes <= kRowBytes8);
  for (;;) {
    const size_t piece_bytes = std::min(kPieceBytesMax, (to - from) / lanes / row_bytes * row_bytes);
    if (piece_bytes == 0) return ScanByByte(data, from, to, limit);
    const size_t tile_bytes = lanes * piece_bytes;
    if (!IsRun(data + from - kWindowBytes, kWindowBytes + tile_bytes)) {
      const Hit hit = wide ? ScanTile16(data + from, piece_bytes, limit)
                           : ScanTile8(data + from, piece_bytes, limit);
      if (hit.lane < lanes) {
        const size_t row = from + hit.lane * piece_bytes + hit.row;
        return ScanByByte(data, row, row + row_bytes, limit);
      }
    }
    from += tile_bytes;
  }
}

#endif

size_t Scan([[maybe_unused]] VectorUnit unit, const uint8_t* data, size_t from, size_t to,
            uint32_t limit) {
#if defined(__x86_64__)
  if (unit != VectorUnit::kScalar) return ScanByTile(unit, data, from, to, limit);
#endif
  return ScanByByte(data, from, to, limit);
}

// Length of the first chunk of `bytes`; 0 where they do not hold its end and more of the stream follows.
size_t FirstLength(VectorUnit unit, View bytes, bool last) {
  const size_t limit = std::min(kChunkBytesMax, bytes.size());
  const bool whole = last || limit == kChunkBytesMax;
  if (limit <= kChunkBytesMin) return whole ? limit : 0;
  const size_t average = std::min(kChunkBytesAverage, limit);
  size_t end = Scan(unit, bytes.data(), kChunkBytesMin, average, kLimitBeforeAverage);
  if (end < average) return end + 1;
  end = Scan(unit, bytes.data(), average, limit, kLimitBehindAverage);
  if (end < limit) return end + 1;
  return whole ? limit : 0;
}

}  // namespace

size_t CutChunksBy(VectorUnit unit, View bytes, bool last, std::vector<uint32_t>& lengths) {
  size_t covered = 0;
  while (covered < bytes.size()) {
    const size_t length = FirstLength(unit, bytes.subspan(covered), last);
    if (length == 0) break;
    lengths.push_back(static_cast<uint32_t>(length));
    covered += length;
  }
  return covered;
}

size_t CutChunk(View bytes, bool last) { return FirstLength(BestVectorUnit(), bytes, last); }

size_t CutChunks(View bytes, bool last, std::vector<uint32_t>& lengths) {
  return CutChunksBy(BestVectorUnit(), bytes, last, lengths);
}

}  // namespace capstan
