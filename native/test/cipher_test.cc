// The cipher against published answers; and that whatever was changed is refused, and never given out.
#include "../engine/cipher.h"

#include <algorithm>
#include <thread>

#include "harness.h"

namespace capstan::test {
namespace {

using Tag = std::array<uint8_t, kCipherTagBytes>;

Bytes FromHex(std::string_view hex) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  Bytes bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<uint8_t>(digit(hex[i]) << 4 | digit(hex[i + 1])));
  return bytes;
}

struct GcmVector {
  const char* key;
  const char* nonce;
  const char* authenticated;
  const char* plain;
  const char* sealed;
  const char* tag;
};

constexpr const char* kZeroKey =
    "0000000000000000000000000000000000000000000000000000000000000000";
constexpr const char* kKey16 = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
// McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 13 to 16; the last two NIST CAVP,
// gcmEncryptExtIV256: [96, 0, 0], [96, 128, 0].
constexpr GcmVector kVectors[] = {
    {kZeroKey, "000000000000000000000000", "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
    {kZeroKey, "000000000000000000000000", "", "00000000000000000000000000000000",
     "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919"},
    {kKey16, "cafebabefacedbaddecaf888", "",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
     "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
     "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad",
     "b094dac5d93471bdec1a502270e3cc6c"},
    {kKey16, "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
     "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
     "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
     "76fc6ece0f4e1768cddf8853bb2d551b"},
    {"b52c505a37d78eda5dd34f20c22540ea1b58963cf8e5bf8ffa85f9f2492505b4",
     "516c33929df5a3284ff463d7", "", "", "", "bdc1ac884d332457a1d2664f168c76f0"},
    {"31bdadd96698c204aa9ce1448ea94ae1fb4a9a0b3c9d773b51bb1822666b8f22",
     "0d18e06c7c725ac9e362e1ce", "", "2db5168e932556f8089a0622981d017d",
     "fa4362189661d163fcd6a56d8bf0405a", "d636ac1bbedd5cc3ee727dc2ab4a9489"},
};

bool IsWiped(const Bytes& bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte == 0; });
}

// A message, sealed, in parts that a test can change.
struct Sealed {
  Bytes data;
  Bytes nonce;
  Bytes authenticated;
  Bytes tag;
};

Sealed SealOf(Cipher& cipher, const Bytes& plain, const Bytes& nonce, const Bytes& authenticated) {
  Sealed sealed{plain, nonce, authenticated, Bytes(kCipherTagBytes)};
  Must(cipher.Seal(sealed.data, sealed.nonce, sealed.authenticated, sealed.tag), "seal");
  return sealed;
}

Status OpenOf(Cipher& cipher, Sealed& sealed) {
  return cipher.Open(sealed.data, sealed.nonce, sealed.authenticated, sealed.tag);
}

TEST("cipher", "seals and opens as NIST's vectors say") {
  for (const GcmVector& vector : kVectors) {
    const auto cipher = Must(Cipher::Make(FromHex(vector.key)));
    const Bytes plain = FromHex(vector.plain);
    // Twice: the second call takes the context of the first.
    for (int i = 0; i < 2; ++i) {
      Sealed sealed =
          SealOf(*cipher, plain, FromHex(vector.nonce), FromHex(vector.authenticated));
      CHECK(sealed.data == FromHex(vector.sealed), vector.nonce);
      CHECK(sealed.tag == FromHex(vector.tag), vector.nonce);
      Must(OpenOf(*cipher, sealed), "open");
      CHECK(sealed.data == plain, vector.nonce);
    }
  }
}

TEST("cipher", "takes keys of 32 bytes only") {
  for (const size_t size : {0u, 16u, 31u, 33u, 64u}) {
    const auto made = Cipher::Make(Bytes(size, 1));
    CHECK(!made.ok() && made.error().code == ErrorCode::kInvalid, size);
  }
}

TEST("cipher", "refuses a message of which any one bit was turned over, and wipes it") {
  Random random(1);
  const auto cipher = Must(Cipher::Make(random.Noise(kCipherKeyBytes)));
  const Bytes plain = random.Noise(48);
  const Sealed good =
      SealOf(*cipher, plain, random.Noise(kCipherNonceBytes), random.Noise(20));
  size_t refused = 0;
  for (Bytes Sealed::*const part :
       {&Sealed::data, &Sealed::nonce, &Sealed::authenticated, &Sealed::tag}) {
    for (size_t bit = 0; bit < (good.*part).size() * 8; ++bit) {
      Sealed bad = good;
      (bad.*part)[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
      const Status opened = OpenOf(*cipher, bad);
      CHECK(!opened.ok() && opened.error().code == ErrorCode::kCorrupt, bit);
      CHECK(IsWiped(bad.data), bit);
      ++refused;
      // The context that refused serves the next as if nothing had been.
      Sealed again = good;
      CHECK(OpenOf(*cipher, again).ok() && again.data == plain, bit);
    }
  }
  CHECK(refused == (48 + 12 + 20 + 16) * 8, refused);
}

TEST("cipher", "refuses what was sealed with another key, cut short or made longer") {
  Random random(2);
  const auto cipher = Must(Cipher::Make(random.Noise(kCipherKeyBytes)));
  const auto other = Must(Cipher::Make(random.Noise(kCipherKeyBytes)));
  const Sealed good = SealOf(*cipher, random.Noise(100), random.Noise(kCipherNonceBytes), {});
  Sealed foreign = good;
  CHECK(!OpenOf(*other, foreign).ok() && IsWiped(foreign.data));
  for (const size_t size : {0u, 99u, 101u}) {
    Sealed changed = good;
    changed.data.resize(size);
    CHECK(!OpenOf(*cipher, changed).ok(), size);
    CHECK(IsWiped(changed.data), size);
  }
}

TEST("cipher", "takes messages of every length, beside what authenticates them") {
  Random random(3);
  const auto cipher = Must(Cipher::Make(random.Noise(kCipherKeyBytes)));
  for (size_t size = 0; size < 300; ++size) {
    const Bytes plain = random.Noise(size);
    Sealed sealed = SealOf(*cipher, plain, random.Noise(kCipherNonceBytes), random.Noise(size % 50));
    CHECK(size < 16 || sealed.data != plain, size);
    CHECK(OpenOf(*cipher, sealed).ok() && sealed.data == plain, size);
  }
}

TEST("threads", "a cipher seals and opens for many at once") {
  constexpr int kThreads = 4;
  constexpr int kMessages = 300;
  const auto cipher = Must(Cipher::Make(Bytes(kCipherKeyBytes, 9)));
  std::array<int, kThreads> wrong{};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      Random random(static_cast<uint64_t>(t));
      for (int i = 0; i < kMessages; ++i) {
        const Bytes plain = random.Noise(1 + random.Below(5000));
        Bytes data = plain;
        const Bytes nonce = random.Noise(kCipherNonceBytes);
        Tag tag;
        bool good = cipher->Seal(data, nonce, {}, tag).ok() && data != plain;
        Bytes changed = data;
        changed[0] ^= 1;
        good = good && !cipher->Open(changed, nonce, {}, tag).ok();
        good = good && cipher->Open(data, nonce, {}, tag).ok() && data == plain;
        if (!good) ++wrong[static_cast<size_t>(t)];
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (const int count : wrong) CHECK(count == 0, count);
}

}  // namespace
}  // namespace capstan::test
