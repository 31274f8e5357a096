// Packs: append-only files of unique chunks, and the index that finds a chunk by its digest.
//
//   pack   = header (64 bytes), entry, entry, ...
//   entry  = header (52 bytes), stored bytes
// docs/formats/store.md has every byte. A pack is sealed once it is full: it is synced, its index is
// written beside it, and it never changes again. Entries are appended whole: what is not synced may be lost
// in a crash, and is cut at the next opening; what an image refers to always is.
//
// Thread-safe.
#pragma once

#include <list>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "codec.h"
#include "disk.h"

namespace capstan {

constexpr uint64_t kPackBytesMaxDefault = 128ull << 20;
constexpr size_t kPackHeaderBytes = 64;
constexpr size_t kEntryHeaderBytes = 52;
constexpr size_t kDecodeCacheBytesMax = 8u << 20;

using StoreId = std::array<uint8_t, 16>;

struct Damage {
  std::string place;
  std::string what;
};

struct DigestHash {
  size_t operator()(const Digest& digest) const {
    size_t value;
    std::memcpy(&value, digest.data(), sizeof value);
    return value;
  }
};

struct ChunkPlace {
  uint32_t pack;
  uint64_t offset;
  uint32_t content_length;
  uint32_t stored_length;
};

// How far the packs are synced: recorded with every sync of an image, so that recovery can tell what was
// never acknowledged from what was damaged.
struct Watermark {
  uint32_t pack = 0;
  uint64_t offset = 0;
  bool operator<(const Watermark& other) const {
    return pack != other.pack ? pack < other.pack : offset < other.offset;
  }
};

struct NewChunk {
  Digest digest;
  uint32_t content_length;
  EncodedChunk encoded;
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
  };
  static Result<std::unique_ptr<PackStore>> Open(Disk& disk, const Options& options);

  bool Has(const Digest& digest) const;
  // Of a chunk that is here.
  std::optional<uint32_t> ContentLength(const Digest& digest) const;
  // Those of `chunks` that are not here yet, all or none.
  Status Append(const std::vector<NewChunk>& chunks);
  // Makes all that was appended durable, and says how far.
  Result<Watermark> Sync();

  // The content, checked against checksum and digest; shared with the cache.
  Result<std::shared_ptr<const Bytes>> Read(const Digest& digest);
  // The same past the cache.
  Result<Bytes> ReadUncached(const Digest& digest);
  // Appends codec, lengths and stored bytes, as chunks travel; the checksum is checked.
  Status ReadEncoded(const Digest& digest, Bytes& out);

  PackStatistics Statistics() const;
  // What was found wrong at the opening.
  const std::vector<Damage>& damages() const { return damages_; }
  // Why nothing may be written any more; empty while it may.
  std::string failure() const;

 private:
  PackStore(Disk& disk, Options options) : disk_(disk), options_(std::move(options)) {}

  Status LoadPacks();
  Status LoadPack(uint32_t number, bool last);
  Result<bool> LoadIndex(uint32_t number);
  Status ScanPack(uint32_t number, File& file, bool last);
  Status StartPack(uint32_t number);
  Status SealTail();
  Status WriteIndex(uint32_t number);
  Status TryWriteIndex(uint32_t number);
  Status Fail(const Error& error);
  Result<Bytes> ReadEntry(const Digest& digest, ChunkPlace& place);
  Error Condemn(const Digest& digest, const ChunkPlace& place, const std::string& what);
  Result<File*> PackFile(uint32_t number);
  std::string PackPath(uint32_t number, const char* suffix) const;

  Disk& disk_;
  const Options options_;
  mutable std::mutex mutex_;
  std::unordered_map<Digest, ChunkPlace, DigestHash> index_;
  // Entries found damaged: nothing is deduplicated against them, so the next backup heals them.
  std::unordered_map<Digest, ChunkPlace, DigestHash> condemned_;
  std::unordered_map<uint32_t, std::unique_ptr<File>> files_;
  std::vector<Damage> damages_;
  std::string failure_;
  uint32_t tail_number_ = 0;
  uint64_t tail_bytes_ = 0;
  uint64_t tail_synced_ = 0;
  uint64_t stored_bytes_ = 0;
  uint64_t unique_bytes_ = 0;
  uint64_t pack_count_ = 0;

  using CacheEntry = std::pair<Digest, std::shared_ptr<const Bytes>>;
  std::list<CacheEntry> cache_;
  std::unordered_map<Digest, std::list<CacheEntry>::iterator, DigestHash> cached_;
  size_t cache_bytes_ = 0;
};

}  // namespace capstan
