// Which chunks make up the byte stream of a partition, in order.
#pragma once

#include <algorithm>

#include "bytes.h"

namespace capstan {

// The first `used` bytes of a chunk: less than all of it where the tape was overwritten in its middle.
struct Slice {
  Digest digest;
  uint32_t content_length;
  uint32_t used;
};

class Recipe {
 public:
  uint64_t byte_count() const { return slices_.empty() ? 0 : ends_.back(); }
  size_t size() const { return slices_.size(); }
  const Slice& operator[](size_t i) const { return slices_[i]; }
  uint64_t StartOf(size_t i) const { return i == 0 ? 0 : ends_[i - 1]; }

  void Append(const Slice& slice) {
    ends_.push_back(byte_count() + slice.used);
    slices_.push_back(slice);
  }

  void Truncate(uint64_t bytes) {
    const size_t kept = IndexAt(bytes);
    const bool partly = kept < slices_.size() && StartOf(kept) < bytes;
    if (partly) {
      slices_[kept].used = static_cast<uint32_t>(bytes - StartOf(kept));
      ends_[kept] = bytes;
    }
    slices_.resize(kept + (partly ? 1 : 0));
    ends_.resize(slices_.size());
  }

  // The slice that byte `at` lies in; size() at the end.
  size_t IndexAt(uint64_t at) const {
    return static_cast<size_t>(std::upper_bound(ends_.begin(), ends_.end(), at) - ends_.begin());
  }

 private:
  std::vector<Slice> slices_;
  std::vector<uint64_t> ends_;
};

}  // namespace capstan
