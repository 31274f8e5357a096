// Digest, chunker and checksum by every vector unit: against independent answers and against each other.
#include "../engine/blake3.h"
#include "../engine/chunker.h"
#include "../engine/crc32c.h"
#include "harness.h"

#include <algorithm>

namespace capstan::test {
namespace {

struct DigestVector {
  size_t length;
  const char* plain;
  const char* chunk;
};
// Of the bytes i % 251; computed with b3sum 1.2 of Debian, `chunk` by its --keyed with kChunkDigestKey.
constexpr DigestVector kDigestVectors[] = {
    {0, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
     "7bda1ca9163f529c6837e29d27bdb967dda108c9f64ff673b8836c65b1d3c704"},
    {1, "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
     "ef7e682845e59dad95834d7b4ba23c14647e89c5852983c2df696ef922f663dc"},
    {64, "4eed7141ea4a5cd4b788606bd23f46e212af9cacebacdc7d1f4c6dc7f2511b98",
     "a9a921757647ec32bd592448a4553ee4c0c59cac54c71aa87cf003c30756985b"},
    {1023, "10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11",
     "b8ce69cd5fe83d4ccaf5e03fe0e336b5b38de88f815d9a718e0d8ef94378ce5e"},
    {1024, "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
     "d645fbccb4c11e28c7d155bed14bad2ea8ec4f0dbc4c32d059679616b686ef64"},
    {1025, "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444",
     "b8b5472d5c9351bb826ba8ac5433839bf66507fd7ec3752689200b85c3bad5c7"},
    {2047, "58830fbf51a4423c573b164471690570e544cfe793bead46225664796b4b1467",
     "6d039f388e37bc6282417d10c13a628a267695b53db08bbd6e9d06a587637d8d"},
    {2048, "e776b6028c7cd22a4d0ba182a8bf62205d2ef576467e838ed6f2529b85fba24a",
     "61ae27c94faf1c3d7222694d139ceee026dba3667d87664e73601d682d971117"},
    {2049, "5f4d72f40d7a5f82b15ca2b2e44b1de3c2ef86c426c95c1af0b6879522563030",
     "8c24eaf1a015e8dc49d79002096247f11657d2866fbf35c2e70993947e9239d2"},
    {3072, "b98cb0ff3623be03326b373de6b9095218513e64f1ee2edd2525c7ad1e5cffd2",
     "578d481f94977b6ee5e39f24570692c196f754c66d948ba701989197a3fee572"},
    {3073, "7124b49501012f81cc7f11ca069ec9226cecb8a2c850cfe644e327d22d3e1cd3",
     "1d42ac10cc8be0ae36250dffd817f805d2fd7dc166f1039f4f863d3d1155ea2a"},
    {4096, "015094013f57a5277b59d8475c0501042c0b642e531b0a1c8f58d2163229e969",
     "ee9fbe08272db70508e1b2676fe3e8217550e8810ceb3dfedcf7484b293ed187"},
    {5121, "628bd2cb2004694adaab7bbd778a25df25c47b9d4155a55f8fbd79f2fe154cff",
     "3a18baeb50db7a697ca26ebbcf38c007c39abc35f7be07959cb16546441e9aff"},
    {7168, "61da957ec2499a95d6b8023e2b0e604ec7f6b50e80a9678b89d2628e99ada77a",
     "3eac0129bfaf93d8ae1218f4c794eb1c516528456c574b6b780fe2bd6c88a8cf"},
    {8191, "bae8dc916e8643c6cf024097237cde1cba35c05b5d84c02834cb6b886edb76d9",
     "b5e7654b128a808176ea051046cfd1a9ad6e3862d3b0b3f4796192c84f355fbd"},
    {8192, "aae792484c8efe4f19e2ca7d371d8c467ffb10748d8a5a1ae579948f718a2a63",
     "d7ce6ad9ff84d4352879c72cb86a6432f368a9dd83ce10937c82ccf1a31079d1"},
    {8193, "bab6c09cb8ce8cf459261398d2e7aef35700bf488116ceb94a36d0f5f1b7bc3b",
     "cbdaf529f1343d624a8d22abaac34368f7e1fad7ea5425cd8ebb41607c02191b"},
    {9216, "e5ef79624045ef3e98fd23342e61d7eb965997b32928f9de591cd0d465a223fb",
     "7297d32bc462fc3507837fee3df24ad6ead9b2e75dc1a3e110f699fc565b0d32"},
    {15360, "dc62f909be1b86aeffb12594b22fd9756540022f0ac9a050730d6989a036f6b0",
     "61f6468e7b09ef80f1dad388303015c9ecef31fda1aafbd0eda7524c6fc69c4d"},
    {16383, "7529418ecb789a30254899f229522ccde05234d2019c5ec5072bc4685a57658d",
     "0660f9c89eeb2f084e7d8cd3835d728a12f9d8647c817f57f1d63d084c54439b"},
    {16384, "f875d6646de28985646f34ee13be9a576fd515f76b5b0a26bb324735041ddde4",
     "e600170e89e4e4fdc4cb3662ae95e4a29ad742ef037814e98970a75ee77309e3"},
    {16385, "1dabe216be2578830263b049de1639f39f05a4da616b9b78c7a5e4e41662fd1f",
     "006f0cacd4b8cc2a0df47f319977e66ec0a965817b09b01e973f3493819b57f6"},
    {17408, "993924ff3dcbd868be9cf3fed98d4538fe579ffccf390a5aa1ddba0f6a20bfed",
     "c91b09e6ae860f807a0d5b9eb3ef04c940501b4b2f7d3206bcc73f93b554c21a"},
    {24577, "c55871748aff66772182ab92572d802164b31aa75e44e8b9911dceeaa16646eb",
     "c5e5a0e8cdd6c005cd4c0553430a96ff8515f8461059ec3097e67927489a33bb"},
    {31744, "62b6960e1a44bcc1eb1a611a8d6235b6b4b78f32e7abc4fb4c6cdcce94895c47",
     "94fcd83f48e760904c6fe5ca2fc30928bbe18bbd97a7dc577beec9ae625d39b1"},
    {32769, "da589428d9b32c97658a04a21c0c8a38aad2ac402120819d956fd6d62bbfa36e",
     "0c6c4e4d49927887c476f18aff78317b1c019d2a23ff0f288088f094dd1f7901"},
    {65535, "de7d0f4c044c56f56e0c5f7ab247be9491c4520e8688f0f0d25406f46fdfbd03",
     "c9de7058638df08f16a5e65bb76b9a5bbbc71a7c931addfef1106bd2f69718fc"},
    {65536, "68d647e619a930e7b1082f74f334b0c65a315725569bdc123f0ee11881717bfe",
     "5bf8e48b75751524d329129be9bafa27672cac394e81a477d3269745f04d8751"},
    {65837, "7b9197ce78a3807274147a65f5d97041a2dea52a960562cf0dcd41ec9c70d3f9",
     "ac1f526b632170ac412c98fef339177e1168da7549ef351a52ae4435c9e808c3"},
    {102400, "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085",
     "9ad46077ec1ed5a70f6cda5c9191644ee51b3d16b9c89ac5a72d8020e8557315"},
    {131073, "f837d4254d24ba3d50fe3743d46e4af6db5f5d6ab0469197d94e7ba1e906c4d8",
     "fa0a586afbda1ac71249e68773a34b12147fab8ecccc417273e90b11f9a2276c"},
    {262144, "d57dc906e20d3fd326ffaa85535500486f46a0979f5a323f028dcabfd381fd4a",
     "119e4737205bf466bdac5de7cf80291b836eec66d25df97d3e31121e1558ee09"},
};

std::string Hex(const Digest& digest) {
  std::string text;
  for (const uint8_t byte : digest) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

std::vector<VectorUnit> Units() {
  std::vector<VectorUnit> units;
  for (const VectorUnit unit : {VectorUnit::kScalar, VectorUnit::kAvx2, VectorUnit::kAvx512})
    if (HasVectorUnit(unit)) units.push_back(unit);
  return units;
}

TEST("digest", "plain and keyed digests are those that b3sum gives, by every unit") {
  for (const auto& [length, plain, chunk] : kDigestVectors) {
    Bytes bytes(length);
    for (size_t i = 0; i < length; ++i) bytes[i] = static_cast<uint8_t>(i % 251);
    CHECK(Hex(Blake3(bytes)) == plain, "at length ", length);
    CHECK(Hex(ChunkDigest(bytes)) == chunk, "at length ", length);
    for (const VectorUnit unit : Units()) {
      CHECK(Hex(Blake3By(unit, bytes)) == plain, "at length ", length);
      CHECK(Hex(Blake3KeyedBy(unit, kChunkDigestKey, bytes)) == chunk, "at length ", length);
    }
  }
}

TEST("digest", "the units agree at any length, alignment and key") {
  Random random(11);
  const Bytes bytes = random.Noise(80000);
  for (int i = 0; i < 200; ++i) {
    const size_t start = random.Below(64);
    const size_t length = random.Below(random.OneIn(2) ? 3000 : bytes.size() - start);
    const View part = View(bytes).subspan(start, length);
    DigestKey key;
    for (uint8_t& byte : key) byte = static_cast<uint8_t>(random.Next());
    const Digest plain = Blake3By(VectorUnit::kScalar, part);
    const Digest keyed = Blake3KeyedBy(VectorUnit::kScalar, key, part);
    CHECK(plain != keyed);
    for (const VectorUnit unit : Units()) {
      CHECK(Blake3By(unit, part) == plain, "at length ", length);
      CHECK(Blake3KeyedBy(unit, key, part) == keyed, "at length ", length);
    }
  }
}

TEST("digest", "the units agree at every number of chunks and of blocks in the last one") {
  Random random(12);
  const Bytes bytes = random.Noise(36 * 1024);
  for (size_t length = 0; length <= bytes.size(); length += 53) {
    const View part = View(bytes).first(length);
    const Digest digest = Blake3By(VectorUnit::kScalar, part);
    for (const VectorUnit unit : Units())
      CHECK(Blake3By(unit, part) == digest, "at length ", length);
  }
}

std::vector<uint32_t> Cuts(VectorUnit unit, View bytes) {
  std::vector<uint32_t> lengths;
  CHECK(CutChunksBy(unit, bytes, true, lengths) == bytes.size());
  return lengths;
}

// Noise, words, runs of one byte and repeated pieces, in turns of any length.
Bytes Mixture(Random& random, size_t size) {
  Bytes bytes;
  bytes.reserve(size + 300000);
  while (bytes.size() < size) {
    const size_t length = random.Below(random.OneIn(3) ? 300000 : 5000);
    const uint64_t kind = random.Below(4);
    const auto run = static_cast<uint8_t>(random.Next());
    const size_t period = 1 + random.Below(100);
    for (size_t i = 0; i < length; ++i) {
      const uint8_t noise = static_cast<uint8_t>(random.Next());
      const uint8_t word = static_cast<uint8_t>(noise < 40 ? ' ' : 'a' + noise % 20);
      const bool repeats = kind == 3 && bytes.size() >= period;
      bytes.push_back(kind == 0 ? noise : kind == 1 ? word : repeats ? bytes.end()[-period] : run);
    }
  }
  bytes.resize(size);
  return bytes;
}

TEST("cuts", "a known stream is cut where it always was") {
  Random random(21);
  const Bytes bytes = random.Noise(4 << 20);
  for (const VectorUnit unit : Units()) {
    const std::vector<uint32_t> lengths = Cuts(unit, bytes);
    Bytes written;
    Writer writer(written);
    for (const uint32_t length : lengths) writer.U32(length);
    CHECK(lengths.size() == 53 && lengths[0] == 74366 && lengths[1] == 66397);
    CHECK(Hex(Blake3(written)) ==
          "b8c0b0e7f80086aa3f0927bc9b36dff16e75f55ca48531061fdda6b569ce39eb");
  }
}

TEST("cuts", "the units cut noise, text and runs at the same places, at any alignment and length") {
  Random random(22);
  const Bytes noise = random.Noise(2 << 20);
  const Bytes mixture = Mixture(random, 2 << 20);
  for (size_t start = 0; start < 64; ++start) {
    const View whole = start % 2 == 0 ? noise : mixture;
    const size_t length = random.Below(random.OneIn(2) ? 400000 : whole.size() - start);
    const View bytes = whole.subspan(start, length);
    const std::vector<uint32_t> lengths = Cuts(VectorUnit::kScalar, bytes);
    for (const VectorUnit unit : Units())
      CHECK(Cuts(unit, bytes) == lengths, "from ", start, ", ", length, " bytes");
  }
}

TEST("cuts", "the units agree on inputs that end near the limits") {
  Random random(23);
  const Bytes bytes = Mixture(random, 300000);
  for (const size_t limit : {size_t{0}, kChunkBytesMin, kChunkBytesAverage, kChunkBytesMax}) {
    for (size_t near = 0; near < 80; ++near) {
      if (limit + near < 40) continue;
      const View part = View(bytes).subspan(random.Below(9), limit + near - 40);
      for (const bool last : {true, false}) {
        std::vector<uint32_t> lengths;
        const size_t covered = CutChunksBy(VectorUnit::kScalar, part, last, lengths);
        CHECK(!last || covered == part.size());
        for (const VectorUnit unit : Units()) {
          std::vector<uint32_t> others;
          CHECK(CutChunksBy(unit, part, last, others) == covered && others == lengths);
        }
      }
    }
  }
}

TEST("cuts", "a stream that comes in pieces is cut as one that comes whole") {
  Random random(24);
  const Bytes bytes = Mixture(random, 3 << 20);
  const std::vector<uint32_t> whole = Cuts(VectorUnit::kScalar, bytes);
  for (const VectorUnit unit : Units()) {
    if (unit == VectorUnit::kScalar) continue;
    for (int i = 0; i < 8; ++i) {
      std::vector<uint32_t> lengths{7};
      size_t done = 0;
      for (size_t end = 0; end < bytes.size();) {
        end = std::min(bytes.size(), end + 1 + random.Below(random.OneIn(2) ? 600000 : 20000));
        const View piece = View(bytes).subspan(done, end - done);
        const size_t covered = CutChunksBy(unit, piece, end == bytes.size(), lengths);
        CHECK(piece.size() - covered < kChunkBytesMax);
        done += covered;
      }
      CHECK(done == bytes.size());
      CHECK(lengths.front() == 7 && std::equal(whole.begin(), whole.end(), lengths.begin() + 1,
                                               lengths.end()));
    }
  }
}

TEST("cuts", "a run of any one byte comes in the longest chunks") {
  for (int byte = 0; byte < 256; ++byte) {
    const Bytes run(kChunkBytesMax + kChunkBytesAverage, static_cast<uint8_t>(byte));
    const std::vector<uint32_t> expected = {kChunkBytesMax, kChunkBytesAverage};
    CHECK(Cuts(BestVectorUnit(), run) == expected);
    if (byte % 64 == 0) CHECK(Cuts(VectorUnit::kScalar, run) == expected);
  }
}

TEST("checksum", "stripes and table agree at any length and alignment, and it continues") {
  Random random(31);
  const Bytes bytes = random.Noise(100000);
  for (int i = 0; i < 300; ++i) {
    const size_t start = random.Below(16);
    const size_t length = random.Below(random.OneIn(2) ? 2000 : bytes.size() - start);
    const View part = View(bytes).subspan(start, length);
    const auto before = static_cast<uint32_t>(random.Next());
    const uint32_t crc = Crc32c(before, part);
    CHECK(crc == Crc32cByTable(before, part), "at length ", length);
    const size_t cut = random.Below(length + 1);
    CHECK(Crc32c(Crc32c(before, part.first(cut)), part.subspan(cut)) == crc, "at length ", length);
  }
}

}  // namespace
}  // namespace capstan::test
