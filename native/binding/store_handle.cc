#include "handles.h"

#include "../engine/posix_disk.h"

namespace capstan {
namespace {

// {data, size} of an array that stays alive as long as the call that uses it.
View ViewOf(const Napi::Uint8Array& array) { return {array.Data(), array.ByteLength()}; }

}  // namespace

Napi::Function StoreHandle::Define(Napi::Env env) {
  return DefineClass(env, "Store",
                     {InstanceMethod<&StoreHandle::CreateImage>("createImage"),
                      InstanceMethod<&StoreHandle::OpenImage>("openImage"),
                      InstanceMethod<&StoreHandle::ListImages>("listImages"),
                      InstanceMethod<&StoreHandle::RemoveImage>("removeImage"),
                      InstanceMethod<&StoreHandle::PublishImage>("publishImage"),
                      InstanceMethod<&StoreHandle::ExportManifest>("exportManifest"),
                      InstanceMethod<&StoreHandle::ReadManifest>("readManifest"),
                      InstanceMethod<&StoreHandle::LackingChunks>("lackingChunks"),
                      InstanceMethod<&StoreHandle::ReadEncodedChunks>("readEncodedChunks"),
                      InstanceMethod<&StoreHandle::AddEncodedChunks>("addEncodedChunks"),
                      InstanceMethod<&StoreHandle::StageImage>("stageImage"),
                      InstanceMethod<&StoreHandle::Sync>("sync"),
                      InstanceMethod<&StoreHandle::Verify>("verify"),
                      InstanceMethod<&StoreHandle::VerifyProgress>("verifyProgress"),
                      InstanceMethod<&StoreHandle::Statistics>("statistics"),
                      InstanceMethod<&StoreHandle::Close>("close")});
}

Napi::Object StoreHandle::Wrap(Napi::Env env, std::shared_ptr<Store> store, bool synchronous) {
  const Napi::Object object = env.GetInstanceData<Constructors>()->store.New({});
  StoreHandle* handle = Unwrap(object);
  handle->store_ = std::move(store);
  handle->synchronous_ = synchronous;
  return object;
}

Napi::Value StoreHandle::CreateImage(const Napi::CallbackInfo& info) {
  return Task<Unit>::Run(
      info.Env(), synchronous_, {},
      [store = store_, name = StringArgument(info, 0, "name"),
       partitions = static_cast<uint32_t>(CountArgument(info, 1, "partitionCount"))] {
        return store->CreateImage(name, partitions);
      },
      Nothing);
}

Napi::Value StoreHandle::OpenImage(const Napi::CallbackInfo& info) {
  return Task<std::shared_ptr<Image>>::Run(
      info.Env(), synchronous_, {},
      [store = store_, name = StringArgument(info, 0, "name"),
       writable = BooleanArgument(info, 1, "writable")] { return store->OpenImage(name, writable); },
      [synchronous = synchronous_](Napi::Env env, std::shared_ptr<Image>&& image) -> Napi::Value {
        return ImageHandle::Wrap(env, std::move(image), synchronous);
      });
}

Napi::Value StoreHandle::ListImages(const Napi::CallbackInfo& info) {
  return Task<std::vector<ImageInfo>>::Run(
      info.Env(), synchronous_, {}, [store = store_] { return store->ListImages(); },
      [](Napi::Env env, std::vector<ImageInfo>&& images) -> Napi::Value {
        const Napi::Array array = Napi::Array::New(env, images.size());
        for (uint32_t i = 0; i < images.size(); ++i) array.Set(i, ToJs(env, images[i]));
        return array;
      });
}

Napi::Value StoreHandle::RemoveImage(const Napi::CallbackInfo& info) {
  return Task<Unit>::Run(
      info.Env(), synchronous_, {},
      [store = store_, name = StringArgument(info, 0, "name")] { return store->RemoveImage(name); },
      Nothing);
}

Napi::Value StoreHandle::PublishImage(const Napi::CallbackInfo& info) {
  return Task<Unit>::Run(
      info.Env(), synchronous_, {},
      [store = store_, from = StringArgument(info, 0, "from"), to = StringArgument(info, 1, "to")] {
        return store->PublishImage(from, to);
      },
      Nothing);
}

Napi::Value StoreHandle::ExportManifest(const Napi::CallbackInfo& info) {
  return Task<Bytes>::Run(
      info.Env(), synchronous_, {},
      [store = store_, name = StringArgument(info, 0, "name")] {
        return store->ExportManifest(name);
      },
      [](Napi::Env env, Bytes&& bytes) { return ToJs(env, std::move(bytes)); });
}

Napi::Value StoreHandle::ReadManifest(const Napi::CallbackInfo& info) {
  const Napi::Uint8Array manifest = BytesArgument(info, 0, "manifest");
  return Task<ManifestSummary>::Run(
      info.Env(), synchronous_, {manifest},
      [store = store_, view = ViewOf(manifest)] { return store->ReadManifest(view); },
      [](Napi::Env env, ManifestSummary&& summary) -> Napi::Value {
        const Napi::Object object = Napi::Object::New(env);
        Bytes digests;
        digests.reserve(summary.digests.size() * kDigestBytes);
        for (const Digest& digest : summary.digests)
          digests.insert(digests.end(), digest.begin(), digest.end());
        object.Set("digest", ToJs(env, Bytes(summary.digest.begin(), summary.digest.end())));
        object.Set("partitions", ToJs(env, summary.partitions));
        object.Set("digests", ToJs(env, std::move(digests)));
        return object;
      });
}

Napi::Value StoreHandle::LackingChunks(const Napi::CallbackInfo& info) {
  const Napi::Uint8Array digests = BytesArgument(info, 0, "digests");
  return Task<Bytes>::Run(
      info.Env(), synchronous_, {digests},
      [store = store_, view = ViewOf(digests)]() -> Result<Bytes> {
        return store->LackingChunks(view);
      },
      [](Napi::Env env, Bytes&& bytes) { return ToJs(env, std::move(bytes)); });
}

Napi::Value StoreHandle::ReadEncodedChunks(const Napi::CallbackInfo& info) {
  const Napi::Uint8Array digests = BytesArgument(info, 0, "digests");
  return Task<Bytes>::Run(
      info.Env(), synchronous_, {digests},
      [store = store_, view = ViewOf(digests)] { return store->ReadEncodedChunks(view); },
      [](Napi::Env env, Bytes&& bytes) { return ToJs(env, std::move(bytes)); });
}

Napi::Value StoreHandle::AddEncodedChunks(const Napi::CallbackInfo& info) {
  const Napi::Uint8Array encoded = BytesArgument(info, 0, "encoded");
  return Task<Bytes>::Run(
      info.Env(), synchronous_, {encoded},
      [store = store_, view = ViewOf(encoded)] { return store->AddEncodedChunks(view); },
      [](Napi::Env env, Bytes&& bytes) { return ToJs(env, std::move(bytes)); });
}

Napi::Value StoreHandle::StageImage(const Napi::CallbackInfo& info) {
  const Napi::Uint8Array manifest = BytesArgument(info, 1, "manifest");
  return Task<Unit>::Run(
      info.Env(), synchronous_, {manifest},
      [store = store_, name = StringArgument(info, 0, "name"), view = ViewOf(manifest),
       generation = CountArgument(info, 2, "generation")] {
        return store->StageImage(name, view, generation);
      },
      Nothing);
}

Napi::Value StoreHandle::Sync(const Napi::CallbackInfo& info) {
  return Task<Unit>::Run(
      info.Env(), synchronous_, {}, [store = store_] { return store->Sync(); }, Nothing);
}

Napi::Value StoreHandle::Verify(const Napi::CallbackInfo& info) {
  std::vector<std::string> names;
  if (!info[0].IsArray()) throw Napi::TypeError::New(info.Env(), "images must be an array");
  const Napi::Array array = info[0].As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); ++i)
    names.push_back(array.Get(i).ToString().Utf8Value());
  return Task<VerifyReport>::Run(
      info.Env(), synchronous_, {}, [store = store_, names] { return store->Verify(names); },
      [](Napi::Env env, VerifyReport&& report) -> Napi::Value {
        const Napi::Object object = Napi::Object::New(env);
        object.Set("imageCount", static_cast<double>(report.image_count));
        object.Set("chunkCount", static_cast<double>(report.chunk_count));
        object.Set("bytesRead", static_cast<double>(report.bytes_read));
        const Napi::Array damages = Napi::Array::New(env, report.damages.size());
        for (uint32_t i = 0; i < report.damages.size(); ++i) {
          const Napi::Object damage = Napi::Object::New(env);
          damage.Set("place", report.damages[i].place);
          damage.Set("what", report.damages[i].what);
          damages.Set(i, damage);
        }
        object.Set("damages", damages);
        return object;
      });
}

Napi::Value StoreHandle::VerifyProgress(const Napi::CallbackInfo& info) {
  const Napi::Object object = Napi::Object::New(info.Env());
  object.Set("doneBytes", static_cast<double>(store_->verified_bytes.load()));
  object.Set("totalBytes", static_cast<double>(store_->verify_total_bytes.load()));
  return object;
}

Napi::Value StoreHandle::Statistics(const Napi::CallbackInfo& info) {
  return Task<StoreStatistics>::Run(
      info.Env(), synchronous_, {}, [store = store_] { return store->Statistics(); },
      [](Napi::Env env, StoreStatistics&& statistics) -> Napi::Value {
        const Napi::Object object = Napi::Object::New(env);
        object.Set("imageCount", static_cast<double>(statistics.image_count));
        object.Set("packCount", static_cast<double>(statistics.packs.pack_count));
        object.Set("chunkCount", static_cast<double>(statistics.packs.chunk_count));
        object.Set("uniqueBytes", static_cast<double>(statistics.packs.unique_bytes));
        object.Set("storedBytes", static_cast<double>(statistics.packs.stored_bytes));
        object.Set("appendedBytes", static_cast<double>(statistics.appended_bytes));
        object.Set("newChunkBytes", static_cast<double>(statistics.new_chunk_bytes));
        return object;
      });
}

Napi::Value StoreHandle::Close(const Napi::CallbackInfo& info) {
  return Task<Unit>::Run(
      info.Env(), synchronous_, {}, [store = store_] { return store->Close(); }, Nothing);
}

Napi::Value OpenStore(const Napi::CallbackInfo& info) {
  const bool synchronous = info[0].IsObject();
  std::unique_ptr<Disk> disk = synchronous
                                   ? DiskHandle::Unwrap(info[0].As<Napi::Object>())->disk().Attach()
                                   : MakePosixDisk();
  const std::string mode_text = StringArgument(info, 2, "mode");
  const Store::Mode mode = mode_text == "create"  ? Store::Mode::kCreate
                           : mode_text == "write" ? Store::Mode::kWrite
                                                  : Store::Mode::kRead;
  const Napi::Uint8Array id_bytes = BytesArgument(info, 4, "storeId");
  StoreId id{};
  std::memcpy(id.data(), id_bytes.Data(), std::min(id.size(), id_bytes.ByteLength()));
  // std::function wants what it holds to be copyable.
  auto held = std::make_shared<std::unique_ptr<Disk>>(std::move(disk));
  return Task<std::shared_ptr<Store>>::Run(
      info.Env(), synchronous, {},
      [held, path = StringArgument(info, 1, "path"), mode,
       pack_bytes_max = CountArgument(info, 3, "packBytesMax"), id] {
        return Store::Open(std::move(*held), path, mode, pack_bytes_max, id);
      },
      [synchronous](Napi::Env env, std::shared_ptr<Store>&& store) -> Napi::Value {
        return StoreHandle::Wrap(env, std::move(store), synchronous);
      });
}

}  // namespace capstan
