// Goal: nothing that a peer says of the chunks that it sends is believed. Method: parcels that lie in each field, and
// mutated ones.
#include "../engine/blake3.h"
#include "../engine/chunker.h"
#include "../engine/transfer.h"
#include "transfer_places.h"

namespace capstan::test {
namespace {

struct Sent {
  Parcel parcel;
  Bytes stored;
};

// A delta with its chunks, and what it rests on.
Sent MakeDelta(const Bytes& base, const Bytes& content) {
  Sent sent{};
  RawBytes stored;
  CHECK(CompressAgainst(base, content, stored));
  sent.stored.assign(stored.begin(), stored.end());
  sent.parcel = {Codec::kDelta, static_cast<uint32_t>(content.size()),
                 {{ChunkDigest(content), static_cast<uint32_t>(content.size())}},
                 {ChunkDigest(base)}, sent.stored};
  return sent;
}

ErrorCode Refusal(Store& store, const Parcel& parcel) {
  RawBytes bytes;
  AppendParcel(parcel, bytes);
  const uint64_t before = Must(store.Statistics()).packs.chunk_count;
  const Status added = store.AddParcels(bytes);
  CHECK(!added.ok(), "it is taken");
  CHECK(Must(store.Statistics()).packs.chunk_count == before, "something of it is taken");
  return added.error().code;
}

TEST("transfer", "a parcel that lies in any field is refused, and nothing of it is taken") {
  Place to(1);
  Random random(4);
  const Bytes base = random.Noise(5000);
  Bytes content = base;
  content[700] ^= 1;
  RawBytes of_base;
  AppendParcel({Codec::kRaw, 5000, {{ChunkDigest(base), 5000}}, {}, base}, of_base);
  const Sent good = MakeDelta(base, content);
  CHECK(Refusal(*to.store, good.parcel) == ErrorCode::kNotFound, "its base is not here");
  Must(to.store->AddParcels(of_base), "the base");
  const auto refused = [&](auto&& change) {
    Parcel parcel = good.parcel;
    change(parcel);
    return Refusal(*to.store, parcel) == ErrorCode::kInvalid;
  };
  CHECK(refused([](Parcel& p) { p.codec = static_cast<Codec>(3); }));
  CHECK(refused([](Parcel& p) { p.codec = Codec::kZstd; }));
  CHECK(refused([](Parcel& p) { p.codec = Codec::kRaw; }));
  CHECK(refused([](Parcel& p) { p.content_bytes += 1; }));
  CHECK(refused([](Parcel& p) { p.content_bytes = 0xffffffff; }));
  CHECK(refused([](Parcel& p) { p.chunks.clear(); }));
  CHECK(refused([](Parcel& p) { p.chunks[0].length = 0; }));
  CHECK(refused([](Parcel& p) { p.chunks[0].digest[5] ^= 1; }));
  CHECK(refused([](Parcel& p) { p.chunks.push_back(p.chunks[0]); }));
  CHECK(refused([](Parcel& p) { p.bases.clear(); }));
  CHECK(refused([](Parcel& p) { p.bases.resize(kParcelBaseCountMax + 1, p.bases[0]); }));
  // What it rests on would be longer than any prefix.
  CHECK(refused([](Parcel& p) { p.bases.resize(kBaseBytesMax / 5000 + 1, p.bases[0]); }));
  CHECK(refused([](Parcel& p) { p.bases.push_back(p.bases[0]); p.stored = p.stored.first(p.stored.size() - 1); }));
  CHECK(refused([](Parcel& p) { p.stored = p.stored.first(p.stored.size() / 2); }));
  Bytes edited = good.stored;
  edited.back() ^= 0x10;
  CHECK(refused([&](Parcel& p) { p.stored = edited; }));
  const Bytes long_chunk(kChunkBytesMax + 1);
  RawBytes bytes;
  AppendParcel({Codec::kRaw, kChunkBytesMax + 1, {{ChunkDigest(long_chunk), kChunkBytesMax + 1}}, {}, long_chunk},
               bytes);
  CHECK(!to.store->AddParcels(bytes).ok(), "a chunk that is too long is taken");
  RawBytes cut;
  AppendParcel(good.parcel, cut);
  for (size_t size = 1; size < cut.size(); ++size)
    CHECK(!to.store->AddParcels(View(cut).first(size)).ok(), size);
  Must(to.store->AddParcels(cut), "the whole");
  Must(to.store->Sync());
  CHECK(Must(to.store->Verify({})).damages.empty());
}

TEST("transfer", "mutated parcels are refused or taken, and the store stays whole") {
  Place from(1);
  const Records first = Make(1, 20);
  Write(*from.store, "A", first);
  Write(*from.store, "B", Edited(first, 4));
  Bytes whole;
  {
    const auto transfer = Must(from.store->OpenTransfer(ChunksOf(*from.store, "B")));
    transfer->UseBases(Bytes(Must(transfer->Bases()).size() / kDigestBytes));
    const auto batch = Must(transfer->Read(kParcelBytesMax));
    whole.assign(batch.parcels.begin(), batch.parcels.end());
  }
  Random random(9);
  Place to(2);
  Copy(from, to, "A", first);
  size_t taken = 0;
  for (int i = 0; i < 3000; ++i) {
    Bytes mutated = whole;
    for (uint64_t flips = 1 + random.Below(3); flips > 0; --flips)
      mutated[random.Below(random.OneIn(2) ? 600 : mutated.size())] = static_cast<uint8_t>(random.Next());
    if (random.OneIn(4)) mutated.resize(random.Below(mutated.size()));
    const Status added = to.store->AddParcels(mutated);
    taken += added.ok() ? 1 : 0;
    CHECK(added.ok() || added.error().code == ErrorCode::kInvalid ||
              added.error().code == ErrorCode::kNotFound, Describe(added.error()));
  }
  CHECK(taken < 300, taken);
  Must(to.store->Sync());
  CHECK(Must(to.store->Verify({})).damages.empty());
}

}  // namespace
}  // namespace capstan::test
