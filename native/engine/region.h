// A region: consecutive new chunks of one stream, stored as one piece. docs/formats/store.md has every byte.
//
//   region = header (64 bytes), chunk list (36 bytes a chunk), base list (8 bytes a run), stored bytes
//
// Everything behind the header is sealed where the store is encrypted. A region never changes; collection
// copies it as it lies, so its number stays its name.
#pragma once

#include <atomic>
#include <memory>
#include <optional>

#include "cipher.h"
#include "codec.h"
#include "result.h"

namespace capstan {

// A chunk's place: region << 8 | place in it.
using ChunkRef = uint64_t;
constexpr ChunkRef kNoChunk = ~0ull;
constexpr ChunkRef RefOf(uint32_t region, uint32_t place) {
  return static_cast<ChunkRef>(region) << 8 | place;
}
constexpr uint32_t RegionOf(ChunkRef ref) { return static_cast<uint32_t>(ref >> 8); }
constexpr uint32_t PlaceOf(ChunkRef ref) { return static_cast<uint32_t>(ref & 0xff); }

using StoreId = std::array<uint8_t, 16>;

constexpr size_t kRegionHeaderBytes = 64;
// Region numbers go from 1 to this; a store that has used them up takes no more.
constexpr uint32_t kRegionIdMax = UINT32_MAX - 1024;
// A region is closed once it has this much; its last chunk may take it beyond.
constexpr size_t kRegionContentBytes = 512 * 1024;
constexpr size_t kRegionContentBytesMax = 1024 * 1024;
constexpr size_t kRegionChunkCountMax = 255;
constexpr size_t kBaseRunCountMax = 8;
constexpr size_t kBaseBytesMax = 2 * 1024 * 1024;
constexpr size_t kRegionBytesMax =
    kRegionHeaderBytes + kRegionChunkCountMax * 36 + kBaseRunCountMax * 8 + kRegionContentBytesMax;

struct ChunkEntry {
  Digest digest;
  uint32_t length;
};

// `count` chunks of a region, from `first` on: part of what a delta was compressed against.
struct BaseRun {
  uint32_t region;
  uint8_t first;
  uint8_t count;
};

// Where a region lies. Its header's checksum covers that: a copy of a region that lies elsewhere, in a pack
// that was backed up to a tape, say, is never taken for one.
struct RegionSite {
  StoreId store;
  uint32_t pack;
  uint32_t offset;
};

struct RegionHeader {
  uint32_t id;
  uint32_t total_bytes;  // header and all
  uint32_t content_bytes;
  Codec codec;
  bool encrypted;
  uint8_t chunk_count;
  uint8_t base_count;
  uint32_t body_crc;
  std::array<uint8_t, kCipherNonceBytes> nonce;
  std::array<uint8_t, kCipherTagBytes> tag;

  size_t list_bytes() const { return chunk_count * size_t{36} + base_count * size_t{8}; }
};

// What is sealed into one region.
struct RegionLists {
  std::vector<ChunkEntry> chunks;
  std::vector<BaseRun> bases;
};

// One opening seals at most this much: the last value of a nonce's counter belongs to the key check.
constexpr uint64_t kNonceCountMax = UINT32_MAX;

// Numbers once used are never used again with one key: epoch (which opening), salt (which of the openings that
// copies of one store may have under this epoch), counter.
class NonceSource {
 public:
  NonceSource(uint32_t epoch, uint32_t salt, uint64_t used = 0)
      : epoch_(epoch), salt_(salt), next_(used) {}
  // kLimit once kNonceCountMax are used.
  Result<std::array<uint8_t, kCipherNonceBytes>> Next();

 private:
  const uint32_t epoch_;
  const uint32_t salt_;
  std::atomic<uint64_t> next_;
};

// What seals and opens; null where a store is not encrypted.
struct Sealing {
  std::unique_ptr<Cipher> cipher;
  NonceSource nonces;
};

// A region is made in three steps. So that the codec writes right behind the lists, BeginRegion appends room
// for the header, and the lists; the codec appends what is stored; FinishRegion seals it. What is stored as it is
// can stay where it lies, as `rest` behind `out`; not where it is to be encrypted. kIo where the cipher fails;
// kLimit where there is no such number, or no nonce left. PlaceRegion, once it is known where it goes, makes it whole.
void BeginRegion(const RegionLists& lists, RawBytes& out);
Result<RegionHeader> FinishRegion(uint32_t id, const StoreId& store, Codec codec,
                                  uint32_t content_bytes, const RegionLists& lists,
                                  Sealing* sealing, RawBytes& out, View rest);
void PlaceRegion(std::span<uint8_t> region, const RegionSite& site);

// Nothing where the bytes are no header of a region that can be and belongs there.
std::optional<RegionHeader> ParseRegionHeader(View bytes, const RegionSite& site);

struct OpenedRegion {
  RegionHeader header;
  RegionLists lists;
  View stored;  // in the region's own bytes
};
// kHeader: the digests of what comes out are going to be compared, which find all that the body's checksum
// would and more.
enum class Checks { kAll, kHeader };
// `region` is exactly the whole, and is opened in place. kCorrupt.
Result<OpenedRegion> OpenRegion(std::span<uint8_t> region, const RegionSite& site, Sealing* sealing,
                                Checks checks);
// Whether the checksums of header and body are right: needs no key.
bool RegionChecks(View region, const RegionSite& site);

// Checks lengths and counts of lists against each other. kCorrupt.
Status CheckLists(std::span<const ChunkEntry> chunks, std::span<const BaseRun> bases,
                  uint32_t content_bytes, Codec codec);
void WriteLists(const RegionLists& lists, Bytes& out);
Result<RegionLists> ParseLists(View bytes, size_t chunk_count, size_t base_count);

}  // namespace capstan
