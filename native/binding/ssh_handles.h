// What takes the place of ssh2's ciphers: SshSealer and SshOpener, whose calls take many packets at a time.
#pragma once

#include <napi.h>

#include "../engine/ssh_packets.h"

namespace capstan {

class SshSealerHandle final : public Napi::ObjectWrap<SshSealerHandle> {
 public:
  static Napi::Function Define(Napi::Env env);
  // (key, nonce)
  explicit SshSealerHandle(const Napi::CallbackInfo& info);

 private:
  // (packet)
  void Seal(const Napi::CallbackInfo& info);
  // (channel, data, partBytes, into): how many bytes of packets were made.
  Napi::Value SealData(const Napi::CallbackInfo& info);

  std::unique_ptr<SshCipher> cipher_;
};

class SshOpenerHandle final : public Napi::ObjectWrap<SshOpenerHandle> {
 public:
  static Napi::Function Define(Napi::Env env);
  // (key, nonce, pieces)
  explicit SshOpenerHandle(const Napi::CallbackInfo& info);

 private:
  // (bytes, from, payloads): where it came to; payloads: how many, then offset, length and whether in pieces, of each.
  Napi::Value Take(const Napi::CallbackInfo& info);

  Napi::Reference<Napi::Uint8Array> pieces_;
  std::unique_ptr<SshOpener> opener_;
};

}  // namespace capstan
