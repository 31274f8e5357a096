#include "parcel.h"

#include "chunker.h"

namespace capstan {
namespace {

Error Refused(const char* what) { return {ErrorCode::kInvalid, "", what}; }

Result<Parcel> ParseParcel(Reader& reader) {
  Parcel parcel{};
  const uint8_t codec = reader.U8();
  const size_t chunk_count = reader.U8();
  size_t base_count = reader.U8();
  base_count |= size_t{reader.U8()} << 8;
  parcel.content_bytes = reader.U32();
  const uint32_t stored_bytes = reader.U32();
  if (reader.failed()) return Refused("a parcel is cut short");
  if (codec > static_cast<uint8_t>(Codec::kDelta)) return Refused("a parcel's codec is not known");
  parcel.codec = static_cast<Codec>(codec);
  if (chunk_count == 0) return Refused("a parcel has no chunk");
  if (parcel.content_bytes > kRegionContentBytesMax || stored_bytes > parcel.content_bytes ||
      (parcel.codec == Codec::kRaw && stored_bytes != parcel.content_bytes))
    return Refused("a parcel has a length that cannot be");
  if (base_count > kParcelBaseCountMax || (base_count == 0) != (parcel.codec != Codec::kDelta))
    return Refused("a parcel's bases do not fit its codec");
  // The counts are bounded by what is there before memory is taken for them.
  if (reader.left() < chunk_count * 36 + base_count * kDigestBytes + stored_bytes)
    return Refused("a parcel is cut short");
  TRY_ASSIGN(RegionLists lists, ParseLists(reader.Raw(chunk_count * 36), chunk_count, 0));
  parcel.chunks = std::move(lists.chunks);
  uint64_t sum = 0;
  for (const ChunkEntry& chunk : parcel.chunks) {
    if (chunk.length == 0 || chunk.length > kChunkBytesMax)
      return Refused("a chunk of a parcel has a length that cannot be");
    sum += chunk.length;
  }
  if (sum != parcel.content_bytes) return Refused("a parcel's chunks are not as long as its content");
  parcel.bases.reserve(base_count);
  for (size_t i = 0; i < base_count; ++i) parcel.bases.push_back(reader.TakeDigest());
  parcel.stored = reader.Raw(stored_bytes);
  return parcel;
}

}  // namespace

void AppendParcel(const Parcel& parcel, RawBytes& out) {
  Bytes front;
  Writer writer(front);
  writer.U8(static_cast<uint8_t>(parcel.codec));
  writer.U8(static_cast<uint8_t>(parcel.chunks.size()));
  writer.U8(static_cast<uint8_t>(parcel.bases.size()));
  writer.U8(static_cast<uint8_t>(parcel.bases.size() >> 8));
  writer.U32(parcel.content_bytes);
  writer.U32(static_cast<uint32_t>(parcel.stored.size()));
  WriteLists({parcel.chunks, {}}, front);
  for (const Digest& base : parcel.bases) writer.Raw(base);
  Append(out, front);
  Append(out, parcel.stored);
}

Result<std::vector<Parcel>> ParseParcels(View bytes) {
  std::vector<Parcel> parcels;
  Reader reader(bytes);
  while (reader.left() > 0) {
    TRY_ASSIGN(Parcel parcel, ParseParcel(reader));
    parcels.push_back(std::move(parcel));
  }
  return parcels;
}

}  // namespace capstan
