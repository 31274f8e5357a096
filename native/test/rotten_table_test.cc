// A pack's table that rots while the store is open: the regions say the same.
#include "../engine/simulated_disk.h"
#include "../engine/store.h"
#include "harness.h"

namespace capstan::test {
namespace {

constexpr uint64_t kBlockCount = 12;
constexpr uint32_t kBlockBytes = 30000;

Bytes BlockOf(const std::string& name, uint64_t i) {
  return Random(i * 100 + static_cast<uint8_t>(name[0])).Noise(kBlockBytes);
}

void CheckReads(Store& store, const std::string& name) {
  const auto image = Must(store.OpenImage(name, false));
  for (uint64_t i = 0; i < kBlockCount; ++i) {
    const ReadResult read = Must(image->Read(0, i, false, 1, 1 << 20), "read");
    CHECK(std::equal(read.data.begin(), read.data.end(), BlockOf(name, i).begin()), name, " ", i);
  }
}

constexpr char kPack[] = "v/packs/00000001.pack";
// Of the second region, the first block of "B".
constexpr uint64_t kRegionAt = 4096 + 32768;

std::shared_ptr<Store> OpenStore(SimulatedDisk& disk) {
  Store::Options options;
  options.path = "v";
  options.mode = Store::Mode::kCreate;
  options.pack_bytes_max = 200000;
  return Must(Store::Open(disk.Attach(), options));
}

// Two tapes written in turn, so that every pack has something of both; then a byte of the first pack's table rots.
std::shared_ptr<Store> Make(SimulatedDisk& disk, uint64_t from_end) {
  const auto store = OpenStore(disk);
  const std::string names[] = {"A", "B"};
  for (const std::string& name : names) Must(store->CreateImage(name, 1));
  for (uint64_t i = 0; i < kBlockCount; ++i)
    for (const std::string& name : names) {
      const auto image = Must(store->OpenImage(name, true));
      Must(image->Append(0, i, std::vector<uint32_t>{kBlockBytes}, BlockOf(name, i)));
      Must(image->Sync(i + 1));
    }
  uint64_t size = 0;
  for (const auto& [path, bytes] : disk.Files())
    if (path == kPack) size = bytes;
  CHECK(disk.Rot(kPack, size - from_end, 3));
  return store;
}

TEST("rotten table", "a collection goes on by the regions, and gives up the pack") {
  // The table, the trailer, and its magic number.
  for (const uint64_t from_end : {4096 - 50, 100, 128}) {
    SimulatedDisk disk(1, CrashProfile::kAny);
    const auto store = Make(disk, from_end);
    Must(store->RemoveImage("A"));
    Must(store->Collect(0.9, 100), "collect");
    CHECK(!disk.Rot(kPack, 0, 0), "the pack is still there");
    CheckReads(*store, "B");
    CHECK(Must(store->Verify({})).damages.empty());
  }
}

TEST("rotten table", "a pack in which something is damaged besides is kept while that is needed") {
  // Its body, and its header: a store that is opened anew then does not know that there is such a region.
  for (const uint64_t at : {kRegionAt + 5000, kRegionAt + 1})
    for (const bool anew : {false, true}) {
      SimulatedDisk disk(1, CrashProfile::kAny);
      auto store = Make(disk, 100);
      CHECK(disk.Rot(kPack, at, 3));
      if (anew) {
        Must(store->Close());
        store = OpenStore(disk);
      }
      Must(store->RemoveImage("A"));
      CHECK(Must(store->Collect(0.9, 100), "collect").packs_removed > 0);
      CHECK(disk.Rot(kPack, at, 3), "the pack is gone that has what is damaged");
    }
}

}  // namespace
}  // namespace capstan::test
