#include "cipher.h"

#include <algorithm>

#include "openssl_api.h"

namespace capstan {
namespace {

constexpr int kGetTag = 0x10;
constexpr int kSetTag = 0x11;

Error Failed() { return {ErrorCode::kIo, "", "the cipher of OpenSSL failed"}; }

int Length(View bytes) { return static_cast<int>(bytes.size()); }

}  // namespace

void Cipher::Free::operator()(evp_cipher_ctx_st* context) const { EVP_CIPHER_CTX_free(context); }

Result<std::unique_ptr<Cipher>> Cipher::Make(View key) {
  if (key.size() != kCipherKeyBytes)
    return Error{ErrorCode::kInvalid, "the key",
                 "has " + std::to_string(key.size()) + " bytes and not " +
                     std::to_string(kCipherKeyBytes)};
  std::unique_ptr<Cipher> cipher(new Cipher);
  std::copy(key.begin(), key.end(), cipher->key_.begin());
  return cipher;
}

Cipher::~Cipher() { OPENSSL_cleanse(key_.data(), key_.size()); }

Result<Cipher::Context> Cipher::Take(bool encrypt) {
  {
    const std::lock_guard guard(mutex_);
    auto& idle = idle_[encrypt ? 1 : 0];
    if (!idle.empty()) {
      Context context = std::move(idle.back());
      idle.pop_back();
      return context;
    }
  }
  Context context(EVP_CIPHER_CTX_new());
  if (!context || EVP_CipherInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key_.data(),
                                    nullptr, encrypt ? 1 : 0) != 1)
    return Failed();
  return context;
}

void Cipher::Return(bool encrypt, Context context) {
  const std::lock_guard guard(mutex_);
  idle_[encrypt ? 1 : 0].push_back(std::move(context));
}

Status Cipher::Seal(std::span<uint8_t> data, View nonce, View authenticated,
                    std::span<uint8_t> tag) {
  TRY_ASSIGN(Context held, Take(true));
  evp_cipher_ctx_st* const context = held.get();
  int count = 0;
  uint8_t none[16];
  const bool sealed =
      EVP_CipherInit_ex(context, nullptr, nullptr, nullptr, nonce.data(), 1) == 1 &&
      EVP_CipherUpdate(context, nullptr, &count, authenticated.data(), Length(authenticated)) ==
          1 &&
      (data.empty() ||
       EVP_CipherUpdate(context, data.data(), &count, data.data(), Length(data)) == 1) &&
      EVP_CipherFinal_ex(context, none, &count) == 1 &&
      EVP_CIPHER_CTX_ctrl(context, kGetTag, kCipherTagBytes, tag.data()) == 1;
  if (!sealed) return Failed();
  Return(true, std::move(held));
  return Ok();
}

Status Cipher::Open(std::span<uint8_t> data, View nonce, View authenticated, View tag) {
  TRY_ASSIGN(Context held, Take(false));
  evp_cipher_ctx_st* const context = held.get();
  int count = 0;
  uint8_t none[16];
  std::array<uint8_t, kCipherTagBytes> expected;
  std::copy(tag.begin(), tag.end(), expected.begin());
  const bool opened =
      EVP_CipherInit_ex(context, nullptr, nullptr, nullptr, nonce.data(), 0) == 1 &&
      EVP_CipherUpdate(context, nullptr, &count, authenticated.data(), Length(authenticated)) ==
          1 &&
      (data.empty() ||
       EVP_CipherUpdate(context, data.data(), &count, data.data(), Length(data)) == 1) &&
      EVP_CIPHER_CTX_ctrl(context, kSetTag, kCipherTagBytes, expected.data()) == 1 &&
      EVP_CipherFinal_ex(context, none, &count) == 1;
  Return(false, std::move(held));
  if (opened) return Ok();
  std::fill(data.begin(), data.end(), uint8_t{0});
  return Error{ErrorCode::kCorrupt, "", "what is sealed was changed, or sealed with another key"};
}

}  // namespace capstan
