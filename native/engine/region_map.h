// Where each region lies: 16 bytes a region, in pages that come as they are needed.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace capstan {

struct RegionPlace {
  static constexpr uint8_t kDelta = 1;
  // Damaged, or compressed against something that is not there: nothing is deduplicated against it.
  static constexpr uint8_t kBad = 2;
  // With kBad: whole as it lies, but of no use.
  static constexpr uint8_t kUseless = 4;
  bool damaged() const { return (flags & (kBad | kUseless)) == kBad; }

  uint32_t pack = 0;  // 0: there is no such region
  uint32_t offset = 0;
  uint32_t total_bytes = 0;
  uint8_t flags = 0;
  // The collection since whose beginning it was taken for an image, or asked for by a transfer; 0: none.
  uint8_t touched = 0;
  uint8_t wanted = 0;
  uint8_t spare = 0;
};

class RegionMap {
 public:
  // Null where there is none.
  RegionPlace* Find(uint32_t id) {
    const size_t page = id / kPageRegions;
    if (page >= pages_.size() || !pages_[page]) return nullptr;
    RegionPlace& place = (*pages_[page])[id % kPageRegions];
    return place.pack == 0 ? nullptr : &place;
  }
  RegionPlace& operator[](uint32_t id) {
    const size_t page = id / kPageRegions;
    if (page >= pages_.size()) pages_.resize(page + 1);
    if (!pages_[page]) pages_[page] = std::make_unique<Page>();
    return (*pages_[page])[id % kPageRegions];
  }
  void Clear() { pages_.clear(); }
  // Calls `visit` with the number and the place of every region.
  template <class Visit>
  void Each(Visit visit) {
    for (size_t page = 0; page < pages_.size(); ++page)
      for (size_t i = 0; pages_[page] && i < kPageRegions; ++i)
        if (RegionPlace& place = (*pages_[page])[i]; place.pack != 0)
          visit(static_cast<uint32_t>(page * kPageRegions + i), place);
  }

 private:
  static constexpr size_t kPageRegions = 1024;
  using Page = std::array<RegionPlace, kPageRegions>;
  std::vector<std::unique_ptr<Page>> pages_;
};

}  // namespace capstan
