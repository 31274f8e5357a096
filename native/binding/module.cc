// What the module exports: openStore, SimulatedDisk, handOver, receiveDescriptors, SshSealer, SshOpener.
#include "descriptors.h"
#include "handles.h"
#include "ssh_handles.h"

namespace capstan {

Napi::Object Initialize(Napi::Env env, Napi::Object exports) {
  auto constructors = std::make_unique<Constructors>();
  constructors->store = Napi::Persistent(StoreHandle::Define(env));
  constructors->image = Napi::Persistent(ImageHandle::Define(env));
  constructors->transfer = Napi::Persistent(TransferHandle::Define(env));
  constructors->disk = Napi::Persistent(DiskHandle::Define(env));
  exports.Set("SimulatedDisk", constructors->disk.Value());
  exports.Set("SshSealer", SshSealerHandle::Define(env));
  exports.Set("SshOpener", SshOpenerHandle::Define(env));
  exports.Set("openStore", Napi::Function::New<OpenStore>(env, "openStore"));
  exports.Set("handOver", Napi::Function::New<HandOver>(env, "handOver"));
  exports.Set("receiveDescriptors", Napi::Function::New<ReceiveDescriptors>(env, "receiveDescriptors"));
  // The environment owns it from here on.
  env.SetInstanceData(constructors.release());
  return exports;
}

}  // namespace capstan

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  return capstan::Initialize(env, exports);
}
NODE_API_MODULE(capstan_engine, Init)
