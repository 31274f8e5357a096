// AES-256-GCM: seals what goes to the disk, opens what comes from it. Source: NIST SP 800-38D.
#pragma once

#include <memory>
#include <mutex>

#include "bytes.h"
#include "result.h"

struct evp_cipher_ctx_st;

namespace capstan {

constexpr size_t kCipherKeyBytes = 32;
constexpr size_t kCipherNonceBytes = 12;
constexpr size_t kCipherTagBytes = 16;
// OpenSSL counts in int.
constexpr size_t kCipherMessageBytesMax = INT32_MAX;

// Thread-safe: each call takes a context of its own.
class Cipher {
 public:
  // kInvalid where the key has not kCipherKeyBytes.
  static Result<std::unique_ptr<Cipher>> Make(View key);
  ~Cipher();
  Cipher(const Cipher&) = delete;
  Cipher& operator=(const Cipher&) = delete;

  // Both work in place, and touch nothing and say kInvalid where a length does not fit. `authenticated` is not
  // sealed, but belongs to the tag. No nonce twice.
  Status Seal(std::span<uint8_t> data, View nonce, View authenticated, std::span<uint8_t> tag);
  // kCorrupt where the tag does not fit; `data` is wiped then.
  Status Open(std::span<uint8_t> data, View nonce, View authenticated, View tag);

 private:
  struct Free {
    void operator()(evp_cipher_ctx_st* context) const;
  };
  using Context = std::unique_ptr<evp_cipher_ctx_st, Free>;

  Cipher() = default;
  Result<Context> Take(bool encrypt);
  void Return(bool encrypt, Context context);

  std::array<uint8_t, kCipherKeyBytes> key_{};
  std::mutex mutex_;
  // Contexts that have the key: [0] to open, [1] to seal.
  std::array<std::vector<Context>, 2> idle_;
};

}  // namespace capstan
