// Digest, checksum, chunker, codec, byte reader, record map and recipe against known answers and naive twins.
#include "../engine/blake3.h"
#include "../engine/chunker.h"
#include "../engine/codec.h"
#include "../engine/crc32c.h"
#include "harness.h"

#include <set>

namespace capstan::test {
namespace {

// Of the stream `bytes`, which ends there.
size_t FirstLength(View bytes) {
  std::vector<uint32_t> lengths;
  CutChunks(bytes, true, lengths);
  return lengths.front();
}

struct Blake3Vector {
  size_t length;
  const char* digest;
};
// Of the bytes i % 251, as the designers' own test vectors have them.
constexpr Blake3Vector kBlake3Vectors[] = {
    {0, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"},
    {1, "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213"},
    {2, "7b7015bb92cf0b318037702a6cdd81dee41224f734684c2c122cd6359cb1ee63"},
    {3, "e1be4d7a8ab5560aa4199eea339849ba8e293d55ca0a81006726d184519e647f"},
    {63, "e9bc37a594daad83be9470df7f7b3798297c3d834ce80ba85d6e207627b7db7b"},
    {64, "4eed7141ea4a5cd4b788606bd23f46e212af9cacebacdc7d1f4c6dc7f2511b98"},
    {65, "de1e5fa0be70df6d2be8fffd0e99ceaa8eb6e8c93a63f2d8d1c30ecb6b263dee"},
    {127, "d81293fda863f008c09e92fc382a81f5a0b4a1251cba1634016a0f86a6bd640d"},
    {128, "f17e570564b26578c33bb7f44643f539624b05df1a76c81f30acd548c44b45ef"},
    {129, "683aaae9f3c5ba37eaaf072aed0f9e30bac0865137bae68b1fde4ca2aebdcb12"},
    {1023, "10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11"},
    {1024, "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7"},
    {1025, "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444"},
    {2048, "e776b6028c7cd22a4d0ba182a8bf62205d2ef576467e838ed6f2529b85fba24a"},
    {2049, "5f4d72f40d7a5f82b15ca2b2e44b1de3c2ef86c426c95c1af0b6879522563030"},
    {3072, "b98cb0ff3623be03326b373de6b9095218513e64f1ee2edd2525c7ad1e5cffd2"},
    {4096, "015094013f57a5277b59d8475c0501042c0b642e531b0a1c8f58d2163229e969"},
    {5120, "9cadc15fed8b5d854562b26a9536d9707cadeda9b143978f319ab34230535833"},
    {8192, "aae792484c8efe4f19e2ca7d371d8c467ffb10748d8a5a1ae579948f718a2a63"},
    {16384, "f875d6646de28985646f34ee13be9a576fd515f76b5b0a26bb324735041ddde4"},
    {31744, "62b6960e1a44bcc1eb1a611a8d6235b6b4b78f32e7abc4fb4c6cdcce94895c47"},
    {102400, "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085"},
};

std::string Hex(const Digest& digest) {
  std::string text;
  for (const uint8_t byte : digest) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

TEST("blake3", "the designers' vectors come out") {
  for (const auto& [length, digest] : kBlake3Vectors) {
    Bytes bytes(length);
    for (size_t i = 0; i < length; ++i) bytes[i] = static_cast<uint8_t>(i % 251);
    CHECK(Hex(Blake3(bytes)) == digest, "at length ", length);
    CHECK(Hex(Blake3Scalar(bytes)) == digest, "at length ", length);
  }
}

TEST("blake3", "the lanes and the scalar twin agree at any length and alignment") {
  Random random(1);
  const Bytes bytes = random.Noise(70000);
  for (int i = 0; i < 300; ++i) {
    const size_t start = random.Below(64);
    const View part = View(bytes).subspan(start, random.Below(bytes.size() - start));
    CHECK(Blake3(part) == Blake3Scalar(part), "at length ", part.size());
  }
}

TEST("crc32c", "the check value of RFC 3720 comes out") {
  const std::string digits = "123456789";
  const View bytes(reinterpret_cast<const uint8_t*>(digits.data()), digits.size());
  CHECK(Crc32c(0, bytes) == 0xe3069283);
  CHECK(Crc32cByTable(0, bytes) == 0xe3069283);
  CHECK(Crc32c(0, Bytes(32, 0)) == 0x8a9136aa);
  CHECK(Crc32c(0, Bytes(32, 0xff)) == 0x62a8ab43);
}

TEST("crc32c", "instruction and table agree, and it continues") {
  Random random(2);
  const Bytes bytes = random.Noise(5000);
  for (int i = 0; i < 300; ++i) {
    const size_t start = random.Below(16);
    const View part = View(bytes).subspan(start, random.Below(bytes.size() - start));
    const size_t cut = random.Below(part.size() + 1);
    CHECK(Crc32c(0, part) == Crc32cByTable(0, part));
    CHECK(Crc32c(Crc32c(0, part.first(cut)), part.subspan(cut)) == Crc32c(0, part));
  }
}

std::vector<Bytes> ChunksOf(View bytes) {
  std::vector<Bytes> chunks;
  while (!bytes.empty()) {
    const size_t length = FirstLength(bytes);
    chunks.emplace_back(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(length));
    bytes = bytes.subspan(length);
  }
  return chunks;
}

TEST("chunker", "chunks keep within their limits and come out near the average") {
  Random random(3);
  const Bytes bytes = random.Noise(8 << 20);
  const auto chunks = ChunksOf(bytes);
  for (size_t i = 0; i < chunks.size(); ++i) {
    CHECK(chunks[i].size() <= kChunkBytesMax);
    CHECK(chunks[i].size() >= kChunkBytesMin || i + 1 == chunks.size());
  }
  const size_t average = bytes.size() / chunks.size();
  CHECK(average > kChunkBytesAverage / 2 && average < kChunkBytesAverage * 2, "but ", average);
}

TEST("chunker", "a cut depends on nothing behind the longest chunk") {
  Random random(4);
  for (int i = 0; i < 20; ++i) {
    Bytes bytes = random.Noise(2 * kChunkBytesMax);
    const size_t length = FirstLength(bytes);
    CHECK(FirstLength(View(bytes).first(kChunkBytesMax)) == length);
    for (size_t at = length; at < bytes.size(); ++at) bytes[at] ^= 0x55;
    CHECK(FirstLength(bytes) == length);
  }
}

TEST("chunker", "bytes put in at the front leave most chunks as they were") {
  Random random(5);
  const Bytes bytes = random.Noise(4 << 20);
  Bytes shifted = random.Noise(777);
  shifted.insert(shifted.end(), bytes.begin(), bytes.end());
  const auto before = ChunksOf(bytes);
  const std::set<Bytes> known(before.begin(), before.end());
  size_t same = 0;
  const auto after = ChunksOf(shifted);
  for (const Bytes& chunk : after) same += known.contains(chunk) ? 1 : 0;
  CHECK(same + 4 >= after.size(), "only ", same, " of ", after.size());
}

TEST("chunker", "zeros come in chunks of one length") {
  for (const Bytes& chunk : ChunksOf(Bytes(1 << 20, 0)))
    CHECK(chunk.size() == ChunksOf(Bytes(1 << 20, 0))[0].size());
}

TEST("codec", "what was compressed comes back, never longer than it was") {
  Random random(11);
  for (int i = 0; i < 60; ++i) {
    const size_t size = 1 + random.Below(300000);
    Bytes content = random.Noise(size);
    if (i % 3 == 1) std::fill(content.begin() + static_cast<ptrdiff_t>(size / 2), content.end(), 7);
    if (i % 3 == 2) std::fill(content.begin(), content.end(), 9);
    RawBytes stored;
    const Codec codec = Compress(content, i % 2 == 0 ? Effort::kUsual : Effort::kLittle, stored);
    CHECK(stored.size() <= content.size());
    Bytes back(size);
    CHECK(Decompress(codec, stored, {}, back).ok());
    CHECK(back == content);
    Bytes longer(size + 1);
    CHECK(!Decompress(codec, stored, {}, longer).ok());
  }
}

TEST("codec", "a changed copy compressed against the original takes little, and needs it to come back") {
  Random random(12);
  const Bytes original = random.Noise(300000);
  Bytes changed = original;
  for (int i = 0; i < 20; ++i) changed[random.Below(changed.size())] ^= 0x55;
  RawBytes stored;
  CHECK(CompressAgainst(original, changed, stored));
  CHECK(stored.size() < 3000);
  Bytes back(changed.size());
  CHECK(Decompress(Codec::kDelta, stored, original, back).ok());
  CHECK(back == changed);
  Bytes other = original;
  other[150000] ^= 1;
  CHECK(!Decompress(Codec::kDelta, stored, other, back).ok() || back != changed);
  RawBytes none;
  CHECK(!CompressAgainst(random.Noise(1000), random.Noise(50000), none));
  CHECK(none.empty());
}

TEST("codec", "damaged input decompresses to an error or to the length it says") {
  Random random(13);
  Bytes content(50000);
  for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<uint8_t>(i / 100);
  RawBytes stored;
  CHECK(Compress(content, Effort::kUsual, stored) == Codec::kZstd);
  for (int i = 0; i < 3000; ++i) {
    RawBytes damaged = stored;
    damaged[random.Below(damaged.size())] = static_cast<uint8_t>(random.Next());
    if (i % 2 == 0) damaged.resize(random.Below(damaged.size()));
    Bytes back(content.size());
    const Status done = Decompress(Codec::kZstd, damaged, {}, back);
    CHECK(done.ok() || done.error().code == ErrorCode::kCorrupt);
  }
}

TEST("bytes", "integers come back in little-endian order") {
  Bytes bytes;
  Writer writer(bytes);
  writer.U8(0x12);
  writer.U32(0x89abcdef);
  writer.U64(0x0123456789abcdef);
  CHECK((bytes == Bytes{0x12, 0xef, 0xcd, 0xab, 0x89, 0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x01}));
  Reader reader(bytes);
  CHECK(reader.U8() == 0x12 && reader.U32() == 0x89abcdef && reader.U64() == 0x0123456789abcdef);
  CHECK(!reader.failed() && reader.left() == 0);
  CHECK(reader.U8() == 0 && reader.failed());
}

TEST("bytes", "a varint has one form and no more than 64 bits") {
  Random random(8);
  for (int i = 0; i < 1000; ++i) {
    const uint64_t value = random.Next() >> random.Below(64);
    Bytes bytes;
    Writer(bytes).Varint(value);
    Reader reader(bytes);
    CHECK(reader.Varint() == value && reader.left() == 0);
    Reader cut(View(bytes).first(bytes.size() - 1));
    CHECK(cut.Varint() == 0 && cut.failed());
  }
  for (const Bytes& bad : {Bytes{0x80, 0x00}, Bytes{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02},
                           Bytes(11, 0x80)}) {
    Reader reader(bad);
    reader.Varint();
    CHECK(reader.failed());
  }
}

}  // namespace
}  // namespace capstan::test
