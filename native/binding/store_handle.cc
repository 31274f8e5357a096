#include "handles.h"

#include "../engine/manifest_outline.h"
#include "../engine/posix_disk.h"

namespace capstan {
namespace {

Bytes Joined(const std::vector<Digest>& digests) {
  Bytes bytes;
  bytes.reserve(digests.size() * kDigestBytes);
  for (const Digest& digest : digests) bytes.insert(bytes.end(), digest.begin(), digest.end());
  return bytes;
}

std::vector<std::string> NamesArgument(const Napi::CallbackInfo& info, size_t i) {
  if (!info[i].IsArray()) throw Napi::TypeError::New(info.Env(), "images must be an array");
  const Napi::Array array = info[i].As<Napi::Array>();
  std::vector<std::string> names;
  for (uint32_t k = 0; k < array.Length(); ++k)
    names.push_back(array.Get(k).ToString().Utf8Value());
  return names;
}

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
                      InstanceMethod<&StoreHandle::OutlineManifest>("outlineManifest"),
                      InstanceMethod<&StoreHandle::FillManifest>("fillManifest"),
                      InstanceMethod<&StoreHandle::LackingChunks>("lackingChunks"),
                      InstanceMethod<&StoreHandle::OpenTransfer>("openTransfer"),
                      InstanceMethod<&StoreHandle::AddParcels>("addParcels"),
                      InstanceMethod<&StoreHandle::StageImage>("stageImage"),
                      InstanceMethod<&StoreHandle::Sync>("sync"),
                      InstanceMethod<&StoreHandle::Verify>("verify"),
                      InstanceMethod<&StoreHandle::VerifyProgress>("verifyProgress"),
                      InstanceMethod<&StoreHandle::DamagedChunks>("damagedChunks"),
                      InstanceMethod<&StoreHandle::Collect>("collect"),
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
        object.Set("digest", ToJs(env, Bytes(summary.digest.begin(), summary.digest.end())));
        object.Set("partitions", ToJs(env, summary.partitions));
        object.Set("digests", ToJs(env, Joined(summary.digests)));
        return object;
      });
}

Napi::Value StoreHandle::OutlineManifest(const Napi::CallbackInfo& info) {
  const Napi::Uint8Array manifest = BytesArgument(info, 0, "manifest");
  return Task<Bytes>::Run(
      info.Env(), synchronous_, {manifest},
      [view = ViewOf(manifest)]() -> Result<Bytes> { return capstan::OutlineManifest(view); },
      [](Napi::Env env, Bytes&& bytes) { return ToJs(env, std::move(bytes)); });
}

// fillManifest(outline, older)
Napi::Value StoreHandle::FillManifest(const Napi::CallbackInfo& info) {
  const Napi::Uint8Array outline = BytesArgument(info, 0, "outline");
  const Napi::Uint8Array older = BytesArgument(info, 1, "older");
  return Task<FilledManifest>::Run(
      info.Env(), synchronous_, {outline, older},
      [outline_view = ViewOf(outline), older_view = ViewOf(older)] {
        return capstan::FillManifest(outline_view, older_view);
      },
      [](Napi::Env env, FilledManifest&& filled) -> Napi::Value {
        const Napi::Object object = Napi::Object::New(env);
        object.Set("manifest", ToJs(env, std::move(filled.manifest)));
        object.Set("lacking", ToJs(env, std::move(filled.lacking)));
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

Napi::Value StoreHandle::OpenTransfer(const Napi::CallbackInfo& info) {
  const Napi::Uint8Array digests = BytesArgument(info, 0, "digests");
  return Task<std::shared_ptr<Transfer>>::Run(
      info.Env(), synchronous_, {digests},
      [store = store_, view = ViewOf(digests)] { return store->OpenTransfer(view); },
      [synchronous = synchronous_](Napi::Env env,
                                   std::shared_ptr<Transfer>&& transfer) -> Napi::Value {
        return TransferHandle::Wrap(env, std::move(transfer), synchronous);
      });
}

Napi::Value StoreHandle::AddParcels(const Napi::CallbackInfo& info) {
  const Napi::Uint8Array parcels = BytesArgument(info, 0, "parcels");
  return Task<Unit>::Run(
      info.Env(), synchronous_, {parcels},
      [store = store_, view = ViewOf(parcels)] { return store->AddParcels(view); }, Nothing);
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
  const std::vector<std::string> names = NamesArgument(info, 0);
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

Napi::Value StoreHandle::DamagedChunks(const Napi::CallbackInfo& info) {
  return Task<std::vector<Digest>>::Run(
      info.Env(), synchronous_, {},
      [store = store_, names = NamesArgument(info, 0)] { return store->DamagedChunks(names); },
      [](Napi::Env env, std::vector<Digest>&& digests) { return ToJs(env, Joined(digests)); });
}

// collect(liveShare, packsMax, continues)
Napi::Value StoreHandle::Collect(const Napi::CallbackInfo& info) {
  return Task<PackStore::Collected>::Run(
      info.Env(), synchronous_, {},
      [store = store_, live_share = NumberArgument(info, 0, "liveShare"),
       packs_max = CountArgument(info, 1, "packsMax"),
       continues = BooleanArgument(info, 2, "continues")] {
        return store->Collect(live_share, packs_max, continues);
      },
      [](Napi::Env env, PackStore::Collected&& collected) -> Napi::Value {
        const Napi::Object object = Napi::Object::New(env);
        object.Set("packsRemoved", static_cast<double>(collected.packs_removed));
        object.Set("freedBytes", static_cast<double>(collected.bytes_freed));
        object.Set("copiedBytes", static_cast<double>(collected.bytes_copied));
        return object;
      });
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

// openStore(disk | undefined, path, mode, options), options as NativeOptions in src/platform/native-module.ts
Napi::Value OpenStore(const Napi::CallbackInfo& info) {
  const bool synchronous = info[0].IsObject();
  std::unique_ptr<Disk> disk = synchronous
                                   ? DiskHandle::Unwrap(info[0].As<Napi::Object>())->disk().Attach()
                                   : MakePosixDisk();
  const std::string mode = StringArgument(info, 2, "mode");
  if (!info[3].IsObject()) throw Napi::TypeError::New(info.Env(), "options must be an object");
  const Napi::Object given = info[3].As<Napi::Object>();
  const auto number = [&](const char* name) {
    return static_cast<uint64_t>(given.Get(name).ToNumber().DoubleValue());
  };
  const auto bytes = [&](const char* name) {
    const Napi::Value value = given.Get(name);
    if (!value.IsTypedArray()) return Bytes{};
    const auto array = value.As<Napi::Uint8Array>();
    return Bytes(array.Data(), array.Data() + array.ByteLength());
  };
  Store::Options options{StringArgument(info, 1, "path"), mode == "create"  ? Store::Mode::kCreate
                                                          : mode == "write" ? Store::Mode::kWrite
                                                                            : Store::Mode::kRead};
  options.pack_bytes_max = number("packBytesMax");
  const Bytes id = bytes("storeId");
  std::memcpy(options.id_if_new.data(), id.data(), std::min(options.id_if_new.size(), id.size()));
  options.key = bytes("key");
  options.nonce_salt = static_cast<uint32_t>(number("nonceSalt"));
  options.compression = static_cast<Compression>(std::min<uint64_t>(2, number("compression")));
  options.thread_count = synchronous ? 0 : static_cast<unsigned>(number("threadCount"));
  if (given.Get("indexBytesMax").IsNumber()) options.index_bytes_max = number("indexBytesMax");
  // std::function wants what it holds to be copyable.
  auto held = std::make_shared<std::unique_ptr<Disk>>(std::move(disk));
  return Task<std::shared_ptr<Store>>::Run(
      info.Env(), synchronous, {},
      [held, options = std::move(options)] { return Store::Open(std::move(*held), options); },
      [synchronous](Napi::Env env, std::shared_ptr<Store>&& store) -> Napi::Value {
        return StoreHandle::Wrap(env, std::move(store), synchronous);
      });
}

}  // namespace capstan
