#include "carry.h"

#include "harness.h"

namespace capstan::test {

Bytes Join(std::span<const Digest> digests) {
  Bytes bytes;
  for (const Digest& digest : digests) bytes.insert(bytes.end(), digest.begin(), digest.end());
  return bytes;
}

Bytes ChunksOf(Store& store, const std::string& image) {
  return Join(Must(store.ReadManifest(Must(store.ExportManifest(image), "export")), "read").digests);
}

Bytes LackingOf(Store& target, View digests) {
  const Bytes flags = target.LackingChunks(digests);
  Bytes lacking;
  for (size_t i = 0; i < flags.size(); ++i)
    if (flags[i] != 0) {
      const View digest = digests.subspan(i * kDigestBytes, kDigestBytes);
      lacking.insert(lacking.end(), digest.begin(), digest.end());
    }
  return lacking;
}

Result<Carried> Carry(Store& source, Store& target, View digests) {
  const auto transfer = Must(source.OpenTransfer(digests), "open a transfer");
  transfer->UseBases(target.LackingChunks(Must(transfer->Bases(), "bases")));
  Carried carried;
  while (true) {
    const Transfer::Batch batch = Must(transfer->Read(kParcelBytesMax), "read parcels");
    if (batch.parcels.empty()) return carried;
    CHECK(batch.parcels.size() <= kParcelBytesMax && batch.chunk_count > 0);
    carried.bytes += batch.parcels.size();
    carried.chunk_count += batch.chunk_count;
    for (const Parcel& parcel : Must(ParseParcels(batch.parcels), "parse"))
      carried.codecs.push_back(parcel.codec);
    TRY(target.AddParcels(batch.parcels));
  }
}

}  // namespace capstan::test
