// The bytes of an image file and of a manifest (docs/formats/store.md), decoded with every check.
//
//   image file = header (64 bytes), frame, frame, ...: a frame is what one sync added
//   manifest   = header, then each partition: the whole of an image, equal bytes for equal images
#pragma once

#include "chunk_list.h"
#include "object_map.h"
#include "pack_format.h"

namespace capstan {

constexpr uint32_t kPartitionCountMax = 4;
constexpr size_t kImageHeaderBytes = 64;
constexpr size_t kFrameHeaderBytes = 64;
constexpr uint64_t kManifestBytesMax = 256ull << 20;
constexpr uint64_t kImageFileBytesMax = 4ull << 30;

// The two streams of a partition: what the blocks carry, and what framed blocks have besides.
enum class StreamKind : uint8_t { kPayload = 0, kFraming = 1 };
constexpr size_t kStreamCount = 2;

struct PartitionState {
  ObjectMap objects;
  std::array<ChunkList, kStreamCount> streams;

  ChunkList& stream(StreamKind kind) { return streams[static_cast<size_t>(kind)]; }
  const ChunkList& stream(StreamKind kind) const { return streams[static_cast<size_t>(kind)]; }
  // Bytes of a stream before an object.
  static uint64_t BytesBefore(const ObjectPlace& place, size_t stream) {
    return stream == static_cast<size_t>(StreamKind::kPayload) ? place.payload_before
                                                               : place.framing_before;
  }
};

struct ImageState {
  uint64_t generation = 0;
  Watermark synced;
  std::vector<PartitionState> partitions;
};

// Whose image a file is: the store's id, and 16 bytes of the digest of the tape's name. A staged image
// (`TAPE.SUFFIX`) is the tape's from the beginning, so that to publish it is no more than a new name.
using ImageId = std::array<uint8_t, 32>;
std::string TapeOf(const std::string& image_name);
ImageId IdOfImage(const StoreId& store_id, const std::string& image_name);

Bytes EncodeImageHeader(const ImageId& id, uint32_t partition_count);

// Makes a frame, change by change.
class FrameWriter {
 public:
  FrameWriter(uint64_t generation, const Watermark& synced);
  // The partition is cut to `keep_objects`; then comes what `state` has behind them.
  void Change(uint32_t partition, const PartitionState& state, uint64_t keep_objects);
  // kIo where the cipher fails; kLimit where no nonce is left.
  Result<Bytes> Finish(uint32_t sequence, const ImageId& id, Sealing* sealing);

 private:
  Bytes payload_;
  uint8_t change_count_ = 0;
  size_t count_offset_;
};
// Stands behind the last frame once an image was closed in order: then nothing of it may be missing.
Bytes EncodeClosed(uint32_t sequence, const ImageId& id);

struct ParsedImage {
  ImageState state;
  // Where the next frame goes: behind the last whole one.
  uint64_t end;
  uint32_t next_sequence;
  bool torn;
  // It was closed in order, and nothing was written behind that.
  bool closed;
  // Where closing frames lie of which a bit has turned over: nothing is lost by that.
  std::vector<uint64_t> rotten_marks;
};
// `name` is for the places of errors.
Result<ParsedImage> ParseImageFile(View bytes, const ImageId& id, const std::string& name,
                                   Sealing* sealing);

// A slice as it travels: by digest, since places are each store's own.
struct ManifestSlice {
  Digest digest;
  uint32_t content_length;
  uint32_t used;
};
struct ManifestPartition {
  ObjectMap objects;
  std::array<std::vector<ManifestSlice>, kStreamCount> streams;
};
using Manifest = std::vector<ManifestPartition>;
Bytes EncodeManifest(const Manifest& manifest);
Result<Manifest> ParseManifest(View bytes);

}  // namespace capstan
