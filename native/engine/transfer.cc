#include "transfer.h"

#include <algorithm>

#include "store.h"

namespace capstan {
namespace {

// A region of which less than 7/8 is lacking does not travel as it lies: it would cost the line more than a
// compression costs here.
constexpr uint64_t kLackingShareDivisor = 8;
// What is compressed anew is half as long, about: where as it lies it is shorter still, it travels so.
constexpr uint64_t kUsualRatio = 2;

bool TravelsWhole(const PackStore::RegionOutline& outline, uint64_t lacking_bytes) {
  return outline.content_bytes - lacking_bytes <= outline.content_bytes / kLackingShareDivisor ||
         outline.total_bytes <= lacking_bytes / kUsualRatio;
}

}  // namespace

Result<std::shared_ptr<Transfer>> Transfer::Make(std::shared_ptr<Store> store, View digests) {
  std::shared_ptr<Transfer> transfer(new Transfer(std::move(store)));
  TRY(transfer->Find(digests));
  transfer->Plan();
  return transfer;
}

Status Transfer::Find(View digests) {
  for (const Digest& digest : SplitDigests(digests)) {
    TRY_ASSIGN(const ChunkRef ref, store_->FindChunk(digest));
    refs_.push_back(ref);
  }
  std::sort(refs_.begin(), refs_.end());
  refs_.erase(std::unique(refs_.begin(), refs_.end()), refs_.end());
  return Ok();
}

void Transfer::Plan() {
  const std::vector<ChunkRef> sorted = std::move(refs_);
  std::vector<Group> deltas;
  std::vector<ChunkRef> bases;
  refs_.clear();
  refs_.reserve(sorted.size());
  // Groups keep places in `sorted` at first.
  for (size_t begin = 0, end = 0; begin < sorted.size(); begin = end) {
    const uint32_t region = RegionOf(sorted[begin]);
    while (end < sorted.size() && RegionOf(sorted[end]) == region) ++end;
    const auto outline = store_->packs_->OutlineOf(region);
    bool whole = outline.has_value();
    uint64_t lacking_bytes = 0;
    for (size_t i = begin; whole && i < end; ++i) {
      whole = PlaceOf(sorted[i]) < outline->chunks.size();
      if (whole) lacking_bytes += outline->chunks[PlaceOf(sorted[i])].length;
    }
    whole = whole && TravelsWhole(*outline, lacking_bytes);
    if (whole && !outline->bases.empty()) {
      deltas.push_back({region, begin, end, true});
      bases.insert(bases.end(), outline->bases.begin(), outline->bases.end());
      continue;
    }
    groups_.push_back({region, refs_.size(), refs_.size() + end - begin, whole});
    refs_.insert(refs_.end(), sorted.begin() + static_cast<ptrdiff_t>(begin),
                 sorted.begin() + static_cast<ptrdiff_t>(end));
  }
  plain_count_ = groups_.size();
  for (Group group : deltas) {
    const size_t count = group.end - group.begin;
    refs_.insert(refs_.end(), sorted.begin() + static_cast<ptrdiff_t>(group.begin),
                 sorted.begin() + static_cast<ptrdiff_t>(group.end));
    group.begin = refs_.size() - count;
    group.end = refs_.size();
    groups_.push_back(group);
  }
  std::sort(bases.begin(), bases.end());
  bases.erase(std::unique(bases.begin(), bases.end()), bases.end());
  for (const ChunkRef base : bases)
    if (!Comes(base)) bases_.push_back(base);
  base_is_there_.assign(bases_.size(), false);
}

const Transfer::Group* Transfer::PlainGroup(uint32_t region) const {
  const auto end = groups_.begin() + static_cast<ptrdiff_t>(plain_count_);
  const auto found = std::lower_bound(groups_.begin(), end, region, [](const Group& group, uint32_t id) {
    return group.region < id;
  });
  return found != end && found->region == region ? &*found : nullptr;
}

bool Transfer::Comes(ChunkRef ref) const {
  const Group* const group = PlainGroup(RegionOf(ref));
  if (group == nullptr || group->failed) return false;
  return group->whole || std::binary_search(refs_.begin() + static_cast<ptrdiff_t>(group->begin),
                                            refs_.begin() + static_cast<ptrdiff_t>(group->end), ref);
}

bool Transfer::IsThere(ChunkRef ref) const {
  const auto found = std::lower_bound(bases_.begin(), bases_.end(), ref);
  return found != bases_.end() && *found == ref &&
         base_is_there_[static_cast<size_t>(found - bases_.begin())];
}

Result<Bytes> Transfer::Bases() const {
  const std::lock_guard guard(mutex_);
  Bytes digests;
  digests.reserve(bases_.size() * kDigestBytes);
  for (const ChunkRef base : bases_) {
    TRY_ASSIGN(const ChunkEntry entry, store_->packs_->EntryOf(base));
    digests.insert(digests.end(), entry.digest.begin(), entry.digest.end());
  }
  return digests;
}

void Transfer::UseBases(View lacking) {
  const std::lock_guard guard(mutex_);
  for (size_t i = 0; i < std::min(lacking.size(), bases_.size()); ++i)
    base_is_there_[i] = lacking[i] == 0;
}

Result<Transfer::Batch> Transfer::Read(size_t bytes_max, std::span<uint8_t> into) {
  TRY(store_->CheckOpen(false));
  const std::lock_guard guard(mutex_);
  Batch batch;
  while (true) {
    if (pending_.parcels.empty() && !error_)
      if (const Status read = ReadNext(); !read.ok()) error_ = read.error();
    if (pending_.parcels.empty() && !error_) return batch;
    const size_t size = batch.parcels.size() + batch.filled_bytes;
    if (size > 0 && (pending_.parcels.empty() || size + pending_.parcels.size() > bytes_max))
      return batch;
    if (pending_.parcels.empty()) {
      const Error error = *error_;
      error_.reset();
      return error;
    }
    if (batch.parcels.empty() && size + pending_.parcels.size() <= into.size()) {
      std::copy(pending_.parcels.begin(), pending_.parcels.end(), into.begin() + size);
      batch.filled_bytes += pending_.parcels.size();
    } else if (batch.filled_bytes > 0) {
      return batch;
    } else if (batch.parcels.empty()) {
      batch.parcels.swap(pending_.parcels);
    } else {
      Append(batch.parcels, pending_.parcels);
    }
    batch.chunk_count += pending_.chunk_count;
    // Its memory is used again.
    pending_.parcels.clear();
    pending_.chunk_count = 0;
  }
}

// Makes the next parcel pending; none at the end.
Status Transfer::ReadNext() {
  while (group_ < groups_.size()) {
    Group& group = groups_[group_];
    // What was gathered comes before the deltas that may rest on it.
    if (group_ >= plain_count_ && !gathered_.chunks.empty() && group.whole) break;
    bool done = false;
    if (group.whole) {
      TRY_ASSIGN(done, ReadWhole(group));
      group.whole = done;
    }
    if (!done) {
      position_ = std::max(position_, group.begin);
      if (const Status gathered = Gather(group); !gathered.ok()) {
        group.failed = true;
        ++group_;
        return gathered;
      }
      if (position_ < group.end) break;
    }
    ++group_;
    if (done) return Ok();
  }
  Flush();
  return Ok();
}

// False where it has to go chunk by chunk.
Result<bool> Transfer::ReadWhole(Group& group) {
  PackStore& packs = *store_->packs_;
  const auto outline = packs.OutlineOf(group.region);
  if (!outline) return false;
  Parcel parcel{};
  for (const ChunkRef base : outline->bases) {
    const auto entry = packs.EntryOf(base);
    if (!entry.ok() || (!Comes(base) && !IsThere(base))) return false;
    parcel.bases.push_back(entry.value().digest);
  }
  const auto stored = packs.ReadStored(group.region);
  if (!stored.ok() && stored.error().code != ErrorCode::kCorrupt) return stored.error();
  if (!stored.ok()) return false;
  const OpenedRegion& opened = stored.value().opened;
  const auto same_chunk = [](const ChunkEntry& a, const ChunkEntry& b) {
    return a.digest == b.digest && a.length == b.length;
  };
  std::vector<ChunkRef> bases;
  for (const BaseRun& run : opened.lists.bases)
    for (uint32_t i = 0; i < run.count; ++i) bases.push_back(RefOf(run.region, run.first + i));
  // The table was believed so far.
  if (!std::equal(opened.lists.chunks.begin(), opened.lists.chunks.end(), outline->chunks.begin(),
                  outline->chunks.end(), same_chunk) ||
      bases != outline->bases)
    return false;
  parcel.codec = opened.header.codec;
  parcel.content_bytes = opened.header.content_bytes;
  parcel.chunks = opened.lists.chunks;
  parcel.stored = opened.stored;
  AppendParcel(parcel, pending_.parcels);
  pending_.chunk_count = group.end - group.begin;
  return true;
}

// Until the group or the parcel is at its end.
Status Transfer::Gather(Group& group) {
  for (; position_ < group.end; ++position_) {
    if (gathered_.content.size() >= kRegionContentBytes ||
        gathered_.chunks.size() == kRegionChunkCountMax)
      return Ok();
    TRY_ASSIGN(const ChunkEntry entry, store_->packs_->EntryOf(refs_[position_]));
    TRY_ASSIGN(const ChunkContent content, store_->ReadChunk(refs_[position_]));
    gathered_.chunks.push_back(entry);
    Append(gathered_.content, content.bytes);
  }
  return Ok();
}

void Transfer::Flush() {
  if (gathered_.chunks.empty()) return;
  RawBytes stored;
  Parcel parcel{Compress(gathered_.content, Effort::kUsual, stored),
              static_cast<uint32_t>(gathered_.content.size()),
              std::move(gathered_.chunks),
              {},
              stored};
  AppendParcel(parcel, pending_.parcels);
  pending_.chunk_count = parcel.chunks.size();
  gathered_ = {};
}

}  // namespace capstan
