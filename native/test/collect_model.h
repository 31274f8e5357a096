// What the tests of the collection hold against a store: a naive model of what its images have.
#pragma once

#include <memory>

#include "../engine/store.h"
#include "harness.h"

namespace capstan::test {

constexpr size_t kBlocksMax = 60;

// Null: a filemark.
using Block = std::shared_ptr<const Bytes>;
using Blocks = std::vector<Block>;
struct Content {
  uint64_t generation = 0;
  std::vector<Blocks> partitions;
};

inline void Lay(const Blocks& blocks, std::vector<uint32_t>& lengths, Bytes& data) {
  for (const Block& block : blocks) {
    lengths.push_back(block ? static_cast<uint32_t>(block->size()) : 0);
    if (block) data.insert(data.end(), block->begin(), block->end());
  }
}

inline void CheckReads(Image& image, const Content& expected, const char* how) {
  const ImageInfo info = Must(image.Info(), how);
  CHECK(info.partitions.size() == expected.partitions.size(), how);
  for (uint32_t p = 0; p < info.partitions.size(); ++p) {
    const Blocks& blocks = expected.partitions[p];
    CHECK(info.partitions[p].object_count == blocks.size(), how, ": ", image.name(), " has ",
          info.partitions[p].object_count, " objects, not ", blocks.size());
    for (size_t at = 0; at < blocks.size();) {
      const ReadResult read = Must(image.Read(p, at, false, kBlocksMax, 1 << 20), how);
      CHECK(read.stopped_by != StoppedBy::kDamaged && !read.lengths.empty(), how, ": ",
            image.name(), " at ", at);
      size_t offset = 0;
      for (const uint32_t length : read.lengths) {
        const Block& block = blocks.at(at);
        CHECK(length == (block ? block->size() : 0), how, ": ", image.name(), " at ", at);
        CHECK(!block || std::equal(block->begin(), block->end(), read.data.begin() +
                                                                     static_cast<ptrdiff_t>(offset)),
              how, ": ", image.name(), " has other bytes at ", at);
        offset += length;
        ++at;
      }
    }
  }
}

}  // namespace capstan::test
