// What travels between stores: parcels, each some chunks in the form in which they lie in a region, and the digests
// of what they were compressed against. docs/formats/replication.md has every byte.
//
//   parcel = header (12 bytes), chunk list (36 bytes a chunk), base list (32 bytes a chunk), stored bytes
#pragma once

#include "region.h"

namespace capstan {

// A delta rests on so many runs of chunks at most, and each is part of a region.
constexpr size_t kParcelBaseCountMax = kBaseRunCountMax * kRegionChunkCountMax;
constexpr size_t kParcelHeaderBytes = 12;
constexpr size_t kParcelBytesMax = kParcelHeaderBytes + kRegionChunkCountMax * 36 +
                                  kParcelBaseCountMax * kDigestBytes + kRegionContentBytesMax;

struct Parcel {
  Codec codec;
  uint32_t content_bytes;
  std::vector<ChunkEntry> chunks;
  // Of a delta: the chunks that make up its prefix, in their order.
  std::vector<Digest> bases;
  View stored;
};

void AppendParcel(const Parcel& parcel, RawBytes& out);

// Every parcel of `bytes`, which keeps their stored bytes; all lengths and counts are checked. kInvalid.
Result<std::vector<Parcel>> ParseParcels(View bytes);

}  // namespace capstan
