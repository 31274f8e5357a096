// Goal: what an image's file says is believed of the tape whose it is only, a bit that turns over anywhere in it is
// noticed, and it never grows beyond what is read. Method: files that are exchanged, frames of one in another, each
// bit of a file, and a small limit.
#include "../engine/crc32c.h"
#include "../engine/simulated_disk.h"
#include "../engine/store.h"
#include "harness.h"

namespace capstan::test {
namespace {

constexpr char kPath[] = "/v";
constexpr StoreId kId{2, 7, 1};

Store::Options OptionsFor(Store::Mode mode, const Bytes& key = {}) {
  Store::Options options;
  options.path = kPath;
  options.mode = mode;
  options.id_if_new = kId;
  options.key = key;
  return options;
}

std::string PathOf(const std::string& name) { return std::string(kPath) + "/images/" + name; }

Bytes FileOf(Disk& disk, const std::string& name) {
  return Must(ReadWhole(*Must(disk.Open(PathOf(name), OpenMode::kRead)), 1 << 24, name));
}

void PutFile(Disk& disk, const std::string& name, const Bytes& content) {
  const auto file = Must(disk.Open(PathOf(name), OpenMode::kWrite));
  Must(file->Truncate(0));
  Must(file->WriteAt(0, content));
  Must(file->Sync());
}

// `count` blocks, each synced; alike in length, so that files are, too.
void Write(Store& store, const std::string& name, uint64_t seed, int count) {
  if (!store.OpenImage(name, false).ok()) Must(store.CreateImage(name, 1), "create");
  const auto image = Must(store.OpenImage(name, true));
  Random random(seed);
  uint64_t at = Must(image->Info()).partitions[0].object_count;
  for (int i = 0; i < count; ++i) {
    const Bytes block = random.Noise(3000);
    const uint32_t length = 3000;
    at = Must(image->Append(0, at, {&length, 1}, block), "append");
    Must(image->Sync(at), "sync");
  }
  Must(image->Close(), "close");
}

// Where the frame at `at` ends.
size_t EndOf(const Bytes& file, size_t at) {
  return at + kFrameHeaderBytes + Reader(View(file).subspan(at + 8)).U32();
}

bool IsDamaged(Store& store, const std::string& name) {
  const auto report = Must(store.Verify({}));
  for (const Damage& damage : report.damages)
    if (damage.place.starts_with("images/" + name + " at ")) return true;
  return false;
}

TEST("image file", "files that took each other's place are noticed, encrypted or not") {
  for (const Bytes& key : {Bytes{}, Bytes(kCipherKeyBytes, 3)}) {
    SimulatedDisk simulated(1, CrashProfile::kOrdered);
    const auto disk = simulated.Attach();
    {
      const auto store = Must(Store::Open(simulated.Attach(), OptionsFor(Store::Mode::kCreate, key)));
      Write(*store, "A", 1, 3);
      Write(*store, "B", 2, 3);
    }
    const Bytes a = FileOf(*disk, "A");
    PutFile(*disk, "A", FileOf(*disk, "B"));
    PutFile(*disk, "B", a);
    const auto store = Must(Store::Open(simulated.Attach(), OptionsFor(Store::Mode::kRead, key)));
    for (const char* const name : {"A", "B"}) {
      CHECK(IsDamaged(*store, name), name);
      const auto image = store->OpenImage(name, false);
      CHECK(!image.ok() && image.error().code == ErrorCode::kCorrupt, name);
    }
  }
}

TEST("image file", "a frame of another tape, at its very place, is never taken for one of this") {
  SimulatedDisk simulated(1, CrashProfile::kOrdered);
  const auto disk = simulated.Attach();
  {
    const auto store = Must(Store::Open(simulated.Attach(), OptionsFor(Store::Mode::kCreate)));
    // The very first region has a shorter reference.
    Write(*store, "FIRST", 3, 1);
    Write(*store, "A", 1, 3);
    Write(*store, "B", 2, 3);
  }
  const Bytes a = FileOf(*disk, "A");
  const Bytes b = FileOf(*disk, "B");
  CHECK(a.size() == b.size());
  // All frames but the header's bytes; the first frame; the last ones behind frames of its own.
  const size_t second = EndOf(a, kImageHeaderBytes);
  for (const auto& [from, to] : {std::pair{kImageHeaderBytes, a.size()},
                                 std::pair{kImageHeaderBytes, second},
                                 std::pair{second, a.size()}}) {
    Bytes mixed = a;
    std::copy(b.begin() + static_cast<ptrdiff_t>(from), b.begin() + static_cast<ptrdiff_t>(to),
              mixed.begin() + static_cast<ptrdiff_t>(from));
    const auto parsed = ParseImageFile(mixed, IdOfImage(kId, "A"), "A", nullptr);
    if (!parsed.ok()) continue;
    CHECK(parsed.value().torn && parsed.value().end <= from, from);
  }
  // Neither is one of a tape of that name in another store.
  Bytes other = a;
  const Bytes header = EncodeImageHeader(IdOfImage(StoreId{5}, "A"), 1);
  std::copy(header.begin(), header.end(), other.begin());
  const auto parsed = ParseImageFile(other, IdOfImage(StoreId{5}, "A"), "A", nullptr);
  CHECK(parsed.ok() && parsed.value().end == kImageHeaderBytes && parsed.value().torn);
}

TEST("image file", "a staged image is its tape's, and is published as no other") {
  SimulatedDisk simulated(1, CrashProfile::kOrdered);
  const auto store = Must(Store::Open(simulated.Attach(), OptionsFor(Store::Mode::kCreate)));
  Write(*store, "A", 1, 2);
  Must(store->StageImage("B.NEW", Must(store->ExportManifest("A")), 9), "stage");
  Must(store->Sync(), "sync");
  const Status other = store->PublishImage("B.NEW", "C");
  CHECK(!other.ok() && other.error().code == ErrorCode::kInvalid);
  Must(store->PublishImage("B.NEW", "B"), "publish");
  CHECK(Must(Must(store->OpenImage("B", false))->Info()).generation == 9);
  CHECK(Must(store->Verify({})).damages.empty());
}

// A file of three frames; the last is not closed, or is.
TEST("image file", "each bit that turns over in it is damage: of the last frame, too, and of a closing one") {
  for (const Bytes& key : {Bytes{}, Bytes(kCipherKeyBytes, 3)})
    for (const bool closed : {false, true}) {
      SimulatedDisk simulated(1, CrashProfile::kOrdered);
      const auto disk = simulated.Attach();
      const auto store = Must(Store::Open(simulated.Attach(), OptionsFor(Store::Mode::kCreate, key)));
      Write(*store, "A", 1, 1);
      Write(*store, "A", 2, 1);
      if (!closed) {
        // As if the process had been killed: the closing frame goes.
        const auto file = Must(disk->Open(PathOf("A"), OpenMode::kWrite));
        Must(file->Truncate(Must(file->Size()) - kFrameHeaderBytes));
      }
      const uint64_t size = FileOf(*disk, "A").size();
      size_t harmless = 0;
      for (uint64_t bit = 0; bit < 8 * size; ++bit) {
        CHECK(simulated.Rot(PathOf("A"), bit / 8, static_cast<unsigned>(bit % 8)));
        const auto image = store->OpenImage("A", false);
        CHECK(image.ok() || image.error().code == ErrorCode::kCorrupt, bit / 8);
        if (image.ok() || bit % 16 == 0) CHECK(IsDamaged(*store, "A"), "byte ", bit / 8, " of ", size);
        if (image.ok()) {
          ++harmless;
          CHECK(Must(image.value()->Info()).partitions[0].object_count == 2, bit / 8);
        }
        CHECK(simulated.Rot(PathOf("A"), bit / 8, static_cast<unsigned>(bit % 8)));
      }
      // Those of closing frames, and no others.
      CHECK(harmless == (closed ? 2 : 1) * 8 * kFrameHeaderBytes, harmless);
      CHECK(!IsDamaged(*store, "A"));
    }
}

TEST("image file", "a frame that a crash tore is cut and is no damage, however it was torn") {
  SimulatedDisk simulated(1, CrashProfile::kOrdered);
  const auto disk = simulated.Attach();
  const auto store = Must(Store::Open(simulated.Attach(), OptionsFor(Store::Mode::kCreate)));
  Write(*store, "FIRST", 2, 1);
  Write(*store, "A", 1, 2);
  const Bytes whole = FileOf(*disk, "A");
  const size_t start = EndOf(whole, kImageHeaderBytes);
  const size_t end = EndOf(whole, start);
  Random random(3);
  for (int i = 0; i < 20000; ++i) {
    Bytes torn = whole;
    torn.resize(end);
    const size_t from = start + random.Below(end - start);
    const size_t to = from + 1 + random.Below(end - from);
    const bool zeros = random.OneIn(2);
    int changed = 0;
    for (size_t k = from; k < to; ++k) {
      const uint8_t before = torn[k];
      torn[k] = zeros ? 0 : static_cast<uint8_t>(random.Next());
      changed += __builtin_popcount(before ^ torn[k]);
    }
    if (random.OneIn(3)) torn.resize(from);
    const auto parsed = ParseImageFile(torn, IdOfImage(kId, "A"), "A", nullptr);
    if (changed <= 1 || torn.size() == start) continue;
    CHECK(parsed.ok() && parsed.value().torn && parsed.value().end == start, from, " to ", to);
  }
}

TEST("image file", "one bit in a message is found by its checksum, two are not taken for one") {
  Random random(4);
  for (const size_t size : {1u, 2u, 60u, 1000u}) {
    const Bytes message = random.Noise(size);
    const uint32_t crc = Crc32c(0, message);
    for (uint64_t bit = 0; bit < 8 * size; ++bit) {
      Bytes turned = message;
      turned[bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
      const uint32_t wrong = Crc32c(0, turned) ^ crc;
      CHECK(FlippedBit(size, wrong) == bit, size, " ", bit);
      const uint64_t other = random.Below(8 * size);
      turned[other / 8] ^= static_cast<uint8_t>(1u << other % 8);
      if (other != bit) CHECK(!FlippedBit(size, Crc32c(0, turned) ^ crc), size, " ", bit);
    }
    CHECK(!FlippedBit(size, 0));
  }
}

TEST("image file", "a file at its limit is written anew, and refused only where that does not help") {
  for (const bool overwrites : {true, false}) {
    SimulatedDisk simulated(1, CrashProfile::kOrdered);
    Store::Options options = OptionsFor(Store::Mode::kCreate);
    options.image_file_bytes_max = 2048;
    uint64_t synced = 0;
    {
      const auto store = Must(Store::Open(simulated.Attach(), options));
      Must(store->CreateImage("A", 1), "create");
      const auto image = Must(store->OpenImage("A", true));
      Random random(1);
      bool refused = false;
      for (uint64_t i = 0; i < 400 && !refused; ++i) {
        // Lengths and chunks that nothing shortens.
        const Bytes block = random.Noise(100 + random.Below(5000));
        const uint32_t length = static_cast<uint32_t>(block.size());
        const uint64_t at = overwrites ? i % 3 : Must(image->Info()).partitions[0].object_count;
        Must(image->Append(0, at, {&length, 1}, block), "append");
        const Status done = image->Sync(i + 1);
        CHECK(FileOf(*simulated.Attach(), "A").size() <= 2048);
        if (done.ok()) {
          synced = i + 1;
          continue;
        }
        CHECK(done.error().code == ErrorCode::kLimit, Describe(done.error()));
        refused = true;
      }
      CHECK(refused == !overwrites && synced > 100, synced);
      if (refused) {
        // What is less fits again.
        Must(image->Truncate(0, 50), "truncate");
        Must(image->Sync(++synced), "sync");
      }
    }
    simulated.PowerCut();
    simulated.Restart();
    const auto store = Must(Store::Open(simulated.Attach(), OptionsFor(Store::Mode::kRead)));
    CHECK(Must(store->Verify({})).damages.empty());
    CHECK(Must(Must(store->OpenImage("A", false))->Info()).generation == synced);
  }
}

TEST("image file", "numbers of regions that cannot be are refused, and a store ends before it uses them") {
  const auto parses = [](uint32_t next_region, uint32_t region) {
    PartitionState state;
    state.objects.Append({.length = 100, .count = 1});
    state.streams[0].Append({RefOf(region, 0), 100});
    FrameWriter frame(1, {1, 4096, next_region});
    frame.Change(0, state, 0);
    const ImageId id = IdOfImage(kId, "A");
    Bytes bytes = EncodeImageHeader(id, 1);
    const Bytes encoded = Must(frame.Finish(0, id, nullptr));
    bytes.insert(bytes.end(), encoded.begin(), encoded.end());
    return ParseImageFile(bytes, id, "A", nullptr).ok();
  };
  CHECK(parses(kRegionIdMax + 1, kRegionIdMax) && parses(5, 1));
  CHECK(!parses(kRegionIdMax + 2, 1) && !parses(UINT32_MAX, 1) && !parses(5, kRegionIdMax + 1));
  CHECK(!parses(5, 0));

  SimulatedDisk simulated(1, CrashProfile::kOrdered);
  const auto disk = simulated.Attach();
  Must(Store::Open(simulated.Attach(), OptionsFor(Store::Mode::kCreate)));
  const ImageId id = IdOfImage(kId, "OLD");
  Bytes bytes = EncodeImageHeader(id, 1);
  const Bytes frame = Must(FrameWriter(1, {1, 4096, kRegionIdMax - 65536 - 200}).Finish(0, id, nullptr));
  bytes.insert(bytes.end(), frame.begin(), frame.end());
  Must(Must(disk->Open(PathOf("OLD"), OpenMode::kCreate))->WriteAt(0, bytes));
  const auto store = Must(Store::Open(simulated.Attach(), OptionsFor(Store::Mode::kWrite)));
  Must(store->CreateImage("A", 1), "create");
  const auto image = Must(store->OpenImage("A", true));
  Random random(1);
  uint64_t at = 0;
  Status appended = Ok();
  while (appended.ok()) {
    CHECK(at < 1000);
    const Bytes block = random.Noise(10);
    const uint32_t length = 10;
    const auto result = image->Append(0, at, {&length, 1}, block);
    appended = result.ok() ? Ok() : Status(result.error());
    if (!result.ok()) break;
    ++at;
    Must(image->Sync(at), "sync");
  }
  CHECK(appended.error().code == ErrorCode::kLimit, Describe(appended.error()));
  // What was taken is whole, and reads.
  CHECK(Must(store->Verify({})).damages.empty());
}

}  // namespace
}  // namespace capstan::test
