// A vault's store: its packs, and the tape images in it.
//
// An image is open for writing at most once, for reading any number of times; its file is a log of frames. Order
// of a sync: packs, then frame, then the image's file; so a frame on disk never refers to chunks that are not.
//
// Thread-safe.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <set>
#include <shared_mutex>

#include "image.h"
#include "transfer.h"

namespace capstan {

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

class Store : public std::enable_shared_from_this<Store> {
 public:
  enum class Mode { kCreate, kWrite, kRead };
  struct Options {
    std::string path;
    Mode mode;
    uint64_t pack_bytes_max = kPackBytesMaxDefault;
    StoreId id_if_new{};
    // 32 bytes: the store is (to be) encrypted with it. Empty: it is not.
    Bytes key{};
    // Drawn anew for each opening that writes: copies of an encrypted store, each written to, use other nonces.
    uint32_t nonce_salt = 0;
    Compression compression = Compression::kOn;
    // 0: everything runs in the calls, as the simulated world wants it.
    unsigned thread_count = 0;
    // Above this the index keeps only samples of the digests.
    uint64_t index_bytes_max = UINT64_MAX;
    // At most kImageFileBytesMax: a longer file is not read.
    uint64_t image_file_bytes_max = kImageFileBytesMax;
  };
  static Result<std::shared_ptr<Store>> Open(std::unique_ptr<Disk> disk, const Options& options);
  ~Store() = default;

  Status CreateImage(const std::string& name, uint32_t partition_count);
  Result<std::shared_ptr<Image>> OpenImage(const std::string& name, bool writable);
  Result<std::vector<ImageInfo>> ListImages();
  Status RemoveImage(const std::string& name);
  // `from` is one staged for the tape `to`.
  Status PublishImage(const std::string& from, const std::string& to);
  Result<Bytes> ExportManifest(const std::string& name);
  Result<ManifestSummary> ReadManifest(View manifest) const;
  Bytes LackingChunks(View digests) const;
  // For a store that lacks these chunks.
  Result<std::shared_ptr<Transfer>> OpenTransfer(View digests);
  // Each parcel is checked whole before any of it is taken. kInvalid; kNotFound where a delta's base is not here.
  Status AddParcels(View parcels);
  Status StageImage(const std::string& name, View manifest, uint64_t generation);
  Status Sync();
  Result<VerifyReport> Verify(const std::vector<std::string>& images);
  // Digests of the chunks that the images refer to and that are damaged: what a peer could heal.
  Result<std::vector<Digest>> DamagedChunks(const std::vector<std::string>& images);
  // Gives up at most `packs_max` packs of which less than `live_share` is referred to, copying what is. What came for
  // a copy is kept by this collection and the next; one that `continues` the one before is one with it.
  Result<PackStore::Collected> Collect(double live_share, size_t packs_max, bool continues = false);
  Result<StoreStatistics> Statistics();
  Status Close();

  // Bytes that a running Verify has read, and will have.
  std::atomic<uint64_t> verified_bytes{0};
  std::atomic<uint64_t> verify_total_bytes{0};

 private:
  friend class Image;
  friend class Transfer;
  Store(std::unique_ptr<Disk> disk, std::string path, bool writable)
      : disk_(std::move(disk)), path_(std::move(path)), writable_(writable) {}

  Status LoadOrCreateSuperblock(const Options& options);
  Status WriteSuperblock();
  Status LoadImages(Watermark& synced);
  Status CheckOpen(bool for_writing) const;
  // Held while files of images are changed: the store stays open, and the folder its own, until it is let go.
  Result<std::shared_lock<std::shared_mutex>> Enter();
  std::string ImagePath(const std::string& name) const { return path_ + "/images/" + name; }
  ImageId IdOf(const std::string& name) const { return IdOfImage(id_, name); }
  Result<ParsedImage> LoadImage(const std::string& name) const;
  Result<std::vector<std::string>> ImageNames() const;
  static bool IsImageName(const std::string& name);
  static Status CheckName(const std::string& name);
  // Writes a file of its own and renames it over `name`; durable only where `sync`, and then but for the name.
  Status PutFile(const std::string& folder, const std::string& name, const Bytes& content, bool sync);
  // The same, durable with its name.
  Status ReplaceFile(const std::string& folder, const std::string& name, const Bytes& content);
  Status ReplaceImage(const std::string& name, const Bytes& content);
  // Whether a file of so many bytes may be, and a closing frame behind that. kLimit.
  Status CheckImageSize(const std::string& name, uint64_t bytes) const;
  Status SyncImagesFolder();
  void Fail(const Error& error);
  // Once more with the packs as they are now, where a reader beside a writer misses a region.
  Result<ChunkContent> ReadChunk(ChunkRef ref);
  Result<ChunkRef> FindChunk(const Digest& digest);
  Result<RawBytes> ContentOf(const Parcel& parcel);
  Result<std::vector<ManifestSlice>> SlicesOf(const ChunkList& list);
  Status CheckImages(const std::vector<std::string>& names, bool read, VerifyReport& report,
                     std::set<uint32_t>& regions);

  const std::unique_ptr<Disk> disk_;
  const std::string path_;
  const bool writable_;
  std::unique_ptr<FileLock> lock_;
  StoreId id_{};
  uint64_t image_file_bytes_max_ = kImageFileBytesMax;
  uint32_t epoch_ = 0;
  // Null where the store is not encrypted.
  std::unique_ptr<Sealing> sealing_;
  std::unique_ptr<PackStore> packs_;
  std::vector<Damage> damages_;
  // One collection at a time: what it keeps is told by its number.
  std::mutex collection_mutex_;
  // Held while names of images change, and while the collection looks at what they refer to. A closing image
  // takes it while it holds its own lock.
  std::mutex names_mutex_;
  std::mutex intake_mutex_;
  std::mutex staged_sync_mutex_;
  // Innermost but for mutex_.
  std::shared_mutex gate_;
  // Chunks that come from a peer.
  ChunkStream intake_;
  mutable std::mutex mutex_;
  bool closed_ = false;
  std::string failure_;
  std::set<std::string> writing_;
  std::vector<std::weak_ptr<Image>> open_;
  // Images staged and not yet synced.
  std::set<std::string> staged_;
  std::atomic<uint64_t> appended_bytes_{0};
  std::atomic<uint64_t> new_chunk_bytes_{0};
};

}  // namespace capstan
