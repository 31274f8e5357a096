// Stores as a whole: keys, what an encrypted one gives away, compression off, reading beside a writer, and what
// becomes of damage.
#include "../engine/store.h"

#include <algorithm>

#include "../engine/blake3.h"
#include "../engine/pack_scanner.h"
#include "../engine/simulated_disk.h"
#include "carry.h"
#include "harness.h"

namespace capstan::test {
namespace {

constexpr char kPath[] = "/v";
constexpr size_t kRecordBytes = 6000;
constexpr size_t kRecordCount = 12;

using Records = std::vector<Bytes>;

Bytes Key(uint8_t seed) { return Bytes(kCipherKeyBytes, seed); }

Store::Options OptionsFor(Store::Mode mode, Bytes key = {}) {
  Store::Options options;
  options.path = kPath;
  options.mode = mode;
  options.pack_bytes_max = 40 << 10;
  options.id_if_new = StoreId{9};
  options.key = std::move(key);
  return options;
}

std::shared_ptr<Store> OpenStore(SimulatedDisk& disk, const Bytes& key = {}) {
  return Must(Store::Open(disk.Attach(), OptionsFor(Store::Mode::kCreate, key)), "open");
}

Records Noise(uint64_t seed, size_t count = kRecordCount) {
  Random random(seed);
  Records records;
  for (size_t i = 0; i < count; ++i) records.push_back(random.Noise(kRecordBytes));
  return records;
}

// Each record, and a filemark, so that each is a chunk; synced after every third, so that each three are a region.
void Write(Store& store, const std::string& name, const Records& records) {
  Must(store.CreateImage(name, 1), "create");
  const auto image = Must(store.OpenImage(name, true), "open for writing");
  uint64_t at = 0;
  for (size_t i = 0; i < records.size(); ++i) {
    const uint32_t lengths[] = {static_cast<uint32_t>(records[i].size()), 0};
    at = Must(image->Append(0, at, lengths, records[i]), "append");
    if (i % 3 == 2 || i + 1 == records.size()) Must(image->Sync(i + 1), "sync");
  }
  Must(image->Close(), "close");
}

// Which records read as they were written; those that do not are refused, and nothing else.
std::vector<bool> ReadAll(Store& store, const std::string& name, const Records& records) {
  const auto image = Must(store.OpenImage(name, false), "open for reading");
  std::vector<bool> good;
  for (size_t i = 0; i < records.size(); ++i) {
    const auto read = image->Read(0, 2 * i, false, 1, kRecordBytes);
    if (!read.ok()) {
      CHECK(read.error().code == ErrorCode::kCorrupt, Describe(read.error()));
      good.push_back(false);
      continue;
    }
    CHECK(std::equal(read.value().data.begin(), read.value().data.end(), records[i].begin(),
                     records[i].end()),
          "record ", i, " of ", name, " reads as what it never was");
    good.push_back(true);
  }
  return good;
}

size_t Lost(const std::vector<bool>& good) {
  return static_cast<size_t>(std::count(good.begin(), good.end(), false));
}

void CheckWhole(Store& store, const std::string& name, const Records& records) {
  const size_t lost = Lost(ReadAll(store, name, records));
  CHECK(lost == 0, lost, " records of ", name, " are lost");
}

// -- Keys

TEST("store", "an encrypted store opens with its key only, and says which it wants") {
  SimulatedDisk disk(1, CrashProfile::kOrdered);
  const Records records = Noise(1);
  {
    const auto store = OpenStore(disk, Key(1));
    Write(*store, "A", records);
    Must(store->Close());
  }
  const auto refused = [&](Bytes key, const std::string& sentence) {
    for (const Store::Mode mode : {Store::Mode::kCreate, Store::Mode::kWrite, Store::Mode::kRead}) {
      const auto opened = Store::Open(disk.Attach(), OptionsFor(mode, key));
      CHECK(!opened.ok(), sentence);
      CHECK(opened.error().code == ErrorCode::kInvalid, Describe(opened.error()));
      CHECK(opened.error().what.find(sentence) != std::string::npos, Describe(opened.error()));
    }
  };
  const uint64_t before = disk.Hash();
  refused({}, "the store is encrypted: its key is needed");
  refused(Key(2), "the key is not the one of this store");
  refused(Bytes(16, 1), "has 16 bytes and not 32");
  CHECK(disk.Hash() == before, "an opening that was refused changed something");
  // Often: each opening for writing seals with nonces of its own.
  for (int i = 0; i < 3; ++i) {
    const auto store = OpenStore(disk, Key(1));
    CheckWhole(*store, "A", records);
    Write(*store, std::string(1, static_cast<char>('B' + i)), Noise(static_cast<uint64_t>(i)));
    CHECK(Must(store->Verify({})).damages.empty());
    Must(store->Close());
  }
}

TEST("store", "a store that is not encrypted takes no key") {
  SimulatedDisk disk(1, CrashProfile::kOrdered);
  Must(OpenStore(disk)->Close());
  const auto opened = Store::Open(disk.Attach(), OptionsFor(Store::Mode::kWrite, Key(1)));
  CHECK(!opened.ok() && opened.error().code == ErrorCode::kInvalid);
  CHECK(opened.error().what == "the store is not encrypted: it takes no key", opened.error().what);
}

// In which kinds of files the bytes stand: "packs", "images", "table" (the note on the last pack), "store".
std::set<std::string> WhereIs(SimulatedDisk& simulated, View bytes) {
  const auto disk = simulated.Attach();
  std::set<std::string> kinds;
  for (const auto& [path, size] : simulated.Files()) {
    const auto file = Must(disk->Open(path, OpenMode::kRead), path.c_str());
    Bytes content(size);
    Must(file->ReadAt(0, content));
    if (std::search(content.begin(), content.end(), bytes.begin(), bytes.end()) == content.end())
      continue;
    kinds.insert(path.ends_with(".table")                      ? "table"
                 : path.find("/packs/") != std::string::npos  ? "packs"
                 : path.find("/images/") != std::string::npos ? "images"
                                                               : "store");
  }
  return kinds;
}

TEST("store", "no file of an encrypted store has a word or a digest of what is in it") {
  constexpr std::string_view kMarker = "THE PAYROLL OF NOVEMBER";
  const View marker(reinterpret_cast<const uint8_t*>(kMarker.data()), kMarker.size());
  Records records = Noise(3, 20);
  for (Bytes& record : records) std::copy(marker.begin(), marker.end(), record.begin() + 100);
  for (const bool encrypted : {false, true}) {
    SimulatedDisk disk(1, CrashProfile::kOrdered);
    Store::Options options = OptionsFor(Store::Mode::kCreate, encrypted ? Key(5) : Bytes{});
    options.compression = Compression::kOff;
    const auto store = Must(Store::Open(disk.Attach(), options));
    Write(*store, "A", records);
    const ManifestSummary summary = Must(store->ReadManifest(Must(store->ExportManifest("A"))));
    Must(store->Close());
    std::set<std::string> digests;
    for (const Digest& digest : summary.digests) digests.merge(WhereIs(disk, digest));
    CHECK(summary.digests.size() == records.size());
    // What is looked for can be found: without encryption it is.
    if (encrypted) {
      CHECK(WhereIs(disk, marker).empty() && digests.empty());
    } else {
      CHECK(WhereIs(disk, marker) == std::set<std::string>{"packs"});
      CHECK((digests == std::set<std::string>{"packs", "table"}));
    }
    CHECK(WhereIs(disk, Key(5)).empty(), "the key lies in the store");
  }
}

// -- Compression

TEST("store", "with compression off data lies as it is, and reads the same either way") {
  Records records;
  for (uint8_t i = 0; i < kRecordCount; ++i) {
    Bytes record(kRecordBytes, static_cast<uint8_t>('a' + i));
    record[5] = i;
    records.push_back(record);
  }
  for (const bool encrypted : {false, true}) {
    uint64_t stored[3];
    for (const auto compression : {Compression::kOff, Compression::kFast, Compression::kOn}) {
      SimulatedDisk disk(1, CrashProfile::kOrdered);
      Store::Options options = OptionsFor(Store::Mode::kCreate, encrypted ? Key(5) : Bytes{});
      options.compression = compression;
      auto store = Must(Store::Open(disk.Attach(), options));
      Write(*store, "A", records);
      Must(store->Close());
      // Whoever opens it next may have it otherwise.
      options.compression =
          compression == Compression::kOff ? Compression::kFast : Compression::kOff;
      store = Must(Store::Open(disk.Attach(), options));
      CheckWhole(*store, "A", records);
      CHECK(Must(store->Verify({})).damages.empty());
      stored[static_cast<size_t>(compression)] = Must(store->Statistics()).packs.stored_bytes;
    }
    CHECK(stored[0] > kRecordBytes * kRecordCount, stored[0]);
    for (const size_t i : {1, 2})
      CHECK(stored[i] < kRecordBytes * kRecordCount / 2, stored[i]);
  }
}

// -- Beside a writer

TEST("store", "one process writes; others read beside it, and see what was synced") {
  for (const Bytes& key : {Bytes{}, Key(3)}) {
    SimulatedDisk disk(1, CrashProfile::kOrdered);
    const auto writer = OpenStore(disk, key);
    const Records first = Noise(1);
    const Records second = Noise(2);
    Write(*writer, "A", first);
    const auto reader = Must(Store::Open(disk.Attach(), OptionsFor(Store::Mode::kRead, key)));
    CheckWhole(*reader, "A", first);
    // What comes later, in packs that the reader has not seen.
    Write(*writer, "B", second);
    CheckWhole(*reader, "B", second);
    // What a collection moved or took away.
    Must(writer->RemoveImage("A"));
    Must(writer->Collect(1.0, UINT32_MAX));
    CheckWhole(*reader, "B", second);
    CHECK(!reader->OpenImage("A", false).ok());
    CHECK(Must(reader->Verify({})).damages.empty());

    const auto refused = [](const Status& status) {
      CHECK(!status.ok() && status.error().code == ErrorCode::kInvalid);
      CHECK(status.error().what == "the store is open for reading only", status.error().what);
    };
    refused(reader->CreateImage("C", 1));
    refused(reader->RemoveImage("B"));
    refused(reader->PublishImage("B", "C"));
    refused(reader->Sync());
    CHECK(!reader->OpenImage("B", true).ok() && !reader->Collect(0.5, 1).ok());
    CHECK(!reader->AddParcels({}).ok());
    const auto other = Store::Open(disk.Attach(), OptionsFor(Store::Mode::kWrite, key));
    CHECK(!other.ok() && other.error().code == ErrorCode::kLocked);
    Must(writer->Close());
    const auto next = Must(Store::Open(disk.Attach(), OptionsFor(Store::Mode::kWrite, key)));
    CheckWhole(*next, "B", second);
  }
}

// -- Damage

// Turns a bit over in the body of the `nth` region of the pack `number`; the digests of its chunks.
std::set<Digest> Rot(SimulatedDisk& simulated, uint32_t number, size_t nth, const Bytes& key) {
  const std::string path = std::string(kPath) + "/" + PackName(number);
  const auto file = Must(simulated.Attach()->Open(path, OpenMode::kRead), "open a pack");
  PackScanner scanner(*file, {StoreId{9}, number}, kPackHeaderBytes, Must(file->Size()));
  std::unique_ptr<Sealing> sealing;
  if (!key.empty()) sealing.reset(new Sealing{Must(Cipher::Make(key)), NonceSource(0, 0)});
  for (size_t i = 0; Must(scanner.Next()) == PackScanner::Found::kRegion; ++i) {
    if (i < nth) continue;
    const OpenedRegion region = Must(
        OpenRegion(scanner.region(), scanner.site(), sealing.get(), Checks::kAll));
    std::set<Digest> digests;
    for (const ChunkEntry& chunk : region.lists.chunks) digests.insert(chunk.digest);
    CHECK(simulated.Rot(path, scanner.offset() + region.header.total_bytes - 9, 3));
    return digests;
  }
  throw Failure("there is no such region");
}

std::set<Digest> DamagedOf(Store& store, const std::string& name) {
  const auto digests = Must(store.DamagedChunks({name}), "ask for damaged chunks");
  const std::set<Digest> unique(digests.begin(), digests.end());
  CHECK(unique.size() == digests.size());
  return unique;
}

std::set<Digest> DigestsOf(const Records& records, const std::vector<bool>& good) {
  std::set<Digest> digests;
  for (size_t i = 0; i < records.size(); ++i)
    if (!good[i]) digests.insert(ChunkDigest(records[i]));
  return digests;
}

// What a server does once the damaged chunks have come again: the image refers to them, and what is left of
// the damage goes.
void Restage(Store& store, const std::string& name) {
  const Bytes manifest = Must(store.ExportManifest(name), "export");
  Must(store.StageImage(name + ".REPAIR", manifest, kRecordCount), "stage");
  Must(store.Sync(), "sync");
  Must(store.PublishImage(name + ".REPAIR", name), "publish");
  Must(store.Collect(0, UINT32_MAX), "collect");
}

struct Case {
  const char* name;
  // The last pack is not sealed, and read anew at each opening.
  bool last_pack;
  bool reopen;
  bool encrypted;
};
constexpr Case kCases[] = {{"sealed pack", false, false, false}, {"last pack", true, false, false},
                           {"sealed pack, reopened", false, true, false},
                           {"sealed pack, encrypted", false, true, true},
                           {"last pack, encrypted", true, false, true}};

TEST("store", "damage is refused, named, and healed by the same bytes") {
  for (const Case& each : kCases) {
    const Bytes key = each.encrypted ? Key(4) : Bytes{};
    SimulatedDisk disk(1, CrashProfile::kOrdered);
    auto store = OpenStore(disk, key);
    const Records records = Noise(7);
    Write(*store, "A", records);
    Write(*store, "B", Noise(8, 3));
    const auto pack_count = static_cast<uint32_t>(Must(store->Statistics()).packs.pack_count);
    CHECK(pack_count > 2, pack_count);
    // Nothing of it may be in memory.
    const auto reopen = [&] {
      Must(store->Close());
      store.reset();
      store = OpenStore(disk, key);
    };
    reopen();
    const std::set<Digest> rotten = Rot(disk, each.last_pack ? pack_count : 1, 0, key);
    if (each.reopen) reopen();
    // Refused, before and after it is known.
    const std::vector<bool> good = ReadAll(*store, "A", records);
    const bool in_a = !each.last_pack || Lost(good) > 0;
    if (in_a) {
      CHECK(DigestsOf(records, good) == rotten, each.name);
      CHECK(ReadAll(*store, "A", records) == good, each.name);
    }
    const std::string victim = in_a ? "A" : "B";
    const Records& lost = in_a ? records : Noise(8, 3);
    CHECK(DamagedOf(*store, victim) == rotten, each.name);
    CHECK(DamagedOf(*store, in_a ? "B" : "A").empty(), each.name);
    CHECK(!Must(store->Verify({})).damages.empty(), each.name);
    CHECK(!Must(store->Verify({victim})).damages.empty(), each.name);
    // Nothing that is damaged and needed is given up.
    Must(store->Collect(1.0, UINT32_MAX));
    CHECK(DamagedOf(*store, victim) == rotten, each.name);

    // The same backup once more.
    Write(*store, "C", lost);
    CheckWhole(*store, victim, lost);
    CheckWhole(*store, "C", lost);
    CHECK(DamagedOf(*store, victim).empty(), each.name);
    Restage(*store, victim);
    const VerifyReport report = Must(store->Verify({}));
    CHECK(report.damages.empty(), each.name, ": ", report.damages[0].place, ": ",
          report.damages[0].what);
    CheckWhole(*store, victim, lost);
    reopen();
    CheckWhole(*store, victim, lost);
    CHECK(Must(store->Verify({})).damages.empty(), each.name);
    // And it does not need the second backup any more.
    Must(store->RemoveImage("C"));
    Must(store->Collect(1.0, UINT32_MAX));
    CheckWhole(*store, victim, lost);
  }
}

TEST("store", "a store with the same data heals exactly what is damaged") {
  SimulatedDisk disk(1, CrashProfile::kOrdered);
  SimulatedDisk other(2, CrashProfile::kOrdered);
  const Records records = Noise(7);
  const auto store = OpenStore(disk);
  Write(*store, "A", records);
  // Elsewhere it lies under another name, in another order, behind another key.
  const auto source = OpenStore(other, Key(1));
  Write(*source, "Z", {records.rbegin(), records.rend()});
  Rot(disk, 1, 0, {});
  const auto damaged = Must(store->DamagedChunks({"A"}));
  CHECK(damaged.size() == 3, damaged.size());
  CHECK(Must(Carry(*source, *store, Join(damaged))).chunk_count == damaged.size());
  Restage(*store, "A");
  CheckWhole(*store, "A", records);
  CHECK(Must(store->Verify({})).damages.empty());
}

TEST("store", "damage that nobody needs is named until a collection has moved what is whole away") {
  for (const bool padding : {true, false}) {
    SimulatedDisk disk(1, CrashProfile::kOrdered);
    auto store = OpenStore(disk);
    const Records records = Noise(7);
    Write(*store, "B", Noise(8, 3));
    Write(*store, "A", records);
    if (padding) {
      // A sync filled the last page up.
      const std::string path = std::string(kPath) + "/" + PackName(1);
      CHECK(disk.Rot(path, kPackHeaderBytes + 5 * kDirectAlignment - 1, 3));
    } else {
      Rot(disk, 1, 0, {});
      Must(store->RemoveImage("B"));
    }
    CHECK(Must(store->Verify({})).damages.size() == 1);
    CHECK(Must(store->DamagedChunks({"A"})).empty());
    CHECK(Must(store->Collect(0, UINT32_MAX)).packs_removed == 1);
    CHECK(Must(store->Verify({})).damages.empty());
    CheckWhole(*store, "A", records);
    if (padding) CheckWhole(*store, "B", Noise(8, 3));
    CHECK(Must(store->Collect(0, UINT32_MAX)).packs_removed == 0);
  }
}

TEST("store", "a delta whose base is damaged is damaged, and healed, too") {
  SimulatedDisk disk(1, CrashProfile::kOrdered);
  auto store = OpenStore(disk);
  const Records records = Noise(7);
  Write(*store, "A", records);
  Records edited = records;
  for (size_t i = 0; i < edited.size(); ++i)
    if (i % 3 != 0) edited[i][50] ^= 1;
  Write(*store, "B", edited);
  // Nothing but the deltas needs what they were compressed against.
  Must(store->RemoveImage("A"));
  Must(store->Close());
  store.reset();
  store = OpenStore(disk);
  Rot(disk, 1, 0, {});
  const std::vector<bool> good = ReadAll(*store, "B", edited);
  CHECK(Lost(good) > 1 && !good[1], Lost(good), " records are lost");
  const std::set<Digest> damaged = DamagedOf(*store, "B");
  CHECK(damaged == DigestsOf(edited, good), damaged.size());
  Write(*store, "C", edited);
  CheckWhole(*store, "B", edited);
  Restage(*store, "B");
  CHECK(Must(store->Verify({})).damages.empty());
  CheckWhole(*store, "B", edited);
  CheckWhole(*store, "C", edited);
}

}  // namespace
}  // namespace capstan::test
