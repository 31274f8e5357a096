// Fills an empty store with packs of 1 TiB of chunks that exist by their tables only: files with a hole where
// the regions would lie. For the opening, which reads tables.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

#include "../../native/engine/pack_format.h"
#include "library.h"
#include "simulated_chunks.h"

namespace {

using namespace capstan;

constexpr uint64_t kStoreBytes = 1ull << 40;
constexpr uint32_t kChunkBytes = 64 * 1024;
constexpr uint32_t kRegionChunks = kRegionContentBytes / kChunkBytes;
// As if the regions had been compressed to half.
constexpr uint32_t kRegionStoredBytes = kRegionContentBytes / 2;
constexpr uint32_t kPackRegions = kPackBytesMaxDefault / kRegionStoredBytes - 8;
constexpr uint64_t kRegionCount = kStoreBytes / kRegionContentBytes;
// Of the superblock: magic, version and flag stand before it.
constexpr off_t kStoreIdOffset = 16;

bool WriteAt(int file, off_t offset, View bytes) {
  return pwrite(file, bytes.data(), bytes.size(), offset) == static_cast<ssize_t>(bytes.size());
}

// The pack `number` with `region_count` regions from `first_region` on; open-ended where there are none.
bool WritePack(const std::string& folder, const StoreId& id, uint32_t number, uint32_t first_region,
               uint32_t region_count) {
  const int file = open((folder + "/" + PackName(number)).c_str(),
                        O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return false;
  bool written = WriteAt(file, 0, EncodePackHeader({number, first_region, id}));
  uint32_t offset = kPackHeaderBytes;
  PackTable table;
  for (uint32_t region = first_region; region < first_region + region_count; ++region) {
    RegionLists lists;
    for (uint64_t i = 0; i < kRegionChunks; ++i)
      lists.chunks.push_back({bench::SimulatedDigest(uint64_t{region} * kRegionChunks + i), kChunkBytes});
    RegionHeader header{};
    header.id = region;
    header.total_bytes = kRegionStoredBytes;
    header.content_bytes = kRegionContentBytes;
    header.codec = Codec::kZstd;
    header.chunk_count = kRegionChunks;
    table.Add(header, offset, lists);
    offset += kRegionStoredBytes;
  }
  if (region_count > 0)
    written = WriteAt(file, offset, EncodePackEnd(table, {id, number}, offset, nullptr).value()) && written;
  return close(file) == 0 && written;
}

std::string Measure(const std::string& folder) {
  bench::Figures figures;
  StoreId id;
  const int superblock = open((folder + "/store").c_str(), O_RDONLY | O_CLOEXEC);
  bool written = pread(superblock, id.data(), id.size(), kStoreIdOffset) == ssize_t{sizeof id};
  close(superblock);
  uint32_t number = 1;
  // Region numbers begin with 1.
  uint64_t region = 1;
  for (; written && region <= kRegionCount; ++number) {
    const uint64_t count = std::min<uint64_t>(kPackRegions, kRegionCount + 1 - region);
    written = WritePack(folder, id, number, static_cast<uint32_t>(region), static_cast<uint32_t>(count));
    region += count;
  }
  // The last pack is the one that goes on.
  written = written && WritePack(folder, id, number, static_cast<uint32_t>(region), 0);
  if (written) figures.Add("chunks", static_cast<double>((region - 1) * kRegionChunks));
  return figures.json();
}

}  // namespace

// The folder of an empty store, not encrypted.
CAPSTAN_BENCH_LIBRARY(arguments) { return Measure(arguments[0]); }
