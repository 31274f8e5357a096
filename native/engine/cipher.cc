#include "cipher.h"

#include <algorithm>

#include "openssl_api.h"

namespace capstan {
namespace {

constexpr int kGetTag = 0x10;
constexpr int kSetTag = 0x11;

Error Failed() { return {ErrorCode::kIo, "", "the cipher of OpenSSL failed"}; }

Status CheckLengths(View data, View nonce, View authenticated, View tag) {
  if (nonce.size() == kCipherNonceBytes && tag.size() == kCipherTagBytes &&
      data.size() <= kCipherMessageBytesMax && authenticated.size() <= kCipherMessageBytesMax)
    return Ok();
  return Error{ErrorCode::kInvalid, "", "the length of a message, nonce or tag does not fit"};
}

bool Update(evp_cipher_ctx_st* context, uint8_t* out, View in) {
  int count = 0;
  return in.empty() ||
         EVP_CipherUpdate(context, out, &count, in.data(), static_cast<int>(in.size())) == 1;
}

// All but the tag.
bool Transform(evp_cipher_ctx_st* context, bool encrypt, std::span<uint8_t> data, View nonce,
               View authenticated) {
  return EVP_CipherInit_ex(context, nullptr, nullptr, nullptr, nonce.data(), encrypt ? 1 : 0) == 1 &&
         Update(context, nullptr, authenticated) && Update(context, data.data(), data);
}

// Makes the tag, or compares it.
bool Finish(evp_cipher_ctx_st* context) {
  int count = 0;
  std::array<uint8_t, kCipherTagBytes> none;
  return EVP_CipherFinal_ex(context, none.data(), &count) == 1;
}

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
  TRY(CheckLengths(data, nonce, authenticated, tag));
  TRY_ASSIGN(Context context, Take(true));
  if (!Transform(context.get(), true, data, nonce, authenticated) || !Finish(context.get()) ||
      EVP_CIPHER_CTX_ctrl(context.get(), kGetTag, kCipherTagBytes, tag.data()) != 1)
    return Failed();
  Return(true, std::move(context));
  return Ok();
}

Status Cipher::Open(std::span<uint8_t> data, View nonce, View authenticated, View tag) {
  TRY(CheckLengths(data, nonce, authenticated, tag));
  TRY_ASSIGN(Context context, Take(false));
  // OpenSSL wants one that it could write to.
  std::array<uint8_t, kCipherTagBytes> expected;
  std::copy(tag.begin(), tag.end(), expected.begin());
  const bool worked =
      Transform(context.get(), false, data, nonce, authenticated) &&
      EVP_CIPHER_CTX_ctrl(context.get(), kSetTag, kCipherTagBytes, expected.data()) == 1;
  if (worked && Finish(context.get())) {
    Return(false, std::move(context));
    return Ok();
  }
  std::fill(data.begin(), data.end(), uint8_t{0});
  if (!worked) return Failed();
  Return(false, std::move(context));
  return Error{ErrorCode::kCorrupt, "", "what is sealed was changed, or sealed with another key"};
}

}  // namespace capstan
