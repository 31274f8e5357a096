// Packs, and the index that finds a chunk in them.
//
// The way of a chunk: Take looks its digest up; a new one goes into the open region (a draft) of its stream; a full
// draft is compressed and sealed on a worker and appended to the last pack; Sync makes all of it durable. A
// draft is readable, and found by its digests, from the moment it has a chunk.
//
// Locks, in this order: sync_mutex_, append_mutex_, mutex_. Thread-safe.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <set>

#include "buffer_pool.h"
#include "chunk_index.h"
#include "pack_format.h"
#include "pack_writer.h"
#include "parcel.h"
#include "read_ahead.h"
#include "region_cache.h"
#include "region_map.h"
#include "region_set.h"
#include "space_reserve.h"
#include "worker_pool.h"

namespace capstan {

constexpr size_t kDecodeCacheBytesMax = 16u << 20;
constexpr size_t kTableCacheBytesMax = 16u << 20;
// Read in one go: disks are faster with long reads.
constexpr uint64_t kExtentBytes = 1u << 20;
// Kept for the next reads and what they are decoded into.
constexpr size_t kFreeBufferBytesMax = 16u << 20;

struct Damage {
  std::string place;
  std::string what;
};

// A region being filled.
struct RegionDraft {
  uint32_t id = 0;
  std::vector<ChunkEntry> chunks;
  RawBytes content;
  // The first chunk that the new ones replace; kNoChunk: not to be compressed against anything.
  ChunkRef base = kNoChunk;
  std::vector<BaseRun> bases;
  // Another stream refers to it.
  bool shared = false;
  // Of its stream.
  std::shared_ptr<std::atomic<bool>> dense;
  // A transfer was told that it is here.
  bool wanted = false;
  bool closed = false;
  uint64_t sequence = 0;
  // How it is to be stored, where it came from another store in that form.
  struct Arrived {
    Codec codec;
    // Empty for kRaw.
    RawBytes stored;
  };
  std::optional<Arrived> arrived;
};

// What the packs remember of one stream of chunks between calls.
struct ChunkStream {
  ChunkRef last_match = kNoChunk;
  // What followed the last chunk when it was first written, where it was known; length 0: nothing.
  ChunkEntry expected{{}, 0};
  // How well the last region of the stream was compressed; shared with the workers.
  std::shared_ptr<std::atomic<bool>> dense = std::make_shared<std::atomic<bool>>(false);
  std::shared_ptr<RegionDraft> plain;
  std::shared_ptr<RegionDraft> delta;
  // Deltas since the last match, and what the next one would replace.
  unsigned delta_count = 0;
  ChunkRef next_base = kNoChunk;
  // What lay where the stream was cut, until something is known again.
  ChunkRef replaced = kNoChunk;
  // Numbers set aside, so that the regions of a stream follow one another.
  uint32_t plain_ids[2] = {0, 0};
  uint32_t delta_ids[2] = {0, 0};
};

// A chunk's bytes, and what keeps them.
struct ChunkContent {
  std::shared_ptr<const void> owner;
  View bytes;
};

struct PackStatistics {
  uint64_t pack_count;
  uint64_t chunk_count;
  uint64_t unique_bytes;
  uint64_t stored_bytes;
};

class PackStore {
 public:
  struct Options {
    std::string path;
    StoreId store_id;
    bool writable;
    uint64_t pack_bytes_max;
    // The greatest that any image recorded.
    Watermark synced;
    // 0: everything runs in the calls.
    unsigned thread_count;
    Compression compression;
    // Above this the index keeps only samples of the digests.
    uint64_t index_bytes_max;
  };
  // `sealing` is null where the store is not encrypted.
  static Result<std::unique_ptr<PackStore>> Open(Disk& disk, const Options& options,
                                                 Sealing* sealing);
  ~PackStore();

  // -- Writing
  // Whether there is room for `bytes` more, which then are promised, and for `spare` besides; tries again what
  // there was no space for. What was promised can be made durable, whatever else fills the disk. kNoSpace,
  // kFailed.
  Status Claim(uint64_t bytes, uint64_t spare);
  // So much more, or less, of what the packs do not know of is promised.
  void Promise(int64_t difference) { promised_bytes_ += static_cast<uint64_t>(difference); }
  // Gives back what is held for others, for a write that there was no space for; false where that is nothing.
  Result<bool> MakeRoom();
  // What storing so much takes at most, in chunks that end `ends` times before they are full.
  static uint64_t RoomFor(uint64_t bytes, uint64_t ends);
  // Digests of the chunks that `bytes` begin with, made on more than one core where there is one idle.
  void DigestChunks(View bytes, std::span<const uint32_t> lengths, std::vector<Digest>& digests);
  // The place of the chunk, new or known.
  ChunkRef Take(ChunkStream& stream, const Digest& digest, View content, bool* is_new);
  // Makes all that was taken through `streams`, and all that they refer to, durable.
  Result<Watermark> Sync(std::span<ChunkStream* const> streams);
  // The stream ends without a sync: what is drafted goes its way.
  void End(ChunkStream& stream);
  // Nothing is written from here on, by nobody: another process may open the folder.
  void Halt();
  // Returns once no file of the packs is open any more; none is opened from here on.
  void CloseFiles();
  // Notes what the last pack holds, so that the next opening need not read it.
  Status SaveTable();

  // -- Finding
  std::optional<ChunkRef> Find(const Digest& digest);
  // Digest and length of a chunk that is here. kCorrupt.
  Result<ChunkEntry> EntryOf(ChunkRef ref);

  // -- Reading
  // Checked against checksum and digest. Where it is damaged, another chunk of that digest serves.
  Result<ChunkContent> Read(ChunkRef ref);
  // Reads the region from the disk, whether or not it is at hand; the count of its chunks.
  Result<uint64_t> Check(uint32_t region);
  // A region that consists of chunks of these lengths, as it is decoded, into `out`; checked as Read does. False, with
  // anything in `out`, where it does not, is at hand decoded or damaged: Read serves then.
  bool ReadRegion(uint32_t region, std::span<const uint32_t> lengths, std::span<uint8_t> out);
  // Calls `each` with 0 to count - 1, here and on the workers, before they decode ahead; returns once all are done.
  void ShareReading(size_t count, const std::function<void(size_t)>& each) {
    ++shared_readings_;
    workers_.Share(count, options_.thread_count, WorkerPool::Helpers::kFirst, each);
    --shared_readings_;
  }
  // Begins to read and decode the regions on the workers, those that lie side by side in one go.
  void Prefetch(std::span<const uint32_t> regions) { Prefetch(regions, 0); }
  // Begins to read them, and what they were compressed against. Those that were begun, which are kept until they are
  // decoded or dropped.
  std::vector<uint32_t> BeginReading(std::span<const uint32_t> regions) {
    return Prefetch(regions, std::nullopt);
  }
  // For each region, what is decoded before it: the first that it was compressed against, or itself.
  std::vector<uint32_t> RootsOf(std::span<const uint32_t> regions);
  // Has workers that have nothing else to do decode the roots of regions that are wanted next: the first `count_max`.
  // Within ShareReading; where others are in it, too, the workers have their parts to do, and this does nothing.
  void DecodeAhead(std::span<const uint32_t> regions, size_t count_max);
  void DropAhead(std::span<const uint32_t> regions) {
    for (const uint32_t region : regions) read_ahead_.Drop(region);
  }

  // -- Sending and receiving (pack_transfer.cc)
  struct RegionOutline {
    std::vector<ChunkEntry> chunks;
    // Of a delta: the chunks that it was compressed against.
    std::vector<ChunkRef> bases;
    uint32_t content_bytes;
    uint32_t total_bytes;
  };
  // By the pack's table. Nothing where the region does not lie in a pack, or is damaged.
  std::optional<RegionOutline> OutlineOf(uint32_t region);
  struct StoredRegion {
    std::shared_ptr<AlignedBuffer> buffer;
    // In `buffer`.
    OpenedRegion opened;
  };
  // As it lies, and opened; checked by its checksum, not by its digests. kCorrupt.
  Result<StoredRegion> ReadStored(uint32_t region);
  // Takes the chunks of a parcel, of which `content` is what they have, checked. It is stored as it came where none of
  // its chunks is here and all that it rests on can be a base, else chunk after chunk.
  void TakeParcel(ChunkStream& stream, const Parcel& parcel, RawBytes content);

  // -- Checking and collecting (pack_check.cc)
  // Reads every byte of every pack. `done` counts bytes.
  Status VerifyPacks(std::vector<Damage>& damages, std::atomic<uint64_t>& done,
                     uint64_t& chunk_count);
  uint64_t StoredBytes() const;
  // Where the region is found to be damaged.
  std::optional<std::string> DamagedPlace(uint32_t region);
  // Regions used from here on are kept by the collection; where it `continues` the one before, from there on.
  void BeginCollection(bool continues);
  struct Collected {
    uint64_t packs_removed = 0;
    uint64_t bytes_freed = 0;
    uint64_t bytes_copied = 0;
  };
  // Marks what serves in place of marked regions that are damaged.
  void MarkSubstitutes(RegionSet& marks);
  // Marks what the marked deltas were compressed against; the others are found no more.
  Status MarkBases(RegionSet& marks);
  // Gives up packs of which less than `live_share` is marked, copying what is. At most `packs_max` of them.
  Result<Collected> CollectPacks(const RegionSet& marks, double live_share,
                                 size_t packs_max);
  // Reads the folder anew: a writer beside this reader may have gone on.
  Status Reload();

  PackStatistics Statistics() const;
  // What was found wrong at the opening.
  const std::vector<Damage>& damages() const { return damages_; }
  // Why nothing may be written any more; empty while it may.
  std::string failure() const;

 private:
  using Draft = std::shared_ptr<RegionDraft>;
  struct Encoded {
    Draft draft;
    RegionHeader header;
    RegionLists lists;
    RawBytes bytes;
  };
  struct RawRegion {
    // Of one read, of which others may be part.
    std::shared_ptr<AlignedBuffer> buffer;
    std::span<uint8_t> bytes;
    uint32_t pack;
    uint32_t offset;
    // As the region map has it.
    bool delta;
  };

  PackStore(Disk& disk, Options options, Sealing* sealing);
  PackId IdOf(uint32_t pack) const { return {options_.store_id, pack}; }
  RegionSite SiteOf(uint32_t pack, uint64_t offset) const {
    return {options_.store_id, pack, static_cast<uint32_t>(offset)};
  }

  // Opening (pack_load.cc).
  Status LoadPacks();
  Status LoadAnew();
  Status LoadPack(uint32_t number, bool last);
  Status ScanPack(uint32_t number, File& file, bool last);
  Result<PackEnd> LoadSavedTable(uint32_t number);
  void Know(const PackTable::Region& region, uint32_t pack, std::span<const ChunkEntry> chunks,
            std::span<const BaseRun> bases);
  void DropBaseless();
  Status StartPack(uint32_t number);

  // With mutex_ held.
  ChunkRef FindSampled(const Digest& digest);
  void KeepIndexSmall();
  ChunkRef FindLocked(const Digest& digest);
  std::span<const ChunkEntry> ChunksOf(uint32_t region);
  PackTable* TableOf(uint32_t pack);
  // Nothing where it is no delta. Until another table is asked for.
  std::span<const BaseRun> BasesOf(uint32_t region, const RegionPlace& place);
  void KeepTable(uint32_t pack, std::unique_ptr<PackTable> table);
  // What the table of a pack said that rotted while the store was open, out of the regions' own headers.
  Result<PackTable*> RebuildTable(uint32_t pack, File& file, const Error& damage);
  Draft& OpenDraft(ChunkStream& stream);
  // Without room for content.
  Draft AddDraft(const ChunkStream& stream, uint32_t (&ids)[2]);
  Draft NewDraft(const ChunkStream& stream, uint32_t (&ids)[2]);
  ChunkRef Successor(ChunkRef ref);
  ChunkRef BaseAt(ChunkRef ref);
  ChunkRef Advance(ChunkRef ref, uint64_t bytes);
  void FindBases(RegionDraft& draft);
  void CloseDraft(Draft& draft, std::vector<Draft>& closing);
  void SetOut(const Draft& draft);
  bool AllNew(std::span<const ChunkEntry> chunks);
  bool BaseIsComing(const Digest& digest);
  std::optional<std::vector<BaseRun>> RunsOf(std::span<const Digest> bases);
  void Touch(uint32_t region);
  void Want(ChunkRef ref);
  Status CheckFailed();
  Result<std::shared_ptr<File>> PackFile(uint32_t number);
  // Counted until the last holder lets go of it.
  std::shared_ptr<File> Shared(std::unique_ptr<File> file);

  bool Adopt(ChunkStream& stream, const Parcel& parcel, RawBytes& content);
  void Submit(std::vector<Draft>& closing);
  void WriteDraft(const Draft& draft);
  Effort EffortFor(const RegionDraft& draft) const;
  // What a region was, or is to be, compressed against.
  struct Prefix {
    std::shared_ptr<const RegionContent> region;
    // In `region`, or in memory of this thread's that its next prefix goes into.
    View bytes;
  };
  Result<Prefix> BasePrefix(const std::vector<BaseRun>& bases);
  // With append_mutex_ held.
  Status AppendEncoded(Encoded& encoded);
  Status Roll();
  Status RetryStalled();
  // With append_mutex_ held.
  Status Retry();
  // Of what is accepted and does not lie in a file.
  uint64_t PromisedBytes();
  Result<Watermark> SyncTail();
  Status Fail(const Error& error);

  // `depth` 0: to be read, its digests compared; 1: as what another is compressed against, which its checksum is
  // enough for, since what comes of it is compared with digests of its own.
  Result<std::shared_ptr<const RegionContent>> Content(uint32_t region, int depth);
  // Into `into` where the content is as long as that.
  Result<std::shared_ptr<const RegionContent>> Decode(uint32_t region, int depth,
                                                      std::span<uint8_t> into = {});
  // Of regions that lie side by side in `pack`.
  struct Extent {
    uint32_t pack;
    uint64_t offset;
    uint64_t end;
    std::vector<uint32_t> regions;
  };
  std::vector<Extent> ExtentsOf(std::span<const uint32_t> regions);
  // Without a depth they are not decoded.
  void ReadExtent(const Extent& extent, std::optional<int> depth);
  std::vector<uint32_t> Prefetch(std::span<const uint32_t> regions, std::optional<int> depth);
  Result<std::shared_ptr<const RegionContent>> Unpack(std::span<uint8_t> region,
                                                      const RegionSite& site, int depth,
                                                      std::span<uint8_t> into = {});
  Result<RawRegion> ReadRaw(uint32_t region);
  Result<std::vector<RawRegion>> ReadRaw(std::span<const uint32_t> regions);
  void Condemn(uint32_t region);
  Error Condemn(uint32_t region, const RawRegion& raw, const std::string& what);

  // Checking and collecting.
  // `unsealed_end`: of a pack that is being written, where its whole regions end; 0 for others.
  Status VerifyPack(uint32_t number, uint64_t unsealed_end, std::vector<Damage>& damages,
                    std::atomic<uint64_t>& done, uint64_t& chunk_count);
  Status VerifyNotes(std::vector<Damage>& damages);
  Result<PackTable> LoadTable(uint32_t number);
  Status CollectPack(uint32_t number, const PackTable& table, const RegionSet& marks,
                     Collected& collected);
  Status SealDamagedTail();
  // With mutex_ held.
  bool HasDamage(uint32_t pack) const;
  bool IsLive(const PackTable::Region& region, uint32_t pack, const RegionSet& marks);

  // 0 stands for none, 1 for the one before the first.
  static constexpr uint8_t kFirstCollection = 2;

  Disk& disk_;
  const Options options_;
  Sealing* const sealing_;

  std::mutex files_mutex_;
  std::condition_variable file_closed_;
  size_t open_file_count_ = 0;

  SpaceReserve reserve_;
  std::atomic<uint64_t> promised_bytes_{0};

  std::mutex sync_mutex_;
  Watermark synced_;

  std::mutex append_mutex_;
  PackWriter writer_;
  // Sealing goes on where it was left when the disk was full: table appended, pack synced.
  bool tail_sealed_ = false;
  bool tail_done_ = false;
  std::vector<Encoded> stalled_;

  mutable std::mutex mutex_;
  std::condition_variable settled_;
  // Apart: it is some hundred KiB itself.
  std::unique_ptr<ChunkIndex> index_ = std::make_unique<ChunkIndex>();
  RegionMap regions_;
  uint32_t next_region_ = 1;
  std::unordered_map<uint32_t, Draft> drafts_;
  std::vector<RawBytes> spare_;
  std::set<uint64_t> outstanding_;
  uint64_t next_sequence_ = 0;
  bool full_ = false;
  std::optional<Error> failed_;
  bool failure_told_ = false;
  PackTable tail_table_;
  // Regions of it that the note at the last close has.
  size_t saved_regions_ = 0;
  uint32_t tail_number_ = 0;
  std::set<uint32_t> packs_;
  std::map<uint32_t, std::shared_ptr<File>> files_;
  bool files_closed_ = false;
  std::list<std::pair<uint32_t, std::unique_ptr<PackTable>>> tables_;
  // Made from the regions where the table is damaged.
  std::map<uint32_t, PackTable> rebuilt_;
  size_t table_bytes_ = 0;
  uint8_t collection_ = kFirstCollection;
  uint64_t chunk_count_ = 0;
  uint64_t unique_bytes_ = 0;
  // Of all packs but the one that is written to.
  uint64_t stored_bytes_ = 0;
  std::vector<Damage> damages_;
  // In which a verification has found damage since.
  std::set<uint32_t> rotten_packs_;
  // Of the pack that is being loaded.
  std::vector<ChunkIndex::Entry> loading_;
  // Region and one that it was compressed against: checked once all packs are known.
  std::vector<std::pair<uint32_t, uint32_t>> based_;

  RegionCache cache_{kDecodeCacheBytesMax};
  BufferPool buffers_{kFreeBufferBytesMax};
  ReadAhead<RawRegion> read_ahead_;
  std::atomic<size_t> shared_readings_{0};
  // Last, so that their threads end first; what is read goes on to the workers.
  WorkerPool workers_;
  WorkerPool readers_;
};

}  // namespace capstan
