// Goal: the simulated disk does the harm that it says, and no other. Method: one fault or power cut at a time;
// what is left to chance is tried with many seeds, and must happen with some and not with others.
#include <thread>

#include "../engine/simulated_disk.h"
#include "harness.h"

namespace capstan::test {
namespace {

constexpr uint64_t kSeedCount = 64;
constexpr size_t kPage = kDirectAlignment;

Bytes Filled(size_t size, uint8_t value) { return Bytes(size, value); }

std::unique_ptr<File> Create(Disk& disk, const std::string& path, const Bytes& content) {
  auto file = Must(disk.Open(path, OpenMode::kCreate), "create");
  CHECK(file->WriteAt(0, content).ok());
  return file;
}

Bytes Whole(Disk& disk, const std::string& path) {
  const auto file = Must(disk.Open(path, OpenMode::kRead), path.c_str());
  return Must(ReadWhole(*file, 1 << 20, path));
}

std::unique_ptr<Disk> AfterPowerCut(SimulatedDisk& simulated) {
  simulated.PowerCut();
  simulated.Restart();
  return simulated.Attach();
}

TEST("simulated disk", "a short write does its first part, and fails with the error that was asked for") {
  bool some = false;
  for (uint64_t seed = 0; seed < kSeedCount; ++seed) {
    SimulatedDisk simulated(seed, CrashProfile::kAny);
    const auto disk = simulated.Attach();
    const auto file = Create(*disk, "f", {});
    simulated.Inject({.kind = FaultKind::kData,
                      .effect = FaultEffect::kShort,
                      .error = FaultError::kNoSpace});
    const Status written = file->WriteAt(0, Filled(1000, 1));
    CHECK(!written.ok() && written.error().code == ErrorCode::kNoSpace);
    CHECK(simulated.fault_count() == 1);
    const Bytes left = Whole(*disk, "f");
    CHECK(left.size() < 1000 && left == Filled(left.size(), 1));
    some = some || !left.empty();
    CHECK(file->WriteAt(0, Filled(1000, 1)).ok(), "the fault stays");
  }
  CHECK(some, "never a part");
}

TEST("simulated disk", "what a failed sync drops is seen through the cache, not past it, and lost for good") {
  SimulatedDisk simulated(1, CrashProfile::kOrdered);
  const auto disk = simulated.Attach();
  const auto file = Create(*disk, "f", Filled(kPage, 1));
  CHECK(file->Sync().ok() && disk->SyncDirectory("").ok());
  CHECK(file->WriteAt(0, Filled(kPage, 2)).ok());
  simulated.Inject({.kind = FaultKind::kSync});
  CHECK(file->Sync().error().code == ErrorCode::kIo);
  CHECK(Whole(*disk, "f") == Filled(kPage, 2));
  AlignedBuffer past(kPage);
  const auto direct = Must(disk->OpenDirect("f", OpenMode::kRead));
  CHECK(direct->ReadAt(0, past.span()).ok() && past.data()[0] == 1);
  CHECK(file->Refresh().ok() && Whole(*disk, "f") == Filled(kPage, 1), "the cache is forgotten");
  CHECK(file->WriteAt(kPage, Filled(kPage, 3)).ok() && file->Sync().ok(), "the next sync");
  const auto after = AfterPowerCut(simulated);
  Bytes expected = Filled(2 * kPage, 3);
  std::fill_n(expected.begin(), kPage, uint8_t{1});
  CHECK(Whole(*after, "f") == expected);
}

TEST("simulated disk", "what went past the cache waits for the next sync where one fails") {
  SimulatedDisk simulated(1, CrashProfile::kOrdered);
  const auto disk = simulated.Attach();
  const auto file = Must(disk->OpenDirect("f", OpenMode::kCreate));
  AlignedBuffer content(kPage);
  std::fill_n(content.data(), kPage, uint8_t{2});
  CHECK(file->WriteAt(0, content.span()).ok() && disk->SyncDirectory("").ok());
  simulated.Inject({.kind = FaultKind::kSync});
  CHECK(!file->Sync().ok() && file->Sync().ok());
  CHECK(Whole(*AfterPowerCut(simulated), "f") == Filled(kPage, 2));
}

TEST("simulated disk", "a sync that fails and lies from then on makes nothing durable") {
  SimulatedDisk simulated(1, CrashProfile::kExt4);
  const auto disk = simulated.Attach();
  const auto file = Create(*disk, "f", Filled(10, 1));
  CHECK(file->Sync().ok() && disk->SyncDirectory("").ok());
  simulated.Inject({.kind = FaultKind::kSync, .effect = FaultEffect::kFailThenLie});
  CHECK(file->WriteAt(0, Filled(10, 2)).ok() && !file->Sync().ok());
  CHECK(file->Sync().ok() && file->Sync().ok() && simulated.fault_count() == 3);
  CHECK(Whole(*AfterPowerCut(simulated), "f") == Filled(10, 1));
}

TEST("simulated disk", "a stale read gives what stood there before the last write") {
  SimulatedDisk simulated(1, CrashProfile::kAny);
  const auto disk = simulated.Attach();
  const auto file = Create(*disk, "f", Filled(100, 1));
  CHECK(file->WriteAt(50, Filled(100, 2)).ok());
  simulated.Inject({.kind = FaultKind::kRead, .effect = FaultEffect::kStale});
  Bytes expected(150);
  std::fill_n(expected.begin() + 50, 50, uint8_t{1});
  CHECK(Whole(*disk, "f") == expected);
  CHECK(Whole(*disk, "f") != expected, "the fault stays");
}

TEST("simulated disk", "misdirected and lost transfers say it is well, and meet another page or none") {
  for (uint64_t seed = 0; seed < kSeedCount; ++seed) {
    SimulatedDisk simulated(seed, CrashProfile::kAny);
    const auto disk = simulated.Attach();
    const auto a = Create(*disk, "a", Filled(kPage, 1));
    const auto b = Create(*disk, "b", Filled(kPage, 2));
    simulated.Inject({.kind = FaultKind::kRead, .effect = FaultEffect::kMisdirect});
    CHECK(Whole(*disk, "a") == Filled(kPage, 2), seed);
    simulated.Inject({.kind = FaultKind::kData, .effect = FaultEffect::kMisdirect});
    CHECK(a->WriteAt(100, Filled(10, 9)).ok());
    Bytes expected = Filled(kPage, 2);
    std::fill_n(expected.begin() + 100, 10, uint8_t{9});
    CHECK(Whole(*disk, "a") == Filled(kPage, 1) && Whole(*disk, "b") == expected, seed);
    simulated.Inject({.kind = FaultKind::kData, .effect = FaultEffect::kLie});
    CHECK(b->WriteAt(kPage, Filled(5, 7)).ok());
    expected.resize(kPage + 5);
    CHECK(Whole(*disk, "b") == expected, seed);
    CHECK(simulated.fault_count() == 3);
  }
}

TEST("simulated disk", "a fault that persists meets all later operations of its kind, and no other") {
  SimulatedDisk simulated(1, CrashProfile::kAny);
  const auto disk = simulated.Attach();
  const auto file = Create(*disk, "f", Filled(10, 1));
  simulated.Inject({.nth = 3, .kind = FaultKind::kData, .persistent = true});
  for (int i = 0; i < 6; ++i) {
    CHECK(file->WriteAt(0, Filled(10, 1)).ok() == (i < 2), i);
    CHECK(file->Sync().ok() && file->Truncate(10).ok() && Whole(*disk, "f").size() == 10, i);
  }
  simulated.ClearFaults();
  CHECK(file->WriteAt(0, Filled(10, 1)).ok());
}

TEST("simulated disk", "a folder and all in it may go with the power until the folder above is synced") {
  for (const CrashProfile profile :
       {CrashProfile::kOrdered, CrashProfile::kExt4, CrashProfile::kAny}) {
    for (const bool synced : {false, true}) {
      uint64_t kept = 0;
      for (uint64_t seed = 0; seed < kSeedCount; ++seed) {
        SimulatedDisk simulated(seed, profile);
        const auto disk = simulated.Attach();
        CHECK(disk->Open("d/f", OpenMode::kCreate).error().code == ErrorCode::kNotFound);
        CHECK(disk->MakeDirectory("d").ok());
        const auto file = Create(*disk, "d/f", Filled(10, 1));
        CHECK(file->Sync().ok() && disk->SyncDirectory("d").ok());
        if (synced) CHECK(disk->SyncDirectory(".").ok());
        const auto after = AfterPowerCut(simulated);
        const bool there = Must(after->Exists("d/f"));
        CHECK(there == Must(after->Exists("d")));
        if (there) ++kept;
        if (there) CHECK(Whole(*after, "d/f") == Filled(10, 1));
      }
      CHECK(synced ? kept == kSeedCount : kept > 0 && kept < kSeedCount, kept);
    }
  }
}

TEST("simulated disk", "a folder's sync that lies keeps no name") {
  uint64_t kept = 0;
  for (uint64_t seed = 0; seed < kSeedCount; ++seed) {
    SimulatedDisk simulated(seed, CrashProfile::kAny);
    const auto disk = simulated.Attach();
    const auto file = Create(*disk, "f", Filled(10, 1));
    simulated.Inject({.kind = FaultKind::kFolderSync, .effect = FaultEffect::kLie});
    CHECK(file->Sync().ok() && disk->SyncDirectory("").ok() && simulated.fault_count() == 1);
    if (Must(AfterPowerCut(simulated)->Exists("f"))) ++kept;
  }
  CHECK(kept > 0 && kept < kSeedCount, kept);
}

// Units of a write over two pages that are neither old nor new as a whole; and whether any write was torn.
void CheckTearing(CrashProfile profile, size_t unit, bool expect_torn) {
  bool torn = false;
  for (uint64_t seed = 0; seed < kSeedCount; ++seed) {
    SimulatedDisk simulated(seed, profile);
    const auto disk = simulated.Attach();
    const auto file = Create(*disk, "f", Filled(2 * kPage, 1));
    CHECK(file->Sync().ok() && disk->SyncDirectory("").ok());
    CHECK(file->WriteAt(0, Filled(2 * kPage, 2)).ok());
    const Bytes left = Whole(*AfterPowerCut(simulated), "f");
    for (size_t i = 0; i < left.size(); ++i) CHECK(left[i] == left[i / unit * unit], seed);
    torn = torn || left != Filled(2 * kPage, left[0]);
  }
  CHECK(torn == expect_torn, unit);
}

TEST("simulated disk", "a power cut tears a write nowhere, at pages, or at sectors, as the profile has it") {
  CheckTearing(CrashProfile::kOrdered, 2 * kPage, false);
  CheckTearing(CrashProfile::kExt4, kPage, true);
  CheckTearing(CrashProfile::kAny, 512, true);
}

TEST("simulated disk", "a file open for reading only is not written") {
  SimulatedDisk simulated(1, CrashProfile::kAny);
  const auto disk = simulated.Attach();
  Create(*disk, "f", Filled(10, 1));
  const auto file = Must(disk->Open("f", OpenMode::kRead));
  CHECK(!file->WriteAt(0, Filled(1, 2)).ok() && !file->Truncate(0).ok() && !file->Reserve(20).ok());
  CHECK(Whole(*disk, "f") == Filled(10, 1));
}

TEST("simulated disk", "reserved space counts against the quota, and is given back by a truncation") {
  SimulatedDisk simulated(1, CrashProfile::kAny);
  const auto disk = simulated.Attach();
  simulated.SetQuota(1000);
  const auto a = Create(*disk, "a", Filled(100, 1));
  const auto b = Create(*disk, "b", Filled(100, 1));
  CHECK(a->Reserve(2000).error().code == ErrorCode::kNoSpace);
  CHECK(a->Reserve(800).ok() && Must(a->Size()) == 100);
  CHECK(simulated.used_bytes() == 900);
  CHECK(b->WriteAt(0, Filled(300, 1)).error().code == ErrorCode::kNoSpace);
  CHECK(a->WriteAt(0, Filled(800, 1)).ok());
  CHECK(a->Truncate(100).ok() && b->WriteAt(0, Filled(300, 1)).ok());
  CHECK(simulated.used_bytes() == 400 && disk->Remove("a").ok() && simulated.used_bytes() == 300);
}

TEST("threads", "files of one simulated disk, each with its thread, keep their bytes") {
  constexpr int kRounds = 50;
  SimulatedDisk simulated(1, CrashProfile::kAny);
  const auto disk = simulated.Attach();
  std::array<bool, 4> right{};
  std::vector<std::thread> threads;
  for (size_t t = 0; t < right.size(); ++t)
    threads.emplace_back([&, t] {
      const std::string path(1, static_cast<char>('a' + t));
      const auto file = Must(disk->Open(path, OpenMode::kCreate));
      bool all = true;
      for (int i = 0; i < kRounds; ++i)
        all = all && file->WriteAt(static_cast<uint64_t>(i) * 10, Filled(10, uint8_t(t))).ok() &&
              file->Sync().ok() && disk->SyncDirectory("").ok();
      right[t] = all && Whole(*disk, path) == Filled(10 * kRounds, uint8_t(t));
    });
  for (std::thread& thread : threads) thread.join();
  for (const bool each : right) CHECK(each);
  CHECK(Must(disk->List("")) == std::vector<std::string>({"a", "b", "c", "d"}));
  CHECK(simulated.Files().size() == right.size());
}

}  // namespace
}  // namespace capstan::test
