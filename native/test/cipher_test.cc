// The cipher against published answers; and that whatever was changed is refused, and never given out.
#include "../engine/cipher.h"

#include <algorithm>
#include <thread>

#include "harness.h"

// What OpenSSL noted of this thread; 0: nothing.
extern "C" unsigned long ERR_peek_error(void);

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
// McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 13 to 16; the others NIST CAVP,
// gcmEncryptExtIV256: [96, 0, 0], [96, 128, 0], [96, 104, 0], [96, 256, 0], [96, 408, 0].
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
    {"e5a0eb92cc2b064e1bc80891faf1fab5e9a17a9c3a984e25416720e30e6c2b21",
     "4742357c335913153ff0eb0f", "", "8499893e16b0ba8b007d54665a", "eb8e6175f1fe38eb1acf95fd51",
     "88a8b74bb74fda553e91020a23deed45"},
    {"37f39137416bafde6f75022a7a527cc593b6000a83ff51ec04871a0ff5360e4e",
     "a291484c3de8bec6b47f525f", "",
     "fafd94cede8b5a0730394bec68a8e77dba288d6ccaa8e1563a81d6e7ccc7fc97",
     "44dc868006b21d49284016565ffb3979cc4271d967628bf7cdaf86db888e92e5",
     "01a2b578aa2f41ec6379a44a31cc019c"},
    {"595f259c55abe00ae07535ca5d9b09d6efb9f7e9abb64605c337acbd6b14fc7e",
     "92f258071d79af3e63672285", "",
     "a6fee33eb110a2d769bbc52b0f36969c287874f665681477a25fc4c48015c541"
     "fbe2394133ba490a34ee2dd67b898177849a91",
     "bbca4a9e09ae9690c0f6f8d405e53dccd666aa9c5fa13c8758bc30abe1ddd1bc"
     "ce0d36a1eaaaaffef20cd3c5970b9673f8a65c",
     "26ccecb9976fd6ac9c2c0f372c52c821"},
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

TEST("cipher", "takes large messages wherever they lie, and notices one bit of them") {
  Random random(4);
  const auto cipher = Must(Cipher::Make(random.Noise(kCipherKeyBytes)));
  for (const size_t size : {4095u, 65536u, 102400u, 300001u, 1u << 20}) {
    const Bytes plain = random.Noise(size);
    const size_t start = random.Below(64);
    Bytes room(start + size);
    const std::span<uint8_t> data = std::span(room).subspan(start);
    std::copy(plain.begin(), plain.end(), data.begin());
    const Bytes nonce = random.Noise(kCipherNonceBytes);
    const Bytes authenticated = random.Noise(48);
    Tag tag;
    Must(cipher->Seal(data, nonce, authenticated, tag), "seal");
    Bytes changed(data.begin(), data.end());
    Must(cipher->Open(data, nonce, authenticated, tag), "open");
    CHECK(std::equal(plain.begin(), plain.end(), data.begin()), size);
    changed[random.Below(size)] ^= static_cast<uint8_t>(1 << random.Below(8));
    CHECK(!cipher->Open(changed, nonce, authenticated, tag).ok() && IsWiped(changed), size);
  }
  CHECK(ERR_peek_error() == 0, "an error waits for who asks OpenSSL next");
}

TEST("cipher", "refuses lengths that do not fit, and touches nothing") {
  Random random(5);
  const auto cipher = Must(Cipher::Make(random.Noise(kCipherKeyBytes)));
  const Bytes plain = random.Noise(50);
  const auto check = [&](size_t data_size, size_t nonce_size, size_t authenticated_size,
                         size_t tag_size) {
    Bytes data = plain;
    Bytes tag(kCipherTagBytes + 1);
    const Bytes nonce(kCipherNonceBytes + 1);
    const std::span<uint8_t> message(data.data(), data_size);
    const View its_nonce(nonce.data(), nonce_size);
    const View authenticated(plain.data(), authenticated_size);
    const std::span<uint8_t> its_tag(tag.data(), tag_size);
    for (const Status& status : {cipher->Seal(message, its_nonce, authenticated, its_tag),
                                 cipher->Open(message, its_nonce, authenticated, its_tag)})
      CHECK(!status.ok() && status.error().code == ErrorCode::kInvalid);
    CHECK(data == plain && IsWiped(tag));
  };
  for (const size_t size : {0u, 11u, 13u}) check(plain.size(), size, 0, kCipherTagBytes);
  for (const size_t size : {0u, 15u, 17u}) check(plain.size(), kCipherNonceBytes, 0, size);
  check(kCipherMessageBytesMax + 1, kCipherNonceBytes, 0, kCipherTagBytes);
  check(plain.size(), kCipherNonceBytes, kCipherMessageBytesMax + 1, kCipherTagBytes);
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
