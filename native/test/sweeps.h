// A workload, again and again: with a crash at each of its disk operations, with a fault at each, with each bit of
// what it leaves turned over.
#pragma once

#include "workload_run.h"

namespace capstan::test {

// How much of a sweep is done.
struct Density {
  uint64_t points_max;  // at most so many places of each kind, spread evenly
  uint64_t seeds;
};

struct Tally {
  uint64_t points = 0;
  uint64_t failures = 0;
  // Of the first failures.
  std::vector<std::string> messages;
  // What else was counted, by name.
  std::map<std::string, uint64_t> notes;

  void Fail(const std::string& message);
  void Add(const Tally& other);
};
// Prints one line, and throws Failure where anything failed.
void Conclude(const std::string& name, const Tally& tally);

enum class Ending {
  kPowerCut,
  kKill,                 // the next process sees what was not synced; the power goes later
  kInterruptedRecovery,  // the power goes again while the store is opened
};

struct FaultPlan {
  const char* name;
  FaultKind kind;
  FaultEffect effect;
  FaultError error;
  bool persistent;
};
const std::vector<FaultPlan>& FaultPlans();

Tally CrashSweep(const Workload& workload, CrashProfile profile, Ending ending, Density density);
Tally FaultSweep(const Workload& workload, const FaultPlan& plan, Density density);
// Each bit of each file, one at a time, at most `density.points_max` of a file beside its two ends.
Tally RotSweep(const Workload& workload, Density density);
// The same bits, some of them, before a writer opens the store: it must not tidy away what was damaged.
Tally RotBeforeWriterSweep(const Workload& workload, Density density);
// Each read of a store that is opened and read through gives stale bytes, or those of another place.
Tally WrongReadSweep(const Workload& workload, FaultEffect effect, Density density);
// Each write of the workload goes nowhere, or to another place.
Tally WrongWriteSweep(const Workload& workload, FaultEffect effect, Density density);

}  // namespace capstan::test
