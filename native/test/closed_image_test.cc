// An image that is closed keeps nothing from the collection, though somebody still holds it.
#include "../engine/simulated_disk.h"
#include "../engine/store.h"
#include "harness.h"

namespace capstan::test {
namespace {

constexpr uint64_t kPackBytesMax = 400000;
constexpr uint32_t kBlockBytes = 64 * 1024;
constexpr uint32_t kBlockCount = 20;

TEST("collect", "a closed image that was removed keeps nothing from the collection") {
  SimulatedDisk disk(1, CrashProfile::kOrdered);
  Store::Options options{.path = "store", .mode = Store::Mode::kCreate};
  options.pack_bytes_max = kPackBytesMax;
  const auto store = Store::Open(disk.Attach(), options).take();
  CHECK(store->CreateImage("A", 1).ok());
  const auto image = store->OpenImage("A", true).take();
  Random random(1);
  const Bytes data = random.Noise(size_t{kBlockBytes} * kBlockCount);
  const std::vector<uint32_t> lengths(kBlockCount, kBlockBytes);
  CHECK(image->Append(0, 0, lengths, data).ok());
  CHECK(image->Sync(1).ok());
  CHECK(image->Close().ok());
  CHECK(store->RemoveImage("A").ok());
  const auto collected = store->Collect(0.5, UINT32_MAX);
  CHECK(collected.ok() && collected.value().packs_removed >= 2);
}

}  // namespace
}  // namespace capstan::test
