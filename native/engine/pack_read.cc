// Reading: regions are read, opened, checked and kept for a while.
#include <algorithm>
#include <unordered_set>

#include "blake3.h"
#include "pack_store.h"

namespace capstan {
namespace {

constexpr size_t kExtentsMax = 32;
constexpr size_t kDecodesMax = 64;

bool Verify(const RegionContent& content) {
  if (content.verified) return true;
  for (uint32_t i = 0; i < content.chunks.size(); ++i)
    if (ChunkDigest(content.Chunk(i)) != content.chunks[i].digest) return false;
  content.verified = true;
  return true;
}

}  // namespace

Result<PackStore::RawRegion> PackStore::ReadRaw(uint32_t region) {
  TRY_ASSIGN(std::vector<RawRegion> raws, ReadRaw({&region, 1}));
  return std::move(raws.front());
}

// Regions of one pack, in the order they lie; what is between them is read with them.
Result<std::vector<PackStore::RawRegion>> PackStore::ReadRaw(std::span<const uint32_t> regions) {
  std::vector<RegionPlace> places;
  std::shared_ptr<File> file;
  bool unwritten = false;
  {
    const std::lock_guard guard(mutex_);
    for (const uint32_t region : regions) {
      const RegionPlace* const found = regions_.Find(region);
      // A collection may have moved one of several since they were picked.
      if (found == nullptr || (!places.empty() && (found->pack != places.front().pack ||
                                                   found->offset < places.back().offset)))
        return Error{ErrorCode::kCorrupt, "packs", "a chunk that an image refers to is missing"};
      places.push_back(*found);
    }
    TRY_ASSIGN(file, PackFile(places.front().pack));
    unwritten = options_.writable && places.back().pack == tail_number_ &&
                places.back().offset + uint64_t{places.back().total_bytes} > writer_.written_end();
  }
  if (unwritten) {
    const std::lock_guard guard(append_mutex_);
    TRY(writer_.Flush());
  }
  const uint64_t start = places.front().offset / kDirectAlignment * kDirectAlignment;
  const uint64_t end = (places.back().offset + uint64_t{places.back().total_bytes} +
                        kDirectAlignment - 1) / kDirectAlignment * kDirectAlignment;
  const std::shared_ptr<AlignedBuffer> buffer = buffers_.Take(end - start);
  TRY(file->ReadAt(start, buffer->span().first(end - start)));
  std::vector<RawRegion> raws;
  for (const RegionPlace& place : places)
    raws.push_back({buffer, buffer->span().subspan(place.offset - start, place.total_bytes),
                    place.pack, place.offset, (place.flags & RegionPlace::kDelta) != 0});
  return raws;
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
                                                               const RegionSite& site, int depth,
                                                               std::span<uint8_t> into) {
  TRY_ASSIGN(OpenedRegion opened,
             OpenRegion(region, site, sealing_, depth == 0 ? Checks::kHeader : Checks::kAll));
  Prefix prefix;
  if (opened.header.codec == Codec::kDelta) {
    if (depth > 0)
      return Error{ErrorCode::kCorrupt, "", "a region's base is itself compressed against others"};
    TRY_ASSIGN(prefix, BasePrefix(opened.lists.bases));
  }
  auto content = std::make_shared<RegionContent>();
  if (into.size() != opened.header.content_bytes) {
    content->memory = buffers_.Take(opened.header.content_bytes);
    into = content->memory->span().first(opened.header.content_bytes);
  }
  TRY(Decompress(opened.header.codec, opened.stored, prefix.bytes, into));
  content->bytes = into;
  uint32_t end = 0;
  for (const ChunkEntry& chunk : opened.lists.chunks) content->ends.push_back(end += chunk.length);
  content->chunks = std::move(opened.lists.chunks);
  if (depth == 0 && !Verify(*content))
    return Error{ErrorCode::kCorrupt, "", "a chunk's digest does not match"};
  return std::shared_ptr<const RegionContent>(std::move(content));
}

Result<std::shared_ptr<const RegionContent>> PackStore::Decode(uint32_t region, int depth,
                                                               std::span<uint8_t> into) {
  // Twice: a read may go astray without anything being wrong on the disk.
  for (int attempt = 0;; ++attempt) {
    RawRegion raw;
    if (auto ahead = read_ahead_.Take(region)) {
      raw = std::move(*ahead);
    } else {
      TRY_ASSIGN(raw, ReadRaw(region));
    }
    const RegionSite site = SiteOf(raw.pack, raw.offset);
    const auto header = ParseRegionHeader(raw.bytes, site);
    Result<std::shared_ptr<const RegionContent>> content =
        Error{ErrorCode::kCorrupt, "", "another region lies here"};
    if (header && header->id == region && (header->codec == Codec::kDelta) != raw.delta)
      content = Error{ErrorCode::kCorrupt, "", "the table says otherwise of the region's codec"};
    else if (!header || header->id == region)
      content = Unpack(raw.bytes, site, depth, into);
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
  TRY_ASSIGN(auto content, cache_.Get(region, [&] { return Decode(region, depth); }));
  if (depth > 0 || Verify(*content)) return content;
  cache_.Forget(region);
  return Decode(region, depth);
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

bool PackStore::ReadRegion(uint32_t region, std::span<const uint32_t> lengths,
                          std::span<uint8_t> out) {
  if (cache_.Knows(region)) return false;
  {
    const std::lock_guard guard(mutex_);
    if (!std::ranges::equal(ChunksOf(region), lengths, {}, &ChunkEntry::length)) return false;
  }
  const auto content = Decode(region, 0, out);
  // What the region itself says is what counts.
  return content.ok() && content.value()->bytes.data() == out.data() &&
         std::ranges::equal(content.value()->chunks, lengths, {}, &ChunkEntry::length);
}

std::vector<uint32_t> PackStore::RootsOf(std::span<const uint32_t> regions) {
  std::vector<uint32_t> roots(regions.begin(), regions.end());
  // Nobody waits for another there: no need to read tables.
  if (workers_.inline_only()) return roots;
  const std::lock_guard guard(mutex_);
  for (uint32_t& root : roots)
    if (const RegionPlace* const place = regions_.Find(root))
      if (const auto bases = BasesOf(root, *place); !bases.empty()) root = bases.front().region;
  return roots;
}

void PackStore::DecodeAhead(std::span<const uint32_t> regions, size_t count_max) {
  // What several had decoded ahead would push each other's out of the cache, too.
  if (shared_readings_ > 1) return;
  const std::vector<uint32_t> roots = RootsOf(regions);
  std::vector<uint32_t> seen;
  for (size_t i = 0; i < roots.size() && seen.size() < count_max; ++i) {
    const uint32_t root = roots[i];
    if (std::ranges::find(seen, root) != seen.end()) continue;
    seen.push_back(root);
    const int depth = root == regions[i] ? 0 : 1;
    const auto decode = [this, root, depth] {
      // Somebody came for it meanwhile, or had it before. Whoever wants it is told where it fails.
      if (read_ahead_.HasSpare(root)) (void)Content(root, depth);
    };
    if (read_ahead_.HasSpare(root)) workers_.TrySubmit(decode, kDecodesMax);
  }
}

// With mutex_ held.
std::span<const BaseRun> PackStore::BasesOf(uint32_t region, const RegionPlace& place) {
  PackTable* const table =
      (place.flags & RegionPlace::kDelta) == 0 ? nullptr : TableOf(place.pack);
  const PackTable::Region* const delta = table == nullptr ? nullptr : table->Find(region);
  return delta == nullptr ? std::span<const BaseRun>() : table->BasesOf(*delta);
}

// In the order they lie: what is wanted one after the other was seldom written quite so, workers being faster or slower.
std::vector<PackStore::Extent> PackStore::ExtentsOf(std::span<const uint32_t> regions) {
  std::vector<std::pair<RegionPlace, uint32_t>> wanted;
  std::unordered_set<uint32_t> seen;
  const std::lock_guard guard(mutex_);
  const auto add = [&](uint32_t region) {
    const RegionPlace* const place = regions_.Find(region);
    if (place == nullptr || (place->flags & RegionPlace::kBad) != 0 ||
        !seen.insert(region).second || cache_.Knows(region) || read_ahead_.Knows(region))
      return;
    wanted.emplace_back(*place, region);
  };
  for (const uint32_t region : regions) {
    const RegionPlace* const place = regions_.Find(region);
    if (place == nullptr) continue;
    for (const BaseRun& run : BasesOf(region, *place)) add(run.region);
    add(region);
  }
  std::ranges::sort(wanted, {}, [](const auto& each) {
    return std::pair(each.first.pack, each.first.offset);
  });
  std::vector<Extent> extents;
  for (const auto& [place, region] : wanted) {
    const uint64_t end = place.offset + uint64_t{place.total_bytes};
    // What a sync filled up lies between two regions.
    const bool follows = !extents.empty() && extents.back().pack == place.pack &&
                         place.offset - extents.back().end < kDirectAlignment &&
                         end - extents.back().offset <= kExtentBytes;
    if (!follows) extents.push_back({place.pack, place.offset, end, {}});
    extents.back().end = end;
    extents.back().regions.push_back(region);
  }
  return extents;
}

std::vector<uint32_t> PackStore::Prefetch(std::span<const uint32_t> regions,
                                          std::optional<int> depth) {
  std::vector<uint32_t> all;
  if (workers_.inline_only()) return all;
  // Where the queue is full, who reads it decodes it.
  for (Extent& extent : ExtentsOf(regions)) {
    extent.regions = read_ahead_.Begin(extent.regions);
    if (extent.regions.empty()) continue;
    if (readers_.TrySubmit([this, extent, depth] { ReadExtent(extent, depth); }, kExtentsMax))
      all.insert(all.end(), extent.regions.begin(), extent.regions.end());
    else
      DropAhead(extent.regions);
  }
  return all;
}

// Where it fails, who reads it is told.
void PackStore::ReadExtent(const Extent& extent, std::optional<int> depth) {
  Result<std::vector<RawRegion>> raws = ReadRaw(extent.regions);
  for (size_t i = 0; i < extent.regions.size(); ++i) {
    const uint32_t region = extent.regions[i];
    if (!raws.ok()) {
      read_ahead_.Drop(region);
      continue;
    }
    read_ahead_.Arrive(region, std::move(raws.value()[i]));
    if (!depth) continue;
    const auto decode = [this, region, depth] {
      // Nobody else came for it, or it was decoded meanwhile: then it is of no use.
      if (!Content(region, *depth).ok()) return;
      read_ahead_.Drop(region);
    };
    if (!workers_.TrySubmit(decode, kDecodesMax)) read_ahead_.Drop(region);
  }
}

}  // namespace capstan
