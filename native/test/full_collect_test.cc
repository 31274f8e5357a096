// A collection that finds the disk full, and is tried again, gives up no pack whose copy is not durable.
#include "../engine/simulated_disk.h"
#include "../engine/store.h"
#include "harness.h"

namespace capstan::test {
namespace {

constexpr uint64_t kPackBytesMax = 400000;
constexpr uint32_t kBlockBytes = 64 * 1024;
constexpr uint32_t kBlocksASync = 2;
constexpr uint64_t kSyncs = 12;
constexpr int kTriesMax = 3;
constexpr uint64_t kWritesMax = 40;

Store::Options OptionsOf(Store::Mode mode) {
  Store::Options options{.path = "store", .mode = mode};
  options.pack_bytes_max = kPackBytesMax;
  return options;
}

// Two images by turns, so that each pack has some of either; then one of them goes.
void Prepare(Store& store) {
  Random random(1);
  for (const char* name : {"A", "B"}) CHECK(store.CreateImage(name, 1).ok());
  const auto a = Must(store.OpenImage("A", true));
  const auto b = Must(store.OpenImage("B", true));
  const std::vector<uint32_t> lengths(kBlocksASync, kBlockBytes);
  for (uint64_t i = 0; i < kSyncs; ++i) {
    for (const auto& image : {a, b}) {
      const Bytes data = random.Noise(size_t{kBlockBytes} * kBlocksASync);
      CHECK(image->Append(0, i * kBlocksASync, lengths, data).ok());
      CHECK(image->Sync(i + 1).ok());
    }
  }
  CHECK(a->Close().ok() && b->Close().ok());
  CHECK(store.RemoveImage("A").ok());
}

// Writes from the n-th of the collection on fail; whether one did.
bool IsNoticedAt(uint64_t n) {
  SimulatedDisk disk(1, CrashProfile::kOrdered);
  auto store = Must(Store::Open(disk.Attach(), OptionsOf(Store::Mode::kCreate)));
  Prepare(*store);
  disk.FailOperation(n, FaultKind::kData, FaultError::kNoSpace, true);
  bool full = false;
  for (int i = 0; i < kTriesMax; ++i) {
    const auto collected = store->Collect(0.9, UINT32_MAX);
    CHECK(collected.ok() || collected.error().code == ErrorCode::kNoSpace, "at write ", n, ": ",
          Describe(collected.error()));
    full = full || !collected.ok();
  }
  disk.Kill();
  store.reset();
  disk.ClearFaults();
  disk.Restart();
  store = Must(Store::Open(disk.Attach(), OptionsOf(Store::Mode::kWrite)));
  const VerifyReport report = Must(store->Verify({}));
  CHECK(report.damages.empty(), "at write ", n, ": ", report.damages[0].place, ": ",
        report.damages[0].what);
  CHECK(report.image_count == 1);
  return full;
}

TEST("collect", "what a full disk kept from being copied stays where it was, however often it is tried") {
  uint64_t n = 1;
  while (n < kWritesMax && IsNoticedAt(n)) ++n;
  CHECK(n > 3 && n < kWritesMax, n);
}

}  // namespace
}  // namespace capstan::test
