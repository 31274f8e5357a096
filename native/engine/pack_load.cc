// Opening the packs: what lies in them becomes known, and what a crash tore is cut.
//
// Every pack but the last was synced before its successor was begun, so its table is believed. The last is
// read region by region: of it, what does not check is damage up to where the images' frames say that it
// was synced, and torn behind that.
#include <algorithm>
#include <cstdio>

#include "pack_scanner.h"
#include "pack_store.h"

namespace capstan {
namespace {

constexpr int kReloadsMax = 5;

}  // namespace

Result<std::unique_ptr<PackStore>> PackStore::Open(Disk& disk, const Options& options,
                                                   Sealing* sealing) {
  std::unique_ptr<PackStore> store(new PackStore(disk, options, sealing));
  // A reader opens beside a writer, whose collection may be at work.
  TRY(options.writable ? store->LoadPacks() : store->Reload());
  return store;
}

Status PackStore::LoadPacks() {
  TRY_ASSIGN(const std::vector<std::string> names, disk_.List(options_.path + "/packs"));
  next_region_ = std::max(next_region_, options_.synced.next_region);
  for (const std::string& name : names) {
    unsigned number = 0;
    int length = 0;
    if (std::sscanf(name.c_str(), "%8u.pack%n", &number, &length) == 1 &&
        static_cast<size_t>(length) == name.size() && number > 0)
      packs_.insert(number);
  }
  const std::set<uint32_t> numbers = packs_;
  // Notes on packs that were sealed since, and half a note.
  const std::string current = numbers.empty() ? "" : TableName(*numbers.rbegin());
  for (const std::string& name : names)
    if (options_.writable && "packs/" + name != current &&
        (name.ends_with(".table") || name.ends_with('~')))
      TRY(disk_.Remove(options_.path + "/packs/" + name));
  index_->BeginLoading();
  for (const uint32_t number : numbers) {
    const Status loaded = LoadPack(number, number == *numbers.rbegin());
    if (!loaded.ok()) {
      index_->EndLoading();
      return loaded;
    }
    index_->InsertMany(loading_);
    loading_.clear();
    KeepIndexSmall();
  }
  index_->EndLoading();
  KeepIndexSmall();
  loading_.shrink_to_fit();
  DropBaseless();
  if (options_.writable && numbers.empty()) TRY(StartPack(1));
  synced_ = {tail_number_, writer_.end(), next_region_};
  return Ok();
}

Status PackStore::Reload() {
  // A collection beside it may take a pack away that was just listed.
  for (int attempt = 0;; ++attempt) {
    const Status loaded = LoadAnew();
    if (loaded.ok() || loaded.error().code != ErrorCode::kNotFound || attempt == kReloadsMax)
      return loaded;
  }
}

Status PackStore::LoadAnew() {
  const std::lock_guard guard(mutex_);
  if (files_closed_) return Error{ErrorCode::kInvalid, options_.path, "the store is closed"};
  index_.reset(new ChunkIndex);
  regions_.Clear();
  packs_.clear();
  files_.clear();
  tables_.clear();
  rebuilt_.clear();
  damages_.clear();
  table_bytes_ = 0;
  tail_table_ = PackTable{};
  tail_number_ = 0;
  chunk_count_ = unique_bytes_ = stored_bytes_ = 0;
  return LoadPacks();
}

Status PackStore::LoadPack(uint32_t number, bool last) {
  const std::string path = options_.path + "/" + PackName(number);
  TRY_ASSIGN(auto opened, disk_.OpenDirect(path, options_.writable && last ? OpenMode::kWrite
                                                                           : OpenMode::kRead));
  const std::shared_ptr<File> file = Shared(std::move(opened));
  TRY_ASSIGN(const uint64_t size, file->Size());
  // Of the last pack the writer knows how long it is.
  if (!last || !options_.writable) stored_bytes_ += size;
  if (last) {
    files_[number] = file;
    return ScanPack(number, *file, true);
  }
  auto end = ReadPackEnd(*file, IdOf(number), sealing_);
  if (!end.ok()) {
    if (end.error().code != ErrorCode::kCorrupt && end.error().code != ErrorCode::kNotFound)
      return end.error();
    damages_.push_back({PackName(number), end.error().what + "; known from its regions"});
    return ScanPack(number, *file, false);
  }
  const PackTable& table = end.value().table;
  for (const PackTable::Region& region : table.regions())
    Know(region, number, table.ChunksOf(region), table.BasesOf(region));
  return Ok();
}

void PackStore::Know(const PackTable::Region& region, uint32_t pack,
                     std::span<const ChunkEntry> chunks, std::span<const BaseRun> bases) {
  next_region_ = std::max(next_region_, region.id + 1);
  RegionPlace& place = regions_[region.id];
  // One that lies twice was copied by a collection that a crash interrupted: either will do.
  const bool known = place.pack != 0 && (place.flags & RegionPlace::kBad) == 0;
  place = {pack, region.offset, region.total_bytes,
           region.codec == Codec::kDelta ? RegionPlace::kDelta : uint8_t{0}, 0, 0, 0};
  if (known) return;
  for (uint32_t i = 0; i < chunks.size(); ++i) {
    loading_.push_back({chunks[i].digest, RefOf(region.id, i)});
    unique_bytes_ += chunks[i].length;
  }
  chunk_count_ += chunks.size();
  for (const BaseRun& run : bases) based_.emplace_back(region.id, run.region);
}

// A region whose base a collection took away with everything that referred to it is of no use.
void PackStore::DropBaseless() {
  for (const auto& [region, base] : based_)
    if (regions_.Find(base) == nullptr)
      if (RegionPlace* const place = regions_.Find(region))
        place->flags |= RegionPlace::kBad | RegionPlace::kUseless;
  based_.clear();
  based_.shrink_to_fit();
}

Result<PackEnd> PackStore::LoadSavedTable(uint32_t number) {
  TRY_ASSIGN(const auto file,
             disk_.Open(options_.path + "/" + TableName(number), OpenMode::kRead));
  TRY_ASSIGN(Bytes bytes, ReadWhole(*file, kTableBytesMax, TableName(number)));
  return ParsePackEnd(bytes, IdOf(number), sealing_);
}

// Not synced: what does not check is not used.
Status PackStore::SaveTable() {
  const std::lock_guard sync_guard(sync_mutex_);
  const std::lock_guard append_guard(append_mutex_);
  const std::lock_guard guard(mutex_);
  const bool all_synced = synced_.pack == tail_number_ && synced_.offset == writer_.end();
  if (!options_.writable || failed_ || full_ || tail_sealed_ || !all_synced ||
      tail_table_.regions().size() == saved_regions_)
    return Ok();
  const std::string path = options_.path + "/" + TableName(tail_number_);
  const std::string temporary = path + "~";
  TRY_ASSIGN(const bool leftover, disk_.Exists(temporary));
  if (leftover) TRY(disk_.Remove(temporary));
  TRY_ASSIGN(const auto file, disk_.Open(temporary, OpenMode::kCreate));
  TRY_ASSIGN(const Bytes bytes, EncodePackEnd(tail_table_, IdOf(tail_number_), writer_.end(),
                                               sealing_));
  TRY(file->WriteAt(0, bytes));
  TRY(disk_.Rename(temporary, path));
  saved_regions_ = tail_table_.regions().size();
  return Ok();
}

Status PackStore::ScanPack(uint32_t number, File& file, bool last) {
  const std::string name = PackName(number);
  TRY_ASSIGN(const uint64_t size, file.Size());
  const uint64_t acknowledged =
      !last || number < options_.synced.pack     ? size
      : number == options_.synced.pack ? options_.synced.offset
                                       : 0;
  bool begun = false;
  if (size >= kPackHeaderBytes) {
    AlignedBuffer buffer(kPackHeaderBytes);
    TRY(file.ReadAt(0, buffer.span()));
    const auto header = ParsePackHeader(buffer.span());
    begun = header.ok() && header.value().number == number &&
            header.value().store_id == options_.store_id;
    if (begun) next_region_ = std::max(next_region_, header.value().next_region);
  }
  if (!begun && acknowledged > 0)
    damages_.push_back({At(name, 0), "the pack's header is damaged"});

  PackTable table;
  uint64_t from = kPackHeaderBytes;
  uint64_t end = size;
  const auto sealed = ReadPackEnd(file, IdOf(number), sealing_);
  if (sealed.ok()) end = sealed.value().table_offset;
  // What was noted at the last close was synced before: only what came behind it need be read.
  if (auto saved = LoadSavedTable(number); last && saved.ok() && begun && !sealed.ok() &&
                                           saved.value().table_offset <= end) {
    table = std::move(saved.value().table);
    from = saved.value().table_offset;
  }
  const size_t saved_count = table.regions().size();
  bool torn = false;
  uint64_t tail = std::min<uint64_t>(size, kPackHeaderBytes);
  if (begun || acknowledged > 0) {
    PackScanner scanner(file, IdOf(number), from, end);
    while (true) {
      TRY_ASSIGN(const PackScanner::Found found, scanner.Next());
      tail = scanner.offset();
      if (found == PackScanner::Found::kEnd) break;
      if (found == PackScanner::Found::kRegion) {
        const auto opened = OpenRegion(scanner.region(), scanner.site(), sealing_, Checks::kHeader);
        if (!opened.ok()) return Error{ErrorCode::kCorrupt, At(name, tail), opened.error().what};
        table.Add(opened.value().header, static_cast<uint32_t>(tail), opened.value().lists);
        tail += scanner.region().size();
        continue;
      }
      // Not acknowledged: the torn end of what a crash interrupted.
      torn = tail >= acknowledged;
      if (torn) break;
      damages_.push_back({At(name, tail), "the region's checksum does not match"});
      TRY_ASSIGN(const auto header, scanner.OtherHeader());
      // Its number is known, so that who reads it is told where it lies.
      if (header)
        regions_[header->id] = {number, static_cast<uint32_t>(tail), header->total_bytes,
                                RegionPlace::kBad, 0, 0, 0};
      TRY_ASSIGN(const bool recovered, scanner.Recover());
      if (!recovered) {
        tail = std::max(tail, std::min(acknowledged, end));
        torn = true;
        break;
      }
    }
  }
  if (acknowledged > size) damages_.push_back({At(name, size), "the pack is cut short"});
  // What is damaged is still known by the table, so that reading it says where.
  if (sealed.ok())
    for (const PackTable::Region& region : sealed.value().table.regions())
      if (table.Find(region.id) == nullptr && region.offset < acknowledged) {
        Know(region, number, sealed.value().table.ChunksOf(region),
             sealed.value().table.BasesOf(region));
        regions_[region.id].flags |= RegionPlace::kBad;
      }
  for (const PackTable::Region& region : table.regions())
    Know(region, number, table.ChunksOf(region), table.BasesOf(region));
  if (!last) {
    rebuilt_[number] = std::move(table);
    return Ok();
  }
  tail_number_ = number;
  tail_table_ = std::move(table);
  saved_regions_ = saved_count;
  if (!options_.writable) return Ok();
  if (sealed.ok() && !torn) {
    tail_sealed_ = true;
    tail = size;
  }
  if (!begun && acknowledged == 0) {
    TRY(file.Truncate(0));
    const Bytes header = EncodePackHeader({number, next_region_, options_.store_id});
    AlignedBuffer buffer(header.size());
    std::copy(header.begin(), header.end(), buffer.data());
    TRY(file.WriteAt(0, buffer.span()));
    tail = kPackHeaderBytes;
  }
  const uint64_t start = (tail + kDirectAlignment - 1) / kDirectAlignment * kDirectAlignment;
  if (tail < size) TRY(file.Truncate(tail));
  if (start != tail || tail < size) TRY(file.Truncate(start));
  // What a killed process wrote may be in memory only; chunks found here will be referred to.
  TRY(file.Sync());
  TRY(disk_.SyncDirectory(options_.path + "/packs"));
  tail_done_ = tail_sealed_;
  writer_.Attach(files_[number], start);
  return Ok();
}

}  // namespace capstan
