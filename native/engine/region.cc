#include "region.h"

#include <algorithm>

#include "chunker.h"
#include "crc32c.h"

namespace capstan {
namespace {

constexpr uint32_t kRegionMagic = 0x4e474552;  // "REGN"
// The checksum of the header stands in its last four bytes.
constexpr size_t kHeaderCheckedBytes = kRegionHeaderBytes - 4;
// What the cipher authenticates beside the body: the header up to the body's checksum.
constexpr size_t kAuthenticatedBytes = 28;
// Of the store's id.
constexpr size_t kStoreTagBytes = 8;

Error Damaged(const char* what) { return {ErrorCode::kCorrupt, "", what}; }

uint32_t HeaderCrc(View header, const RegionSite& site) {
  std::array<uint8_t, 8> place;
  for (size_t i = 0; i < 4; ++i) {
    place[i] = static_cast<uint8_t>(site.pack >> (8 * i));
    place[4 + i] = static_cast<uint8_t>(site.offset >> (8 * i));
  }
  return Crc32c(Crc32c(0, header.first(kHeaderCheckedBytes)), place);
}

// All but its checksum.
void WriteHeader(const RegionHeader& header, const StoreId& store, std::span<uint8_t> out) {
  Bytes bytes;
  bytes.reserve(kRegionHeaderBytes);
  Writer writer(bytes);
  writer.U32(kRegionMagic);
  writer.U32(header.id);
  writer.U32(header.total_bytes);
  writer.U32(header.content_bytes);
  writer.U8(static_cast<uint8_t>(header.codec));
  writer.U8(header.encrypted ? 1 : 0);
  writer.U8(header.chunk_count);
  writer.U8(header.base_count);
  writer.Raw(View(store).first(kStoreTagBytes));
  writer.U32(header.body_crc);
  writer.Raw(header.nonce);
  writer.Raw(header.tag);
  bytes.resize(kRegionHeaderBytes);
  std::copy(bytes.begin(), bytes.end(), out.begin());
}

}  // namespace

Result<std::array<uint8_t, kCipherNonceBytes>> NonceSource::Next() {
  const uint64_t counter = next_.fetch_add(1);
  if (counter >= kNonceCountMax)
    return Error{ErrorCode::kLimit, "packs",
                 "as much was sealed since the store was opened as may be: it must be opened anew"};
  std::array<uint8_t, kCipherNonceBytes> nonce{};
  for (size_t i = 0; i < 4; ++i) {
    nonce[i] = static_cast<uint8_t>(epoch_ >> (8 * i));
    nonce[4 + i] = static_cast<uint8_t>(salt_ >> (8 * i));
    nonce[8 + i] = static_cast<uint8_t>(counter >> (8 * i));
  }
  return nonce;
}

void WriteLists(const RegionLists& lists, Bytes& out) {
  Writer writer(out);
  for (const ChunkEntry& chunk : lists.chunks) {
    writer.Raw(chunk.digest);
    writer.U32(chunk.length);
  }
  for (const BaseRun& run : lists.bases) {
    writer.U32(run.region);
    writer.U8(run.first);
    writer.U8(run.count);
    writer.U8(0);
    writer.U8(0);
  }
}

Result<RegionLists> ParseLists(View bytes, size_t chunk_count, size_t base_count) {
  RegionLists lists;
  lists.chunks.reserve(chunk_count);
  lists.bases.reserve(base_count);
  Reader reader(bytes);
  for (size_t i = 0; i < chunk_count; ++i) {
    const Digest digest = reader.TakeDigest();
    lists.chunks.push_back({digest, reader.U32()});
  }
  for (size_t i = 0; i < base_count; ++i) {
    const uint32_t region = reader.U32();
    const uint8_t first = reader.U8();
    lists.bases.push_back({region, first, reader.U8()});
    if (reader.U8() != 0 || reader.U8() != 0) return Damaged("a base is malformed");
  }
  if (reader.failed()) return Damaged("the chunk list is cut short");
  return lists;
}

Status CheckLists(std::span<const ChunkEntry> chunks, std::span<const BaseRun> bases,
                  uint32_t content_bytes, Codec codec) {
  uint64_t sum = 0;
  for (const ChunkEntry& chunk : chunks) {
    if (chunk.length == 0 || chunk.length > kChunkBytesMax)
      return Damaged("a chunk has a length that cannot be");
    sum += chunk.length;
  }
  if (sum != content_bytes) return Damaged("the chunks are not as long as the content");
  if (bases.empty() != (codec != Codec::kDelta))
    return Damaged("the bases do not fit the codec");
  for (const BaseRun& run : bases)
    if (run.region == 0 || run.region > kRegionIdMax || run.count == 0 ||
        run.first + run.count > static_cast<int>(kRegionChunkCountMax))
      return Damaged("a base is malformed");
  return Ok();
}

void BeginRegion(const RegionLists& lists, RawBytes& out) {
  Bytes front(kRegionHeaderBytes);
  WriteLists(lists, front);
  Append(out, front);
}

Result<RegionHeader> FinishRegion(uint32_t id, const StoreId& store, Codec codec,
                                  uint32_t content_bytes, const RegionLists& lists,
                                  Sealing* sealing, RawBytes& out, View rest) {
  if (id == 0 || id > kRegionIdMax)
    return Error{ErrorCode::kLimit, "packs", "the store has used up its region numbers"};
  RegionHeader header{id,
                      static_cast<uint32_t>(out.size() + rest.size()),
                      content_bytes,
                      codec,
                      sealing != nullptr,
                      static_cast<uint8_t>(lists.chunks.size()),
                      static_cast<uint8_t>(lists.bases.size()),
                      0,
                      {},
                      {}};
  const std::span<uint8_t> region(out);
  const std::span<uint8_t> body = region.subspan(kRegionHeaderBytes);
  if (sealing != nullptr) {
    TRY_ASSIGN(header.nonce, sealing->nonces.Next());
    WriteHeader(header, store, region);
    TRY(sealing->cipher->Seal(body, header.nonce, region.first(kAuthenticatedBytes), header.tag));
  }
  header.body_crc = Crc32c(Crc32c(0, body), rest);
  WriteHeader(header, store, region);
  return header;
}

void PlaceRegion(std::span<uint8_t> region, const RegionSite& site) {
  const uint32_t crc = HeaderCrc(region, site);
  for (size_t i = 0; i < 4; ++i)
    region[kHeaderCheckedBytes + i] = static_cast<uint8_t>(crc >> (8 * i));
}

std::optional<RegionHeader> ParseRegionHeader(View bytes, const RegionSite& site) {
  if (bytes.size() < kRegionHeaderBytes) return std::nullopt;
  Reader reader(bytes);
  if (reader.U32() != kRegionMagic) return std::nullopt;
  RegionHeader header{};
  header.id = reader.U32();
  header.total_bytes = reader.U32();
  header.content_bytes = reader.U32();
  const uint8_t codec = reader.U8();
  const uint8_t encrypted = reader.U8();
  header.chunk_count = reader.U8();
  header.base_count = reader.U8();
  const View store = reader.Raw(kStoreTagBytes);
  header.body_crc = reader.U32();
  const View nonce = reader.Raw(kCipherNonceBytes);
  std::copy(nonce.begin(), nonce.end(), header.nonce.begin());
  const View tag = reader.Raw(kCipherTagBytes);
  std::copy(tag.begin(), tag.end(), header.tag.begin());
  if (reader.U32() != HeaderCrc(bytes, site) ||
      !std::equal(store.begin(), store.end(), site.store.begin()))
    return std::nullopt;
  header.codec = static_cast<Codec>(codec);
  header.encrypted = encrypted == 1;
  if (header.id == 0 || header.id > kRegionIdMax ||
      codec > static_cast<uint8_t>(Codec::kDelta) || encrypted > 1 || header.chunk_count == 0 ||
      header.base_count > kBaseRunCountMax || header.content_bytes > kRegionContentBytesMax ||
      header.total_bytes > kRegionBytesMax ||
      header.total_bytes < kRegionHeaderBytes + header.list_bytes())
    return std::nullopt;
  return header;
}

bool RegionChecks(View region, const RegionSite& site) {
  const auto header = ParseRegionHeader(region, site);
  return header && header->total_bytes == region.size() &&
         Crc32c(0, region.subspan(kRegionHeaderBytes)) == header->body_crc;
}

Result<OpenedRegion> OpenRegion(std::span<uint8_t> region, const RegionSite& site, Sealing* sealing,
                                Checks checks) {
  const auto header = ParseRegionHeader(region, site);
  if (!header || header->total_bytes != region.size()) return Damaged("the region's header is damaged");
  const std::span<uint8_t> body = region.subspan(kRegionHeaderBytes);
  if (checks == Checks::kAll && Crc32c(0, body) != header->body_crc)
    return Damaged("the region's checksum does not match");
  if (header->encrypted != (sealing != nullptr))
    return Damaged(header->encrypted ? "the region is encrypted" : "the region is not encrypted");
  if (sealing != nullptr)
    TRY(sealing->cipher->Open(body, header->nonce, region.first(kAuthenticatedBytes), header->tag));
  OpenedRegion opened{*header, {}, View(body).subspan(header->list_bytes())};
  TRY_ASSIGN(opened.lists, ParseLists(View(body).first(header->list_bytes()), header->chunk_count,
                                      header->base_count));
  TRY(CheckLists(opened.lists.chunks, opened.lists.bases, header->content_bytes, header->codec));
  return opened;
}

}  // namespace capstan
