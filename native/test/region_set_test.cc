// Which regions a collection keeps.
#include "../engine/region_set.h"

#include "harness.h"

namespace capstan::test {
namespace {

std::vector<uint32_t> All(const RegionSet& set) {
  std::vector<uint32_t> all;
  set.Each([&](uint32_t id) { all.push_back(id); });
  return all;
}

TEST("region set", "has what was added, from the lowest to the highest number that there can be") {
  RegionSet set;
  CHECK(!set.Contains(0) && !set.Contains(UINT32_MAX) && All(set).empty());
  const std::vector<uint32_t> numbers{0, 1, 1023, 1024, 5'000'000, UINT32_MAX};
  for (const uint32_t id : numbers) set.Add(id);
  set.Add(1024);
  CHECK(All(set) == numbers);
  for (const uint32_t id : numbers) CHECK(set.Contains(id), id);
  CHECK(!set.Contains(2) && !set.Contains(1025) && !set.Contains(6'000'000));
}

TEST("region set", "visits what the visitor adds") {
  RegionSet set;
  set.Add(7);
  std::vector<uint32_t> visited;
  set.Each([&](uint32_t id) {
    visited.push_back(id);
    if (id < 100'000'000) set.Add(id * 1000);
  });
  CHECK((visited == std::vector<uint32_t>{7, 7000, 7'000'000, 2'705'032'704}), visited.size());
}

}  // namespace
}  // namespace capstan::test
