// Goal: a region is found where it was put and nowhere else, however its pack is damaged. Method: stores whose tapes
// hold the bytes of packs, raw, with the region around them damaged; packs that are exchanged between stores.
#include "../engine/pack_scanner.h"
#include "../engine/simulated_disk.h"
#include "../engine/store.h"
#include "harness.h"

namespace capstan::test {
namespace {

constexpr char kPath[] = "/v";
constexpr char kPack[] = "/v/packs/00000001.pack";
constexpr StoreId kId{9, 8, 7};
constexpr StoreId kOtherId{1};
constexpr PackId kPackId{kId, 1};

std::shared_ptr<Store> Make(SimulatedDisk& disk, const StoreId& id, uint64_t pack_bytes_max = 4 << 20) {
  Store::Options options;
  options.path = kPath;
  options.mode = Store::Mode::kCreate;
  options.id_if_new = id;
  options.compression = Compression::kOff;
  options.pack_bytes_max = pack_bytes_max;
  return Must(Store::Open(disk.Attach(), options), "open");
}

std::shared_ptr<Store> Reader(SimulatedDisk& disk) {
  Store::Options options;
  options.path = kPath;
  options.mode = Store::Mode::kRead;
  return Must(Store::Open(disk.Attach(), options), "open for reading");
}

// Each block is a tape file of its own, synced: a chunk and a region of its own.
void Write(Store& store, const std::string& name, const std::vector<Bytes>& blocks) {
  Must(store.CreateImage(name, 1), "create");
  const auto image = Must(store.OpenImage(name, true));
  uint64_t at = 0;
  for (const Bytes& block : blocks) {
    const uint32_t lengths[] = {static_cast<uint32_t>(block.size()), 0};
    at = Must(image->Append(0, at, lengths, block), "append");
    Must(image->Sync(at), "sync");
  }
  Must(image->Close(), "close");
}

Bytes FileOf(SimulatedDisk& disk, const std::string& path) {
  return Must(ReadWhole(*Must(disk.Attach()->Open(path, OpenMode::kRead)), 1 << 24, path));
}

void PutFile(SimulatedDisk& disk, const std::string& path, const Bytes& content) {
  const auto file = Must(disk.Attach()->Open(path, OpenMode::kWrite));
  Must(file->Truncate(0));
  Must(file->WriteAt(0, content));
  Must(file->Sync());
}

bool Reads(Store& store, const std::string& name, uint64_t at, const Bytes& expected) {
  const auto image = Must(store.OpenImage(name, false));
  const auto read = image->Read(0, at, false, 1, 1 << 20);
  if (!read.ok()) CHECK(read.error().code == ErrorCode::kCorrupt, Describe(read.error()));
  if (!read.ok() || read.value().stopped_by == StoppedBy::kDamaged) return false;
  const ReadResult& result = read.value();
  CHECK(std::equal(result.data.begin(), result.data.end(), expected.begin(), expected.end()),
        name, " reads as something else at ", at);
  return true;
}

// What damages the region that holds the pack.
enum class Harm { kMagic, kBody };

// A tape of the store holds the pack of `id` that has blocks of its own. Both have regions of the same numbers.
void CheckNested(const StoreId& id, Harm harm) {
  const std::string what = Text("store ", int{id[0]}, ", harm ", static_cast<int>(harm));
  Random random(5);
  std::vector<Bytes> foreign;
  for (int i = 0; i < 8; ++i) foreign.push_back(random.Noise(5000));
  SimulatedDisk other(1, CrashProfile::kOrdered);
  const auto source = Make(other, id);
  Write(*source, "F", foreign);
  const auto digests = Must(source->ReadManifest(Must(source->ExportManifest("F")))).digests;
  Must(source->Close());
  const Bytes pack = FileOf(other, kPack);

  SimulatedDisk disk(2, CrashProfile::kOrdered);
  auto store = Make(disk, kId);
  const std::vector<Bytes> own{random.Noise(4000), pack, random.Noise(4100), random.Noise(4200)};
  Write(*store, "OWN", own);
  // Not closed: a note of what the last pack holds would know better.
  store.reset();
  const auto file = Must(disk.Attach()->Open(kPack, OpenMode::kRead));
  PackScanner scanner(*file, kPackId, kPackHeaderBytes, Must(file->Size()));
  for (int i = 0; i < 2; ++i) CHECK(Must(scanner.Next()) == PackScanner::Found::kRegion, what);
  CHECK(scanner.region().size() > pack.size(), what);
  const uint64_t offset = scanner.offset() + (harm == Harm::kMagic ? 1 : kRegionHeaderBytes + 40);
  CHECK(disk.Rot(kPack, offset, 0), what);
  for (const bool writable : {false, true}) {
    const auto opened = writable ? Make(disk, kId) : Reader(disk);
    CHECK(Reads(*opened, "OWN", 0, own[0]), what);
    CHECK(!Reads(*opened, "OWN", 2, own[1]), what);
    CHECK(Reads(*opened, "OWN", 4, own[2]) && Reads(*opened, "OWN", 6, own[3]), what);
    Bytes asked;
    for (const Digest& digest : digests) asked.insert(asked.end(), digest.begin(), digest.end());
    for (const uint8_t lacking : opened->LackingChunks(asked))
      CHECK(lacking == 1, what, ": a chunk was found inside of a region");
    CHECK(!Must(opened->Verify({})).damages.empty(), what);
  }
}

TEST("region site", "recovery takes nothing out of a pack that a tape holds, of this store, a copy of it or another") {
  for (const StoreId& id : {kId, kOtherId})
    for (const Harm harm : {Harm::kMagic, Harm::kBody}) CheckNested(id, harm);
}

TEST("region site", "a store takes no pack of another store in the place of its own, sealed or not") {
  for (const bool sealed : {false, true}) {
    const uint64_t pack_bytes_max = sealed ? 16 << 10 : 4 << 20;
    Random random(6);
    SimulatedDisk disks[] = {{1, CrashProfile::kOrdered}, {2, CrashProfile::kOrdered}};
    std::vector<Bytes> blocks[2];
    Bytes digests;
    for (size_t i = 0; i < 2; ++i) {
      for (int k = 0; k < 6; ++k) blocks[i].push_back(random.Noise(5000));
      const auto store = Make(disks[i], i == 0 ? kId : kOtherId, pack_bytes_max);
      Write(*store, "T", blocks[i]);
      digests.clear();
      for (const Digest& digest : Must(store->ReadManifest(Must(store->ExportManifest("T")))).digests)
        digests.insert(digests.end(), digest.begin(), digest.end());
      // No note is left: the last pack is read.
    }
    PutFile(disks[0], kPack, FileOf(disks[1], kPack));
    const auto store = Reader(disks[0]);
    CHECK(!Must(store->Verify({})).damages.empty(), sealed);
    CHECK(!Reads(*store, "T", 0, blocks[0][0]), sealed);
    for (const uint8_t lacking : store->LackingChunks(digests)) CHECK(lacking == 1, sealed);
  }
}

// A region of `length` bytes of content, of one chunk, that lies in the pack at `offset`.
Bytes RegionAt(uint32_t id, uint32_t offset, const StoreId& store = kId) {
  const Bytes content(1000, 'R');
  RegionLists lists;
  lists.chunks.push_back({Digest{}, 1000});
  RawBytes bytes;
  BeginRegion(lists, bytes);
  Append(bytes, content);
  Must(FinishRegion(id, store, Codec::kRaw, 1000, lists, nullptr, bytes, {}), "finish");
  PlaceRegion(bytes, {kId, 1, offset});
  return Bytes(bytes.begin(), bytes.end());
}

TEST("region site", "a header is believed in its store, its pack and its place only, with a number that can be") {
  const Bytes region = RegionAt(7, 4096);
  CHECK(ParseRegionHeader(region, {kId, 1, 4096}).has_value());
  CHECK(!ParseRegionHeader(region, {kId, 1, 4097}).has_value());
  CHECK(!ParseRegionHeader(region, {kId, 2, 4096}).has_value());
  CHECK(!ParseRegionHeader(region, {kOtherId, 1, 4096}).has_value());
  CHECK(!ParseRegionHeader(RegionAt(7, 4096, kOtherId), {kId, 1, 4096}).has_value());
  for (const uint32_t id : {uint32_t{0}, kRegionIdMax + 1, UINT32_MAX}) {
    Bytes forged = region;
    for (size_t i = 0; i < 4; ++i) forged[4 + i] = static_cast<uint8_t>(id >> (8 * i));
    PlaceRegion(forged, {kId, 1, 4096});
    CHECK(!ParseRegionHeader(forged, {kId, 1, 4096}).has_value(), id);
    RawBytes bytes;
    RegionLists lists;
    lists.chunks.push_back({Digest{}, 1});
    BeginRegion(lists, bytes);
    const auto finished = FinishRegion(id, kId, Codec::kRaw, 1, lists, nullptr, bytes, Bytes(1));
    CHECK(!finished.ok() && finished.error().code == ErrorCode::kLimit, id);
  }
}

TEST("region site", "a table is refused whose numbers, bases or lengths cannot be") {
  const auto table_of = [](uint32_t id, uint32_t chunk_length, uint32_t base) {
    RegionHeader header{};
    header.id = id;
    header.total_bytes = 200;
    header.content_bytes = 1000;
    header.codec = Codec::kDelta;
    header.chunk_count = 1;
    header.base_count = 1;
    RegionLists lists;
    lists.chunks.push_back({Digest{}, chunk_length});
    lists.bases.push_back({base, 0, 1});
    PackTable table;
    table.Add(header, kPackHeaderBytes, lists);
    return PackTable::Parse(table.Encode()).ok();
  };
  CHECK(table_of(5, 1000, 4));
  CHECK(table_of(kRegionIdMax, 1000, kRegionIdMax - 1));
  CHECK(!table_of(0, 1000, 4) && !table_of(kRegionIdMax + 1, 1000, 4));
  CHECK(!table_of(5, 999, 4) && !table_of(5, 0, 4) && !table_of(5, UINT32_MAX, 4));
  CHECK(!table_of(5, 1000, 0) && !table_of(5, 1000, UINT32_MAX));
}

TEST("region site", "a pack of millions of damaged headers is read in one pass") {
  // Each says that a region of a mebibyte begins here, and none has such a body.
  constexpr uint32_t kSize = 5u << 20;
  Bytes pack(kSize);
  for (uint32_t offset = kPackHeaderBytes; offset + kRegionHeaderBytes <= kSize; offset += 64) {
    Bytes header = RegionAt(1 + offset, offset);
    header[10] = 15;
    PlaceRegion(header, {kId, 1, offset});
    std::copy_n(header.begin(), kRegionHeaderBytes, pack.begin() + offset);
  }
  SimulatedDisk disk(1, CrashProfile::kOrdered);
  const auto file = Must(disk.Attach()->Open("/pack", OpenMode::kCreate));
  Must(file->WriteAt(0, pack));
  for (const bool headers_whole : {true, false}) {
    PackScanner scanner(*file, {headers_whole ? kId : kOtherId, 1}, kPackHeaderBytes, kSize);
    size_t damages = 0;
    while (Must(scanner.Next()) != PackScanner::Found::kEnd) {
      ++damages;
      if (!Must(scanner.Recover())) break;
    }
    CHECK(damages <= 2 * (1 + kSize / (15 << 16)), damages);
  }
}

}  // namespace
}  // namespace capstan::test
