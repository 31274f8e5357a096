// Reading: regions are read, opened, checked and kept for a while.
#include "blake3.h"
#include "pack_store.h"

namespace capstan {
namespace {

// Waiting to be decoded, half of what the cache holds.
constexpr size_t kPrefetchedRegionsMax = 24;

}  // namespace

Result<PackStore::RawRegion> PackStore::ReadRaw(uint32_t region) {
  RegionPlace place;
  std::shared_ptr<File> file;
  bool unwritten = false;
  {
    const std::lock_guard guard(mutex_);
    const RegionPlace* const found = regions_.Find(region);
    if (found == nullptr)
      return Error{ErrorCode::kCorrupt, "packs", "a chunk that an image refers to is missing"};
    place = *found;
    TRY_ASSIGN(file, PackFile(place.pack));
    unwritten = options_.writable && place.pack == tail_number_ &&
                place.offset + uint64_t{place.total_bytes} > writer_.written_end();
  }
  if (unwritten) {
    const std::lock_guard guard(append_mutex_);
    TRY(writer_.Flush());
  }
  const uint64_t start = place.offset / kDirectAlignment * kDirectAlignment;
  const uint64_t end = (place.offset + uint64_t{place.total_bytes} + kDirectAlignment - 1) /
                       kDirectAlignment * kDirectAlignment;
  RawRegion raw{AlignedBuffer(end - start), {}, place.pack, place.offset,
                (place.flags & RegionPlace::kDelta) != 0};
  TRY(file->ReadAt(start, raw.buffer.span()));
  raw.bytes = raw.buffer.span().subspan(place.offset - start, place.total_bytes);
  return raw;
}

void PackStore::Condemn(uint32_t region) {
  const std::lock_guard guard(mutex_);
  if (RegionPlace* const place = regions_.Find(region)) place->flags |= RegionPlace::kBad;
}

Error PackStore::Condemn(uint32_t region, const RawRegion& raw, const std::string& what) {
  Condemn(region);
  return {ErrorCode::kCorrupt, At(PackName(raw.pack), raw.offset), what};
}

Result<std::shared_ptr<const RegionContent>> PackStore::Unpack(std::span<uint8_t> region,
                                                               int depth) {
  TRY_ASSIGN(const OpenedRegion opened, OpenRegion(region, sealing_, Checks::kHeader));
  Prefix prefix;
  if (opened.header.codec == Codec::kDelta) {
    if (depth > 0)
      return Error{ErrorCode::kCorrupt, "", "a region's base is itself compressed against others"};
    TRY_ASSIGN(prefix, BasePrefix(opened.lists.bases));
  }
  auto content = std::make_shared<RegionContent>();
  content->bytes.resize(opened.header.content_bytes);
  TRY(Decompress(opened.header.codec, opened.stored, prefix.bytes, content->bytes));
  uint32_t end = 0;
  for (const ChunkEntry& chunk : opened.lists.chunks) content->ends.push_back(end += chunk.length);
  for (uint32_t i = 0; i < opened.lists.chunks.size(); ++i)
    if (ChunkDigest(content->Chunk(i)) != opened.lists.chunks[i].digest)
      return Error{ErrorCode::kCorrupt, "", "a chunk's digest does not match"};
  return std::shared_ptr<const RegionContent>(std::move(content));
}

Result<std::shared_ptr<const RegionContent>> PackStore::Decode(uint32_t region, int depth) {
  // Twice: a read may go astray without anything being wrong on the disk.
  for (int attempt = 0;; ++attempt) {
    TRY_ASSIGN(RawRegion raw, ReadRaw(region));
    const auto header = ParseRegionHeader(raw.bytes);
    Result<std::shared_ptr<const RegionContent>> content =
        Error{ErrorCode::kCorrupt, "", "another region lies here"};
    if (header && header->id == region && (header->codec == Codec::kDelta) != raw.delta)
      content = Error{ErrorCode::kCorrupt, "", "the table says otherwise of the region's codec"};
    else if (!header || header->id == region)
      content = Unpack(raw.bytes, depth);
    // An error with a place is another region's: the base's.
    const bool own = !content.ok() && content.error().code == ErrorCode::kCorrupt &&
                     content.error().place.empty();
    if (!own) {
      // Without its base it is as lost as that is.
      if (!content.ok() && content.error().code == ErrorCode::kCorrupt) Condemn(region);
      return content;
    }
    if (attempt == 1) return Condemn(region, raw, content.error().what);
  }
}

Result<uint64_t> PackStore::Check(uint32_t region) {
  TRY_ASSIGN(const auto content, Decode(region, 0));
  return content->ends.size();
}

Result<std::shared_ptr<const RegionContent>> PackStore::Content(uint32_t region, int depth) {
  return cache_.Get(region, [&] { return Decode(region, depth); });
}

Result<ChunkContent> PackStore::Read(ChunkRef ref) {
  {
    const std::lock_guard guard(mutex_);
    if (const auto found = drafts_.find(RegionOf(ref)); found != drafts_.end()) {
      const RegionDraft& draft = *found->second;
      if (PlaceOf(ref) >= draft.chunks.size())
        return Error{ErrorCode::kCorrupt, "packs", "a chunk that an image refers to is missing"};
      size_t start = 0;
      for (uint32_t i = 0; i < PlaceOf(ref); ++i) start += draft.chunks[i].length;
      const View chunk = View(draft.content).subspan(start, draft.chunks[PlaceOf(ref)].length);
      const auto copy = std::make_shared<const Bytes>(chunk.begin(), chunk.end());
      return ChunkContent{copy, *copy};
    }
  }
  auto content = Content(RegionOf(ref), 0);
  if (!content.ok() && content.error().code == ErrorCode::kCorrupt) {
    // The same bytes may have come again since the damage was found.
    const auto entry = EntryOf(ref);
    const auto other = entry.ok() ? Find(entry.value().digest) : std::nullopt;
    if (!other || *other == ref) return content.error();
    return Read(*other);
  }
  if (!content.ok()) return content.error();
  const RegionContent& region = *content.value();
  if (PlaceOf(ref) >= region.ends.size())
    return Error{ErrorCode::kCorrupt, "packs", "a chunk that an image refers to is missing"};
  return ChunkContent{content.value(), region.Chunk(PlaceOf(ref))};
}

void PackStore::Prefetch(uint32_t region) {
  if (workers_.inline_only() || cache_.Knows(region)) return;
  {
    const std::lock_guard guard(mutex_);
    if (regions_.Find(region) == nullptr) return;
  }
  // Where it fails, who reads it is told; where the queue is full, who reads it decodes it.
  workers_.TrySubmit(
      [this, region] {
        if (!Content(region, 0).ok()) return;
      },
      kPrefetchedRegionsMax);
}

}  // namespace capstan
