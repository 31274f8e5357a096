// Goal: what was acknowledged survives, wherever the power goes, the process is killed or the disk refuses;
// and damage is noticed. Method: the workloads of workloads.cc on the simulated disk, with a crash or a fault at
// one of their disk operations each time; afterwards the store opens, verifies clean, has what the model says,
// and takes more. Every sweep runs here in part; `npm run campaign -- crash` runs them whole.
#include "sweeps.h"

namespace capstan::test {
namespace {

constexpr CrashProfile kProfiles[] = {CrashProfile::kOrdered, CrashProfile::kExt4,
                                      CrashProfile::kAny};
constexpr const char* kProfileNames[] = {"ordered", "ext4", "any"};
constexpr Density kPart{4, 1};
constexpr Density kWhole{UINT64_MAX, 4};
constexpr Density kWholeOfFaults{UINT64_MAX, 2};
constexpr Density kRotPart{40, 1};
constexpr Density kRotWhole{40000, 1};

struct NamedEnding {
  const char* name;
  Ending ending;
};
constexpr NamedEnding kEndings[] = {{"power cut", Ending::kPowerCut},
                                    {"kill", Ending::kKill},
                                    {"second power cut while it is opened",
                                     Ending::kInterruptedRecovery}};

// -- In part

TEST("crash", "a power cut or a kill at any operation of ten workloads loses nothing acknowledged") {
  Tally tally;
  size_t i = 0;
  for (const Workload& workload : Workloads())
    for (const NamedEnding& ending : kEndings)
      tally.Add(CrashSweep(workload, kProfiles[i++ % 3], ending.ending, kPart));
  Conclude("crashes", tally);
}

TEST("crash", "an operation that fails loses nothing acknowledged, and says why") {
  Tally tally;
  size_t i = 0;
  // Every other pair: each plan meets five workloads, each workload five or six plans.
  for (const Workload& workload : Workloads())
    for (const FaultPlan& plan : FaultPlans())
      if (i++ % 2 == 0) tally.Add(FaultSweep(workload, plan, {2, 1}));
  Conclude("faults", tally);
}

TEST("crash", "bits that turn over, stale and misdirected transfers are noticed") {
  Tally tally;
  for (const Workload& workload : RotWorkloads()) {
    tally.Add(RotSweep(workload, kRotPart));
    tally.Add(RotBeforeWriterSweep(workload, {30, 1}));
    for (const FaultEffect effect : {FaultEffect::kStale, FaultEffect::kMisdirect})
      tally.Add(WrongReadSweep(workload, effect, {20, 1}));
  }
  for (const FaultEffect effect : {FaultEffect::kLie, FaultEffect::kMisdirect})
    tally.Add(WrongWriteSweep(WorkloadNamed("overwrite"), effect, {10, 1}));
  Conclude("damage", tally);
}

TEST("crash", "the workloads do what their names say") {
  struct Effects {
    PackStore::Collected collected;
    PackStatistics packs;
    size_t refusals;
    size_t deltas_imported;
  };
  const auto effects_of = [](const std::string& name) {
    SimulatedDisk disk(1, CrashProfile::kOrdered);
    Run run(disk, WorkloadNamed(name), AfterError::kGoOn);
    run.Work();
    return Effects{run.collected(), Must(run.Statistics()).packs, run.errors().size(),
                   run.deltas_imported()};
  };
  const Effects collection = effects_of("garbage collection");
  CHECK(collection.collected.packs_removed > 1 && collection.collected.bytes_copied > 0);
  const Effects delta = effects_of("delta bases");
  CHECK(delta.packs.stored_bytes < delta.packs.unique_bytes * 2 / 3, delta.packs.stored_bytes);
  CHECK(effects_of("import of copies").deltas_imported > 1);
  CHECK(effects_of("pack roll-over").packs.pack_count > 3);
  CHECK(effects_of("nearly full disk").refusals > 1);
  CHECK(effects_of("write").refusals == 0);
}

TEST("crash", "the same seed crashes to the same state") {
  uint64_t hashes[2];
  for (uint64_t& hash : hashes) {
    SimulatedDisk disk(7, CrashProfile::kAny);
    disk.CrashAtOperation(30);
    Run run(disk, WorkloadNamed("garbage collection"), AfterError::kStop);
    run.Work();
    disk.PowerCut();
    hash = disk.Hash();
  }
  CHECK(hashes[0] == hashes[1]);
}

// -- Whole, one test for each line of the campaign

const bool kRegistered = [] {
  const auto add = [](const std::string& name, std::function<Tally()> sweep) {
    Tests().push_back({"campaign crash: " + name, [name, sweep] { Conclude(name, sweep()); }});
  };
  for (const Workload& workload : Workloads()) {
    const std::string prefix = std::string(workload.name) + ", ";
    for (size_t p = 0; p < std::size(kProfiles); ++p)
      for (const NamedEnding& ending : kEndings)
        add(prefix + kProfileNames[p] + ", " + ending.name, [&workload, p, ending] {
          return CrashSweep(workload, kProfiles[p], ending.ending, kWhole);
        });
    for (const FaultPlan& plan : FaultPlans())
      add(prefix + plan.name,
          [&workload, &plan] { return FaultSweep(workload, plan, kWholeOfFaults); });
    add(prefix + "lost writes",
        [&workload] { return WrongWriteSweep(workload, FaultEffect::kLie, kWholeOfFaults); });
    add(prefix + "misdirected writes",
        [&workload] { return WrongWriteSweep(workload, FaultEffect::kMisdirect, kWhole); });
    add(prefix + "stale reads",
        [&workload] { return WrongReadSweep(workload, FaultEffect::kStale, kWholeOfFaults); });
    add(prefix + "misdirected reads",
        [&workload] { return WrongReadSweep(workload, FaultEffect::kMisdirect, kWhole); });
  }
  for (const Workload& workload : RotWorkloads()) {
    add(std::string(workload.name) + ", bit rot",
        [&workload] { return RotSweep(workload, kRotWhole); });
    add(std::string(workload.name) + ", bit rot before a writer",
        [&workload] { return RotBeforeWriterSweep(workload, {4000, 1}); });
  }
  return true;
}();

}  // namespace
}  // namespace capstan::test
