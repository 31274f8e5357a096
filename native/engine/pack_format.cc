#include "pack_format.h"

#include <algorithm>
#include <bit>
#include <cstdio>

#include "crc32c.h"

namespace capstan {
namespace {

constexpr uint8_t kPackMagic[8] = {'C', 'A', 'P', 'S', 'P', 'A', 'C', 'K'};
constexpr uint8_t kTrailerMagic[8] = {'C', 'A', 'P', 'S', 'T', 'A', 'B', 'L'};
constexpr uint32_t kVersion = 2;
constexpr size_t kTableRegionBytes = 20;
constexpr size_t kChunkEntryBytes = 36;
constexpr size_t kBaseRunBytes = 8;
// Of the trailer, what the cipher authenticates: magic, version, number, store, place and length of the table.
constexpr size_t kTrailerAuthenticatedBytes = 44;

Error Damaged(const char* what) { return {ErrorCode::kCorrupt, "", what}; }

}  // namespace

std::string At(const std::string& name, uint64_t offset) {
  return name + " at " + std::to_string(offset);
}

std::string PackName(uint32_t number) {
  char name[40];
  std::snprintf(name, sizeof name, "packs/%08u.pack", number);
  return name;
}

std::string TableName(uint32_t number) {
  char name[40];
  std::snprintf(name, sizeof name, "packs/%08u.table", number);
  return name;
}

Bytes EncodePackHeader(const PackHeader& header) {
  Bytes bytes;
  bytes.reserve(kPackHeaderBytes);
  Writer writer(bytes);
  writer.Raw(kPackMagic);
  writer.U32(kVersion);
  writer.U32(header.number);
  writer.Raw(header.store_id);
  writer.U32(header.next_region);
  bytes.resize(kPackHeaderBytes - 4);
  writer.U32(Crc32c(0, bytes));
  return bytes;
}

Result<PackHeader> ParsePackHeader(View bytes) {
  if (bytes.size() < kPackHeaderBytes) return Damaged("the pack's header is cut short");
  bytes = bytes.first(kPackHeaderBytes);
  Reader reader(bytes);
  const View magic = reader.Raw(8);
  const uint32_t version = reader.U32();
  PackHeader header{reader.U32(), 0, {}};
  const View id = reader.Raw(header.store_id.size());
  std::copy(id.begin(), id.end(), header.store_id.begin());
  header.next_region = reader.U32();
  Reader checksum(bytes.last(4));
  if (!std::equal(magic.begin(), magic.end(), kPackMagic) ||
      checksum.U32() != Crc32c(0, bytes.first(kPackHeaderBytes - 4)))
    return Damaged("the pack's header is damaged");
  if (version != kVersion) return Damaged("the pack is of a version that is not known");
  if (header.next_region > kRegionIdMax + 1) return Damaged("the pack's header is damaged");
  return header;
}

void PackTable::Add(const RegionHeader& header, uint32_t offset, const RegionLists& lists) {
  regions_.push_back({header.id, offset, header.total_bytes, header.content_bytes,
                      static_cast<uint32_t>(chunks_.size()), static_cast<uint32_t>(bases_.size()),
                      header.codec, header.chunk_count, header.base_count});
  chunks_.insert(chunks_.end(), lists.chunks.begin(), lists.chunks.end());
  bases_.insert(bases_.end(), lists.bases.begin(), lists.bases.end());
}

const PackTable::Region* PackTable::Find(uint32_t id) {
  for (; placed_ < regions_.size(); ++placed_) places_[regions_[placed_].id] = placed_;
  const auto found = places_.find(id);
  return found == places_.end() ? nullptr : &regions_[found->second];
}

ChunkRef PackTable::FindDigest(const Digest& digest) {
  const auto key = [](const Digest& of) {
    uint64_t bits;
    std::memcpy(&bits, of.data(), sizeof bits);
    return bits;
  };
  for (; digested_ < regions_.size(); ++digested_) {
    const auto chunks = ChunksOf(regions_[digested_]);
    for (uint32_t i = 0; i < chunks.size(); ++i)
      digests_.emplace(key(chunks[i].digest), RefOf(regions_[digested_].id, i));
  }
  const auto found = digests_.find(key(digest));
  if (found == digests_.end()) return kNoChunk;
  const Region* const region = Find(RegionOf(found->second));
  // A table that a fault wrote may name a region twice.
  const auto chunks = ChunksOf(*region);
  const bool same = PlaceOf(found->second) < chunks.size() &&
                    chunks[PlaceOf(found->second)].digest == digest;
  return same ? found->second : kNoChunk;
}

size_t PackTable::memory_bytes() const {
  constexpr size_t kPlaceBytes = 40;
  return regions_.capacity() * (sizeof(Region) + kPlaceBytes) +
         chunks_.capacity() * sizeof(ChunkEntry) + digests_.size() * kPlaceBytes + bases_.capacity() * sizeof(BaseRun);
}

Bytes PackTable::Encode() const {
  Bytes bytes;
  bytes.reserve(12 + regions_.size() * kTableRegionBytes + chunks_.size() * kChunkEntryBytes +
                bases_.size() * kBaseRunBytes);
  Writer writer(bytes);
  writer.U32(static_cast<uint32_t>(regions_.size()));
  writer.U32(static_cast<uint32_t>(chunks_.size()));
  writer.U32(static_cast<uint32_t>(bases_.size()));
  for (const Region& region : regions_) {
    writer.U32(region.id);
    writer.U32(region.offset);
    writer.U32(region.total_bytes);
    writer.U32(region.content_bytes);
    writer.U8(static_cast<uint8_t>(region.codec));
    writer.U8(region.chunk_count);
    writer.U8(region.base_count);
    writer.U8(0);
  }
  WriteLists({chunks_, bases_}, bytes);
  return bytes;
}

Result<PackTable> PackTable::Parse(View bytes) {
  Reader reader(bytes);
  const uint32_t region_count = reader.U32();
  const uint32_t chunk_count = reader.U32();
  const uint32_t base_count = reader.U32();
  if (reader.failed() || region_count * uint64_t{kTableRegionBytes} +
                                 chunk_count * uint64_t{kChunkEntryBytes} +
                                 base_count * uint64_t{kBaseRunBytes} !=
                             reader.left())
    return Damaged("the table is not as long as it says");
  PackTable table;
  table.regions_.reserve(region_count);
  uint64_t chunks = 0;
  uint64_t bases = 0;
  uint64_t end = kPackHeaderBytes;
  for (uint32_t i = 0; i < region_count; ++i) {
    Region region{};
    region.id = reader.U32();
    region.offset = reader.U32();
    region.total_bytes = reader.U32();
    region.content_bytes = reader.U32();
    const uint8_t codec = reader.U8();
    region.chunk_count = reader.U8();
    region.base_count = reader.U8();
    const uint8_t zero = reader.U8();
    region.codec = static_cast<Codec>(codec);
    region.first_chunk = static_cast<uint32_t>(chunks);
    region.first_base = static_cast<uint32_t>(bases);
    chunks += region.chunk_count;
    bases += region.base_count;
    if (zero != 0 || codec > static_cast<uint8_t>(Codec::kDelta) || region.chunk_count == 0 ||
        region.base_count > kBaseRunCountMax || region.content_bytes > kRegionContentBytesMax ||
        region.total_bytes > kRegionBytesMax || region.offset < end || region.id == 0 ||
        region.id > kRegionIdMax)
      return Damaged("the table has a region that cannot be");
    end = uint64_t{region.offset} + region.total_bytes;
    table.regions_.push_back(region);
  }
  if (chunks != chunk_count || bases != base_count)
    return Damaged("the table's counts do not add up");
  const View lists = reader.Raw(reader.left());
  TRY_ASSIGN(RegionLists parsed, ParseLists(lists, chunk_count, base_count));
  table.chunks_ = std::move(parsed.chunks);
  table.bases_ = std::move(parsed.bases);
  for (const Region& region : table.regions_)
    TRY(CheckLists(table.ChunksOf(region), table.BasesOf(region), region.content_bytes, region.codec));
  return table;
}

Result<Bytes> EncodePackEnd(const PackTable& table, const PackId& pack, uint64_t offset,
                            Sealing* sealing) {
  Bytes bytes = table.Encode();
  const size_t table_bytes = bytes.size();
  Bytes trailer;
  Writer writer(trailer);
  writer.Raw(kTrailerMagic);
  writer.U32(kVersion);
  writer.U32(pack.number);
  writer.Raw(pack.store);
  writer.U64(offset);
  writer.U32(static_cast<uint32_t>(table_bytes));
  std::array<uint8_t, kCipherNonceBytes> nonce{};
  std::array<uint8_t, kCipherTagBytes> tag{};
  if (sealing != nullptr) {
    TRY_ASSIGN(nonce, sealing->nonces.Next());
    TRY(sealing->cipher->Seal(bytes, nonce, trailer, tag));
  }
  writer.U32(Crc32c(0, bytes));
  writer.U32(sealing != nullptr ? 1 : 0);
  writer.Raw(nonce);
  writer.Raw(tag);
  trailer.resize(kTrailerBytes - 4);
  writer.U32(Crc32c(0, trailer));
  const size_t whole = bytes.size() + kTrailerBytes;
  bytes.resize((whole + kDirectAlignment - 1) / kDirectAlignment * kDirectAlignment -
               kTrailerBytes);
  bytes.insert(bytes.end(), trailer.begin(), trailer.end());
  return bytes;
}

namespace {

struct Trailer {
  uint64_t offset;
  uint32_t table_bytes;
  uint32_t crc;
  bool encrypted;
  View authenticated;
  View nonce;
  View tag;
};

// kNotFound where it is none. kCorrupt.
Result<Trailer> ParseTrailer(View bytes, const PackId& pack) {
  Reader reader(bytes);
  const View magic = reader.Raw(8);
  if (!std::equal(magic.begin(), magic.end(), kTrailerMagic))
    return Error{ErrorCode::kNotFound, "", "the pack is not sealed"};
  const uint32_t version = reader.U32();
  const uint32_t number = reader.U32();
  const View store = reader.Raw(pack.store.size());
  Trailer trailer{reader.U64(), reader.U32(), 0, false, {}, {}, {}};
  trailer.authenticated = bytes.first(kTrailerAuthenticatedBytes);
  trailer.crc = reader.U32();
  const uint32_t encrypted = reader.U32();
  trailer.encrypted = encrypted == 1;
  trailer.nonce = reader.Raw(kCipherNonceBytes);
  trailer.tag = reader.Raw(kCipherTagBytes);
  Reader checksum(bytes.last(4));
  if (checksum.U32() != Crc32c(0, bytes.first(kTrailerBytes - 4)) || version != kVersion ||
      encrypted > 1 || trailer.table_bytes > kTableBytesMax)
    return Damaged("the trailer is damaged");
  if (number != pack.number || !std::equal(store.begin(), store.end(), pack.store.begin()))
    return Damaged("the table is another pack's");
  return trailer;
}

}  // namespace

Result<PackEnd> ParsePackEnd(std::span<uint8_t> bytes, const PackId& pack, Sealing* sealing) {
  if (bytes.size() < kTrailerBytes) return Damaged("the table is cut short");
  const size_t before_trailer = bytes.size() - kTrailerBytes;
  TRY_ASSIGN(const Trailer trailer, ParseTrailer(bytes.subspan(before_trailer), pack));
  if (trailer.table_bytes > before_trailer)
    return Damaged("the trailer is damaged");
  if (trailer.encrypted != (sealing != nullptr))
    return Damaged(trailer.encrypted ? "the table is encrypted" : "the table is not encrypted");
  const std::span<uint8_t> table = bytes.first(trailer.table_bytes);
  if (Crc32c(0, table) != trailer.crc) return Damaged("the table is damaged");
  // Zeros stand between the table and the trailer, so that no bit of a pack goes unchecked.
  const View gap = bytes.subspan(trailer.table_bytes, before_trailer - trailer.table_bytes);
  if (std::any_of(gap.begin(), gap.end(), [](uint8_t byte) { return byte != 0; }))
    return Damaged("something stands behind the table");
  if (sealing != nullptr)
    TRY(sealing->cipher->Open(table, trailer.nonce, trailer.authenticated, trailer.tag));
  TRY_ASSIGN(PackTable parsed, PackTable::Parse(table));
  return PackEnd{std::move(parsed), trailer.offset};
}

bool IsRotten(View bytes) {
  if (bytes.size() < kTrailerBytes) return false;
  const View trailer = bytes.last(kTrailerBytes);
  const View checked = trailer.first(kTrailerBytes - 4);
  const uint32_t difference = Crc32c(0, checked) ^ Reader(trailer.last(4)).U32();
  if (difference != 0)
    return std::has_single_bit(difference) || FlippedBit(checked.size(), difference).has_value();
  Reader lengths(trailer.subspan(40));
  const uint32_t table_bytes = lengths.U32();
  const uint32_t crc = lengths.U32();
  if (table_bytes > bytes.size() - kTrailerBytes) return false;
  if (const uint32_t wrong = Crc32c(0, bytes.first(table_bytes)) ^ crc; wrong != 0)
    return FlippedBit(table_bytes, wrong).has_value();
  const View gap = bytes.subspan(table_bytes, bytes.size() - kTrailerBytes - table_bytes);
  int bits = 0;
  for (const uint8_t byte : gap) bits += std::popcount(byte);
  return bits == 1;
}

Result<PackEnd> ReadPackEnd(File& file, const PackId& pack, Sealing* sealing) {
  TRY_ASSIGN(const uint64_t size, file.Size());
  if (size < kPackHeaderBytes + kTrailerBytes)
    return Error{ErrorCode::kNotFound, "", "the pack is not sealed"};
  Bytes bytes(kTrailerBytes);
  TRY(file.ReadAt(size - kTrailerBytes, bytes));
  TRY_ASSIGN(const Trailer trailer, ParseTrailer(bytes, pack));
  if (trailer.offset % kDirectAlignment != 0 || trailer.offset > size ||
      size - trailer.offset > kTableBytesMax)
    return Damaged("the trailer is damaged");
  bytes.resize(size - trailer.offset);
  TRY(file.ReadAt(trailer.offset, bytes));
  return ParsePackEnd(bytes, pack, sealing);
}

}  // namespace capstan
