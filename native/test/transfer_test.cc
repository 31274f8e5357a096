// Goal: what another store lacks reaches it whole, in the form in which it lies, and nothing that a peer says is
// believed. Method: stores on simulated disks, and what lies in their packs compared region by region.
#include "../engine/transfer.h"

#include <algorithm>
#include <thread>

#include "../engine/blake3.h"
#include "../engine/chunker.h"
#include "../engine/pack_scanner.h"
#include "../engine/simulated_disk.h"
#include "../engine/store.h"
#include "carry.h"
#include "harness.h"

namespace capstan::test {
namespace {

constexpr char kPath[] = "/v";
constexpr size_t kRecordBytes = 6000;

using Records = std::vector<Bytes>;

struct Place {
  explicit Place(uint8_t number, Bytes key_ = {}) : key(std::move(key_)), disk(number, CrashProfile::kOrdered) {
    options.path = kPath;
    options.mode = Store::Mode::kCreate;
    options.id_if_new = StoreId{number};
    options.key = key;
    store = Must(Store::Open(disk.Attach(), options), "open");
  }
  Bytes key;
  SimulatedDisk disk;
  Store::Options options;
  std::shared_ptr<Store> store;
};

Bytes Key(uint8_t seed) { return Bytes(kCipherKeyBytes, seed); }

Bytes Text(Random& random, size_t size) {
  static constexpr const char* kWords[] = {"tape ", "volume ", "label ", "record ", "block ", "reel "};
  Bytes bytes;
  while (bytes.size() < size) {
    const std::string_view word = kWords[random.Below(std::size(kWords))];
    bytes.insert(bytes.end(), word.begin(), word.end());
  }
  bytes.resize(size);
  return bytes;
}

enum class Fill { kNoise, kText };

Records Make(uint64_t seed, size_t count, Fill fill = Fill::kText) {
  Random random(seed);
  Records records;
  for (size_t i = 0; i < count; ++i)
    records.push_back(fill == Fill::kText ? Text(random, kRecordBytes) : random.Noise(kRecordBytes));
  return records;
}

// Each record, and a filemark, so that each is a chunk; synced after every fifth, so that each five are a region.
void Write(Store& store, const std::string& name, const Records& records, uint64_t generation = 1) {
  Must(store.CreateImage(name, 1), "create");
  const auto image = Must(store.OpenImage(name, true), "open for writing");
  uint64_t at = 0;
  for (size_t i = 0; i < records.size(); ++i) {
    const uint32_t lengths[] = {static_cast<uint32_t>(records[i].size()), 0};
    at = Must(image->Append(0, at, lengths, records[i]), "append");
    if (i % 5 == 4) Must(image->Sync(generation), "sync");
  }
  Must(image->Sync(generation), "sync");
  Must(image->Close(), "close");
}

Records Edited(Records records, size_t step) {
  for (size_t i = step - 1; i < records.size(); i += step) records[i][50] ^= 1;
  return records;
}

void CheckReads(Store& store, const std::string& name, const Records& records) {
  const auto image = Must(store.OpenImage(name, false), "open for reading");
  for (size_t i = 0; i < records.size(); ++i) {
    const ReadResult read = Must(image->Read(0, 2 * i, false, 1, 1 << 20), "read");
    CHECK(read.stopped_by != StoppedBy::kDamaged && std::equal(read.data.begin(), read.data.end(),
                                                               records[i].begin(), records[i].end()),
          name, " ", i);
  }
}

// The tape as it arrives: what lacks, staged, durable, published; and as it is there after a restart.
Carried Copy(Place& from, Place& to, const std::string& name, const Records& records) {
  const Bytes lacking = LackingOf(*to.store, ChunksOf(*from.store, name));
  const Carried carried = Must(Carry(*from.store, *to.store, lacking), "carry");
  CHECK(carried.chunk_count * kDigestBytes == lacking.size());
  Must(to.store->StageImage(name + ".NEW", Must(from.store->ExportManifest(name)), 1), "stage");
  Must(to.store->Sync(), "sync");
  Must(to.store->PublishImage(name + ".NEW", name), "publish");
  CheckReads(*to.store, name, records);
  Must(to.store->Close(), "close");
  to.store.reset();
  to.store = Must(Store::Open(to.disk.Attach(), to.options), "open again");
  CheckReads(*to.store, name, records);
  CHECK(Must(to.store->Verify({}), "verify").damages.empty());
  return carried;
}

struct Lying {
  Codec codec;
  std::vector<Digest> chunks;
  Bytes stored;
  friend bool operator==(const Lying&, const Lying&) = default;
};

// All regions of a store's packs, opened.
std::vector<Lying> RegionsOf(Place& place) {
  std::unique_ptr<Cipher> cipher;
  if (!place.key.empty()) cipher = Must(Cipher::Make(place.key));
  Sealing sealing{std::move(cipher), NonceSource(0, 0)};
  const auto disk = place.disk.Attach();
  std::vector<Lying> regions;
  for (const auto& [path, size] : place.disk.Files()) {
    if (!path.ends_with(".pack")) continue;
    const auto file = Must(disk->Open(path, OpenMode::kRead));
    const auto number = static_cast<uint32_t>(std::stoul(path.substr(path.rfind('/') + 1)));
    PackScanner scanner(*file, {place.options.id_if_new, number}, kPackHeaderBytes, size);
    while (Must(scanner.Next()) == PackScanner::Found::kRegion) {
      const auto opened = Must(
          OpenRegion(scanner.region(), scanner.site(), place.key.empty() ? nullptr : &sealing,
                     Checks::kAll),
          "region");
      Lying& region = regions.emplace_back(opened.header.codec, std::vector<Digest>{},
                                           Bytes(opened.stored.begin(), opened.stored.end()));
      for (const ChunkEntry& chunk : opened.lists.chunks) region.chunks.push_back(chunk.digest);
    }
  }
  return regions;
}

size_t Count(const std::vector<Codec>& codecs, Codec codec) {
  return static_cast<size_t>(std::count(codecs.begin(), codecs.end(), codec));
}

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

size_t DeltaCount(Place& place) {
  const auto regions = RegionsOf(place);
  return static_cast<size_t>(std::count_if(
      regions.begin(), regions.end(),
      [](const Lying& region) { return region.codec == Codec::kDelta; }));
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
  Must(from.store->CreateImage("A", 1));
  {
    // One region.
    const auto image = Must(from.store->OpenImage("A", true));
    uint64_t at = 0;
    for (size_t i = 0; i < 80; ++i) {
      const uint32_t lengths[] = {static_cast<uint32_t>(records[i].size()), 0};
      at = Must(image->Append(0, at, lengths, records[i]));
    }
    Must(image->Sync(1));
  }
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
  CHECK(from.disk.Rot(std::string(kPath) + "/" + PackName(1), second + 1000, 2));
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

// Threads compress, and write; a delta waits for its bases.
TEST("transfer", "with threads all arrives as well, as it lies") {
  Place from(1);
  Place to(2);
  Must(to.store->Close());
  to.options.thread_count = 3;
  to.store = Must(Store::Open(to.disk.Attach(), to.options));
  const Records first = Make(1, 200, Fill::kNoise);
  Write(*from.store, "A", first);
  const Records second = Edited(first, 4);
  Write(*from.store, "B", second);
  Bytes both = ChunksOf(*from.store, "A");
  const Bytes of_second = ChunksOf(*from.store, "B");
  both.insert(both.end(), of_second.begin(), of_second.end());
  const Carried carried = Must(Carry(*from.store, *to.store, both));
  CHECK(Count(carried.codecs, Codec::kDelta) > 10);
  Must(to.store->Sync());
  auto sent = RegionsOf(from);
  auto arrived = RegionsOf(to);
  const auto by_chunk = [](const Lying& a, const Lying& b) { return a.chunks < b.chunks; };
  std::sort(sent.begin(), sent.end(), by_chunk);
  std::sort(arrived.begin(), arrived.end(), by_chunk);
  CHECK(sent == arrived);
}

TEST("transfer", "a delta that comes right behind its base waits until that is written") {
  Place from(1);
  const Records first = Make(1, 80, Fill::kNoise);
  Must(from.store->CreateImage("A", 1));
  {
    // One region, which takes its time to be sealed.
    const auto image = Must(from.store->OpenImage("A", true));
    uint64_t at = 0;
    for (const Bytes& record : first) {
      const uint32_t lengths[] = {static_cast<uint32_t>(record.size()), 0};
      at = Must(image->Append(0, at, lengths, record));
    }
    Must(image->Sync(1));
  }
  Write(*from.store, "B", Edited(first, 80));
  Bytes both = ChunksOf(*from.store, "A");
  const Bytes of_second = ChunksOf(*from.store, "B");
  both.insert(both.end(), of_second.begin(), of_second.end());
  for (int round = 0; round < 10; ++round) {
    Place to(2, Key(2));
    Must(to.store->Close());
    to.options.thread_count = 2;
    to.store = Must(Store::Open(to.disk.Attach(), to.options));
    const Carried carried = Must(Carry(*from.store, *to.store, both));
    CHECK(carried.codecs.back() == Codec::kDelta && carried.codecs.size() == 2);
    Must(to.store->Sync());
    CHECK(DeltaCount(to) == 1, "in round ", round);
  }
}

// -- What comes from a peer

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
