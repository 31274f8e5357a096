// The classes that JavaScript holds: Store, Image, Transfer, SimulatedDisk.
#pragma once

#include "../engine/simulated_disk.h"
#include "values.h"

namespace capstan {

// One an environment: the constructors.
struct Constructors {
  Napi::FunctionReference store;
  Napi::FunctionReference image;
  Napi::FunctionReference transfer;
  Napi::FunctionReference disk;
};

class StoreHandle final : public Napi::ObjectWrap<StoreHandle> {
 public:
  static Napi::Function Define(Napi::Env env);
  static Napi::Object Wrap(Napi::Env env, std::shared_ptr<Store> store, bool synchronous);
  explicit StoreHandle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<StoreHandle>(info) {}

 private:
  Napi::Value CreateImage(const Napi::CallbackInfo& info);
  Napi::Value OpenImage(const Napi::CallbackInfo& info);
  Napi::Value ListImages(const Napi::CallbackInfo& info);
  Napi::Value RemoveImage(const Napi::CallbackInfo& info);
  Napi::Value PublishImage(const Napi::CallbackInfo& info);
  Napi::Value ExportManifest(const Napi::CallbackInfo& info);
  Napi::Value ReadManifest(const Napi::CallbackInfo& info);
  Napi::Value OutlineManifest(const Napi::CallbackInfo& info);
  Napi::Value FillManifest(const Napi::CallbackInfo& info);
  Napi::Value LackingChunks(const Napi::CallbackInfo& info);
  Napi::Value OpenTransfer(const Napi::CallbackInfo& info);
  Napi::Value AddParcels(const Napi::CallbackInfo& info);
  Napi::Value StageImage(const Napi::CallbackInfo& info);
  Napi::Value Sync(const Napi::CallbackInfo& info);
  Napi::Value Verify(const Napi::CallbackInfo& info);
  Napi::Value VerifyProgress(const Napi::CallbackInfo& info);
  Napi::Value DamagedChunks(const Napi::CallbackInfo& info);
  Napi::Value Collect(const Napi::CallbackInfo& info);
  Napi::Value Statistics(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  std::shared_ptr<Store> store_;
  bool synchronous_ = false;
};

class ImageHandle final : public Napi::ObjectWrap<ImageHandle> {
 public:
  static Napi::Function Define(Napi::Env env);
  static Napi::Object Wrap(Napi::Env env, std::shared_ptr<Image> image, bool synchronous);
  explicit ImageHandle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ImageHandle>(info) {}

 private:
  Napi::Value Info(const Napi::CallbackInfo& info);
  Napi::Value Append(const Napi::CallbackInfo& info);
  Napi::Value Read(const Napi::CallbackInfo& info);
  Napi::Value Space(const Napi::CallbackInfo& info);
  Napi::Value Locate(const Napi::CallbackInfo& info);
  Napi::Value Truncate(const Napi::CallbackInfo& info);
  Napi::Value Sync(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  std::shared_ptr<Image> image_;
  bool synchronous_ = false;
};

class TransferHandle final : public Napi::ObjectWrap<TransferHandle> {
 public:
  static Napi::Function Define(Napi::Env env);
  static Napi::Object Wrap(Napi::Env env, std::shared_ptr<Transfer> transfer, bool synchronous);
  explicit TransferHandle(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<TransferHandle>(info) {}

 private:
  Napi::Value Bases(const Napi::CallbackInfo& info);
  void UseBases(const Napi::CallbackInfo& info);
  Napi::Value Read(const Napi::CallbackInfo& info);

  std::shared_ptr<Transfer> transfer_;
  bool synchronous_ = false;
};

class DiskHandle final : public Napi::ObjectWrap<DiskHandle> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit DiskHandle(const Napi::CallbackInfo& info);
  SimulatedDisk& disk() { return disk_; }

 private:
  Napi::Value OperationCount(const Napi::CallbackInfo& info);
  Napi::Value Crashed(const Napi::CallbackInfo& info);
  Napi::Value UsedBytes(const Napi::CallbackInfo& info);
  void CrashAtOperation(const Napi::CallbackInfo& info);
  void PowerCut(const Napi::CallbackInfo& info);
  void Kill(const Napi::CallbackInfo& info);
  void Restart(const Napi::CallbackInfo& info);
  void SetQuota(const Napi::CallbackInfo& info);
  void FailOperation(const Napi::CallbackInfo& info);
  void ClearFaults(const Napi::CallbackInfo& info);
  Napi::Value Rot(const Napi::CallbackInfo& info);
  Napi::Value Files(const Napi::CallbackInfo& info);
  Napi::Value Hash(const Napi::CallbackInfo& info);

  SimulatedDisk disk_;
};

Napi::Value OpenStore(const Napi::CallbackInfo& info);

}  // namespace capstan
