#include "pack_scanner.h"

#include <algorithm>

namespace capstan {

Result<std::span<uint8_t>> PackScanner::Look(uint64_t offset, size_t count) {
  const uint64_t end = std::min<uint64_t>(end_, offset + count);
  if (offset >= end) return std::span<uint8_t>{};
  if (offset < window_start_ || end > window_start_ + window_bytes_) {
    window_start_ = offset / kDirectAlignment * kDirectAlignment;
    window_bytes_ = std::min<uint64_t>(window_.size(), end_ - window_start_);
    const Status read = file_.ReadAt(window_start_, window_.span().first(window_bytes_));
    if (!read.ok()) {
      window_bytes_ = 0;
      return read.error();
    }
  }
  return window_.span().subspan(offset - window_start_, end - offset);
}

Result<std::span<uint8_t>> PackScanner::RegionAt(uint64_t offset) {
  TRY_ASSIGN(const std::span<uint8_t> start, Look(offset, kRegionHeaderBytes));
  const auto header = ParseRegionHeader(start, SiteAt(offset));
  if (!header) return std::span<uint8_t>{};
  TRY_ASSIGN(const std::span<uint8_t> region, Look(offset, header->total_bytes));
  if (region.size() < header->total_bytes || !RegionChecks(region, SiteAt(offset))) return std::span<uint8_t>{};
  return region;
}

Result<PackScanner::Found> PackScanner::Next() {
  while (next_ < end_) {
    found_ = next_;
    TRY_ASSIGN(region_, RegionAt(next_));
    if (!region_.empty()) {
      next_ += region_.size();
      return Found::kRegion;
    }
    // Zeros up to the next multiple of 4096: a sync stood here.
    const size_t gap = (kDirectAlignment - next_ % kDirectAlignment) % kDirectAlignment;
    TRY_ASSIGN(const View padding, Look(next_, gap));
    if (gap == 0 || std::any_of(padding.begin(), padding.end(),
                                [](uint8_t byte) { return byte != 0; }))
      return Found::kOther;
    next_ += padding.size();
  }
  found_ = next_;
  return Found::kEnd;
}

Result<std::optional<RegionHeader>> PackScanner::OtherHeader() {
  TRY_ASSIGN(const View bytes, Look(found_, kRegionHeaderBytes));
  return ParseRegionHeader(bytes, site());
}

Result<bool> PackScanner::Recover() {
  TRY_ASSIGN(const auto whole, OtherHeader());
  if (whole) {
    next_ = std::min<uint64_t>(end_, found_ + whole->total_bytes);
    return true;
  }
  // A header says where it lies, so what is found is no copy inside of some region's content.
  static constexpr uint8_t kMagic[] = {'R', 'E', 'G', 'N'};
  for (uint64_t offset = next_ + 1; offset + kRegionHeaderBytes <= end_;) {
    TRY_ASSIGN(const View bytes, Look(offset, kSearchBytes));
    const auto at = std::search(bytes.begin(), bytes.end(), std::begin(kMagic), std::end(kMagic));
    if (at == bytes.end()) {
      offset += bytes.size() - (sizeof kMagic - 1);
      continue;
    }
    offset += static_cast<uint64_t>(at - bytes.begin());
    TRY_ASSIGN(const View header, Look(offset, kRegionHeaderBytes));
    if (ParseRegionHeader(header, SiteAt(offset))) {
      next_ = offset;
      return true;
    }
    ++offset;
  }
  return false;
}

}  // namespace capstan
