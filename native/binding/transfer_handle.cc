#include "handles.h"

namespace capstan {

Napi::Function TransferHandle::Define(Napi::Env env) {
  return DefineClass(env, "Transfer",
                     {InstanceMethod<&TransferHandle::Bases>("bases"),
                      InstanceMethod<&TransferHandle::UseBases>("useBases"),
                      InstanceMethod<&TransferHandle::Read>("read")});
}

Napi::Object TransferHandle::Wrap(Napi::Env env, std::shared_ptr<Transfer> transfer,
                                  bool synchronous) {
  const Napi::Object object = env.GetInstanceData<Constructors>()->transfer.New({});
  TransferHandle* handle = Unwrap(object);
  handle->transfer_ = std::move(transfer);
  handle->synchronous_ = synchronous;
  return object;
}

Napi::Value TransferHandle::Bases(const Napi::CallbackInfo& info) {
  return Task<Bytes>::Run(
      info.Env(), synchronous_, {}, [transfer = transfer_] { return transfer->Bases(); },
      [](Napi::Env env, Bytes&& bytes) { return ToJs(env, std::move(bytes)); });
}

void TransferHandle::UseBases(const Napi::CallbackInfo& info) {
  transfer_->UseBases(ViewOf(BytesArgument(info, 0, "lacking")));
}

Napi::Value TransferHandle::Read(const Napi::CallbackInfo& info) {
  std::vector<Napi::Value> kept;
  // The memory to read into, where the caller has some to spare.
  std::span<uint8_t> into;
  if (!info[1].IsUndefined()) {
    Napi::Uint8Array given = BytesArgument(info, 1, "into");
    into = {given.Data(), given.ByteLength()};
    kept.push_back(given);
  }
  return Task<Transfer::Batch>::Run(
      info.Env(), synchronous_, std::move(kept),
      [transfer = transfer_, bytes_max = CountArgument(info, 0, "bytesMax"), into] {
        return transfer->Read(bytes_max, into);
      },
      [](Napi::Env env, Transfer::Batch&& batch) -> Napi::Value {
        const Napi::Object object = Napi::Object::New(env);
        object.Set("parcels", ToJs(env, std::move(batch.parcels)));
        object.Set("filledBytes", static_cast<double>(batch.filled_bytes));
        object.Set("chunkCount", static_cast<double>(batch.chunk_count));
        return object;
      });
}

}  // namespace capstan
