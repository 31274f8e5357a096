// The bytes of a pack (docs/formats/store.md):
//
//   pack = header (4096 bytes), regions with zeros up to a multiple of 4096 at each sync,
//          and once it is sealed: table at a multiple of 4096, zeros, trailer (the last 128 bytes)
//
// The table says again what the regions' headers and lists say, in the order they lie, so that opening a
// store and comparing digests read no regions.
#pragma once

#include <unordered_map>

#include "disk.h"
#include "region.h"

namespace capstan {

constexpr uint64_t kPackBytesMaxDefault = 256ull << 20;
constexpr size_t kPackHeaderBytes = 4096;
constexpr size_t kTrailerBytes = 128;
constexpr uint64_t kTableBytesMax = 256ull << 20;

// How far the packs are synced: recorded with every sync of an image, so that recovery can tell what was
// never acknowledged from what was damaged, and no region number is used twice.
struct Watermark {
  uint32_t pack = 0;
  uint64_t offset = 0;
  uint32_t next_region = 0;
  bool Before(const Watermark& other) const {
    return pack != other.pack ? pack < other.pack : offset < other.offset;
  }
};

// One pack of one store.
struct PackId {
  StoreId store;
  uint32_t number;
};

// Packs before it were synced when it was begun.
struct PackHeader {
  uint32_t number;
  // Regions from this number on lie in this pack or in later ones, unless they were copied.
  uint32_t next_region;
  StoreId store_id;
};
Bytes EncodePackHeader(const PackHeader& header);
Result<PackHeader> ParsePackHeader(View bytes);

// The regions of one pack, in the order they lie.
class PackTable {
 public:
  struct Region {
    uint32_t id;
    uint32_t offset;
    uint32_t total_bytes;
    uint32_t content_bytes;
    uint32_t first_chunk;
    uint32_t first_base;
    Codec codec;
    uint8_t chunk_count;
    uint8_t base_count;
  };

  void Add(const RegionHeader& header, uint32_t offset, const RegionLists& lists);
  const std::vector<Region>& regions() const { return regions_; }
  // Null where the region is not in this pack. Not const: the first call makes what it finds by.
  const Region* Find(uint32_t id);
  std::span<const ChunkEntry> ChunksOf(const Region& region) const {
    return std::span(chunks_).subspan(region.first_chunk, region.chunk_count);
  }
  std::span<const BaseRun> BasesOf(const Region& region) const {
    return std::span(bases_).subspan(region.first_base, region.base_count);
  }
  // The place of the chunk, where this pack has it. Not const, as Find.
  ChunkRef FindDigest(const Digest& digest);
  size_t chunk_count() const { return chunks_.size(); }
  size_t memory_bytes() const;

  Bytes Encode() const;
  // Checks every length and count against the rest. kCorrupt.
  static Result<PackTable> Parse(View bytes);

 private:
  std::vector<Region> regions_;
  std::vector<ChunkEntry> chunks_;
  std::vector<BaseRun> bases_;
  // Id to place in regions_, of the first so many of them.
  std::unordered_map<uint32_t, uint32_t> places_;
  uint32_t placed_ = 0;
  // By eight bytes of the digest, of the first so many regions.
  std::unordered_map<uint64_t, ChunkRef> digests_;
  uint32_t digested_ = 0;
};

// Table, zeros and trailer of a pack, to be written at `offset`, a multiple of 4096. As FinishRegion.
Result<Bytes> EncodePackEnd(const PackTable& table, const PackId& pack, uint64_t offset,
                            Sealing* sealing);
struct PackEnd {
  PackTable table;
  uint64_t table_offset;
};
// kNotFound where the pack has no trailer: it was not sealed. kCorrupt.
Result<PackEnd> ReadPackEnd(File& file, const PackId& pack, Sealing* sealing);

// The same bytes, on their own: `bytes` ends with the trailer.
Result<PackEnd> ParsePackEnd(std::span<uint8_t> bytes, const PackId& pack, Sealing* sealing);

// Holds room while a store is written to; as a name that is not a file's own it is cleared away.
constexpr char kReserveName[] = "packs/reserve~";

// Whether they would check but for a single bit: nothing that a crash tore does.
bool IsRotten(View bytes);

std::string PackName(uint32_t number);
// Of the last pack, while it is not sealed: what it held when the store was closed in order.
std::string TableName(uint32_t number);
std::string At(const std::string& name, uint64_t offset);

}  // namespace capstan
