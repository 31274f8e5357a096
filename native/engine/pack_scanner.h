// Reads a pack from front to back, region by region, in a window of some MiB: each byte once, however much of it
// is damaged.
#pragma once

#include <algorithm>

#include "pack_format.h"

namespace capstan {

class PackScanner {
 public:
  // Regions lie in [from, end).
  PackScanner(File& file, const PackId& pack, uint64_t from, uint64_t end)
      : file_(file), pack_(pack), end_(end), next_(from), found_(from),
        window_(WindowBytes(from, end)) {}

  enum class Found { kRegion, kEnd, kOther };
  // What stands next. kRegion: one whose checksums are right. kOther: it does not move on.
  Result<Found> Next();
  // Of what is no region, where at least its header is whole.
  Result<std::optional<RegionHeader>> OtherHeader();
  // Moves from what is no region to where the next one should be: behind it where at least its header is whole,
  // else to the next whole header. False where there is none.
  Result<bool> Recover();

  // Of the region found, or where what is none begins.
  uint64_t offset() const { return found_; }
  RegionSite site() const { return SiteAt(found_); }
  // The region found, valid until the next call.
  std::span<uint8_t> region() const { return region_; }

 private:
  // The bytes from `offset` on, at most `count`, fewer at the end.
  Result<std::span<uint8_t>> Look(uint64_t offset, size_t count);
  // The whole region at `offset`, or nothing.
  Result<std::span<uint8_t>> RegionAt(uint64_t offset);
  RegionSite SiteAt(uint64_t offset) const {
    return {pack_.store, pack_.number, static_cast<uint32_t>(offset)};
  }

  static constexpr size_t kWindowBytesMax = 4u << 20;
  // No more than there is to read, with where its first page begins.
  static size_t WindowBytes(uint64_t from, uint64_t end) {
    const uint64_t start = from / kDirectAlignment * kDirectAlignment;
    return std::clamp<uint64_t>(end > start ? end - start : 0, kDirectAlignment, kWindowBytesMax);
  }
  static constexpr size_t kSearchBytes = 1u << 20;

  File& file_;
  const PackId pack_;
  const uint64_t end_;
  uint64_t next_;
  uint64_t found_;
  std::span<uint8_t> region_;
  AlignedBuffer window_;
  uint64_t window_start_ = 0;
  size_t window_bytes_ = 0;
};

}  // namespace capstan
