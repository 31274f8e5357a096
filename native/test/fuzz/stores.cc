// Targets for a whole store on a simulated disk with one of its files changed, and for what comes from a peer.
#include <algorithm>

#include "../../engine/image_format.h"
#include "../../engine/pack_scanner.h"
#include "../../engine/simulated_disk.h"
#include "../../engine/store.h"
#include "fuzz.h"

namespace capstan::fuzz {
namespace {

constexpr uint64_t kSeed = 1;
constexpr uint64_t kPackBytes = 8 * 1024;
constexpr uint32_t kBlockBytes = 900;
constexpr const char* kPath = "/s";

struct StoredFile {
  std::string path;
  Bytes content;
};

Store::Options OptionsOf(Store::Mode mode) {
  Store::Options options;
  options.path = kPath;
  options.mode = mode;
  options.pack_bytes_max = kPackBytes;
  return options;
}

template <class T>
T Must(Result<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "%s: %s\n", result.error().place.c_str(), result.error().what.c_str());
    std::abort();
  }
  return result.take();
}

// The first `same` of the blocks are those of the seed, the others have a byte changed.
void Write(Image& image, uint64_t at, uint64_t seed, uint32_t same = UINT32_MAX) {
  for (uint32_t i = 0; i < 6; ++i) {
    Bytes block = Content(kBlockBytes + i, seed + i);
    if (i >= same) block[block.size() / 2] ^= 1;
    const uint32_t length = static_cast<uint32_t>(block.size());
    Must(image.Append(0, at++, {&length, 1}, block));
    const uint32_t filemark = 0;
    Must(image.Append(0, at++, {&filemark, 1}, {}));
  }
}

// Of a pack's path.
uint32_t NumberOf(const std::string& path) {
  return static_cast<uint32_t>(std::stoul(path.substr(path.rfind('/') + 1)));
}

bool HasDelta(const StoredFile& file) {
  if (!file.path.ends_with(".pack")) return false;
  for (size_t at = 0; at < file.content.size(); ++at) {
    const RegionSite site{{}, NumberOf(file.path), static_cast<uint32_t>(at)};
    const auto header = ParseRegionHeader(View(file.content).subspan(at), site);
    if (header && header->codec == Codec::kDelta) return true;
  }
  return false;
}

// Two tapes, several packs, one of them with a delta, the last pack not sealed.
std::vector<StoredFile> MakeStore() {
  SimulatedDisk simulated(kSeed, CrashProfile::kAny);
  {
    const auto store = Must(Store::Open(simulated.Attach(), OptionsOf(Store::Mode::kCreate)));
    for (const char* const name : {"A", "B"}) {
      Must(store->CreateImage(name, 1));
      const auto image = Must(store->OpenImage(name, true));
      if (name[0] == 'A') {
        Write(*image, 0, 'A');
        Must(image->Sync(1));
        Write(*image, 3, 'M');
      } else {
        Write(*image, 0, 'A', 2);
      }
      Must(image->Sync(2));
      Must(image->Close());
    }
    Must(store->Close());
  }
  std::vector<StoredFile> files;
  const auto disk = simulated.Attach();
  for (const auto& [path, size] : simulated.Files()) {
    if (path.ends_with("/lock")) continue;
    files.push_back({path, Must(ReadWhole(*Must(disk->Open(path, OpenMode::kRead)), 1u << 20, path))});
  }
  FUZZ_CHECK(std::ranges::any_of(files, HasDelta));
  return files;
}

const std::vector<StoredFile>& WholeStore() {
  static const std::vector<StoredFile> files = MakeStore();
  return files;
}

std::unique_ptr<SimulatedDisk> Lay(const std::vector<StoredFile>& files) {
  auto simulated = std::make_unique<SimulatedDisk>(kSeed, CrashProfile::kAny);
  const auto disk = simulated->Attach();
  for (const char* const folder : {"", "/packs", "/images"})
    Must(disk->MakeDirectory(std::string(kPath) + folder));
  for (const StoredFile& file : files)
    Must(Must(disk->Open(file.path, OpenMode::kCreate))->WriteAt(0, file.content));
  return simulated;
}

// `each`: every image is verified by itself, too, which costs as much again for each.
void Look(Store& store, bool each) {
  const auto listed = store.ListImages();
  const auto verified = store.Verify({});
  store.Statistics().ok();
  if (!listed.ok()) return;
  for (const ImageInfo& info : listed.value()) {
    if (each) {
      store.Verify({info.name}).ok();
      store.DamagedChunks({info.name}).ok();
    }
    const auto manifest = store.ExportManifest(info.name);
    if (manifest.ok()) store.ReadManifest(manifest.value()).ok();
    const auto image = store.OpenImage(info.name, false);
    if (!image.ok()) continue;
    for (uint32_t partition = 0; partition < info.partitions.size(); ++partition) {
      uint64_t at = 0;
      for (int turn = 0; turn < 24; ++turn) {
        const auto read = image.value()->Read(partition, at, false, 8, 1u << 20);
        if (!read.ok()) break;
        at += read.value().lengths.size();
        if (read.value().lengths.empty()) break;
      }
      image.value()->Read(partition, UINT64_MAX, true, 8, 1u << 20).ok();
      image.value()->Space(partition, 0, true, 2).ok();
      image.value()->Space(partition, UINT64_MAX, false, -3).ok();
    }
  }
}

// Flags: 1 checksums fit; 2 open for writing, write, sync and collect; 4 verify each image. The next byte says
// which file.
void OpenStore(View input) {
  Reader script(input);
  const uint8_t flags = script.U8();
  std::vector<StoredFile> files = WholeStore();
  StoredFile& file = files[script.U8() % files.size()];
  file.content = Edit(std::move(file.content), script);
  if (flags & 1) {
    if (file.path.ends_with(".pack"))
      SealPack(file.content, NumberOf(file.path));
    else if (file.path.ends_with("/store"))
      SealSuperblock(file.content);
    else if (file.path.find("/images/") != std::string::npos)
      SealImage(file.content, IdOfImage({}, file.path.substr(file.path.rfind('/') + 1)));
  }
  const auto simulated = Lay(files);
  const bool writes = (flags & 2) != 0;
  const auto opened = Store::Open(simulated->Attach(),
                                  OptionsOf(writes ? Store::Mode::kWrite : Store::Mode::kRead));
  if (input.empty()) FUZZ_CHECK(opened.ok() && opened.value()->Verify({}).value().damages.empty());
  if (!opened.ok()) return;
  Store& store = *opened.value();
  const bool each = (flags & 4) != 0;
  Look(store, each);
  if (!writes) return;
  if (store.CreateImage("NEW", 1).ok()) {
    const auto image = store.OpenImage("NEW", true);
    if (image.ok()) {
      const Bytes block = Content(9000, 77);
      const uint32_t length = static_cast<uint32_t>(block.size());
      const auto appended = image.value()->Append(0, 0, {&length, 1}, block);
      if (appended.ok() && image.value()->Sync(1).ok()) {
        const auto read = image.value()->Read(0, 0, false, 1, 1u << 20);
        FUZZ_CHECK(read.ok() && std::equal(block.begin(), block.end(), read.value().data.begin(),
                                           read.value().data.end()));
      }
    }
  }
  store.Collect(0.9, 4).ok();
  Look(store, each);
  store.Close().ok();
}

void Scan(View input) {
  static const Bytes whole = [] {
    for (const StoredFile& file : WholeStore())
      if (file.path.ends_with("00000001.pack")) return file.content;
    std::abort();
  }();
  Reader script(input);
  const uint8_t flags = script.U8();
  Bytes pack = Edit(whole, script);
  if (flags & 1) SealPack(pack, 1);
  SimulatedDisk simulated(kSeed, CrashProfile::kAny);
  const auto disk = simulated.Attach();
  const auto file = Must(disk->Open("/pack", OpenMode::kCreate));
  Must(file->WriteAt(0, pack));
  if (pack.size() <= kPackHeaderBytes) return;
  PackScanner scanner(*file, {StoreId{}, 1}, kPackHeaderBytes, pack.size());
  uint64_t last = 0;
  for (size_t turn = 0; turn <= pack.size(); ++turn) {
    const auto found = Must(scanner.Next());
    FUZZ_CHECK(scanner.offset() <= pack.size() && (turn == 0 || scanner.offset() >= last));
    last = scanner.offset();
    if (found == PackScanner::Found::kEnd) return;
    if (found == PackScanner::Found::kRegion) {
      FUZZ_CHECK(RegionChecks(scanner.region(), scanner.site()));
      continue;
    }
    Must(scanner.OtherHeader());
    if (!Must(scanner.Recover())) return;
  }
  FUZZ_CHECK(false);
}

std::shared_ptr<Store> Fresh(std::unique_ptr<SimulatedDisk>& disk) {
  disk = Lay(WholeStore());
  return Must(Store::Open(disk->Attach(), OptionsOf(Store::Mode::kWrite)));
}

void Stage(View input) {
  std::unique_ptr<SimulatedDisk> disk;
  const auto store = Fresh(disk);
  static const Bytes whole = [&] { return Must(store->ExportManifest("A")); }();
  Reader script(input);
  const Bytes manifest = Edit(whole, script);
  store->ReadManifest(manifest).ok();
  const auto staged = store->StageImage("C.S", manifest, 3);
  if (input.empty()) FUZZ_CHECK(staged.ok());
  if (!staged.ok()) return;
  Must(store->Sync());
  Must(store->PublishImage("C.S", "C"));
  FUZZ_CHECK(Must(store->ExportManifest("C")) == manifest);
  Look(*store, false);
}

Bytes Send(Store& store, View digests) {
  const auto transfer = Must(store.OpenTransfer(digests));
  // As to a store that has all that deltas rest on.
  transfer->UseBases(Bytes(Must(transfer->Bases()).size() / kDigestBytes));
  const auto batch = Must(transfer->Read(kParcelBytesMax));
  return Bytes(batch.parcels.begin(), batch.parcels.end());
}

// Into a store that has only what the deltas rest on; with flag 1, into one that has all.
void Parcels(View input) {
  std::unique_ptr<SimulatedDisk> disk;
  const auto source = Fresh(disk);
  Bytes digests;
  for (const Digest& digest : Must(source->ReadManifest(Must(source->ExportManifest("A")))).digests)
    digests.insert(digests.end(), digest.begin(), digest.end());
  static const Bytes whole = Send(*source, digests);
  static const Bytes bases =
      Send(*source, Must(Must(source->OpenTransfer(digests))->Bases()));
  Reader script(input);
  SimulatedDisk empty(kSeed, CrashProfile::kAny);
  auto target = source;
  if ((script.U8() & 1) == 0) {
    target = Must(Store::Open(empty.Attach(), OptionsOf(Store::Mode::kCreate)));
    Must(target->AddParcels(bases));
  }
  const auto added = target->AddParcels(Edit(whole, script));
  if (input.empty()) FUZZ_CHECK(added.ok());
  Must(target->Sync());
  FUZZ_CHECK(Must(target->Verify({})).damages.empty());
}

}  // namespace

const Target kStoreTargets[] = {
    {"store", OpenStore}, {"scan", Scan}, {"stage", Stage}, {"parcels", Parcels}};
const size_t kStoreTargetCount = std::size(kStoreTargets);

}  // namespace capstan::fuzz
