#include "pack_store.h"

#include <algorithm>

#include "pack_scanner.h"

namespace capstan {
namespace {

constexpr size_t kOpenFilesMax = 64;
// Threads that wait for the disk.
constexpr unsigned kReaderCount = 4;

}  // namespace

PackStore::PackStore(Disk& disk, Options options, Sealing* sealing)
    : disk_(disk),
      options_(std::move(options)),
      sealing_(sealing),
      reserve_(disk, options_.path + "/" + kReserveName),
      writer_(options_.thread_count > 0),
      workers_(options_.thread_count),
      readers_(options_.thread_count > 0 ? kReaderCount : 0) {}

PackStore::~PackStore() = default;

ChunkRef PackStore::FindLocked(const Digest& digest) {
  const ChunkRef found = index_->Find(digest, [&](ChunkRef ref) {
    const auto chunks = ChunksOf(RegionOf(ref));
    return PlaceOf(ref) < chunks.size() && chunks[PlaceOf(ref)].digest == digest;
  });
  return found == kNoChunk && index_->sample_bits() > 0 ? FindSampled(digest) : found;
}

// Sparse indexing (Lillibridge et al., FAST'09): a sample brought in the table of the pack that it lies in, and
// what stood around it there is found by that.
ChunkRef PackStore::FindSampled(const Digest& digest) {
  const auto serves = [&](uint32_t pack, ChunkRef ref) {
    const RegionPlace* const place = ref == kNoChunk ? nullptr : regions_.Find(RegionOf(ref));
    return place != nullptr && place->pack == pack && (place->flags & RegionPlace::kBad) == 0;
  };
  if (const ChunkRef ref = tail_table_.FindDigest(digest); serves(tail_number_, ref)) return ref;
  for (const auto& [pack, table] : tables_)
    if (const ChunkRef ref = table->FindDigest(digest); serves(pack, ref)) return ref;
  for (const auto& [id, draft] : drafts_)
    for (uint32_t i = 0; i < draft->chunks.size(); ++i)
      if (draft->chunks[i].digest == digest) return RefOf(id, i);
  return kNoChunk;
}

// Thins the index out where it has grown beyond its limit.
void PackStore::KeepIndexSmall() {
  if (options_.index_bytes_max == UINT64_MAX) return;
  while (index_->memory_bytes() > options_.index_bytes_max &&
         index_->sample_bits() < ChunkIndex::kSampleBitsMax)
    index_->Sample(index_->sample_bits() + 1);
}

// Empty where the region is not there, or is damaged.
std::span<const ChunkEntry> PackStore::ChunksOf(uint32_t region) {
  if (const auto draft = drafts_.find(region); draft != drafts_.end()) return draft->second->chunks;
  const RegionPlace* const place = regions_.Find(region);
  if (place == nullptr || (place->flags & RegionPlace::kBad) != 0) return {};
  PackTable* const table = TableOf(place->pack);
  const PackTable::Region* const found = table == nullptr ? nullptr : table->Find(region);
  return found == nullptr ? std::span<const ChunkEntry>{} : table->ChunksOf(*found);
}

PackTable* PackStore::TableOf(uint32_t pack) {
  if (pack == tail_number_) return &tail_table_;
  if (const auto rebuilt = rebuilt_.find(pack); rebuilt != rebuilt_.end()) return &rebuilt->second;
  for (auto entry = tables_.begin(); entry != tables_.end(); ++entry) {
    if (entry->first != pack) continue;
    tables_.splice(tables_.begin(), tables_, entry);
    return tables_.front().second.get();
  }
  const auto file = PackFile(pack);
  if (!file.ok()) return nullptr;
  auto end = ReadPackEnd(*file.value(), IdOf(pack), sealing_);
  if (!end.ok()) {
    auto rebuilt = RebuildTable(pack, *file.value(), end.error());
    return rebuilt.ok() ? rebuilt.value() : nullptr;
  }
  KeepTable(pack, std::make_unique<PackTable>(std::move(end.value().table)));
  return tables_.front().second.get();
}

Result<PackTable*> PackStore::RebuildTable(uint32_t pack, File& file, const Error& damage) {
  if (damage.code != ErrorCode::kCorrupt && damage.code != ErrorCode::kNotFound) return damage;
  PackTable table;
  TRY_ASSIGN(const uint64_t size, file.Size());
  PackScanner scanner(file, IdOf(pack), kPackHeaderBytes, size);
  while (true) {
    TRY_ASSIGN(const PackScanner::Found found, scanner.Next());
    if (found == PackScanner::Found::kEnd) break;
    if (found == PackScanner::Found::kOther) {
      TRY_ASSIGN(const bool recovered, scanner.Recover());
      if (!recovered) break;
      continue;
    }
    const auto opened = OpenRegion(scanner.region(), scanner.site(), sealing_, Checks::kHeader);
    if (!opened.ok()) continue;
    table.Add(opened.value().header, static_cast<uint32_t>(scanner.offset()), opened.value().lists);
  }
  regions_.Each([&](uint32_t region, RegionPlace& place) {
    if (place.pack == pack && table.Find(region) == nullptr) place.flags |= RegionPlace::kBad;
  });
  damages_.push_back({PackName(pack), damage.what + "; known from its regions"});
  return &(rebuilt_[pack] = std::move(table));
}

void PackStore::KeepTable(uint32_t pack, std::unique_ptr<PackTable> table) {
  table_bytes_ += table->memory_bytes();
  tables_.emplace_front(pack, std::move(table));
  while (table_bytes_ > kTableCacheBytesMax && tables_.size() > 1) {
    table_bytes_ -= std::min(table_bytes_, tables_.back().second->memory_bytes());
    tables_.pop_back();
  }
}

Result<std::shared_ptr<File>> PackStore::PackFile(uint32_t number) {
  if (const auto found = files_.find(number); found != files_.end()) return found->second;
  if (files_closed_) return Error{ErrorCode::kInvalid, options_.path, "the store is closed"};
  // The last pack's file is the writer's; others can be opened again.
  if (files_.size() >= kOpenFilesMax)
    std::erase_if(files_, [&](const auto& entry) { return entry.first != tail_number_; });
  auto file = disk_.OpenDirect(options_.path + "/" + PackName(number), OpenMode::kRead);
  // A reader beside a writer looks anew where it hears this.
  if (!file.ok() && file.error().code == ErrorCode::kNotFound)
    return Error{ErrorCode::kCorrupt, PackName(number), "the pack is missing"};
  if (!file.ok()) return file.error();
  return files_[number] = Shared(file.take());
}

std::shared_ptr<File> PackStore::Shared(std::unique_ptr<File> file) {
  {
    const std::lock_guard guard(files_mutex_);
    ++open_file_count_;
  }
  return {file.release(), [this](File* closing) {
            delete closing;
            const std::lock_guard guard(files_mutex_);
            --open_file_count_;
            file_closed_.notify_all();
          }};
}

void PackStore::CloseFiles() {
  std::map<uint32_t, std::shared_ptr<File>> closing;
  {
    const std::lock_guard guard(mutex_);
    files_closed_ = true;
    closing.swap(files_);
  }
  closing.clear();
  writer_.Detach();
  // Reads that are under way have theirs for a moment yet.
  std::unique_lock lock(files_mutex_);
  file_closed_.wait(lock, [this] { return open_file_count_ == 0; });
}

void PackStore::Touch(uint32_t region) {
  if (RegionPlace* const place = regions_.Find(region)) place->touched = collection_;
}

// Keeps it from this collection and the next, and has the next sync make it durable.
void PackStore::Want(ChunkRef ref) {
  if (RegionPlace* const place = regions_.Find(RegionOf(ref))) place->wanted = collection_;
  if (const auto draft = drafts_.find(RegionOf(ref)); draft != drafts_.end())
    draft->second->shared = draft->second->wanted = true;
}

std::optional<ChunkRef> PackStore::Find(const Digest& digest) {
  const std::lock_guard guard(mutex_);
  const ChunkRef ref = FindLocked(digest);
  if (ref == kNoChunk) return std::nullopt;
  Want(ref);
  return ref;
}

Result<ChunkEntry> PackStore::EntryOf(ChunkRef ref) {
  const std::lock_guard guard(mutex_);
  const uint32_t region = RegionOf(ref);
  if (const auto draft = drafts_.find(region);
      draft != drafts_.end() && PlaceOf(ref) < draft->second->chunks.size())
    return draft->second->chunks[PlaceOf(ref)];
  const RegionPlace* const place = regions_.Find(region);
  // The table knows of a damaged region what was in it.
  PackTable* const table = place == nullptr ? nullptr : TableOf(place->pack);
  const PackTable::Region* const found = table == nullptr ? nullptr : table->Find(region);
  if (found == nullptr || PlaceOf(ref) >= found->chunk_count)
    return Error{ErrorCode::kCorrupt,
                 place == nullptr ? "packs" : At(PackName(place->pack), place->offset),
                 "a chunk that an image refers to is missing"};
  return table->ChunksOf(*found)[PlaceOf(ref)];
}

PackStatistics PackStore::Statistics() const {
  const std::lock_guard guard(mutex_);
  return {packs_.size(), chunk_count_, unique_bytes_, stored_bytes_ + writer_.end()};
}

uint64_t PackStore::StoredBytes() const {
  const std::lock_guard guard(mutex_);
  return stored_bytes_ + writer_.end();
}

}  // namespace capstan
