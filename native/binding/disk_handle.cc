#include "handles.h"

namespace capstan {
namespace {

CrashProfile ProfileArgument(const Napi::CallbackInfo& info, size_t i) {
  const std::string text = StringArgument(info, i, "profile");
  if (text == "ordered") return CrashProfile::kOrdered;
  if (text == "ext4") return CrashProfile::kExt4;
  if (text == "any") return CrashProfile::kAny;
  throw Napi::TypeError::New(info.Env(), "profile must be 'ordered', 'ext4' or 'any'");
}

}  // namespace

Napi::Function DiskHandle::Define(Napi::Env env) {
  return DefineClass(env, "SimulatedDisk",
                     {InstanceAccessor<&DiskHandle::OperationCount>("operationCount"),
                      InstanceAccessor<&DiskHandle::Crashed>("crashed"),
                      InstanceAccessor<&DiskHandle::UsedBytes>("usedBytes"),
                      InstanceMethod<&DiskHandle::CrashAtOperation>("crashAtOperation"),
                      InstanceMethod<&DiskHandle::PowerCut>("powerCut"),
                      InstanceMethod<&DiskHandle::Kill>("kill"),
                      InstanceMethod<&DiskHandle::Restart>("restart"),
                      InstanceMethod<&DiskHandle::SetQuota>("setQuotaBytes"),
                      InstanceMethod<&DiskHandle::FailOperation>("failOperation"),
                      InstanceMethod<&DiskHandle::ClearFaults>("clearFaults"),
                      InstanceMethod<&DiskHandle::Rot>("rot"),
                      InstanceMethod<&DiskHandle::Files>("files"),
                      InstanceMethod<&DiskHandle::Hash>("hash")});
}

DiskHandle::DiskHandle(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<DiskHandle>(info),
      disk_(CountArgument(info, 0, "seed"), ProfileArgument(info, 1)) {}

Napi::Value DiskHandle::OperationCount(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(disk_.operation_count()));
}
Napi::Value DiskHandle::Crashed(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), disk_.crashed());
}
Napi::Value DiskHandle::UsedBytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(disk_.used_bytes()));
}
void DiskHandle::CrashAtOperation(const Napi::CallbackInfo& info) {
  disk_.CrashAtOperation(CountArgument(info, 0, "n"));
}
void DiskHandle::PowerCut(const Napi::CallbackInfo&) { disk_.PowerCut(); }
void DiskHandle::Kill(const Napi::CallbackInfo&) { disk_.Kill(); }
void DiskHandle::Restart(const Napi::CallbackInfo&) { disk_.Restart(); }
void DiskHandle::SetQuota(const Napi::CallbackInfo& info) {
  if (info[0].IsUndefined())
    disk_.SetQuota(std::nullopt);
  else
    disk_.SetQuota(CountArgument(info, 0, "bytes"));
}
// failOperation(n, kind, error, persistent)
void DiskHandle::FailOperation(const Napi::CallbackInfo& info) {
  const std::string kind = StringArgument(info, 1, "kind");
  disk_.FailOperation(CountArgument(info, 0, "n"),
                      kind == "write"  ? FaultKind::kWrite
                      : kind == "sync" ? FaultKind::kSync
                      : kind == "read" ? FaultKind::kRead
                                       : FaultKind::kAny,
                      StringArgument(info, 2, "error") == "no-space" ? FaultError::kNoSpace
                                                                     : FaultError::kIo,
                      BooleanArgument(info, 3, "persistent"));
}
void DiskHandle::ClearFaults(const Napi::CallbackInfo&) { disk_.ClearFaults(); }
Napi::Value DiskHandle::Rot(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(
      info.Env(), disk_.Rot(StringArgument(info, 0, "path"), CountArgument(info, 1, "offset"),
                            static_cast<unsigned>(CountArgument(info, 2, "bit"))));
}
Napi::Value DiskHandle::Files(const Napi::CallbackInfo& info) {
  const auto files = disk_.Files();
  const Napi::Array array = Napi::Array::New(info.Env(), files.size());
  for (uint32_t i = 0; i < files.size(); ++i) {
    const Napi::Object file = Napi::Object::New(info.Env());
    file.Set("path", files[i].first);
    file.Set("sizeBytes", static_cast<double>(files[i].second));
    array.Set(i, file);
  }
  return array;
}
Napi::Value DiskHandle::Hash(const Napi::CallbackInfo& info) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(disk_.Hash()));
  return Napi::String::New(info.Env(), text);
}

}  // namespace capstan
