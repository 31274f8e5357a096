// Digest, checksum, chunker, codec, byte reader, record map and recipe against known answers and naive twins.
#include "../engine/blake3.h"
#include "../engine/chunker.h"
#include "../engine/codec.h"
#include "../engine/crc32c.h"
#include "../engine/recipe.h"
#include "../engine/record_map.h"
#include "harness.h"

#include <set>

namespace capstan::test {
namespace {

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
    const size_t length = FirstChunkLength(bytes);
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
    const size_t length = FirstChunkLength(bytes);
    CHECK(FirstChunkLength(View(bytes).first(kChunkBytesMax)) == length);
    for (size_t at = length; at < bytes.size(); ++at) bytes[at] ^= 0x55;
    CHECK(FirstChunkLength(bytes) == length);
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

TEST("codec", "what was encoded decodes, never longer than it was") {
  Random random(6);
  for (const size_t size : {size_t{1}, size_t{31}, size_t{1000}, kChunkBytesMin, kChunkBytesMax}) {
    for (const bool noise : {false, true}) {
      const Bytes content = noise ? random.Noise(size) : Bytes(size, 'x');
      const EncodedChunk encoded = EncodeChunk(content);
      CHECK(encoded.stored.size() <= size);
      const auto decoded = DecodeChunk(static_cast<uint8_t>(encoded.codec), encoded.stored,
                                       static_cast<uint32_t>(size));
      CHECK(Must(decoded) == content);
      CHECK(!DecodeChunk(static_cast<uint8_t>(encoded.codec), encoded.stored,
                         static_cast<uint32_t>(size + 1)).ok());
      if (size > 1)
        CHECK(!DecodeChunk(static_cast<uint8_t>(encoded.codec), encoded.stored,
                           static_cast<uint32_t>(size - 1)).ok());
    }
  }
  CHECK(!DecodeChunk(2, Bytes(5), 5).ok());
  CHECK(!DecodeChunk(255, Bytes(5), 5).ok());
}

TEST("codec", "damaged input decodes to an error or to the length it says") {
  Random random(7);
  Bytes content(20000);
  for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<uint8_t>(i / 100);
  const EncodedChunk encoded = EncodeChunk(content);
  for (int i = 0; i < 2000; ++i) {
    Bytes stored = encoded.stored;
    if (random.OneIn(3)) stored.resize(random.Below(stored.size()));
    for (uint64_t flips = random.Below(4); flips > 0 && !stored.empty(); --flips)
      stored[random.Below(stored.size())] ^= static_cast<uint8_t>(1 << random.Below(8));
    const auto decoded = DecodeChunk(1, stored, static_cast<uint32_t>(content.size()));
    CHECK(!decoded.ok() || decoded.value().size() == content.size());
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

TEST("record map", "every answer is that of a list of lengths") {
  Random random(9);
  for (int round = 0; round < 40; ++round) {
    RecordMap map;
    std::vector<uint32_t> naive;
    for (int step = 0; step < 60; ++step) {
      if (random.OneIn(4)) {
        const size_t keep = random.Below(naive.size() + 1);
        naive.resize(keep);
        map.Truncate(keep);
      } else {
        const uint32_t length = random.OneIn(3) ? 0 : static_cast<uint32_t>(1 + random.Below(3));
        const uint64_t count = random.Below(4);
        naive.insert(naive.end(), count, length);
        map.Append(length, count);
      }
      uint64_t bytes = 0;
      uint64_t filemarks = 0;
      for (size_t i = 0; i < naive.size(); ++i) {
        CHECK(map.LengthOf(i) == naive[i]);
        CHECK(map.BytesBefore(i) == bytes);
        CHECK(map.FilemarksBefore(i) == filemarks);
        if (naive[i] == 0) CHECK(map.FilemarkAt(filemarks) == i);
        bytes += naive[i];
        filemarks += naive[i] == 0 ? 1 : 0;
      }
      CHECK(map.object_count() == naive.size() && map.byte_count() == bytes);
      CHECK(map.filemark_count() == filemarks && map.BytesBefore(naive.size()) == bytes);
      const size_t from = random.Below(naive.size() + 1);
      std::vector<uint32_t> unrolled;
      uint32_t previous = UINT32_MAX;
      for (const Run& run : map.RunsFrom(from)) {
        CHECK(run.count > 0 && run.length != previous);
        previous = run.length;
        unrolled.insert(unrolled.end(), run.count, run.length);
      }
      CHECK(std::equal(unrolled.begin(), unrolled.end(), naive.begin() + static_cast<ptrdiff_t>(from), naive.end()));
    }
  }
}

TEST("recipe", "every byte lies in the slice that a list of bytes says") {
  Random random(10);
  for (int round = 0; round < 40; ++round) {
    Recipe recipe;
    // Of each byte: which chunk, and where in it.
    std::vector<std::pair<uint8_t, uint32_t>> naive;
    for (uint8_t step = 0; step < 50; ++step) {
      if (random.OneIn(3)) {
        const size_t keep = random.Below(naive.size() + 1);
        recipe.Truncate(keep);
        naive.resize(keep);
      } else {
        const uint32_t length = static_cast<uint32_t>(1 + random.Below(9));
        Digest digest{};
        digest[0] = step;
        recipe.Append({digest, length, length});
        for (uint32_t i = 0; i < length; ++i) naive.emplace_back(step, i);
      }
      CHECK(recipe.byte_count() == naive.size());
      for (size_t i = 0; i < naive.size(); ++i) {
        const size_t slice = recipe.IndexAt(i);
        CHECK(recipe[slice].digest[0] == naive[i].first);
        CHECK(i - recipe.StartOf(slice) == naive[i].second);
        CHECK(naive[i].second < recipe[slice].used);
      }
      CHECK(recipe.IndexAt(naive.size()) == recipe.size());
    }
  }
}

}  // namespace
}  // namespace capstan::test
