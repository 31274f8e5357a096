// The bytes of an image file and of a manifest (docs/formats/store.md), decoded with every check.
//
//   image file = header (64 bytes), frame, frame, ...: a frame is what one sync added
//   manifest   = header, then one change per partition: the whole of an image, equal bytes for equal images
#pragma once

#include "pack_store.h"
#include "recipe.h"
#include "record_map.h"

namespace capstan {

constexpr uint32_t kBlockBytesMax = 16u << 20;
constexpr uint32_t kPartitionCountMax = 4;
constexpr size_t kImageHeaderBytes = 64;
constexpr uint64_t kManifestBytesMax = 256ull << 20;
constexpr uint64_t kImageFileBytesMax = 4ull << 30;

struct PartitionState {
  RecordMap records;
  Recipe recipe;
};

// Cut to `keep_objects`, then the runs and slices behind them.
struct PartitionChange {
  uint32_t partition;
  uint64_t keep_objects;
  std::vector<Run> runs;
  std::vector<Slice> slices;
};

struct Frame {
  uint64_t generation;
  Watermark synced;
  std::vector<PartitionChange> changes;
};

struct ImageState {
  uint64_t generation = 0;
  Watermark synced;
  std::vector<PartitionState> partitions;
};

Bytes EncodeImageHeader(const StoreId& store_id, uint32_t partition_count);
Bytes EncodeFrame(const Frame& frame, uint32_t sequence);
// Stands behind the last frame once an image was closed in order: then nothing of it may be missing.
Bytes EncodeClosed(uint32_t sequence);

struct ParsedImage {
  ImageState state;
  // Where the next frame goes: behind the last whole one.
  uint64_t end;
  uint32_t next_sequence;
  bool torn;
  // It was closed in order, and nothing was written behind that.
  bool closed;
};
// `name` is for the places of errors.
Result<ParsedImage> ParseImageFile(View bytes, const std::string& name);

Bytes EncodeManifest(const std::vector<PartitionState>& partitions);
Result<std::vector<PartitionState>> ParseManifest(View bytes);

// The whole of a partition as a change of an empty one.
PartitionChange WholeOf(uint32_t partition, const PartitionState& state);
PartitionChange ChangeSince(uint32_t partition, const PartitionState& state, uint64_t keep_objects);

}  // namespace capstan
