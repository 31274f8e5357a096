// One open tape image: where its objects lie, and the streams they lie in.
//
// Thread-safe: calls on one image run one at a time, calls on different images side by side.
#pragma once

#include <deque>
#include <mutex>

#include "framing.h"
#include "image_format.h"
#include "stream_writer.h"

namespace capstan {

struct ImageInfo {
  struct Partition {
    uint64_t object_count;
    uint64_t filemark_count;
    uint64_t payload_bytes;
    uint64_t chunk_count;
  };
  std::string name;
  uint64_t generation;
  std::vector<Partition> partitions;
};

enum class StoppedBy {
  kCount,
  kLimit,
  kFilemark,
  kEndOfData,
  kBeginningOfPartition,
  kDamaged,
};

struct ReadResult {
  std::vector<uint32_t> lengths;
  RawBytes data;
  StoppedBy stopped_by;
  // So many bytes lie in what the caller gave for them, and none in `data`.
  size_t filled_bytes = 0;
};
struct SpaceResult {
  uint64_t at;
  uint64_t residual;
  StoppedBy stopped_by;
};
struct LocateResult {
  uint64_t at;
  uint64_t object_count;
  uint64_t filemarks_before;
  uint64_t bytes_before;
};

class Store;

class Image {
 public:
  Image(std::shared_ptr<Store> store, std::string name, bool writable, ParsedImage parsed);
  ~Image();
  const std::string& name() const { return name_; }

  Result<ImageInfo> Info();
  // Objects in the partition afterwards. `lengths`: 0 is a filemark.
  Result<uint64_t> Append(uint32_t partition, uint64_t at, std::span<const uint32_t> lengths,
                          View data);
  // Into `into` where the blocks fit there; a failure leaves it as it may be.
  Result<ReadResult> Read(uint32_t partition, uint64_t at, bool reverse, uint64_t count_max,
                          uint64_t bytes_max, std::span<uint8_t> into = {});
  Result<SpaceResult> Space(uint32_t partition, uint64_t at, bool filemarks, int64_t count);
  Result<LocateResult> Locate(uint32_t partition, uint64_t at);
  Result<uint64_t> Truncate(uint32_t partition, uint64_t at);
  Status Sync(uint64_t generation);
  Status Close();
  // After the store was closed: lets go of the file.
  void CloseFile();
  // Calls `visit` with every chunk that the image refers to.
  void EachRef(const std::function<void(ChunkRef)>& visit);

 private:
  // A partition as it is being written.
  struct Partition {
    PartitionState state;
    std::array<StreamWriter, kStreamCount> writers;
    Framer framer;
    // Objects that the last sync has and no truncation touched since.
    uint64_t synced_objects;
    // PutBytes as of the last sync.
    uint64_t synced_put_bytes;
    uint64_t PutBytes() const;
  };

  Status CheckWritable(uint32_t partition, uint64_t at) const;
  Status CheckReadable(uint32_t partition) const;
  uint64_t AppendTo(Partition& partition, StreamKind kind, View bytes);
  uint64_t AppendBlock(Partition& partition, View block);
  uint64_t FinishStreams(Partition& partition);
  // Reading (image_read.cc). The blocks from `from` to before `to`, one after another.
  Status ReadObjects(const Partition& partition, uint64_t from, uint64_t to,
                     std::span<uint8_t> out) const;
  // Blocks whose framing lies apart.
  Status ReadFramed(const Partition& partition, const ObjectPlace& first, const ObjectPlace& last,
                    std::span<uint8_t> out) const;
  Status ReadStream(const Partition& partition, StreamKind kind, uint64_t from,
                    std::span<uint8_t> out) const;
  struct Part;
  Status ReadParts(std::span<const Part> parts, std::span<const uint32_t> next) const;
  std::vector<size_t> OrderOf(std::span<const Part> parts) const;
  std::vector<uint32_t> RegionsBehind(ChunkList::Cursor cursor, uint32_t last) const;
  Status ReadPart(const Part& part) const;
  void Prefetch(const Partition& partition, uint64_t payload_byte, uint64_t byte_count, bool goes_on);
  void DropAhead(uint64_t payload_byte);
  void Cut(Partition& partition, uint64_t at);
  // What a sync would need beside what the packs know of.
  uint64_t UnsyncedBytes() const;
  // Promises room for that from here on, in place of what was claimed for the call.
  void Promise(uint64_t claimed);
  Status WriteFrame(const Bytes& frame, bool sync);
  // Header and one frame.
  Result<Bytes> EncodeWhole(FrameWriter frame);
  Status Rewrite(uint64_t generation, const Watermark& synced);
  Status Compact();

  std::mutex mutex_;
  const std::shared_ptr<Store> store_;
  const std::string name_;
  const ImageId id_;
  const bool writable_;
  bool closed_ = false;
  uint64_t generation_;
  std::vector<Partition> partitions_;
  std::unique_ptr<File> file_;
  uint64_t file_end_;
  uint32_t next_sequence_;
  bool torn_;
  bool synced_here_ = false;
  bool changed_ = false;
  uint64_t promised_bytes_ = 0;
  // Where the last read ended: one that begins there is followed by others.
  uint64_t read_end_ = 0;
  // So far what follows was asked for, in bytes of the payload.
  uint64_t prefetch_end_ = 0;
  // Regions that are read ahead, of use for bytes before `end`.
  struct Ahead {
    uint64_t end;
    std::vector<uint32_t> regions;
  };
  std::deque<Ahead> ahead_;
  Bytes framing_scratch_;
  Bytes payload_scratch_;
};

ImageInfo::Partition SummaryOf(const ObjectMap& objects, uint64_t chunk_count);

}  // namespace capstan
