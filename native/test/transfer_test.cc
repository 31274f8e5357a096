// Goal: what another store lacks reaches it whole, in the form in which it lies. Method: stores on simulated disks,
// and what lies in their packs compared region by region.
#include <algorithm>

#include "../engine/pack_scanner.h"
#include "../engine/transfer.h"
#include "transfer_places.h"

namespace capstan::test {
namespace {

TEST("transfer", "regions arrive as they lie, between stores with keys of their own or none") {
  for (const bool from_sealed : {false, true})
    for (const bool to_sealed : {false, true}) {
      Place from(1, from_sealed ? Key(1) : Bytes());
      Place to(2, to_sealed ? Key(2) : Bytes());
      Records records = Make(1, 20);
      const Records noise = Make(2, 10, Fill::kNoise);
      records.insert(records.end(), noise.begin(), noise.end());
      Write(*from.store, "A", records);
      const Carried carried = Copy(from, to, "A", records);
      CHECK(Count(carried.codecs, Codec::kRaw) == 2 && Count(carried.codecs, Codec::kZstd) == 4,
            carried.codecs.size());
      CHECK(RegionsOf(from) == RegionsOf(to), "something was stored in another way");
    }
}

TEST("transfer", "a delta travels as it lies where its bases are there or come before it") {
  Place from(1);
  Place to(2);
  const Records first = Make(1, 40, Fill::kNoise);
  Write(*from.store, "A", first);
  const Records second = Edited(first, 4);
  Write(*from.store, "B", second);
  const auto regions = RegionsOf(from);
  const auto deltas = std::count_if(regions.begin(), regions.end(),
                                    [](const Lying& region) { return region.codec == Codec::kDelta; });
  CHECK(deltas >= 10, deltas);
  // There.
  Copy(from, to, "A", first);
  const Carried carried = Copy(from, to, "B", second);
  CHECK(Count(carried.codecs, Codec::kDelta) == carried.codecs.size() && carried.bytes < 10000,
        carried.bytes, " bytes");
  CHECK(regions == RegionsOf(to), "something was stored in another way");
  // Coming: both at once.
  Place other(3);
  Bytes both = ChunksOf(*from.store, "A");
  const Bytes more = LackingOf(*to.store, ChunksOf(*from.store, "B"));
  CHECK(more.empty());
  const Bytes of_second = ChunksOf(*from.store, "B");
  both.insert(both.end(), of_second.begin(), of_second.end());
  const Carried all = Must(Carry(*from.store, *other.store, both), "carry both");
  CHECK(Count(all.codecs, Codec::kDelta) == carried.codecs.size());
  Must(other.store->Sync(), "sync");
  CHECK(RegionsOf(other) == regions);
}

TEST("transfer", "a delta whose bases are not there, and do not come, goes without them") {
  Place from(1);
  Place to(2);
  const Records first = Make(1, 40, Fill::kNoise);
  Write(*from.store, "A", first);
  const Records second = Edited(first, 2);
  Write(*from.store, "B", second);
  const Carried carried = Copy(from, to, "B", second);
  CHECK(Count(carried.codecs, Codec::kDelta) == 0 && carried.codecs.size() > 1);
  // Nobody asked the other store.
  Place unasked(3);
  const auto transfer = Must(from.store->OpenTransfer(ChunksOf(*from.store, "B")));
  CHECK(!Must(transfer->Bases()).empty());
  while (true) {
    const auto batch = Must(transfer->Read(kParcelBytesMax));
    if (batch.parcels.empty()) break;
    Must(unasked.store->AddParcels(batch.parcels), "add");
  }
  CHECK(LackingOf(*unasked.store, ChunksOf(*from.store, "B")).empty());
}

TEST("transfer", "parcels lie in the caller's memory where they fit, and are the same wherever they lie") {
  Place from(1);
  const Records records = Make(1, 40, Fill::kNoise);
  Write(*from.store, "A", records);
  const Bytes chunks = ChunksOf(*from.store, "A");
  std::vector<Bytes> outcomes;
  for (const size_t room : {size_t{0}, size_t{1000}, kParcelBytesMax}) {
    const auto transfer = Must(from.store->OpenTransfer(chunks));
    Bytes memory(room);
    Bytes& outcome = outcomes.emplace_back();
    uint64_t chunk_count = 0;
    while (true) {
      const auto batch = Must(transfer->Read(kParcelBytesMax, memory));
      if (batch.parcels.empty() && batch.filled_bytes == 0) break;
      CHECK(batch.parcels.empty() == (room == kParcelBytesMax));
      CHECK(batch.parcels.empty() != (batch.filled_bytes == 0));
      outcome.insert(outcome.end(), batch.parcels.begin(), batch.parcels.end());
      outcome.insert(outcome.end(), memory.begin(), memory.begin() + batch.filled_bytes);
      chunk_count += batch.chunk_count;
    }
    CHECK(chunk_count == chunks.size() / kDigestBytes);
  }
  CHECK(outcomes[0].size() > 2 * 1000 && outcomes[1] == outcomes[0] && outcomes[2] == outcomes[0]);
}

TEST("transfer", "a delta is stored otherwise where its base lies in a delta here, or in too many places") {
  const Records first = Make(1, 40, Fill::kNoise);
  const Records second = Edited(first, 4);
  for (const bool in_deltas : {true, false}) {
    Place from(1);
    Place to(2);
    Write(*from.store, "A", first);
    Write(*from.store, "B", second);
    Records here = first;
    if (in_deltas) {
      // What is to be changed was changed before.
      Records older = first;
      for (size_t i = 1; i < older.size(); i += 2) older[i][90] ^= 1;
      Write(*to.store, "O", older);
    } else {
      // No two that follow each other there do so here.
      for (size_t i = 0; i < here.size(); ++i) here[i] = first[i * 7 % first.size()];
    }
    Write(*to.store, "A", here);
    const size_t before = DeltaCount(to);
    CHECK((before > 10) == in_deltas, before);
    const Carried carried = Copy(from, to, "B", second);
    CHECK(Count(carried.codecs, Codec::kDelta) >= 10);
    if (in_deltas) CHECK(DeltaCount(to) == before, DeltaCount(to));
  }
}

TEST("transfer", "a delta's bases may lie apart here") {
  Place from(1);
  Place to(2);
  const Records first = Make(1, 40, Fill::kNoise);
  Write(*from.store, "A", first);
  const Records second = Edited(first, 4);
  Write(*from.store, "B", second);
  // Now and then there is another between them, in the same region: few runs all the same.
  Random random(5);
  Records here;
  for (size_t i = 0; i < first.size(); ++i) {
    here.push_back(first[i]);
    if (i % 6 == 5) here.push_back(random.Noise(kRecordBytes / 2));
  }
  Write(*to.store, "H", here);
  const Carried carried = Copy(from, to, "B", second);
  CHECK(Count(carried.codecs, Codec::kDelta) == carried.codecs.size());
  CHECK(DeltaCount(to) == carried.codecs.size(), DeltaCount(to));
}

TEST("transfer", "few chunks of many regions are compressed together") {
  Place from(1);
  Place to(2);
  const Records records = Make(1, 100);
  Write(*from.store, "A", records);
  Records here;
  for (size_t i = 0; i < records.size(); ++i)
    if (i % 5 != 0) here.push_back(records[i]);
  Write(*to.store, "H", here);
  const Carried carried = Copy(from, to, "A", records);
  CHECK(carried.chunk_count == 20 && carried.codecs.size() == 1, carried.codecs.size(), " parcels");
  // And what nobody asked for is not sent.
  CHECK(Must(to.store->Statistics()).packs.chunk_count == 100);
}

TEST("transfer", "a region that travels whole brings chunks that nobody asked for, and takes none twice") {
  Place from(1);
  Place to(2);
  const Records records = Make(1, 200);
  WriteRegion(*from.store, "A", std::span(records).first(80));
  Write(*to.store, "H", {records[7]});
  const Bytes lacking = LackingOf(*to.store, ChunksOf(*from.store, "A"));
  CHECK(lacking.size() == 79 * kDigestBytes);
  const Carried carried = Must(Carry(*from.store, *to.store, lacking));
  CHECK(carried.chunk_count == 79 && carried.codecs.size() == 1);
  Must(to.store->Sync());
  CHECK(Must(to.store->Statistics()).packs.chunk_count == 80);
}

TEST("transfer", "what is damaged at the source is told, with what rests on it, and the rest still comes") {
  Place from(1);
  Place to(2);
  const Records records = Make(1, 20, Fill::kNoise);
  Write(*from.store, "A", records);
  Bytes digests = ChunksOf(*from.store, "A");
  // One delta, which rests on what is going to be damaged.
  Records edited = records;
  edited[7][50] ^= 1;
  Write(*from.store, "B", edited);
  const Bytes more = LackingOf(*to.store, ChunksOf(*from.store, "B"));
  digests.insert(digests.end(), more.begin() + 7 * kDigestBytes, more.begin() + 8 * kDigestBytes);
  Must(from.store->Close());
  from.store.reset();
  // In the second region, which is a multiple of 4096 behind the first.
  const size_t second = kPackHeaderBytes + (5 * (kRecordBytes + 36) + 64 + 4095) / 4096 * 4096;
  CHECK(from.disk.Rot(std::string(kPlacePath) + "/" + PackName(1), second + 1000, 2));
  from.store = Must(Store::Open(from.disk.Attach(), from.options));
  const auto transfer = Must(from.store->OpenTransfer(digests));
  size_t errors = 0;
  uint64_t chunk_count = 0;
  for (int turn = 0; turn < 20; ++turn) {
    const auto batch = transfer->Read(kParcelBytesMax);
    if (!batch.ok()) {
      CHECK(batch.error().code == ErrorCode::kCorrupt, Describe(batch.error()));
      ++errors;
      continue;
    }
    if (batch.value().parcels.empty()) break;
    chunk_count += batch.value().chunk_count;
    Must(to.store->AddParcels(batch.value().parcels));
  }
  CHECK(errors == 2 && chunk_count == 15, errors, " errors, ", chunk_count, " chunks");
  CHECK(LackingOf(*to.store, digests).size() == 6 * kDigestBytes);
}

TEST("transfer", "a full disk is told, and what had come is readable") {
  Place from(1);
  Place to(2);
  const Records records = Make(1, 60, Fill::kNoise);
  Write(*from.store, "A", records);
  const Bytes digests = ChunksOf(*from.store, "A");
  to.disk.SetQuota(120 << 10);
  const auto filled = Carry(*from.store, *to.store, digests);
  const Status synced = filled.ok() ? to.store->Sync() : Status(filled.error());
  CHECK(!synced.ok() && synced.error().code == ErrorCode::kNoSpace);
  to.disk.SetQuota(std::nullopt);
  Copy(from, to, "A", records);
}

}  // namespace
}  // namespace capstan::test
