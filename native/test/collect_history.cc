#include "collect_history.h"

#include <algorithm>

#include "carry.h"

namespace capstan::test {
namespace {

constexpr size_t kImagesMax = 5;
constexpr CrashProfile kProfiles[] = {CrashProfile::kOrdered, CrashProfile::kExt4,
                                      CrashProfile::kAny};

}  // namespace

CollectHistory::CollectHistory(uint64_t seed, CollectTally& tally)
    : random_(seed), tally_(tally), disk_(seed, kProfiles[seed % 3]) {
  static constexpr uint64_t kPackBytes[] = {8 << 10, 16 << 10, 40 << 10, 150 << 10};
  options_.path = "/v";
  options_.mode = Store::Mode::kCreate;
  options_.pack_bytes_max = kPackBytes[random_.Below(4)];
  options_.id_if_new = StoreId{4, 5, 6};
  if (random_.OneIn(4)) options_.key = Bytes(kCipherKeyBytes, 7);
  options_.compression = random_.OneIn(4) ? Compression::kOff : Compression::kOn;
  if (random_.OneIn(8)) options_.index_bytes_max = 1;
  Open();
}

void CollectHistory::Run(size_t step_count) {
  for (size_t i = 0; i < step_count; ++i) {
    Step();
    CheckImages();
    if (random_.OneIn(6)) CheckClean();
  }
  CheckSpace();
}

void CollectHistory::Open() {
  store_ = Must(Store::Open(disk_.Attach(), options_), "open");
  // Nobody goes on with copies that were staged before.
  for (const ImageInfo& info : Must(store_->ListImages()))
    if (info.name.ends_with(".NEW")) Must(store_->RemoveImage(info.name));
}

// -- Content

Block CollectHistory::Fresh() {
  const size_t size = random_.OneIn(40) ? 30000 + random_.Below(80000) : 100 + random_.Below(5000);
  Bytes bytes = random_.Noise(size);
  // Some of it compresses.
  if (random_.OneIn(3))
    for (size_t i = 0; i < size; i += 2) bytes[i] = 'a';
  return std::make_shared<Bytes>(std::move(bytes));
}

Block CollectHistory::Edited(const Block& block) {
  Bytes bytes = *block;
  for (int i = 0; i < 2; ++i) bytes[random_.Below(bytes.size())] ^= 0x55;
  return std::make_shared<Bytes>(std::move(bytes));
}

const Blocks* CollectHistory::AnyBlocks() {
  std::vector<const Blocks*> all;
  for (const auto& [name, content] : synced_)
    for (const Blocks& blocks : content.partitions) all.push_back(&blocks);
  for (const auto& [name, writer] : writers_)
    for (const Blocks& blocks : writer.now.partitions) all.push_back(&blocks);
  std::erase_if(all, [](const Blocks* blocks) { return blocks->empty(); });
  return all.empty() ? nullptr : all[random_.Below(all.size())];
}

Blocks CollectHistory::MakeBlocks() {
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

void CollectHistory::Step() {
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

void CollectHistory::Create() {
  const std::string name(1, static_cast<char>('A' + random_.Below(kImagesMax)));
  if (synced_.contains(name)) return;
  const auto partition_count = static_cast<uint32_t>(1 + random_.Below(2));
  Must(store_->CreateImage(name, partition_count), "create");
  synced_[name] = {0, std::vector<Blocks>(partition_count)};
}

CollectHistory::Writer& CollectHistory::Writable(const std::string& name) {
  const auto found = writers_.find(name);
  if (found != writers_.end()) return found->second;
  return writers_[name] = {Must(store_->OpenImage(name, true), "open for writing"), synced_[name]};
}

void CollectHistory::Append() {
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

void CollectHistory::Truncate() {
  if (writers_.empty()) return;
  Writer& writer = Any(writers_)->second;
  const auto p = static_cast<uint32_t>(random_.Below(writer.now.partitions.size()));
  Blocks& blocks = writer.now.partitions[p];
  const size_t at = random_.Below(blocks.size() + 1);
  Must(writer.image->Truncate(p, at), "truncate");
  blocks.resize(at);
}

void CollectHistory::Sync() {
  if (writers_.empty()) return;
  auto& [name, writer] = *Any(writers_);
  writer.now.generation = ++generation_;
  Must(writer.image->Sync(generation_), "sync");
  synced_[name] = writer.now;
}

void CollectHistory::CloseWriter() {
  if (writers_.empty()) return;
  const auto found = Any(writers_);
  Must(found->second.image->Close(), "close");
  writers_.erase(found);
}

void CollectHistory::OpenReader() {
  const auto& [name, content] = *Any(synced_);
  readers_.push_back({Must(store_->OpenImage(name, false), "open for reading"), content});
}

void CollectHistory::CloseReader() {
  if (readers_.empty()) return;
  const auto found = readers_.begin() + static_cast<ptrdiff_t>(random_.Below(readers_.size()));
  Must(found->image->Close(), "close a reader");
  readers_.erase(found);
}

void CollectHistory::Remove() {
  const auto found = Any(synced_);
  if (writers_.contains(found->first)) return;
  Must(store_->RemoveImage(found->first), "remove");
  synced_.erase(found);
}

void CollectHistory::Publish() {
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

void CollectHistory::CloseAll() {
  for (auto& [name, writer] : writers_) Must(writer.image->Close(), "close");
  for (Reader& reader : readers_) Must(reader.image->Close(), "close a reader");
  Abandon();
}

void CollectHistory::Abandon() {
  writers_.clear();
  readers_.clear();
  transfer_.reset();
}

void CollectHistory::Reopen() {
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

void CollectHistory::Collect() {
  static constexpr double kShares[] = {0.2, 0.5, 0.9, 1.0};
  const bool continues = random_.OneIn(3);
  const auto collected =
      Must(store_->Collect(kShares[random_.Below(4)], 1 + random_.Below(6), continues), "collect");
  tally_.packs_removed += collected.packs_removed;
  tally_.bytes_copied += collected.bytes_copied;
  if (transfer_ && !continues) ++transfer_->collections;
}

void CollectHistory::CrashCollecting() {
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

void CollectHistory::GoOnWithTransfer() {
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

void CollectHistory::WriteTo(Store& source, const std::string& name, const Blocks& blocks) {
  Must(source.CreateImage(name, 1));
  const auto image = Must(source.OpenImage(name, true));
  std::vector<uint32_t> lengths;
  Bytes data;
  Lay(blocks, lengths, data);
  Must(image->Append(0, 0, lengths, data), "append to the source");
  Must(image->Sync(generation_), "sync the source");
}

void CollectHistory::BeginTransfer() {
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

void CollectHistory::AskWhatLacks() {
  Transfer& transfer = *transfer_;
  const ManifestSummary summary = Must(store_->ReadManifest(transfer.manifest), "read a manifest");
  transfer.lacking = LackingOf(*store_, Join(summary.digests));
  transfer.added = false;
  transfer.collections = 0;
}

void CollectHistory::Stage() {
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

void CollectHistory::FinishTransfer() {
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

}  // namespace capstan::test
