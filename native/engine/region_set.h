// Some of a store's regions: a bit each, in pages that come as they are needed. Numbers that a damaged image refers to
// may be as high as there can be.
#pragma once

#include <bitset>
#include <cstdint>
#include <memory>
#include <vector>

namespace capstan {

class RegionSet {
 public:
  void Add(uint32_t id) {
    const size_t page = id / kPageRegions;
    if (page >= pages_.size()) pages_.resize(page + 1);
    if (!pages_[page]) pages_[page] = std::make_unique<Page>();
    pages_[page]->set(id % kPageRegions);
  }
  bool Contains(uint32_t id) const {
    const size_t page = id / kPageRegions;
    return page < pages_.size() && pages_[page] && pages_[page]->test(id % kPageRegions);
  }
  // Calls `visit` with every number, from the lowest on; it may add others.
  template <class Visit>
  void Each(Visit visit) const {
    for (size_t page = 0; page < pages_.size(); ++page)
      for (size_t i = 0; pages_[page] && i < kPageRegions; ++i)
        if (pages_[page]->test(i)) visit(static_cast<uint32_t>(page * kPageRegions + i));
  }

 private:
  static constexpr size_t kPageRegions = 1024;
  using Page = std::bitset<kPageRegions>;
  std::vector<std::unique_ptr<Page>> pages_;
};

}  // namespace capstan
