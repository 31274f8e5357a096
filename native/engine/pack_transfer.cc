// What goes to another store and comes from one: regions as they lie.
#include <algorithm>

#include "pack_store.h"

namespace capstan {

std::optional<PackStore::RegionOutline> PackStore::OutlineOf(uint32_t region) {
  const std::lock_guard guard(mutex_);
  const RegionPlace* const place = regions_.Find(region);
  if (place == nullptr || (place->flags & RegionPlace::kBad) != 0) return std::nullopt;
  PackTable* const table = TableOf(place->pack);
  const PackTable::Region* const found = table == nullptr ? nullptr : table->Find(region);
  if (found == nullptr) return std::nullopt;
  const auto chunks = table->ChunksOf(*found);
  RegionOutline outline{{chunks.begin(), chunks.end()}, {}, found->content_bytes, place->total_bytes};
  for (const BaseRun& run : table->BasesOf(*found))
    for (uint32_t i = 0; i < run.count; ++i)
      outline.bases.push_back(RefOf(run.region, run.first + i));
  return outline;
}

Result<PackStore::StoredRegion> PackStore::ReadStored(uint32_t region) {
  // Twice: a read may go astray without anything being wrong on the disk.
  for (int attempt = 0;; ++attempt) {
    TRY_ASSIGN(RawRegion raw, ReadRaw(region));
    auto opened = OpenRegion(raw.bytes, SiteOf(raw.pack, raw.offset), sealing_, Checks::kAll);
    if (opened.ok() && opened.value().header.id == region)
      return StoredRegion{std::move(raw.buffer), opened.take()};
    if (opened.ok()) opened = Error{ErrorCode::kCorrupt, "", "another region lies here"};
    if (opened.error().code != ErrorCode::kCorrupt || attempt == 1) return opened.error();
  }
}

void PackStore::TakeParcel(ChunkStream& stream, const Parcel& parcel, RawBytes content) {
  if (Adopt(stream, parcel, content)) return;
  size_t start = 0;
  for (const ChunkEntry& chunk : parcel.chunks) {
    bool is_new = false;
    Take(stream, chunk.digest, View(content).subspan(start, chunk.length), &is_new);
    // The collection leaves it until the image that it came for is staged.
    Find(chunk.digest);
    start += chunk.length;
  }
}

bool PackStore::AllNew(std::span<const ChunkEntry> chunks) {
  std::set<Digest> seen;
  for (const ChunkEntry& chunk : chunks)
    if (!seen.insert(chunk.digest).second || FindLocked(chunk.digest) != kNoChunk) return false;
  return true;
}

// Whether it is on its way into a pack.
bool PackStore::BaseIsComing(const Digest& digest) {
  const ChunkRef ref = FindLocked(digest);
  const auto draft = ref == kNoChunk ? drafts_.end() : drafts_.find(RegionOf(ref));
  return draft != drafts_.end() && draft->second->closed;
}

// Where these chunks lie here, as a delta can refer to them; nothing where it cannot.
std::optional<std::vector<BaseRun>> PackStore::RunsOf(std::span<const Digest> bases) {
  std::vector<BaseRun> runs;
  for (const Digest& digest : bases) {
    const ChunkRef ref = FindLocked(digest);
    if (ref == kNoChunk) return std::nullopt;
    const uint32_t region = RegionOf(ref);
    // Depth 1, and only what lies in a pack.
    const RegionPlace* const place = regions_.Find(region);
    if (place == nullptr || place->flags != 0 || drafts_.contains(region)) return std::nullopt;
    const uint32_t next = runs.empty() ? 0 : runs.back().first + uint32_t{runs.back().count};
    if (!runs.empty() && runs.back().region == region && PlaceOf(ref) == next) {
      ++runs.back().count;
      continue;
    }
    if (runs.size() == kBaseRunCountMax) return std::nullopt;
    runs.push_back({region, static_cast<uint8_t>(PlaceOf(ref)), 1});
  }
  for (const BaseRun& run : runs) Touch(run.region);
  return runs;
}

bool PackStore::Adopt(ChunkStream& stream, const Parcel& parcel, RawBytes& content) {
  std::vector<Draft> closing;
  {
    std::unique_lock lock(mutex_);
    std::optional<std::vector<BaseRun>> bases{std::in_place};
    if (parcel.codec == Codec::kDelta) {
      settled_.wait(lock, [&] {
        return failed_ || full_ ||
               std::none_of(parcel.bases.begin(), parcel.bases.end(),
                            [&](const Digest& digest) { return BaseIsComing(digest); });
      });
      bases = RunsOf(parcel.bases);
    }
    if (!bases || !AllNew(parcel.chunks)) return false;
    const Draft draft = AddDraft(stream, parcel.codec == Codec::kDelta ? stream.delta_ids : stream.plain_ids);
    draft->chunks = parcel.chunks;
    draft->content = std::move(content);
    draft->bases = std::move(*bases);
    draft->wanted = true;
    draft->arrived = RegionDraft::Arrived{parcel.codec, {}};
    if (parcel.codec != Codec::kRaw) Append(draft->arrived->stored, parcel.stored);
    SetOut(draft);
    for (uint32_t i = 0; i < draft->chunks.size(); ++i)
      index_->Insert(draft->chunks[i].digest, RefOf(draft->id, i));
    chunk_count_ += draft->chunks.size();
    unique_bytes_ += draft->content.size();
    closing.push_back(draft);
  }
  Submit(closing);
  return true;
}

}  // namespace capstan
