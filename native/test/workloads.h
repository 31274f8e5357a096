// What the crash sweeps put a store through, as data.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace capstan::test {

struct Step {
  enum class Kind {
    kCreate,    // `image` with `count` partitions
    kAppend,    // `count` blocks of `bytes` each, from `at_permille` of the partition on; filemarks between
    kTruncate,  // to `at_permille` of the partition
    kSync,
    kRead,    // all of it, compared
    kBeside,  // the same through a second, reading process: what is acknowledged
    kRemove,
    kCollect,
    kImport,  // `count` blocks of `bytes` from another store, under the name of `image`
    kReopen,  // the store is closed and opened
    kQuota,   // to `bytes`; 0: none
  };
  enum class Fill {
    kNoise,
    kText,    // compresses to about half
    kEdited,  // the blocks of `of`, a few bytes of each changed
    kSame,    // the blocks of `of`
  };
  Kind kind;
  const char* image = "A";
  uint32_t count = 1;
  uint32_t bytes = 0;
  uint32_t partition = 0;
  Fill fill = Fill::kNoise;
  const char* of = "A";
  uint64_t at_permille = 1000;
};

struct Workload {
  const char* name;
  uint64_t pack_bytes_max;
  bool encrypted;
  std::vector<Step> steps;
};

const std::vector<Workload>& Workloads();
// Smaller ones, whose bits are turned over one by one.
const std::vector<Workload>& RotWorkloads();
const Workload& WorkloadNamed(const std::string& name);

}  // namespace capstan::test
