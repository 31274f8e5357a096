// A vault's store: its packs, and the tape images in it.
//
// An image is open for writing at most once, for reading any number of times; an open image lives in
// memory whole (record map and recipe), its file is a log of frames. Order of a sync: packs, then frame, then
// the image's file; so a frame on disk never refers to chunks that are not.
//
// Thread-safe: calls on one image run one at a time, calls on different images side by side.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <set>

#include "image_format.h"

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

struct StoreStatistics {
  uint64_t image_count;
  PackStatistics packs;
  uint64_t appended_bytes;
  uint64_t new_chunk_bytes;
};

struct VerifyReport {
  uint64_t image_count;
  uint64_t chunk_count;
  uint64_t bytes_read;
  std::vector<Damage> damages;
};

struct ManifestSummary {
  Digest digest;
  std::vector<ImageInfo::Partition> partitions;
  std::vector<Digest> digests;
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
  Bytes data;
  StoppedBy stopped_by;
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
  ~Image();
  const std::string& name() const { return name_; }

  Result<ImageInfo> Info();
  // Objects in the partition afterwards. `lengths`: 0 is a filemark.
  Result<uint64_t> Append(uint32_t partition, uint64_t at, std::span<const uint32_t> lengths,
                          View data);
  Result<ReadResult> Read(uint32_t partition, uint64_t at, bool reverse, uint64_t count_max,
                          uint64_t bytes_max);
  Result<SpaceResult> Space(uint32_t partition, uint64_t at, bool filemarks, int64_t count);
  Result<LocateResult> Locate(uint32_t partition, uint64_t at);
  Result<uint64_t> Truncate(uint32_t partition, uint64_t at);
  Status Sync(uint64_t generation);
  Status Close();

 private:
  friend class Store;
  // A partition as it is being written.
  struct Partition {
    PartitionState state;
    // Bytes behind the recipe that no chunk boundary was found in yet.
    Bytes pending;
    // Objects that the last sync has and no truncation touched since.
    uint64_t synced_objects;
  };
  Image(std::shared_ptr<Store> store, std::string name, bool writable, ParsedImage parsed);

  Status CheckWritable(uint32_t partition, uint64_t at) const;
  Status CheckReadable(uint32_t partition) const;
  Status ReadBytes(const Partition& partition, uint64_t from, std::span<uint8_t> out);
  Status ClosePending(Partition& partition);
  void Cut(Partition& partition, uint64_t at);
  Status WriteFrame(const Bytes& frame, bool sync);
  Status Compact();

  std::mutex mutex_;
  const std::shared_ptr<Store> store_;
  const std::string name_;
  const bool writable_;
  bool closed_ = false;
  uint64_t generation_;
  std::vector<Partition> partitions_;
  uint64_t file_end_;
  uint32_t next_sequence_;
  bool torn_;
  bool synced_here_ = false;
  bool changed_ = false;
};

class Store : public std::enable_shared_from_this<Store> {
 public:
  enum class Mode { kCreate, kWrite, kRead };
  static Result<std::shared_ptr<Store>> Open(std::unique_ptr<Disk> disk, const std::string& path,
                                             Mode mode, uint64_t pack_bytes_max,
                                             const StoreId& id_if_new);
  ~Store() = default;

  Status CreateImage(const std::string& name, uint32_t partition_count);
  Result<std::shared_ptr<Image>> OpenImage(const std::string& name, bool writable);
  Result<std::vector<ImageInfo>> ListImages();
  Status RemoveImage(const std::string& name);
  Status PublishImage(const std::string& from, const std::string& to);
  Result<Bytes> ExportManifest(const std::string& name);
  Result<ManifestSummary> ReadManifest(View manifest) const;
  Bytes LackingChunks(View digests) const;
  Result<Bytes> ReadEncodedChunks(View digests);
  Result<Bytes> AddEncodedChunks(View encoded);
  Status StageImage(const std::string& name, View manifest, uint64_t generation);
  Status Sync();
  Result<VerifyReport> Verify(const std::vector<std::string>& images);
  Result<StoreStatistics> Statistics();
  Status Close();

  // Bytes that a running Verify has read, and will have.
  std::atomic<uint64_t> verified_bytes{0};
  std::atomic<uint64_t> verify_total_bytes{0};

 private:
  friend class Image;
  Store(std::unique_ptr<Disk> disk, std::string path, bool writable)
      : disk_(std::move(disk)), path_(std::move(path)), writable_(writable) {}

  Status LoadOrCreateSuperblock(bool create, const StoreId& id_if_new);
  Status LoadImages(Watermark& synced);
  Status CheckOpen(bool for_writing) const;
  std::string ImagePath(const std::string& name) const { return path_ + "/images/" + name; }
  Result<ParsedImage> LoadImage(const std::string& name) const;
  Result<std::vector<std::string>> ImageNames() const;
  // Writes a file of its own and renames it over `name`.
  Status ReplaceImage(const std::string& name, const Bytes& content);
  Status SyncImagesFolder();
  void Fail(const Error& error);

  const std::unique_ptr<Disk> disk_;
  const std::string path_;
  const bool writable_;
  std::unique_ptr<FileLock> lock_;
  StoreId id_{};
  std::unique_ptr<PackStore> packs_;
  std::vector<Damage> damages_;
  mutable std::mutex mutex_;
  bool closed_ = false;
  std::string failure_;
  std::set<std::string> writing_;
  // Images staged and not yet synced.
  std::set<std::string> staged_;
  std::atomic<uint64_t> appended_bytes_{0};
  std::atomic<uint64_t> new_chunk_bytes_{0};
};

ImageInfo::Partition SummaryOf(const PartitionState& state);

}  // namespace capstan
