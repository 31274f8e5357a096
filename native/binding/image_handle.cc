#include "handles.h"

namespace capstan {

Napi::Function ImageHandle::Define(Napi::Env env) {
  return DefineClass(env, "Image",
                     {InstanceMethod<&ImageHandle::Info>("info"),
                      InstanceMethod<&ImageHandle::Append>("append"),
                      InstanceMethod<&ImageHandle::Read>("read"),
                      InstanceMethod<&ImageHandle::Space>("space"),
                      InstanceMethod<&ImageHandle::Locate>("locate"),
                      InstanceMethod<&ImageHandle::Truncate>("truncate"),
                      InstanceMethod<&ImageHandle::Sync>("sync"),
                      InstanceMethod<&ImageHandle::Close>("close")});
}

Napi::Object ImageHandle::Wrap(Napi::Env env, std::shared_ptr<Image> image, bool synchronous) {
  const Napi::Object object = env.GetInstanceData<Constructors>()->image.New({});
  ImageHandle* handle = Unwrap(object);
  handle->image_ = std::move(image);
  handle->synchronous_ = synchronous;
  return object;
}

Napi::Value ImageHandle::Info(const Napi::CallbackInfo& info) {
  return Task<ImageInfo>::Run(
      info.Env(), synchronous_, {}, [image = image_] { return image->Info(); },
      [](Napi::Env env, ImageInfo&& value) { return ToJs(env, value); });
}

Napi::Value ImageHandle::Append(const Napi::CallbackInfo& info) {
  const Napi::Uint32Array lengths = WordsArgument(info, 2, "lengths");
  const Napi::Uint8Array data = BytesArgument(info, 3, "data");
  return Task<uint64_t>::Run(
      info.Env(), synchronous_, {lengths, data},
      [image = image_, partition = static_cast<uint32_t>(CountArgument(info, 0, "partition")),
       at = CountArgument(info, 1, "at"),
       words = std::span<const uint32_t>(lengths.Data(), lengths.ElementLength()),
       bytes = View(data.Data(), data.ByteLength())] {
        return image->Append(partition, at, words, bytes);
      },
      [](Napi::Env env, uint64_t&& count) -> Napi::Value {
        return Napi::Number::New(env, static_cast<double>(count));
      });
}

Napi::Value ImageHandle::Read(const Napi::CallbackInfo& info) {
  // The memory to read into, where the caller has some to spare.
  std::vector<Napi::Value> kept;
  std::span<uint8_t> into;
  if (info[5].IsTypedArray()) {
    Napi::Uint8Array given = BytesArgument(info, 5, "into");
    into = std::span<uint8_t>(given.Data(), given.ByteLength());
    kept.push_back(given);
  }
  return Task<ReadResult>::Run(
      info.Env(), synchronous_, std::move(kept),
      [image = image_, partition = static_cast<uint32_t>(CountArgument(info, 0, "partition")),
       at = CountArgument(info, 1, "at"), reverse = BooleanArgument(info, 2, "reverse"),
       count_max = CountArgument(info, 3, "countMax"),
       bytes_max = CountArgument(info, 4, "bytesMax"), into] {
        return image->Read(partition, at, reverse, count_max, bytes_max, into);
      },
      [](Napi::Env env, ReadResult&& result) -> Napi::Value {
        const Napi::Object object = Napi::Object::New(env);
        object.Set("lengths", ToJs(env, std::move(result.lengths)));
        object.Set("data", ToJs(env, std::move(result.data)));
        object.Set("filledBytes", static_cast<double>(result.filled_bytes));
        object.Set("stoppedBy", ToText(result.stopped_by));
        return object;
      });
}

Napi::Value ImageHandle::Space(const Napi::CallbackInfo& info) {
  return Task<SpaceResult>::Run(
      info.Env(), synchronous_, {},
      [image = image_, partition = static_cast<uint32_t>(CountArgument(info, 0, "partition")),
       at = CountArgument(info, 1, "at"), filemarks = BooleanArgument(info, 2, "filemarks"),
       count = static_cast<int64_t>(NumberArgument(info, 3, "count"))] {
        return image->Space(partition, at, filemarks, count);
      },
      [](Napi::Env env, SpaceResult&& result) -> Napi::Value {
        const Napi::Object object = Napi::Object::New(env);
        object.Set("at", static_cast<double>(result.at));
        object.Set("residual", static_cast<double>(result.residual));
        object.Set("stoppedBy", ToText(result.stopped_by));
        return object;
      });
}

Napi::Value ImageHandle::Locate(const Napi::CallbackInfo& info) {
  return Task<LocateResult>::Run(
      info.Env(), synchronous_, {},
      [image = image_, partition = static_cast<uint32_t>(CountArgument(info, 0, "partition")),
       at = CountArgument(info, 1, "at")] { return image->Locate(partition, at); },
      [](Napi::Env env, LocateResult&& result) -> Napi::Value {
        const Napi::Object object = Napi::Object::New(env);
        object.Set("at", static_cast<double>(result.at));
        object.Set("objectCount", static_cast<double>(result.object_count));
        object.Set("filemarksBefore", static_cast<double>(result.filemarks_before));
        object.Set("bytesBefore", static_cast<double>(result.bytes_before));
        return object;
      });
}

Napi::Value ImageHandle::Truncate(const Napi::CallbackInfo& info) {
  return Task<uint64_t>::Run(
      info.Env(), synchronous_, {},
      [image = image_, partition = static_cast<uint32_t>(CountArgument(info, 0, "partition")),
       at = CountArgument(info, 1, "at")] { return image->Truncate(partition, at); },
      [](Napi::Env env, uint64_t&& count) -> Napi::Value {
        return Napi::Number::New(env, static_cast<double>(count));
      });
}

Napi::Value ImageHandle::Sync(const Napi::CallbackInfo& info) {
  return Task<Unit>::Run(
      info.Env(), synchronous_, {},
      [image = image_, generation = CountArgument(info, 0, "generation")] {
        return image->Sync(generation);
      },
      Nothing);
}

Napi::Value ImageHandle::Close(const Napi::CallbackInfo& info) {
  return Task<Unit>::Run(
      info.Env(), synchronous_, {}, [image = image_] { return image->Close(); }, Nothing);
}

}  // namespace capstan
