// Goal: a collection harms nobody who is in the middle of something: a reader that opens the store, a copy that comes
// in. Method: collections that begin and end inside of single disk operations of the others.
#include <atomic>
#include <chrono>
#include <thread>

#include "../engine/blake3.h"
#include "../engine/simulated_disk.h"
#include "../engine/store.h"
#include "carry.h"
#include "harness.h"
#include "hooked_disk.h"

namespace capstan::test {
namespace {

constexpr char kPath[] = "/v";
constexpr uint64_t kPackBytesMax = 100000;
constexpr uint32_t kBlockBytes = 20000;

std::shared_ptr<Store> OpenStore(SimulatedDisk& disk, Store::Mode mode,
                                 const std::shared_ptr<Hooks>& hooks) {
  Store::Options options;
  options.path = kPath;
  options.mode = mode;
  options.pack_bytes_max = kPackBytesMax;
  return Must(Store::Open(std::make_unique<HookedDisk>(disk.Attach(), hooks), options), "open");
}

std::vector<Bytes> BlocksOf(uint64_t seed, int count) {
  Random random(seed);
  std::vector<Bytes> blocks;
  for (int i = 0; i < count; ++i) blocks.push_back(random.Noise(kBlockBytes));
  return blocks;
}

// Each block is a region of its own.
void Write(Store& store, const std::string& name, const std::vector<Bytes>& blocks) {
  Must(store.CreateImage(name, 1), "create");
  const auto image = Must(store.OpenImage(name, true));
  uint64_t at = 0;
  for (const Bytes& block : blocks) {
    const uint32_t length = kBlockBytes;
    at = Must(image->Append(0, at, {&length, 1}, block), "append");
    Must(image->Sync(at), "sync");
  }
  Must(image->Close(), "close");
}

void CheckReads(Store& store, const std::string& name, const std::vector<Bytes>& blocks) {
  const auto image = Must(store.OpenImage(name, false));
  for (uint64_t at = 0; at < blocks.size(); ++at) {
    const ReadResult read = Must(image->Read(0, at, false, 1, 1 << 20), "read");
    CHECK(std::equal(read.data.begin(), read.data.end(), blocks[at].begin(), blocks[at].end()), at);
  }
}

TEST("beside a collection", "a reader that opens or verifies while packs go finds what they held where it is now") {
  for (const bool opens : {true, false}) {
    SimulatedDisk disk(1, CrashProfile::kOrdered);
    const auto writer = OpenStore(disk, Store::Mode::kCreate, std::make_shared<Hooks>());
    const std::vector<Bytes> kept = BlocksOf(1, 9);
    // By turns, so that each pack has some of either.
    Write(*writer, "GOES1", BlocksOf(2, 3));
    Write(*writer, "KEPT", kept);
    Write(*writer, "GOES2", BlocksOf(3, 12));
    for (const char* const name : {"GOES1", "GOES2"}) Must(writer->RemoveImage(name), "remove");
    const auto hooks = std::make_shared<Hooks>();
    uint64_t removed = 0;
    size_t opened = 0;
    const auto collect = [&](const std::string& path) {
      if (removed > 0 || !path.ends_with(".pack")) return;
      removed = Must(writer->Collect(1, UINT32_MAX), "collect").packs_removed;
      CHECK(removed > 1, removed);
    };
    std::shared_ptr<Store> reader;
    if (opens) {
      hooks->open = collect;
      reader = OpenStore(disk, Store::Mode::kRead, hooks);
    } else {
      reader = OpenStore(disk, Store::Mode::kRead, hooks);
      // Once the packs are known anew, and the first of them is read.
      hooks->open = [&](const std::string& path) {
        if (++opened > Must(writer->Statistics()).packs.pack_count) collect(path);
      };
    }
    const VerifyReport report = Must(reader->Verify({}), "verify");
    CHECK(removed > 1, opens);
    CHECK(report.damages.empty(), opens, ": ", report.damages[0].place, report.damages[0].what);
    CheckReads(*reader, "KEPT", kept);
  }
}

// A copy on its way: what a peer sends.
struct Copy {
  std::vector<Bytes> blocks = BlocksOf(7, 6);
  Bytes manifest;
  Bytes digests;
  // What has the tape, as "S".
  std::shared_ptr<SimulatedDisk> disk = std::make_shared<SimulatedDisk>(9, CrashProfile::kOrdered);
  std::shared_ptr<Store> source;
  // Of the first five chunks, and of the last.
  View most;
  View last;
};

Copy MakeCopy() {
  Copy copy;
  copy.source = OpenStore(*copy.disk, Store::Mode::kCreate, std::make_shared<Hooks>());
  Write(*copy.source, "S", copy.blocks);
  copy.manifest = Must(copy.source->ExportManifest("S"));
  copy.digests = ChunksOf(*copy.source, "S");
  const size_t split = copy.digests.size() - kDigestBytes;
  copy.most = View(copy.digests).first(split);
  copy.last = View(copy.digests).subspan(split);
  return copy;
}

// Has most of the copy in packs that nothing else needs.
std::shared_ptr<Store> MakeTarget(SimulatedDisk& disk, const Copy& copy,
                                  const std::shared_ptr<Hooks>& hooks) {
  auto store = OpenStore(disk, Store::Mode::kCreate, hooks);
  Must(Carry(*copy.source, *store, copy.most), "add");
  Must(store->Sync(), "sync");
  // The last pack has room for what is still to come.
  Write(*store, "OTHER", BlocksOf(8, 10));
  Must(Carry(*copy.source, *store, copy.last), "add");
  return store;
}

TEST("beside a collection", "what came for a copy stays for one collection; after two the copy is refused, and sent again") {
  const Copy copy = MakeCopy();
  for (const int collections : {0, 1, 2, 3}) {
    SimulatedDisk disk(1, CrashProfile::kOrdered);
    const auto store = MakeTarget(disk, copy, std::make_shared<Hooks>());
    for (int i = 0; i < collections; ++i) Must(store->Collect(0.5, UINT32_MAX), "collect");
    const Status staged = store->StageImage("C.NEW", copy.manifest, 1);
    CHECK(staged.ok() == (collections < 2), collections);
    if (!staged.ok()) {
      CHECK(staged.error().code == ErrorCode::kNotFound, Describe(staged.error()));
      CHECK(Must(store->ListImages()).size() == 1, collections);
      const Bytes lacking = store->LackingChunks(copy.digests);
      CHECK(std::count(lacking.begin(), lacking.end(), 1) > 0, collections);
      Must(Carry(*copy.source, *store, copy.digests), "add again");
      Must(store->StageImage("C.NEW", copy.manifest, 1), "stage again");
    }
    Must(store->Sync(), "sync");
    Must(store->PublishImage("C.NEW", "C"), "publish");
    CheckReads(*store, "C", copy.blocks);
    CHECK(Must(store->Verify({})).damages.empty(), collections);
  }
}

TEST("beside a collection", "a collection in many steps takes from a copy no more than one in a single step") {
  const Copy copy = MakeCopy();
  for (const bool another : {false, true}) {
    SimulatedDisk disk(1, CrashProfile::kOrdered);
    const auto store = MakeTarget(disk, copy, std::make_shared<Hooks>());
    for (int i = 0; i < 5; ++i) Must(store->Collect(0.5, 1, i > 0), "collect");
    if (another) Must(store->Collect(0.5, UINT32_MAX), "collect");
    const Status staged = store->StageImage("C.NEW", copy.manifest, 1);
    CHECK(staged.ok() == !another, another);
    CHECK(staged.ok() || staged.error().code == ErrorCode::kNotFound, Describe(staged.error()));
  }
}

TEST("beside a collection", "what goes and what stays is told rightly however many collections there were") {
  const Copy copy = MakeCopy();
  // Numbers of collections begin anew after some 250 of them.
  for (const int before : {1, 251, 252, 253, 254, 255, 600}) {
    SimulatedDisk disk(1, CrashProfile::kOrdered);
    const auto store = OpenStore(disk, Store::Mode::kCreate, std::make_shared<Hooks>());
    Write(*store, "GONE", BlocksOf(9, 10));
    Must(store->RemoveImage("GONE"), "remove");
    for (int i = 0; i < before; ++i) Must(store->Collect(0, UINT32_MAX), "collect");
    CHECK(Must(store->Collect(0.5, UINT32_MAX), "collect").packs_removed > 0, before);
    Must(Carry(*copy.source, *store, copy.digests), "add");
    Must(store->Sync(), "sync");
    Write(*store, "OTHER", BlocksOf(8, 10));
    CHECK(Must(store->Collect(0.5, UINT32_MAX), "collect").packs_removed == 0, before);
    CHECK(Must(store->Collect(0.5, UINT32_MAX), "collect").packs_removed > 0, before);
  }
}

TEST("beside a collection", "what new chunks were to be compressed against may go before they are") {
  SimulatedDisk disk(1, CrashProfile::kOrdered);
  const auto store = OpenStore(disk, Store::Mode::kCreate, std::make_shared<Hooks>());
  // Too short to be cut: a chunk each.
  constexpr uint32_t kShortBytes = 15000;
  const Bytes old[] = {Random(1).Noise(kShortBytes), Random(2).Noise(kShortBytes)};
  const std::vector<uint32_t> block_and_mark{kShortBytes, 0};
  Must(store->CreateImage("OLD", 1), "create");
  {
    // In one region.
    const auto image = Must(store->OpenImage("OLD", true));
    uint64_t at = 0;
    for (const Bytes& block : old) at = Must(image->Append(0, at, block_and_mark, block), "append");
    Must(image->Sync(1), "sync");
    Must(image->Close(), "close");
  }
  Write(*store, "OTHER", BlocksOf(8, 10));
  Must(store->CreateImage("NEW", 1), "create");
  const auto image = Must(store->OpenImage("NEW", true));
  // What takes the place of a chunk is drafted against it: here of the second of its region.
  Bytes edited = old[1];
  for (size_t i = 0; i < edited.size(); i += 5000) edited[i] ^= 1;
  Must(image->Append(0, 0, block_and_mark, old[1]), "append");
  Must(image->Append(0, 0, block_and_mark, edited), "append");
  Must(store->RemoveImage("OLD"), "remove");
  CHECK(Must(store->Collect(1, UINT32_MAX), "collect").packs_removed > 0);
  Must(image->Sync(1), "sync");
  CheckReads(*store, "NEW", {edited});
  CHECK(Must(store->Verify({})).damages.empty());
}

TEST("beside a collection", "an image is staged whole or not at all, whatever is collected while its chunks are synced") {
  const Copy copy = MakeCopy();
  for (const int collections : {1, 2, 3}) {
    SimulatedDisk disk(1, CrashProfile::kOrdered);
    const auto hooks = std::make_shared<Hooks>();
    const auto store = MakeTarget(disk, copy, hooks);
    bool done = false;
    uint64_t removed = 0;
    hooks->sync = [&](const std::string& path) {
      if (done || !path.ends_with(".pack")) return;
      done = true;
      for (int i = 0; i < collections; ++i)
        removed += Must(store->Collect(0.5, UINT32_MAX), "collect").packs_removed;
    };
    const Status staged = store->StageImage("C.NEW", copy.manifest, 1);
    CHECK(done && (removed > 0) == (collections > 1), collections, " ", removed);
    CHECK(staged.ok() == (removed == 0), collections);
    CHECK(staged.ok() || staged.error().code == ErrorCode::kNotFound, Describe(staged.error()));
    CHECK(Must(store->ListImages()).size() == (staged.ok() ? 2u : 1u), collections);
    const VerifyReport report = Must(store->Verify({}), "verify");
    CHECK(report.damages.empty(), collections, ": ", report.damages[0].what);
  }
}

TEST("a sync beside another", "returns no sooner than what the other has taken on is durable") {
  const Copy copy = MakeCopy();
  SimulatedDisk disk(1, CrashProfile::kOrdered);
  const auto hooks = std::make_shared<Hooks>();
  const auto store = MakeTarget(disk, copy, hooks);
  for (const char* const name : {"C.ONE", "C.TWO"}) Must(store->StageImage(name, copy.manifest, 1), "stage");
  std::thread other;
  std::atomic<bool> returned = false;
  int synced = 0;
  int late = 0;
  hooks->sync = [&](const std::string& path) {
    if (!path.ends_with(".ONE") && !path.ends_with(".TWO")) return;
    if (synced++ == 0) {
      other = std::thread([&] {
        Must(store->Sync(), "the other sync");
        returned = true;
      });
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
    }
    if (returned) ++late;
  };
  Must(store->Sync(), "sync");
  other.join();
  CHECK(synced == 2 && late == 0, synced, " ", late);
}

TEST("a sync beside another", "leaves to the next what it could not open") {
  const Copy copy = MakeCopy();
  SimulatedDisk disk(1, CrashProfile::kOrdered);
  const auto hooks = std::make_shared<Hooks>();
  const auto store = MakeTarget(disk, copy, hooks);
  for (const char* const name : {"C.ONE", "C.TWO"}) Must(store->StageImage(name, copy.manifest, 1), "stage");
  std::vector<std::string> synced;
  hooks->sync = [&](const std::string& path) {
    if (path.ends_with(".ONE") || path.ends_with(".TWO")) synced.push_back(path.substr(path.size() - 3));
  };
  hooks->refused = ".ONE";
  CHECK(store->Sync().error().code == ErrorCode::kIo);
  Must(store->Sync(), "sync");
  CHECK(synced == (std::vector<std::string>{"ONE", "TWO"}), synced.size());
}

TEST("a sync beside another", "passes over a staged copy that is given up meanwhile") {
  const Copy copy = MakeCopy();
  SimulatedDisk disk(1, CrashProfile::kOrdered);
  const auto hooks = std::make_shared<Hooks>();
  const auto store = MakeTarget(disk, copy, hooks);
  for (const char* const name : {"C.ONE", "C.TWO"}) Must(store->StageImage(name, copy.manifest, 1), "stage");
  hooks->sync = [&](const std::string& path) {
    if (path.ends_with(".ONE")) Must(store->RemoveImage("C.TWO"), "give up");
  };
  Must(store->Sync(), "sync");
  CHECK(Must(store->ListImages()).size() == 2u);
}

}  // namespace
}  // namespace capstan::test
