// Goal: a collection takes nothing away that anybody refers to, and gives back all that nobody does. Method: random
// histories (collect_history.h), many of them.
#include <cstdlib>

#include "collect_history.h"

namespace capstan::test {
namespace {

constexpr size_t kStepCount = 60;

CollectTally RunHistories(uint64_t first, uint64_t count) {
  CollectTally tally;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    try {
      CollectHistory(seed, tally).Run(kStepCount);
    } catch (const Failure& failure) {
      throw Failure(Text("history ", seed, ": ", failure.what()));
    }
  }
  return tally;
}

void CheckHistories(uint64_t first, uint64_t count) {
  const CollectTally tally = RunHistories(first, count);
  const std::string counts =
      Text(count, " histories: ", tally.packs_removed, " packs given up, ", tally.bytes_copied,
           " bytes copied, ", tally.deltas, " deltas, ", tally.crashes, " power cuts, ",
           tally.transfers, " copies, ", tally.transfers_across, " across a collection, ",
           tally.transfers_repeated, " asked for anew, ", tally.deltas_carried, " deltas carried");
  std::printf("#   %s\n", counts.c_str());
  CHECK(tally.packs_removed > count / 2 && tally.bytes_copied > count * 1000, counts);
  CHECK(tally.deltas > count / 4 && tally.crashes > count / 10, counts);
  CHECK(tally.transfers_across > count / 10 && tally.transfers_repeated > count / 100, counts);
  CHECK(tally.deltas_carried > count / 20, counts);
}

TEST("collect", "store, model and collector agree over random histories") { CheckHistories(0, 300); }

// CAPSTAN_HISTORIES: the first seed and how many.
TEST("campaign collect", "the same, over thousands") {
  const char* const range = std::getenv("CAPSTAN_HISTORIES");
  uint64_t first = 1000;
  uint64_t count = 5000;
  if (range != nullptr) CHECK(std::istringstream(range) >> first >> count, range);
  CheckHistories(first, count);
}

}  // namespace
}  // namespace capstan::test
