#include "sweeps.h"

#include <algorithm>
#include <cstdio>

#include "hang_watch.h"

namespace capstan::test {
namespace {

constexpr size_t kMessagesMax = 8;
// A point that takes longer hangs: the signal ends the process.
constexpr unsigned kPointSecondsMax = 60;
// Bits at either end of a file that are all tried.
constexpr uint64_t kEndBits = 8 * 96;
constexpr uint64_t kRecoveryOperationsMax = 12;

// `body` throws where the point fails.
template <class Body>
void Try(Tally& tally, const std::string& where, const Body& body) {
  ++tally.points;
  WatchForHang(kPointSecondsMax);
  try {
    body();
  } catch (const std::exception& error) {
    tally.Fail(where + ": " + error.what());
  }
  EndWatch();
}

uint64_t OperationsOf(const Workload& workload) {
  SimulatedDisk disk(1, CrashProfile::kOrdered);
  Run run(disk, workload, AfterError::kStop);
  run.Work();
  for (const ErrorCode code : run.errors())
    CHECK(code == ErrorCode::kNoSpace, workload.name, " fails by itself with code ",
          static_cast<int>(code));
  return disk.operation_count();
}

uint64_t StrideFor(uint64_t count, Density density) {
  return std::max<uint64_t>(1, (count + density.points_max - 1) / density.points_max);
}

}  // namespace

void Tally::Fail(const std::string& message) {
  ++failures;
  if (messages.size() < kMessagesMax) messages.push_back(message);
}

void Tally::Add(const Tally& other) {
  points += other.points;
  failures += other.failures;
  for (const std::string& message : other.messages)
    if (messages.size() < kMessagesMax) messages.push_back(message);
  for (const auto& [name, count] : other.notes) notes[name] += count;
}

void Conclude(const std::string& name, const Tally& tally) {
  std::string notes;
  for (const auto& [note, count] : tally.notes) notes += Text(", ", count, " ", note);
  std::printf("#   %s: %llu points, %llu failures%s\n", name.c_str(),
              static_cast<unsigned long long>(tally.points),
              static_cast<unsigned long long>(tally.failures), notes.c_str());
  if (tally.failures == 0) return;
  std::string text = Text(tally.failures, " of ", tally.points, " points");
  for (const std::string& message : tally.messages) text += "\n#   " + message;
  throw Failure(text);
}

const std::vector<FaultPlan>& FaultPlans() {
  using enum FaultEffect;
  static const std::vector<FaultPlan> plans{
      {"EIO once", FaultKind::kWrite, kFail, FaultError::kIo, false},
      {"EIO for ever", FaultKind::kWrite, kFail, FaultError::kIo, true},
      {"ENOSPC once", FaultKind::kWrite, kFail, FaultError::kNoSpace, false},
      {"ENOSPC for ever", FaultKind::kWrite, kFail, FaultError::kNoSpace, true},
      {"short write, ENOSPC", FaultKind::kData, kShort, FaultError::kNoSpace, false},
      {"short write, EIO", FaultKind::kData, kShort, FaultError::kIo, false},
      {"sync fails once, its pages are dropped", FaultKind::kSync, kFail, FaultError::kIo, false},
      {"sync fails for ever", FaultKind::kSync, kFail, FaultError::kIo, true},
      {"sync fails once and lies afterwards", FaultKind::kSync, kFailThenLie, FaultError::kIo,
       false},
      {"read fails once", FaultKind::kRead, kFail, FaultError::kIo, false},
      {"read fails for ever", FaultKind::kRead, kFail, FaultError::kIo, true},
  };
  return plans;
}

Tally CrashSweep(const Workload& workload, CrashProfile profile, Ending ending, Density density) {
  Tally tally;
  const uint64_t count = OperationsOf(workload);
  for (uint64_t n = 1; n <= count; n += StrideFor(count, density)) {
    for (uint64_t seed = 0; seed < density.seeds; ++seed) {
      const auto body = [&] {
        SimulatedDisk disk(seed * 100000 + n, profile);
        disk.CrashAtOperation(n);
        Run run(disk, workload, AfterError::kGoOn);
        run.Work();
        CHECK(run.crashed(), "no crash");
        run.Abandon();
        if (ending == Ending::kKill) {
          disk.Kill();
        } else {
          disk.PowerCut();
          disk.Restart();
        }
        if (ending == Ending::kInterruptedRecovery) {
          disk.CrashAtOperation(1 + (n + seed) % kRecoveryOperationsMax);
          run.TryOpen();
          disk.PowerCut();
          disk.Restart();
        }
        // A full disk must not keep a store from being opened; it may keep it from taking more.
        run.CheckRecovered();
        disk.SetQuota(std::nullopt);
        run.CheckGoesOn();
      };
      Try(tally, Text(workload.name, ", operation ", n, " of ", count, ", seed ", seed), body);
    }
  }
  return tally;
}

namespace {

std::string Codes(const std::vector<ErrorCode>& codes) {
  std::string text;
  for (const ErrorCode code : codes) text += Text(" ", static_cast<int>(code));
  return text;
}

// The n-th operation of the plan's kind fails; false where there is no n-th.
bool TryFault(const Workload& workload, const FaultPlan& plan, uint64_t n, uint64_t seed,
              Tally& tally) {
  bool struck = false;
  const auto body = [&] {
    SimulatedDisk disk(seed * 100000 + n, CrashProfile::kAny);
    disk.Inject({n, plan.kind, plan.effect, plan.error, plan.persistent});
    const bool lasting = plan.persistent || plan.effect == FaultEffect::kFailThenLie;
    Run run(disk, workload, lasting ? AfterError::kStop : AfterError::kGoOn);
    run.Work();
    struck = disk.fault_count() > 0;
    const ErrorCode expected =
        plan.error == FaultError::kIo ? ErrorCode::kIo : ErrorCode::kNoSpace;
    bool first = true;
    for (const ErrorCode code : run.errors()) {
      // The nearly full disk has refusals of its own.
      if (code == ErrorCode::kNoSpace && plan.error != FaultError::kNoSpace) continue;
      // What follows: the store takes no more, or a creation that failed is missed.
      const bool follows = !first && (code == ErrorCode::kFailed || code == ErrorCode::kNotFound ||
                                      code == ErrorCode::kAlreadyExists);
      CHECK(code == expected || follows, "wrong error among ", Codes(run.errors()));
      first = false;
    }
    run.Abandon();
    disk.ClearFaults();
    // A disk that has lied has nothing that the next process could hold it to.
    if (seed % 2 == 0 || plan.effect == FaultEffect::kFailThenLie) {
      disk.PowerCut();
      disk.Restart();
    } else {
      disk.Kill();
    }
    run.CheckRecovered();
    disk.SetQuota(std::nullopt);
    run.CheckGoesOn();
  };
  Tally point;
  Try(point, Text(workload.name, ", ", plan.name, ", number ", n, ", seed ", seed), body);
  if (struck || point.failures > 0) tally.Add(point);
  return struck;
}

}  // namespace

Tally FaultSweep(const Workload& workload, const FaultPlan& plan, Density density) {
  Tally tally;
  const uint64_t stride = StrideFor(OperationsOf(workload), density);
  for (uint64_t n = 1;; n += stride) {
    bool struck = false;
    for (uint64_t seed = 0; seed < density.seeds; ++seed)
      struck = TryFault(workload, plan, n, seed, tally) || struck;
    if (!struck) return tally;
  }
}

namespace {

const char* Missed(Honesty honesty) {
  switch (honesty) {
    case Honesty::kReported:
      return nullptr;
    case Honesty::kRight:
      return "nobody notices";
    case Honesty::kReportedByRead:
      return "Verify does not notice";
    case Honesty::kWentBack:
      break;
  }
  return "an image goes back without a word";
}

// Room for the next superblock: nothing is read there.
bool IsRedundant(const std::string& path) { return path.ends_with("/~store"); }

// What was missed, in runs of bytes.
class MissedRuns {
 public:
  MissedRuns(Tally& tally, std::string file) : tally_(tally), file_(std::move(file)) {}
  void Add(uint64_t byte, const std::string& what) {
    if (what != what_ || byte > last_ + kGapMax) Flush();
    if (count_++ == 0) first_ = byte;
    last_ = byte;
    what_ = what;
  }
  void Flush() {
    if (count_ > 0)
      tally_.Fail(Text(file_, " bytes ", first_, " to ", last_, ", ", count_, " bits: ", what_));
    count_ = 0;
  }

 private:
  static constexpr uint64_t kGapMax = 64;
  Tally& tally_;
  const std::string file_;
  std::string what_;
  uint64_t first_ = 0;
  uint64_t last_ = 0;
  uint64_t count_ = 0;
};

}  // namespace

Tally RotSweep(const Workload& workload, Density density) {
  Tally tally;
  SimulatedDisk disk(1, CrashProfile::kOrdered);
  Run run(disk, workload, AfterError::kStop);
  run.Work();
  run.Finish();
  for (const auto& [path, size] : disk.Files()) {
    const uint64_t bits = size * 8;
    const uint64_t stride = StrideFor(bits, density);
    const uint64_t end_bits = std::min(kEndBits, density.points_max);
    MissedRuns missed(tally, path);
    for (uint64_t bit = 0; bit < bits; ++bit) {
      const bool at_end = bit < end_bits || bit + end_bits >= bits;
      if (!at_end && bit % stride != 0) continue;
      ++tally.points;
      WatchForHang(kPointSecondsMax);
      const auto turn = [&] { disk.Rot(path, bit / 8, static_cast<unsigned>(bit % 8)); };
      turn();
      try {
        const Honesty honesty = run.CheckHonest();
        if (honesty == Honesty::kRight && IsRedundant(path))
          ++tally.notes["of bytes that nothing rests on"];
        else if (const char* what = Missed(honesty))
          missed.Add(bit / 8, what);
      } catch (const std::exception& error) {
        missed.Add(bit / 8, error.what());
      }
      turn();
      EndWatch();
    }
    missed.Flush();
  }
  return tally;
}

Tally RotBeforeWriterSweep(const Workload& workload, Density density) {
  Tally tally;
  std::vector<std::pair<std::string, uint64_t>> files;
  for (uint64_t n = 0; n <= density.points_max; ++n) {
    const auto body = [&] {
      SimulatedDisk disk(1, CrashProfile::kOrdered);
      Run run(disk, workload, AfterError::kStop);
      run.Work();
      run.Finish();
      files = disk.Files();
      Random random(n);
      const auto& [path, size] = files[n % files.size()];
      const uint64_t bit = random.Below(size * 8);
      const std::string place = Text(path, " byte ", bit / 8, " bit ", bit % 8, ": ");
      CHECK(disk.Rot(path, bit / 8, static_cast<unsigned>(bit % 8)));
      run.TryOpen();
      const Honesty honesty = run.CheckHonest();
      if (honesty == Honesty::kRight) ++tally.notes["without effect"];
      CHECK(honesty == Honesty::kRight || honesty == Honesty::kReported, place,
            Missed(honesty));
    };
    Try(tally, Text(workload.name, ", point ", n), body);
  }
  return tally;
}

Tally WrongReadSweep(const Workload& workload, FaultEffect effect, Density density) {
  Tally tally;
  SimulatedDisk disk(1, CrashProfile::kOrdered);
  Run run(disk, workload, AfterError::kStop);
  run.Work();
  run.Finish();
  for (uint64_t n = 1;; ++n) {
    const uint64_t before = disk.fault_count();
    for (uint64_t seed = 0; seed < density.seeds; ++seed) {
      Try(tally, Text(workload.name, ", read ", n, " seed ", seed), [&] {
        disk.Inject({.nth = n, .kind = FaultKind::kRead, .effect = effect});
        const Honesty honesty = run.CheckHonest();
        CHECK(honesty != Honesty::kWentBack, "an image goes back without a word");
        if (honesty == Honesty::kRight) ++tally.notes["without effect"];
      });
      disk.ClearFaults();
    }
    if (disk.fault_count() == before || n > density.points_max) return tally;
  }
}

Tally WrongWriteSweep(const Workload& workload, FaultEffect effect, Density density) {
  Tally tally;
  for (uint64_t n = 1;; ++n) {
    bool struck = false;
    for (uint64_t seed = 0; seed < density.seeds; ++seed) {
      Try(tally, Text(workload.name, ", write ", n, " seed ", seed), [&] {
        SimulatedDisk disk(seed * 100000 + n, CrashProfile::kAny);
        disk.Inject({.nth = n, .kind = FaultKind::kData, .effect = effect});
        Run run(disk, workload, AfterError::kStop);
        run.DistrustFaults();
        run.Work();
        struck = struck || disk.fault_count() > 0;
        run.Abandon();
        disk.Kill();
        const Honesty honesty = run.CheckHonest();
        if (honesty == Honesty::kRight) ++tally.notes["without effect"];
        if (honesty == Honesty::kWentBack) ++tally.notes["went back to an acknowledged state"];
      });
    }
    if (!struck || n > density.points_max) return tally;
  }
}

}  // namespace capstan::test
