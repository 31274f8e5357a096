// Drafting: which region a new chunk goes into, and what that is compressed against.
#include <algorithm>

#include "blake3.h"
#include "chunker.h"
#include "pack_store.h"

namespace capstan {
namespace {

// Region numbers that a stream sets aside at a time.
constexpr uint32_t kIdExtent = 16;
// Of consecutive new chunks, so many regions are compressed against what they replace; what is longer is
// rather something new.
constexpr unsigned kDeltaCountMax = 4;
// Old bytes taken in front of and behind those replaced: insertions and deletions shift.
constexpr uint64_t kBaseSlackBytes = 64 * 1024;

}  // namespace

PackStore::Draft PackStore::AddDraft(const ChunkStream& stream, uint32_t (&ids)[2]) {
  if (ids[0] == ids[1]) {
    ids[0] = next_region_;
    ids[1] = next_region_ += kIdExtent;
  }
  auto draft = std::make_shared<RegionDraft>();
  draft->id = ids[0]++;
  draft->dense = stream.dense;
  drafts_[draft->id] = draft;
  return draft;
}

PackStore::Draft PackStore::NewDraft(const ChunkStream& stream, uint32_t (&ids)[2]) {
  Draft draft = AddDraft(stream, ids);
  if (!spare_.empty()) {
    draft->content = std::move(spare_.back());
    spare_.pop_back();
  }
  draft->content.reserve(kRegionContentBytes + kChunkBytesMax);
  return draft;
}

// The chunk that followed `ref` when it was first written.
ChunkRef PackStore::Successor(ChunkRef ref) {
  if (PlaceOf(ref) + 1 < ChunksOf(RegionOf(ref)).size()) return ref + 1;
  return RefOf(RegionOf(ref) + 1, 0);
}

// Where `ref` can be compressed against: itself, or what its own region was compressed against, since a chain
// of two would cost every reader. kNoChunk: neither.
ChunkRef PackStore::BaseAt(ChunkRef ref) {
  const RegionPlace* place = regions_.Find(RegionOf(ref));
  if (place == nullptr || (place->flags & RegionPlace::kBad) != 0) return kNoChunk;
  if ((place->flags & RegionPlace::kDelta) == 0) return ref;
  PackTable* const table = TableOf(place->pack);
  const PackTable::Region* const found = table == nullptr ? nullptr : table->Find(RegionOf(ref));
  if (found == nullptr || found->base_count == 0) return kNoChunk;
  const BaseRun& run = table->BasesOf(*found)[0];
  const uint32_t step = std::min<uint32_t>(PlaceOf(ref), run.count - 1u);
  place = regions_.Find(run.region);
  if (place == nullptr || place->flags != 0) return kNoChunk;
  return RefOf(run.region, run.first + step);
}

// The chunk `bytes` behind the start of `ref`, as they lie.
ChunkRef PackStore::Advance(ChunkRef ref, uint64_t bytes) {
  while (true) {
    const auto chunks = ChunksOf(RegionOf(ref));
    if (PlaceOf(ref) >= chunks.size()) return kNoChunk;
    const uint32_t length = chunks[PlaceOf(ref)].length;
    if (bytes < length) return ref;
    bytes -= length;
    ref = Successor(ref);
  }
}

PackStore::Draft& PackStore::OpenDraft(ChunkStream& stream) {
  if (stream.delta && stream.delta->closed) stream.delta.reset();
  if (stream.plain && stream.plain->closed) stream.plain.reset();
  if (stream.delta) return stream.delta;
  const bool follows = stream.replaced != kNoChunk || stream.last_match != kNoChunk;
  if (follows && stream.delta_count < kDeltaCountMax) {
    const ChunkRef replaced = stream.delta_count > 0         ? stream.next_base
                              : stream.replaced != kNoChunk ? stream.replaced
                                                            : Successor(stream.last_match);
    const ChunkRef base =
        replaced == kNoChunk || options_.compression == Compression::kOff ? kNoChunk : BaseAt(replaced);
    if (base != kNoChunk) {
      stream.delta = NewDraft(stream, stream.delta_ids);
      stream.delta->base = base;
      ++stream.delta_count;
      return stream.delta;
    }
    stream.delta_count = kDeltaCountMax;
  }
  if (!stream.plain) stream.plain = NewDraft(stream, stream.plain_ids);
  return stream.plain;
}

// The chunks that a draft is compressed against: from a little before those it replaces to a little behind.
void PackStore::FindBases(RegionDraft& draft) {
  ChunkRef ref = draft.base;
  uint64_t wanted = draft.content.size() + kBaseSlackBytes;
  if (PlaceOf(ref) > 0) {
    --ref;
    // A collection may have taken it since the draft was begun.
    const auto chunks = ChunksOf(RegionOf(ref));
    if (PlaceOf(ref) >= chunks.size()) return;
    wanted += chunks[PlaceOf(ref)].length;
  }
  wanted = std::min<uint64_t>(wanted, kBaseBytesMax - kChunkBytesMax);
  uint64_t found = 0;
  while (found < wanted && draft.bases.size() < kBaseRunCountMax) {
    const uint32_t region = RegionOf(ref);
    const RegionPlace* const place = regions_.Find(region);
    // Depth 1, and only what lies in a pack: a draft may wait for this very one.
    if (place == nullptr || place->flags != 0 || drafts_.contains(region)) break;
    const auto chunks = ChunksOf(region);
    BaseRun run{region, static_cast<uint8_t>(PlaceOf(ref)), 0};
    for (size_t i = run.first; i < chunks.size() && found < wanted; ++i, ++run.count)
      found += chunks[i].length;
    if (run.count == 0) break;
    draft.bases.push_back(run);
    Touch(region);
    ref = RefOf(region + 1, 0);
  }
}

void PackStore::CloseDraft(Draft& draft, std::vector<Draft>& closing) {
  if (!draft || draft->closed) return;
  if (draft->base != kNoChunk) FindBases(*draft);
  SetOut(draft);
  closing.push_back(std::move(draft));
  draft.reset();
}

// From here on it is on its way to the disk, and a sync waits for it.
void PackStore::SetOut(const Draft& draft) {
  draft->closed = true;
  draft->sequence = next_sequence_++;
  outstanding_.insert(draft->sequence);
}

void PackStore::DigestChunks(View bytes, std::span<const uint32_t> lengths,
                             std::vector<Digest>& digests) {
  std::vector<View> chunks;
  for (const uint32_t length : lengths) {
    chunks.push_back(bytes.first(length));
    bytes = bytes.subspan(length);
  }
  digests.resize(chunks.size());
  workers_.Share(chunks.size(), 1, WorkerPool::Helpers::kIdle,
                 [&](size_t i) { digests[i] = ChunkDigest(chunks[i]); });
}

ChunkRef PackStore::Take(ChunkStream& stream, const Digest& digest, View content, bool* is_new) {
  std::vector<Draft> closing;
  ChunkRef ref;
  // By the time the draft is full, what it is to be compressed against is here.
  ChunkRef base = kNoChunk;
  {
    const std::lock_guard guard(mutex_);
    ref = FindLocked(digest);
    *is_new = ref == kNoChunk;
    if (!*is_new) {
      Touch(RegionOf(ref));
      if (const auto found = drafts_.find(RegionOf(ref));
          found != drafts_.end() && found->second != stream.plain && found->second != stream.delta)
        found->second->shared = true;
      CloseDraft(stream.delta, closing);
      stream.last_match = ref;
      stream.replaced = kNoChunk;
      stream.delta_count = 0;
      const ChunkRef next = Successor(ref);
      const auto chunks = ChunksOf(RegionOf(next));
      stream.expected = PlaceOf(next) < chunks.size() ? chunks[PlaceOf(next)] : ChunkEntry{{}, 0};
    } else {
      stream.expected.length = 0;
      Draft& draft = OpenDraft(stream);
      if (draft->chunks.empty()) base = draft->base;
      ref = RefOf(draft->id, static_cast<uint32_t>(draft->chunks.size()));
      draft->chunks.push_back({digest, static_cast<uint32_t>(content.size())});
      Append(draft->content, content);
      index_->Insert(digest, ref);
      ++chunk_count_;
      unique_bytes_ += content.size();
      if (draft->content.size() >= kRegionContentBytes ||
          draft->chunks.size() == kRegionChunkCountMax) {
        if (draft->base != kNoChunk)
          stream.next_base = Advance(draft->base, draft->content.size());
        CloseDraft(draft, closing);
      }
    }
  }
  if (base != kNoChunk) {
    const uint32_t region = RegionOf(base);
    Prefetch({&region, 1}, 1);
  }
  Submit(closing);
  return ref;
}

void PackStore::End(ChunkStream& stream) {
  std::vector<Draft> closing;
  {
    const std::lock_guard guard(mutex_);
    CloseDraft(stream.delta, closing);
    CloseDraft(stream.plain, closing);
    stream = ChunkStream{};
  }
  Submit(closing);
}

}  // namespace capstan
