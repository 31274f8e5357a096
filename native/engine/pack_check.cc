// Verifying packs, and collecting what nothing refers to any more.
#include <algorithm>

#include "pack_scanner.h"
#include "pack_store.h"

namespace capstan {
namespace {

bool LiesIn(const Damage& damage, uint32_t pack) {
  const std::string name = PackName(pack);
  return damage.place == name || damage.place.starts_with(name + " ");
}

}  // namespace

Result<PackTable> PackStore::LoadTable(uint32_t number) {
  std::shared_ptr<File> file;
  {
    const std::lock_guard guard(mutex_);
    if (number == tail_number_) return PackTable(tail_table_);
    if (const auto rebuilt = rebuilt_.find(number); rebuilt != rebuilt_.end())
      return PackTable(rebuilt->second);
    TRY_ASSIGN(file, PackFile(number));
  }
  auto end = ReadPackEnd(*file, IdOf(number), sealing_);
  if (end.ok()) return std::move(end.value().table);
  const std::lock_guard guard(mutex_);
  TRY_ASSIGN(const PackTable* const rebuilt, RebuildTable(number, *file, end.error()));
  return PackTable(*rebuilt);
}

Status PackStore::VerifyPacks(std::vector<Damage>& damages, std::atomic<uint64_t>& done,
                              uint64_t& chunk_count) {
  std::set<uint32_t> numbers;
  uint32_t unsealed = 0;
  uint64_t unsealed_end = 0;
  {
    const std::lock_guard guard(append_mutex_);
    if (options_.writable) {
      // What is in memory only cannot be read from the disk.
      const Status flushed = writer_.Flush();
      if (!flushed.ok() && flushed.error().code != ErrorCode::kNoSpace) return flushed;
      // What others append meanwhile is not looked at: half a region of it may lie in the file.
      if (!tail_sealed_) unsealed_end = writer_.written_end();
    }
    const std::lock_guard inner(mutex_);
    if (unsealed_end > 0) unsealed = tail_number_;
    numbers = packs_;
    damages.insert(damages.end(), damages_.begin(), damages_.end());
  }
  for (const uint32_t number : numbers) {
    const size_t before = damages.size();
    TRY(VerifyPack(number, number == unsealed ? unsealed_end : 0, damages, done, chunk_count));
    const std::lock_guard guard(mutex_);
    if (damages.size() > before) rotten_packs_.insert(number);
  }
  return VerifyNotes(damages);
}

// What the last pack was noted to hold: without a note it is read, and one that a crash tore is as good as none.
Status PackStore::VerifyNotes(std::vector<Damage>& damages) {
  TRY_ASSIGN(const std::vector<std::string> names, disk_.List(options_.path + "/packs"));
  for (const std::string& name : names) {
    if (!name.ends_with(".table")) continue;
    const auto file = disk_.Open(options_.path + "/packs/" + name, OpenMode::kRead);
    // A writer beside this reader may have removed it.
    if (!file.ok() && file.error().code == ErrorCode::kNotFound) continue;
    if (!file.ok()) return file.error();
    const auto bytes = ReadWhole(*file.value(), kTableBytesMax, "packs/" + name);
    if (!bytes.ok() && bytes.error().code != ErrorCode::kLimit &&
        bytes.error().code != ErrorCode::kCorrupt)
      return bytes.error();
    if (bytes.ok() && IsRotten(bytes.value()))
      damages.push_back({"packs/" + name, "a bit of the note of what the last pack holds has "
                                          "turned over; nothing is lost by it"});
  }
  return Ok();
}

Status PackStore::VerifyPack(uint32_t number, uint64_t unsealed_end,
                             std::vector<Damage>& damages, std::atomic<uint64_t>& done,
                             uint64_t& chunk_count) {
  const std::string name = PackName(number);
  const auto damaged = [&](uint64_t offset, const std::string& what) {
    const Damage damage{At(name, offset), what};
    // The opening may have found it before.
    if (std::none_of(damages.begin(), damages.end(),
                     [&](const Damage& known) { return known.place == damage.place; }))
      damages.push_back(damage);
  };
  // The region that should lie at `offset`, if any.
  const auto condemn = [&](uint64_t offset) {
    const std::lock_guard guard(mutex_);
    PackTable* const table = TableOf(number);
    if (table == nullptr) return;
    for (const PackTable::Region& region : table->regions())
      if (region.offset == offset)
        if (RegionPlace* const place = regions_.Find(region.id); place && place->pack == number)
          place->flags |= RegionPlace::kBad;
  };
  std::shared_ptr<File> file;
  bool tail;
  {
    const std::lock_guard guard(mutex_);
    if (!packs_.contains(number)) return Ok();
    tail = number == tail_number_;
    auto opened = PackFile(number);
    // A collection of the writer beside this reader took it away; who needs something of it finds out.
    if (!opened.ok() && !options_.writable && opened.error().code == ErrorCode::kCorrupt) return Ok();
    TRY_ASSIGN(file, std::move(opened));
  }
  TRY_ASSIGN(const uint64_t size, file->Size());
  uint64_t end = size;
  if (unsealed_end > 0) end = unsealed_end;
  Bytes header(std::min<uint64_t>(size, kPackHeaderBytes));
  TRY(file->ReadAt(0, header));
  const auto parsed = ParsePackHeader(header);
  if (!parsed.ok())
    damaged(0, parsed.error().what);
  else if (parsed.value().number != number || parsed.value().store_id != options_.store_id)
    damaged(0, "the pack belongs to something else");
  auto sealed = ReadPackEnd(*file, IdOf(number), sealing_);
  if (sealed.ok())
    end = sealed.value().table_offset;
  else if (!tail && sealed.error().code == ErrorCode::kNotFound)
    damaged(size, "the pack's trailer is missing");
  else if (sealed.error().code == ErrorCode::kCorrupt)
    damaged(size, sealed.error().what);
  else if (sealed.error().code != ErrorCode::kNotFound)
    return sealed.error();

  size_t found_count = 0;
  PackScanner scanner(*file, IdOf(number), kPackHeaderBytes, end);
  while (true) {
    TRY_ASSIGN(const PackScanner::Found found, scanner.Next());
    if (found == PackScanner::Found::kEnd) break;
    if (found == PackScanner::Found::kOther) {
      TRY_ASSIGN(const auto cut, scanner.OtherHeader());
      // Where the disk is full, the rest of the last region waits in memory.
      if (unsealed_end > 0 && cut && scanner.offset() + cut->total_bytes > end) break;
      damaged(scanner.offset(), "the region's checksum does not match");
      condemn(scanner.offset());
      TRY_ASSIGN(const bool recovered, scanner.Recover());
      if (!recovered) break;
      continue;
    }
    const uint64_t offset = scanner.offset();
    const auto region_header = ParseRegionHeader(scanner.region(), scanner.site());
    ++found_count;
    if (sealed.ok()) {
      const PackTable::Region* const listed = sealed.value().table.Find(region_header->id);
      if (listed == nullptr || listed->offset != offset)
        damaged(offset, "the table does not have this region");
    }
    const auto content = Unpack(scanner.region(), scanner.site(), 0);
    if (content.ok()) {
      chunk_count += content.value()->ends.size();
    } else if (content.error().code != ErrorCode::kCorrupt) {
      return content.error();
    } else {
      // A delta that nothing refers to may have outlived what it was compressed against.
      const std::lock_guard guard(mutex_);
      RegionPlace* const place = regions_.Find(region_header->id);
      if (place != nullptr && place->pack == number && (place->flags & RegionPlace::kBad) == 0) {
        damaged(offset, content.error().what);
        place->flags |= RegionPlace::kBad;
      }
    }
    done += scanner.region().size();
  }
  if (sealed.ok() && found_count < sealed.value().table.regions().size())
    for (const PackTable::Region& region : sealed.value().table.regions()) {
      AlignedBuffer window(kRegionHeaderBytes);
      const bool read = file->ReadAt(region.offset, window.span()).ok();
      const auto found = ParseRegionHeader(window.span(), SiteOf(number, region.offset));
      if (!read || !found || found->id != region.id)
        damaged(region.offset, "a region of the table is not there");
    }
  return Ok();
}

std::optional<std::string> PackStore::DamagedPlace(uint32_t region) {
  const std::lock_guard guard(mutex_);
  const RegionPlace* const place = regions_.Find(region);
  if (place == nullptr || (place->flags & RegionPlace::kBad) == 0) return std::nullopt;
  return At(PackName(place->pack), place->offset);
}

void PackStore::Halt() {
  const std::lock_guard guard(append_mutex_);
  writer_.Halt();
  const std::lock_guard inner(mutex_);
  if (!failed_) failed_ = Error{ErrorCode::kInvalid, options_.path, "the store is closed"};
  settled_.notify_all();
  reserve_.Close();
}

void PackStore::BeginCollection(bool continues) {
  const std::lock_guard guard(mutex_);
  if (continues) return;
  if (collection_ < UINT8_MAX) {
    ++collection_;
    return;
  }
  // Numbers begin anew, and none of those that are noted may be taken for one that comes.
  collection_ = kFirstCollection;
  regions_.Each([](uint32_t, RegionPlace& place) {
    place.wanted = place.wanted == UINT8_MAX ? kFirstCollection - 1 : 0;
    place.touched = 0;
  });
}

void PackStore::MarkSubstitutes(RegionSet& marks) {
  const std::lock_guard guard(mutex_);
  marks.Each([&](uint32_t region) {
    const RegionPlace* const place = regions_.Find(region);
    if (place == nullptr || (place->flags & RegionPlace::kBad) == 0) return;
    PackTable* const table = TableOf(place->pack);
    const PackTable::Region* const found = table == nullptr ? nullptr : table->Find(region);
    if (found == nullptr) return;
    const auto chunks = table->ChunksOf(*found);
    const std::vector<ChunkEntry> damaged(chunks.begin(), chunks.end());
    for (const ChunkEntry& chunk : damaged)
      if (const ChunkRef ref = FindLocked(chunk.digest); ref != kNoChunk) marks.Add(RegionOf(ref));
  });
}

Status PackStore::MarkBases(RegionSet& marks) {
  std::set<uint32_t> numbers;
  {
    // Those on their way, and first: what is closed later touches its bases, what is written is in a table.
    const std::lock_guard guard(mutex_);
    numbers = packs_;
    for (const auto& [id, draft] : drafts_)
      for (const BaseRun& run : draft->bases) marks.Add(run.region);
  }
  for (const uint32_t number : numbers) {
    auto table = LoadTable(number);
    // Of a pack that cannot be read nothing is given up, and nothing that it refers to is known.
    if (!table.ok()) return table.error();
    for (const PackTable::Region& region : table.value().regions()) {
      if (region.base_count == 0) continue;
      const std::lock_guard guard(mutex_);
      RegionPlace* const place = regions_.Find(region.id);
      if (IsLive(region, number, marks))
        for (const BaseRun& run : table.value().BasesOf(region)) marks.Add(run.region);
      else if (place != nullptr && place->pack == number)
        // Its bases may go before it does: nothing may find it from here on.
        place->flags |= RegionPlace::kBad | RegionPlace::kUseless;
    }
  }
  return Ok();
}

bool PackStore::IsLive(const PackTable::Region& region, uint32_t pack,
                       const RegionSet& marks) {
  const RegionPlace* const place = regions_.Find(region.id);
  if (place == nullptr || place->pack != pack) return false;
  if (marks.Contains(region.id)) return true;
  // Where it is damaged it serves no transfer either.
  if (place->damaged()) return false;
  return place->touched == collection_ || place->wanted == collection_ ||
         place->wanted == collection_ - 1;
}

bool PackStore::HasDamage(uint32_t pack) const {
  return rotten_packs_.contains(pack) ||
         std::any_of(damages_.begin(), damages_.end(),
                     [&](const Damage& damage) { return LiesIn(damage, pack); });
}

// The last pack is not collected; one in which something is damaged is no longer the last.
Status PackStore::SealDamagedTail() {
  const std::lock_guard append_guard(append_mutex_);
  {
    const std::lock_guard guard(mutex_);
    const auto& regions = tail_table_.regions();
    const auto is_damaged = [&](const PackTable::Region& region) {
      const RegionPlace* const place = regions_.Find(region.id);
      return place != nullptr && place->pack == tail_number_ && place->damaged();
    };
    if (!HasDamage(tail_number_) && std::none_of(regions.begin(), regions.end(), is_damaged))
      return Ok();
    TRY(CheckFailed());
  }
  return Roll();
}

Result<PackStore::Collected> PackStore::CollectPacks(const RegionSet& marks,
                                                     double live_share, size_t packs_max) {
  struct Candidate {
    uint32_t number;
    uint64_t live_bytes;
  };
  std::vector<Candidate> candidates;
  std::set<uint32_t> numbers;
  // What is damaged and needed stays where it is: a peer may heal it.
  std::set<uint32_t> needed;
  TRY(SealDamagedTail());
  {
    const std::lock_guard guard(mutex_);
    numbers = packs_;
    numbers.erase(tail_number_);
    bool missing = false;
    marks.Each([&](uint32_t region) {
      const RegionPlace* const place = regions_.Find(region);
      if (place != nullptr && place->damaged()) needed.insert(place->pack);
      missing = missing || (place == nullptr && !drafts_.contains(region));
    });
    // It may lie where even its header is damaged.
    if (missing)
      std::erase_if(numbers, [&](uint32_t number) {
        return rebuilt_.contains(number) || HasDamage(number);
      });
  }
  for (const uint32_t number : numbers) {
    if (needed.contains(number)) continue;
    TRY_ASSIGN(const PackTable table, LoadTable(number));
    uint64_t live = 0;
    uint64_t all = 0;
    const std::lock_guard guard(mutex_);
    bool rotten = HasDamage(number);
    for (const PackTable::Region& region : table.regions()) {
      all += region.total_bytes;
      const RegionPlace* const place = regions_.Find(region.id);
      rotten = rotten || (place != nullptr && place->pack == number && place->damaged());
      if (IsLive(region, number, marks)) live += region.total_bytes;
    }
    // Where something is damaged that nobody needs, the rest is better off elsewhere.
    if (all == 0 || rotten || static_cast<double>(live) < live_share * static_cast<double>(all))
      candidates.push_back({number, live});
  }
  // First those that cost least: on a full disk they make room for the others.
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.live_bytes < b.live_bytes; });
  if (candidates.size() > packs_max) candidates.resize(packs_max);
  Collected collected;
  for (const Candidate& candidate : candidates) {
    TRY_ASSIGN(const PackTable table, LoadTable(candidate.number));
    TRY(CollectPack(candidate.number, table, marks, collected));
  }
  if (!candidates.empty()) TRY(disk_.SyncDirectory(options_.path + "/packs"));
  return collected;
}

// Copies what is live to the last pack, makes that durable, then removes the pack.
Status PackStore::CollectPack(uint32_t number, const PackTable& table,
                              const RegionSet& marks, Collected& collected) {
  std::vector<const PackTable::Region*> live;
  // Some lies in the last pack, and perhaps in memory only: an earlier collection could not make it durable.
  bool moved = false;
  {
    const std::lock_guard guard(mutex_);
    TRY(CheckFailed());
    for (const PackTable::Region& region : table.regions()) {
      RegionPlace* const place = regions_.Find(region.id);
      moved = moved || (place != nullptr && place->pack == tail_number_);
      if (place == nullptr || place->pack != number) continue;
      if (IsLive(region, number, marks)) {
        live.push_back(&region);
        continue;
      }
      // From here on nothing finds it.
      const auto chunks = table.ChunksOf(region);
      for (uint32_t i = 0; i < chunks.size(); ++i) {
        index_->Erase(chunks[i].digest, RefOf(region.id, i));
        unique_bytes_ -= chunks[i].length;
      }
      chunk_count_ -= chunks.size();
      *place = RegionPlace{};
      cache_.Forget(region.id);
    }
  }
  for (const PackTable::Region* const region : live) {
    TRY_ASSIGN(const RawRegion raw, ReadRaw(region->id));
    const RegionSite site = SiteOf(raw.pack, raw.offset);
    const auto header = ParseRegionHeader(raw.bytes, site);
    if (!header || header->id != region->id || !RegionChecks(raw.bytes, site))
      return Condemn(region->id, raw, "the region's checksum does not match");
    Encoded encoded{nullptr, *header, {}, RawBytes(raw.bytes.begin(), raw.bytes.end())};
    const auto chunks = table.ChunksOf(*region);
    const auto bases = table.BasesOf(*region);
    encoded.lists.chunks.assign(chunks.begin(), chunks.end());
    encoded.lists.bases.assign(bases.begin(), bases.end());
    // What was accepted goes first.
    const uint64_t room = RoomFor(raw.bytes.size(), 1);
    TRY(Claim(room, 0));
    const std::lock_guard guard(append_mutex_);
    const Status appended = AppendEncoded(encoded);
    Promise(-static_cast<int64_t>(room));
    TRY(appended);
    collected.bytes_copied += encoded.bytes.size();
  }
  if (moved || !live.empty())
    if (const auto synced = SyncTail(); !synced.ok()) return synced.error();
  std::shared_ptr<File> file;
  {
    const std::lock_guard guard(mutex_);
    TRY_ASSIGN(file, PackFile(number));
  }
  TRY_ASSIGN(const uint64_t size, file->Size());
  {
    const std::lock_guard append_guard(append_mutex_);
    {
      const std::lock_guard guard(mutex_);
      TRY(CheckFailed());
    }
    TRY(disk_.Remove(options_.path + "/" + PackName(number)));
  }
  const std::lock_guard guard(mutex_);
  packs_.erase(number);
  files_.erase(number);
  stored_bytes_ -= std::min(stored_bytes_, size);
  std::erase_if(tables_, [&](const auto& entry) { return entry.first == number; });
  rebuilt_.erase(number);
  rotten_packs_.erase(number);
  std::erase_if(damages_, [&](const Damage& damage) { return LiesIn(damage, number); });
  ++collected.packs_removed;
  collected.bytes_freed += size;
  return Ok();
}

}  // namespace capstan
