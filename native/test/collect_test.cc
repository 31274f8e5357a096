// Goal: a collection takes nothing away that anybody refers to, and gives back all that nobody does. Method: store,
// naive model and collector beside each other over random histories on the simulated disk: images that share
// and change content are written, overwritten, removed, renamed, read and sent while packs are given up, now
// and then with a power cut in the middle. Each time every image reads as the model says.
#include <cstdlib>
#include <map>

#include "../engine/pack_scanner.h"
#include "../engine/simulated_disk.h"
#include "carry.h"
#include "collect_model.h"

namespace capstan::test {
namespace {

constexpr char kPath[] = "/v";
constexpr StoreId kId{4, 5, 6};
constexpr size_t kImagesMax = 5;
constexpr size_t kStepCount = 60;
constexpr CrashProfile kProfiles[] = {CrashProfile::kOrdered, CrashProfile::kExt4,
                                      CrashProfile::kAny};

// What the histories came to: a sweep that never met a delta proves nothing about deltas.
struct Tally {
  uint64_t packs_removed = 0;
  uint64_t bytes_copied = 0;
  uint64_t deltas = 0;
  uint64_t crashes = 0;
  uint64_t transfers = 0;
  // Staged with a collection since the store said what it had.
  uint64_t transfers_across = 0;
  uint64_t transfers_repeated = 0;
  uint64_t deltas_carried = 0;
};

class History {
 public:
  History(uint64_t seed, Tally& tally)
      : random_(seed), tally_(tally), disk_(seed, kProfiles[seed % 3]) {
    static constexpr uint64_t kPackBytes[] = {8 << 10, 16 << 10, 40 << 10, 150 << 10};
    options_.path = kPath;
    options_.mode = Store::Mode::kCreate;
    options_.pack_bytes_max = kPackBytes[random_.Below(4)];
    options_.id_if_new = kId;
    if (random_.OneIn(4)) options_.key = Bytes(kCipherKeyBytes, 7);
    options_.compression = random_.OneIn(4) ? Compression::kOff : Compression::kOn;
    if (random_.OneIn(8)) options_.index_bytes_max = 1;
    Open();
  }

  void Run(size_t step_count) {
    for (size_t i = 0; i < step_count; ++i) {
      Step();
      CheckImages();
      if (random_.OneIn(6)) CheckClean();
    }
    CheckSpace();
  }

 private:
  struct Writer {
    std::shared_ptr<Image> image;
    Content now;
  };
  struct Reader {
    std::shared_ptr<Image> image;
    Content seen;
  };
  // A copy on its way here from another store.
  struct Transfer {
    std::string name;
    Content content;
    std::shared_ptr<Store> source;
    Bytes manifest;
    // Told to be lacking.
    Bytes lacking;
    size_t collections = 0;
    bool added = false;
    bool staged = false;
    std::string staged_name() const { return name + ".NEW"; }
  };

  void Open() {
    store_ = Must(Store::Open(disk_.Attach(), options_), "open");
    // After this many milliseconds nobody waits: staged copies of before are given up.
    for (const ImageInfo& info : Must(store_->ListImages()))
      if (info.name.ends_with(".NEW")) Must(store_->RemoveImage(info.name));
  }

  // -- Content

  Block Fresh() {
    const size_t size = random_.OneIn(40) ? 30000 + random_.Below(80000) : 100 + random_.Below(5000);
    Bytes bytes = random_.Noise(size);
    // Some of it compresses.
    if (random_.OneIn(3))
      for (size_t i = 0; i < size; i += 2) bytes[i] = 'a';
    return std::make_shared<Bytes>(std::move(bytes));
  }

  Block Edited(const Block& block) {
    Bytes bytes = *block;
    for (int i = 0; i < 2; ++i) bytes[random_.Below(bytes.size())] ^= 0x55;
    return std::make_shared<Bytes>(std::move(bytes));
  }

  // What some image has, or had when its writer last said.
  const Blocks* AnyBlocks() {
    std::vector<const Blocks*> all;
    for (const auto& [name, content] : synced_)
      for (const Blocks& blocks : content.partitions) all.push_back(&blocks);
    for (const auto& [name, writer] : writers_)
      for (const Blocks& blocks : writer.now.partitions) all.push_back(&blocks);
    std::erase_if(all, [](const Blocks* blocks) { return blocks->empty(); });
    return all.empty() ? nullptr : all[random_.Below(all.size())];
  }

  // New, the same as somewhere, or a revision of it: what it repeats is found, what it changed is a delta.
  Blocks MakeBlocks() {
    const Blocks* const other = AnyBlocks();
    const uint64_t kind = other == nullptr ? 0 : random_.Below(3);
    Blocks blocks;
    if (kind == 0) {
      for (uint64_t count = 1 + random_.Below(12); count > 0; --count) {
        blocks.push_back(Fresh());
        // A filemark ends a chunk, so that there are many small ones.
        if (!random_.OneIn(3)) blocks.push_back(nullptr);
      }
      return blocks;
    }
    const size_t first = random_.Below(other->size());
    const size_t count = std::min<size_t>(1 + random_.Below(25), other->size() - first);
    for (size_t i = first; i < first + count; ++i) {
      const Block& block = (*other)[i];
      blocks.push_back(kind == 2 && block && random_.OneIn(3) ? Edited(block) : block);
    }
    return blocks;
  }

  // -- Steps

  template <class Map>
  auto Any(Map& map) {
    auto found = map.begin();
    std::advance(found, static_cast<ptrdiff_t>(random_.Below(map.size())));
    return found;
  }

  void Step() {
    const uint64_t choice = random_.Below(100);
    if (synced_.empty() || (choice < 5 && synced_.size() < kImagesMax)) return Create();
    if (choice < 38) return Append();
    if (choice < 41) return Truncate();
    if (choice < 56) return Sync();
    if (choice < 61) return CloseWriter();
    if (choice < 64) return OpenReader();
    if (choice < 67) return CloseReader();
    if (choice < 70) return Reopen();
    if (choice < 74) return Remove();
    if (choice < 76) return Publish();
    if (choice < 84) return GoOnWithTransfer();
    if (choice < 94) return Collect();
    CrashCollecting();
  }

  void Create() {
    const std::string name(1, static_cast<char>('A' + random_.Below(kImagesMax)));
    if (synced_.contains(name)) return;
    const auto partition_count = static_cast<uint32_t>(1 + random_.Below(2));
    Must(store_->CreateImage(name, partition_count), "create");
    synced_[name] = {0, std::vector<Blocks>(partition_count)};
  }

  Writer& Writable(const std::string& name) {
    const auto found = writers_.find(name);
    if (found != writers_.end()) return found->second;
    return writers_[name] = {Must(store_->OpenImage(name, true), "open for writing"), synced_[name]};
  }

  void Append() {
    Writer& writer = Writable(Any(synced_)->first);
    const auto p = static_cast<uint32_t>(random_.Below(writer.now.partitions.size()));
    Blocks added = MakeBlocks();
    Blocks& blocks = writer.now.partitions[p];
    size_t at = blocks.size();
    if (random_.OneIn(4) || at > kBlocksMax) at = random_.Below(std::min(at, kBlocksMax) + 1);
    blocks.resize(at);
    blocks.insert(blocks.end(), added.begin(), added.end());
    std::vector<uint32_t> lengths;
    Bytes data;
    Lay(added, lengths, data);
    CHECK(Must(writer.image->Append(p, at, lengths, data), "append") == blocks.size());
  }

  void Truncate() {
    if (writers_.empty()) return;
    Writer& writer = Any(writers_)->second;
    const auto p = static_cast<uint32_t>(random_.Below(writer.now.partitions.size()));
    Blocks& blocks = writer.now.partitions[p];
    const size_t at = random_.Below(blocks.size() + 1);
    Must(writer.image->Truncate(p, at), "truncate");
    blocks.resize(at);
  }

  void Sync() {
    if (writers_.empty()) return;
    auto& [name, writer] = *Any(writers_);
    writer.now.generation = ++generation_;
    Must(writer.image->Sync(generation_), "sync");
    synced_[name] = writer.now;
  }

  // What was not synced is given up.
  void CloseWriter() {
    if (writers_.empty()) return;
    const auto found = Any(writers_);
    Must(found->second.image->Close(), "close");
    writers_.erase(found);
  }

  void OpenReader() {
    const auto& [name, content] = *Any(synced_);
    readers_.push_back({Must(store_->OpenImage(name, false), "open for reading"), content});
  }

  void CloseReader() {
    if (readers_.empty()) return;
    const auto found = readers_.begin() + static_cast<ptrdiff_t>(random_.Below(readers_.size()));
    Must(found->image->Close(), "close a reader");
    readers_.erase(found);
  }

  void Remove() {
    const auto found = Any(synced_);
    if (writers_.contains(found->first)) return;
    Must(store_->RemoveImage(found->first), "remove");
    synced_.erase(found);
  }

  // One image takes another's place.
  void Publish() {
    const auto from = Any(synced_);
    const std::string to(1, static_cast<char>('A' + random_.Below(kImagesMax)));
    if (to == from->first || writers_.contains(from->first) || writers_.contains(to)) return;
    Content content = from->second;
    const Bytes manifest = Must(store_->ExportManifest(from->first), "export");
    Must(store_->StageImage(to + ".MOVED", manifest, content.generation), "stage");
    Must(store_->Sync(), "sync");
    Must(store_->PublishImage(to + ".MOVED", to), "publish");
    Must(store_->RemoveImage(from->first), "remove");
    synced_.erase(from);
    synced_[to] = std::move(content);
  }

  void CloseAll() {
    for (auto& [name, writer] : writers_) Must(writer.image->Close(), "close");
    for (Reader& reader : readers_) Must(reader.image->Close(), "close a reader");
    Abandon();
  }

  // The handles go, as at the end of the process.
  void Abandon() {
    writers_.clear();
    readers_.clear();
    transfer_.reset();
  }

  void Reopen() {
    if (random_.OneIn(2)) {
      CloseAll();
      Must(store_->Close(), "close the store");
      store_.reset();
    } else {
      disk_.Kill();
      Abandon();
      store_.reset();
    }
    Open();
  }

  void Collect() {
    static constexpr double kShares[] = {0.2, 0.5, 0.9, 1.0};
    const bool continues = random_.OneIn(3);
    const auto collected =
        Must(store_->Collect(kShares[random_.Below(4)], 1 + random_.Below(6), continues), "collect");
    tally_.packs_removed += collected.packs_removed;
    tally_.bytes_copied += collected.bytes_copied;
    if (transfer_ && !continues) ++transfer_->collections;
  }

  void CrashCollecting() {
    disk_.CrashAtOperation(1 + random_.Below(10));
    const auto collected = store_->Collect(1.0, 100);
    CHECK(collected.ok() || collected.error().code == ErrorCode::kCrashed,
          Describe(collected.error()));
    tally_.crashes += collected.ok() ? 0 : 1;
    disk_.PowerCut();
    disk_.Restart();
    Abandon();
    store_.reset();
    Open();
    CheckClean();
  }

  // -- Copies from another store

  void GoOnWithTransfer() {
    if (!transfer_) return BeginTransfer();
    Transfer& transfer = *transfer_;
    if (!transfer.added) {
      const Carried carried = Must(Carry(*transfer.source, *store_, transfer.lacking), "carry");
      CHECK(carried.chunk_count * kDigestBytes == transfer.lacking.size());
      tally_.deltas_carried += static_cast<uint64_t>(
          std::count(carried.codecs.begin(), carried.codecs.end(), Codec::kDelta));
      transfer.added = true;
    } else if (!transfer.staged) {
      Stage();
    } else {
      FinishTransfer();
    }
  }

  void WriteTo(Store& source, const std::string& name, const Blocks& blocks) {
    Must(source.CreateImage(name, 1));
    const auto image = Must(source.OpenImage(name, true));
    std::vector<uint32_t> lengths;
    Bytes data;
    Lay(blocks, lengths, data);
    Must(image->Append(0, 0, lengths, data), "append to the source");
    Must(image->Sync(generation_), "sync the source");
  }

  void BeginTransfer() {
    Transfer transfer;
    transfer.name = std::string(1, static_cast<char>('A' + random_.Below(kImagesMax)));
    transfer.content = {++generation_, {{}}};
    Blocks& blocks = transfer.content.partitions[0];
    while (blocks.empty() || random_.OneIn(2)) {
      const Blocks more = MakeBlocks();
      blocks.insert(blocks.end(), more.begin(), more.end());
    }
    SimulatedDisk other(1, CrashProfile::kOrdered);
    transfer.source = Must(Store::Open(other.Attach(), options_), "open the source");
    // What it has already, it compresses against.
    for (const auto& [name, content] : synced_)
      if (!content.partitions[0].empty()) WriteTo(*transfer.source, "O" + name, content.partitions[0]);
    WriteTo(*transfer.source, "S", blocks);
    transfer.manifest = Must(transfer.source->ExportManifest("S"));
    transfer_ = std::move(transfer);
    AskWhatLacks();
  }

  void AskWhatLacks() {
    Transfer& transfer = *transfer_;
    const ManifestSummary summary = Must(store_->ReadManifest(transfer.manifest), "read a manifest");
    transfer.lacking = LackingOf(*store_, Join(summary.digests));
    transfer.added = false;
    transfer.collections = 0;
  }

  void Stage() {
    Transfer& transfer = *transfer_;
    const Status staged =
        store_->StageImage(transfer.staged_name(), transfer.manifest, transfer.content.generation);
    if (staged.ok()) {
      transfer.staged = true;
      ++tally_.transfers;
      tally_.transfers_across += transfer.collections > 0 ? 1 : 0;
      return;
    }
    // It stays for one collection; after more of them the sender is asked anew.
    CHECK(transfer.collections > 1 && staged.error().code == ErrorCode::kNotFound,
          Describe(staged.error()), " after ", transfer.collections, " collections");
    ++tally_.transfers_repeated;
    AskWhatLacks();
  }

  void FinishTransfer() {
    Transfer& transfer = *transfer_;
    Must(store_->Sync(), "sync");
    if (const auto writer = writers_.find(transfer.name); writer != writers_.end()) {
      Must(writer->second.image->Close(), "close");
      writers_.erase(writer);
    }
    Must(store_->PublishImage(transfer.staged_name(), transfer.name), "publish a copy");
    synced_[transfer.name] = std::move(transfer.content);
    transfer_.reset();
  }

  // -- Checks

  void CheckImages() {
    const auto read = [&](Store& store, const std::string& name, const char* how) {
      const auto image = Must(store.OpenImage(name, false), how);
      CHECK(Must(image->Info()).generation == synced_[name].generation, how);
      CheckReads(*image, synced_[name], how);
    };
    for (const auto& [name, content] : synced_) read(*store_, name, "as of its last sync");
    for (const auto& [name, writer] : writers_)
      CheckReads(*writer.image, writer.now, "as it is written");
    for (const Reader& reader : readers_) CheckReads(*reader.image, reader.seen, "as it was opened");
    if (transfer_ && transfer_->staged) {
      const auto image = Must(store_->OpenImage(transfer_->staged_name(), false));
      CheckReads(*image, transfer_->content, "staged");
    }
    // Another process has nothing in memory.
    if (!random_.OneIn(8)) return;
    Store::Options options = options_;
    options.mode = Store::Mode::kRead;
    const auto beside = Must(Store::Open(disk_.Attach(), options), "open beside");
    for (const auto& [name, content] : synced_) read(*beside, name, "beside the writer");
  }

  void CheckClean() {
    const VerifyReport report = Must(store_->Verify({}), "verify");
    CHECK(report.damages.empty(), report.damages[0].place, ": ", report.damages[0].what);
  }

  std::vector<std::string> Packs() {
    std::vector<std::string> packs = Must(disk_.Attach()->List(std::string(kPath) + "/packs"));
    std::erase_if(packs, [](const std::string& name) { return !name.ends_with(".pack"); });
    return packs;
  }
  std::string LastPack() { return Packs().back(); }

  // The numbers of the regions that images refer to, and of what these were compressed against; `lies` gets
  // what lies in the packs but the last, and but `other`.
  std::set<uint32_t> Live(std::multiset<uint32_t>& lies, const std::string& other = "") {
    std::set<uint32_t> live;
    for (const auto& [name, content] : synced_) {
      const auto image = Must(store_->OpenImage(name, false));
      image->EachRef([&](ChunkRef ref) { live.insert(RegionOf(ref)); });
    }
    const auto disk = disk_.Attach();
    std::unique_ptr<Sealing> sealing;
    if (!options_.key.empty())
      sealing.reset(new Sealing{Must(Cipher::Make(options_.key)), NonceSource(0, 0)});
    const std::vector<std::string> packs = Packs();
    std::vector<std::pair<uint32_t, uint32_t>> based;
    for (const std::string& name : packs) {
      const auto file = Must(disk->Open(std::string(kPath) + "/packs/" + name, OpenMode::kRead));
      const PackId pack{kId, static_cast<uint32_t>(std::stoul(name))};
      PackScanner scanner(*file, pack, kPackHeaderBytes, Must(file->Size()));
      while (Must(scanner.Next()) == PackScanner::Found::kRegion) {
        const auto region = Must(
            OpenRegion(scanner.region(), scanner.site(), sealing.get(), Checks::kAll));
        if (name != packs.back() && name != other) lies.insert(region.header.id);
        for (const BaseRun& run : region.lists.bases) based.emplace_back(region.header.id, run.region);
        tally_.deltas += region.lists.bases.empty() ? 0 : 1;
      }
    }
    std::set<uint32_t> with_bases = live;
    for (const auto& [region, base] : based)
      if (live.contains(region)) with_bases.insert(base);
    return with_bases;
  }

  void CheckSpace() {
    CloseAll();
    for (const ImageInfo& info : Must(store_->ListImages()))
      if (info.name.ends_with(".NEW")) Must(store_->RemoveImage(info.name));
    // What a transfer was told is here stays for one. The second gives up all that nobody needs, but for what lies in
    // the pack that is the last when it begins; where its own copies make another the last, a third gives that up.
    Must(store_->Collect(1.0, UINT32_MAX), "collect");
    const std::string last = LastPack();
    Must(store_->Collect(1.0, UINT32_MAX), "collect");
    if (LastPack() != last) {
      std::multiset<uint32_t> lies;
      const std::set<uint32_t> live = Live(lies, last);
      for (const uint32_t region : lies)
        CHECK(live.contains(region), "region ", region, " is there after two, and not in ", last);
      Must(store_->Collect(1.0, UINT32_MAX), "collect");
    }
    CheckClean();
    std::multiset<uint32_t> lies;
    const std::set<uint32_t> live = Live(lies);
    for (const uint32_t region : lies) {
      CHECK(live.contains(region), "region ", region, " is still there, although nothing needs it");
      CHECK(lies.count(region) == 1, "region ", region, " lies there twice");
    }
    // Once more there is nothing to do.
    const auto again = Must(store_->Collect(1.0, UINT32_MAX), "collect");
    CHECK(again.packs_removed == 0, again.packs_removed, " packs were given up for nothing");
    CheckStored();
    Must(store_->Close(), "close the store");
    store_.reset();
    Open();
    CheckImages();
    CheckStored();
    // Without images there is one pack, the one to be written to.
    for (const auto& [name, content] : synced_) Must(store_->RemoveImage(name), "remove");
    synced_.clear();
    for (int i = 0; i < 2; ++i) Must(store_->Collect(1.0, UINT32_MAX), "collect");
    CHECK(Must(store_->Statistics()).packs.pack_count == 1);
    CheckClean();
  }

  // What the store says that it takes is what lies there.
  void CheckStored() {
    uint64_t bytes = 0;
    for (const auto& [path, size] : disk_.Files())
      if (path.ends_with(".pack")) bytes += size;
    const uint64_t said = Must(store_->Statistics()).packs.stored_bytes;
    CHECK(said == bytes, said, " of ", bytes);
  }

  Random random_;
  Tally& tally_;
  SimulatedDisk disk_;
  Store::Options options_;
  std::shared_ptr<Store> store_;
  uint64_t generation_ = 0;
  std::map<std::string, Content> synced_;
  std::map<std::string, Writer> writers_;
  std::vector<Reader> readers_;
  std::optional<Transfer> transfer_;
};

Tally RunHistories(uint64_t first, uint64_t count) {
  Tally tally;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    try {
      History(seed, tally).Run(kStepCount);
    } catch (const Failure& failure) {
      throw Failure(Text("history ", seed, ": ", failure.what()));
    }
  }
  return tally;
}

void CheckHistories(uint64_t first, uint64_t count) {
  const Tally tally = RunHistories(first, count);
  const std::string counts =
      Text(count, " histories: ", tally.packs_removed, " packs given up, ", tally.bytes_copied,
           " bytes copied, ", tally.deltas, " deltas, ", tally.crashes, " power cuts, ",
           tally.transfers, " copies, ", tally.transfers_across, " across a collection, ",
           tally.transfers_repeated, " asked for anew, ", tally.deltas_carried, " deltas carried");
  std::printf("#   %s\n", counts.c_str());
  CHECK(tally.packs_removed > count / 2 && tally.bytes_copied > count * 1000, counts);
  CHECK(tally.deltas > count / 4 && tally.crashes > count / 10, counts);
  CHECK(tally.transfers_across > count / 10 && tally.transfers_repeated > count / 100, counts);
  CHECK(tally.deltas_carried > count / 20, counts);
}

TEST("collect", "store, model and collector agree over random histories") { CheckHistories(0, 300); }

// CAPSTAN_HISTORIES: the first seed and how many.
TEST("campaign collect", "the same, over thousands") {
  const char* const range = std::getenv("CAPSTAN_HISTORIES");
  uint64_t first = 1000;
  uint64_t count = 5000;
  if (range != nullptr) CHECK(std::istringstream(range) >> first >> count, range);
  CheckHistories(first, count);
}

}  // namespace
}  // namespace capstan::test
