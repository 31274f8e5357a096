#include "ssh_handles.h"

#include "values.h"

namespace capstan {
namespace {

// Of one call: more than 64 KiB can bring, in packets as long as they are in a copy.
constexpr size_t kPayloadsMax = 32;
constexpr size_t kWordsOfPayload = 3;

std::unique_ptr<SshCipher> CipherOf(const Napi::CallbackInfo& info, bool seals) {
  auto cipher = SshCipher::Make(ViewOf(BytesArgument(info, 0, "key")),
                                ViewOf(BytesArgument(info, 1, "nonce")), seals);
  if (!cipher.ok()) throw ToJs(info.Env(), cipher.error());
  return cipher.take();
}

std::span<uint8_t> SpanOf(const Napi::Uint8Array& array) {
  return {const_cast<uint8_t*>(array.Data()), array.ByteLength()};
}

}  // namespace

Napi::Function SshSealerHandle::Define(Napi::Env env) {
  return DefineClass(env, "SshSealer",
                     {InstanceMethod<&SshSealerHandle::Seal>("seal"),
                      InstanceMethod<&SshSealerHandle::SealData>("sealData")});
}

SshSealerHandle::SshSealerHandle(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<SshSealerHandle>(info), cipher_(CipherOf(info, true)) {}

void SshSealerHandle::Seal(const Napi::CallbackInfo& info) {
  const Status sealed = cipher_->Seal(SpanOf(BytesArgument(info, 0, "packet")));
  if (!sealed.ok()) throw ToJs(info.Env(), sealed.error());
}

Napi::Value SshSealerHandle::SealData(const Napi::CallbackInfo& info) {
  const uint64_t channel = CountArgument(info, 0, "channel");
  const View data = ViewOf(BytesArgument(info, 1, "data"));
  const uint64_t part_bytes = CountArgument(info, 2, "partBytes");
  const auto into = SpanOf(BytesArgument(info, 3, "into"));
  if (channel > UINT32_MAX || part_bytes == 0 || part_bytes > kSshPacketBytesMax)
    throw Napi::TypeError::New(info.Env(), "channel or partBytes cannot be");
  const size_t sealed_bytes = SealedChannelDataBytes(data.size(), part_bytes);
  if (sealed_bytes > into.size()) throw Napi::TypeError::New(info.Env(), "into is too short");
  const Status sealed = SealChannelData(*cipher_, static_cast<uint32_t>(channel), data, part_bytes,
                                        into.first(sealed_bytes));
  if (!sealed.ok()) throw ToJs(info.Env(), sealed.error());
  return Napi::Number::New(info.Env(), static_cast<double>(sealed_bytes));
}

Napi::Function SshOpenerHandle::Define(Napi::Env env) {
  return DefineClass(env, "SshOpener", {InstanceMethod<&SshOpenerHandle::Take>("take")});
}

SshOpenerHandle::SshOpenerHandle(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<SshOpenerHandle>(info) {
  auto cipher = CipherOf(info, false);
  const Napi::Uint8Array pieces = BytesArgument(info, 2, "pieces");
  if (pieces.ByteLength() != kSshPacketBytesMax)
    throw Napi::TypeError::New(info.Env(), "pieces must have room for one packet");
  pieces_ = Napi::Persistent(pieces);
  opener_ = std::make_unique<SshOpener>(std::move(cipher), SpanOf(pieces));
}

Napi::Value SshOpenerHandle::Take(const Napi::CallbackInfo& info) {
  const auto bytes = SpanOf(BytesArgument(info, 0, "bytes"));
  const uint64_t from = CountArgument(info, 1, "from");
  Napi::Uint32Array words = WordsArgument(info, 2, "payloads");
  if (from > bytes.size() || words.ElementLength() < 1 + kPayloadsMax * kWordsOfPayload)
    throw Napi::TypeError::New(info.Env(), "from or payloads does not fit");
  std::array<SshOpener::Payload, kPayloadsMax> payloads;
  size_t count = 0;
  const auto taken = opener_->Take(bytes.subspan(from), payloads, &count);
  if (!taken.ok()) throw ToJs(info.Env(), taken.error());
  words[0] = static_cast<uint32_t>(count);
  for (size_t i = 0; i < count; ++i) {
    const SshOpener::Payload& payload = payloads[i];
    words[1 + i * kWordsOfPayload] =
        payload.offset + (payload.in_pieces ? 0 : static_cast<uint32_t>(from));
    words[2 + i * kWordsOfPayload] = payload.length;
    words[3 + i * kWordsOfPayload] = payload.in_pieces ? 1 : 0;
  }
  return Napi::Number::New(info.Env(), static_cast<double>(from + taken.value()));
}

}  // namespace capstan
