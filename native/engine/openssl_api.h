// The few functions of OpenSSL's stable interface that the engine calls. The node binary exports them
// (OpenSSL is part of it), so the module links to nothing; its tests link Debian's libcrypto.
// Source: OpenSSL 3, EVP_EncryptInit(3).
#pragma once

#include <cstddef>

extern "C" {
struct evp_cipher_st;
struct evp_cipher_ctx_st;
struct engine_st;
const evp_cipher_st* EVP_aes_128_gcm(void);
const evp_cipher_st* EVP_aes_256_gcm(void);
int RAND_bytes(unsigned char* bytes, int count);
evp_cipher_ctx_st* EVP_CIPHER_CTX_new(void);
void EVP_CIPHER_CTX_free(evp_cipher_ctx_st* context);
// `command`: 16 (0x10) gets the tag, 17 sets it.
int EVP_CIPHER_CTX_ctrl(evp_cipher_ctx_st* context, int command, int length, void* data);
int EVP_CipherInit_ex(evp_cipher_ctx_st* context, const evp_cipher_st* cipher, engine_st* engine,
                      const unsigned char* key, const unsigned char* nonce, int encrypt);
int EVP_CipherUpdate(evp_cipher_ctx_st* context, unsigned char* out, int* out_length,
                     const unsigned char* in, int in_length);
int EVP_CipherFinal_ex(evp_cipher_ctx_st* context, unsigned char* out, int* out_length);
void OPENSSL_cleanse(void* data, size_t length);
}
