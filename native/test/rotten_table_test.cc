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

// With `and_region`, a region of the pack rots as well: one that "B" needs.
void CheckCollects(uint64_t from_end, bool and_region) {
  SimulatedDisk disk(1, CrashProfile::kAny);
  Store::Options options;
  options.path = "v";
  options.mode = Store::Mode::kCreate;
  options.pack_bytes_max = 200000;
  const auto store = Must(Store::Open(disk.Attach(), options));
  const std::string names[] = {"A", "B"};
  for (const std::string& name : names) Must(store->CreateImage(name, 1));
  // In turn, so that every pack has something of both.
  for (uint64_t i = 0; i < kBlockCount; ++i)
    for (const std::string& name : names) {
      const auto image = Must(store->OpenImage(name, true));
      Must(image->Append(0, i, std::vector<uint32_t>{kBlockBytes}, BlockOf(name, i)));
      Must(image->Sync(i + 1));
    }
  const std::string pack = "v/packs/00000001.pack";
  uint64_t size = 0;
  for (const auto& [path, bytes] : disk.Files())
    if (path == pack) size = bytes;
  CHECK(disk.Rot(pack, size - from_end, 3));
  // The second region: the first block of "B".
  if (and_region) CHECK(disk.Rot(pack, 4096 + 32768 + 5000, 3));
  Must(store->RemoveImage("A"));
  const PackStore::Collected collected = Must(store->Collect(0.9, 100), "collect");
  if (and_region) {
    CHECK(collected.packs_removed > 0);
    CHECK(disk.Rot(pack, 4096 + 32768 + 5000, 3), "the pack is gone that has what is damaged");
    return;
  }
  CHECK(!disk.Rot(pack, 0, 0), "the pack is still there");
  CheckReads(*store, "B");
  CHECK(Must(store->Verify({})).damages.empty());
}

TEST("rotten table", "a collection goes on by the regions, and gives up the pack") {
  CheckCollects(4096 - 50, false);  // the table
  CheckCollects(100, false);        // the trailer
  CheckCollects(128, false);        // its magic number
}

TEST("rotten table", "a pack in which something is damaged besides is kept while that is needed") {
  CheckCollects(100, true);
}

}  // namespace
}  // namespace capstan::test
