// Verifying a store's images, and collecting what none of them refers to any more.
#include <set>

#include "store.h"

namespace capstan {

// Parses the images and resolves what they refer to; reads it, too, where `read`. `regions` gets the regions.
Status Store::CheckImages(const std::vector<std::string>& names, bool read, VerifyReport& report,
                          std::set<uint32_t>& regions) {
  bool looked_anew = writable_;
  for (const std::string& name : names) {
    const auto parsed = LoadImage(name);
    // Of all images, one may be removed meanwhile.
    if (!read && !parsed.ok() && parsed.error().code == ErrorCode::kNotFound) continue;
    ++report.image_count;
    if (!parsed.ok()) {
      if (parsed.error().code != ErrorCode::kCorrupt) return parsed.error();
      report.damages.push_back({parsed.error().place, parsed.error().what});
      continue;
    }
    for (const uint64_t offset : parsed.value().rotten_marks)
      report.damages.push_back({At("images/" + name, offset),
                                "a bit of a closing frame has turned over; nothing is lost by it"});
    std::set<uint32_t> own;
    for (const PartitionState& state : parsed.value().state.partitions) {
      for (const ChunkList& list : state.streams) {
        for (auto cursor = list.CursorAtSlice(0); !cursor.at_end(); cursor.NextOther()) {
          const Slice slice = cursor.slice();
          auto entry = packs_->EntryOf(slice.ref);
          if (!entry.ok() && !looked_anew) {
            // A writer beside this reader may have moved it.
            looked_anew = true;
            TRY(packs_->Reload());
            entry = packs_->EntryOf(slice.ref);
          }
          if (!entry.ok())
            report.damages.push_back(
                {entry.error().place, entry.error().what + " (image " + name + ")"});
          else if (entry.value().length < slice.used)
            report.damages.push_back({"images/" + name, "a slice is longer than its chunk"});
          own.insert(RegionOf(slice.ref));
        }
      }
    }
    for (const uint32_t region : own) {
      if (!read || regions.contains(region)) continue;
      const auto checked = packs_->Check(region);
      if (checked.ok())
        report.chunk_count += checked.value();
      else if (checked.error().code == ErrorCode::kCorrupt)
        report.damages.push_back({checked.error().place, checked.error().what});
      else
        return checked.error();
      verified_bytes += kRegionContentBytes;
    }
    for (const uint32_t region : own)
      if (const auto place = packs_->DamagedPlace(region))
        report.damages.push_back({*place, "data of image " + name + " is damaged"});
    regions.merge(own);
  }
  return Ok();
}

Result<VerifyReport> Store::Verify(const std::vector<std::string>& wanted) {
  TRY(CheckOpen(false));
  if (!writable_) TRY(packs_->Reload());
  VerifyReport report{0, 0, 0, {}};
  verified_bytes = 0;
  verify_total_bytes = packs_->StoredBytes();
  if (wanted.empty()) {
    TRY_ASSIGN(const std::vector<std::string> names, ImageNames());
    TRY(packs_->VerifyPacks(report.damages, verified_bytes, report.chunk_count));
    report.bytes_read = verified_bytes;
    std::set<uint32_t> regions;
    TRY(CheckImages(names, false, report, regions));
    return report;
  }
  std::set<uint32_t> regions;
  TRY(CheckImages(wanted, true, report, regions));
  verify_total_bytes = report.bytes_read = verified_bytes;
  return report;
}

Result<std::vector<Digest>> Store::DamagedChunks(const std::vector<std::string>& images) {
  TRY(CheckOpen(false));
  VerifyReport report{0, 0, 0, {}};
  std::set<uint32_t> regions;
  TRY(CheckImages(images, true, report, regions));
  std::set<uint32_t> damaged;
  for (const uint32_t region : regions)
    if (packs_->DamagedPlace(region)) damaged.insert(region);
  std::vector<Digest> digests;
  if (damaged.empty()) return digests;
  std::set<Digest> seen;
  for (const std::string& name : images) {
    const auto parsed = LoadImage(name);
    if (!parsed.ok()) continue;
    for (const PartitionState& state : parsed.value().state.partitions)
      for (const ChunkList& list : state.streams)
        list.EachRef([&](ChunkRef ref) {
          if (!damaged.contains(RegionOf(ref))) return;
          const auto entry = packs_->EntryOf(ref);
          if (entry.ok() && !packs_->Find(entry.value().digest) &&
              seen.insert(entry.value().digest).second)
            digests.push_back(entry.value().digest);
        });
  }
  return digests;
}

Result<PackStore::Collected> Store::Collect(double live_share, size_t packs_max, bool continues) {
  TRY(CheckOpen(true));
  const std::lock_guard collection_guard(collection_mutex_);
  packs_->BeginCollection(continues);
  RegionSet marks;
  const auto mark = [&](ChunkRef ref) { marks.Add(RegionOf(ref)); };
  {
    // Before the names: what an image refers to in memory stands in its file once it is closed.
    std::vector<std::shared_ptr<Image>> open;
    {
      const std::lock_guard guard(mutex_);
      for (const auto& image : open_)
        if (auto held = image.lock()) open.push_back(std::move(held));
    }
    for (const auto& image : open) image->EachRef(mark);
  }
  {
    const std::lock_guard names_guard(names_mutex_);
    TRY_ASSIGN(const std::vector<std::string> names, ImageNames());
    for (const std::string& name : names) {
      // Of an image that cannot be read nobody knows what it refers to: nothing is given up.
      TRY_ASSIGN(const ParsedImage parsed, LoadImage(name));
      for (const PartitionState& state : parsed.state.partitions)
        for (const ChunkList& list : state.streams) list.EachRef(mark);
    }
  }
  packs_->MarkSubstitutes(marks);
  TRY(packs_->MarkBases(marks));
  return packs_->CollectPacks(marks, live_share, packs_max);
}

}  // namespace capstan
