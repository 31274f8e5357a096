// What must hold in a history of a store that is collected.
#include <algorithm>

#include "../engine/pack_scanner.h"
#include "collect_history.h"

namespace capstan::test {

void CollectHistory::CheckImages() {
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

void CollectHistory::CheckClean() {
  const VerifyReport report = Must(store_->Verify({}), "verify");
  CHECK(report.damages.empty(), report.damages[0].place, ": ", report.damages[0].what);
}

std::vector<std::string> CollectHistory::Packs() {
  std::vector<std::string> packs = Must(disk_.Attach()->List(options_.path + "/packs"));
  std::erase_if(packs, [](const std::string& name) { return !name.ends_with(".pack"); });
  return packs;
}

std::set<uint32_t> CollectHistory::Live(std::multiset<uint32_t>& lies, const std::string& other) {
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
    const auto file = Must(disk->Open(options_.path + "/packs/" + name, OpenMode::kRead));
    const PackId pack{options_.id_if_new, static_cast<uint32_t>(std::stoul(name))};
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

void CollectHistory::CheckSpace() {
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

void CollectHistory::CheckStored() {
  uint64_t bytes = 0;
  for (const auto& [path, size] : disk_.Files())
    if (path.ends_with(".pack")) bytes += size;
  const uint64_t said = Must(store_->Statistics()).packs.stored_bytes;
  CHECK(said == bytes, said, " of ", bytes);
}

}  // namespace capstan::test
