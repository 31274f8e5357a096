// Where the records of a partition end: runs of objects of one length, filemarks as length 0.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace capstan {

struct Run {
  uint32_t length;  // 0: filemarks
  uint64_t count;
};

// Finds by bisection: every operation but Append and Truncate takes logarithmic time in the runs.
class RecordMap {
 public:
  uint64_t object_count() const { return placed_.empty() ? 0 : placed_.back().object_end(); }
  uint64_t filemark_count() const {
    return placed_.empty() ? 0 : placed_.back().filemarks_before + placed_.back().filemarks();
  }
  uint64_t byte_count() const { return placed_.empty() ? 0 : placed_.back().byte_end(); }

  void Append(uint32_t length, uint64_t count) {
    if (count == 0) return;
    if (!placed_.empty() && placed_.back().run.length == length) {
      placed_.back().run.count += count;
      return;
    }
    placed_.push_back({{length, count}, object_count(), byte_count(), filemark_count()});
  }

  void Truncate(uint64_t objects) {
    while (!placed_.empty() && placed_.back().first_object >= objects) placed_.pop_back();
    if (!placed_.empty() && placed_.back().object_end() > objects)
      placed_.back().run.count = objects - placed_.back().first_object;
  }

  // Of the object `at`, which exists.
  uint32_t LengthOf(uint64_t at) const { return Find(at).run.length; }
  uint64_t BytesBefore(uint64_t at) const {
    if (at >= object_count()) return byte_count();
    const Placed& placed = Find(at);
    return placed.first_byte + (at - placed.first_object) * placed.run.length;
  }
  uint64_t FilemarksBefore(uint64_t at) const {
    if (at >= object_count()) return filemark_count();
    const Placed& placed = Find(at);
    return placed.filemarks_before + (placed.run.length == 0 ? at - placed.first_object : 0);
  }
  // The object that is filemark number `ordinal`, which exists.
  uint64_t FilemarkAt(uint64_t ordinal) const {
    // The last run with no more than `ordinal` filemarks before it: the one that has it.
    auto found = std::upper_bound(placed_.begin(), placed_.end(), ordinal,
                                  [](uint64_t value, const Placed& placed) {
                                    return value < placed.filemarks_before;
                                  });
    --found;
    return found->first_object + (ordinal - found->filemarks_before);
  }

  // The runs of the objects from `from` on.
  std::vector<Run> RunsFrom(uint64_t from) const {
    std::vector<Run> runs;
    if (from >= object_count()) return runs;
    for (auto placed = placed_.begin() + (&Find(from) - placed_.data()); placed != placed_.end();
         ++placed) {
      const uint64_t first = std::max(from, placed->first_object);
      runs.push_back({placed->run.length, placed->object_end() - first});
    }
    return runs;
  }

 private:
  struct Placed {
    Run run;
    uint64_t first_object;
    uint64_t first_byte;
    uint64_t filemarks_before;
    uint64_t object_end() const { return first_object + run.count; }
    uint64_t byte_end() const { return first_byte + run.count * run.length; }
    uint64_t filemarks() const { return run.length == 0 ? run.count : 0; }
  };

  const Placed& Find(uint64_t at) const {
    return *(std::upper_bound(placed_.begin(), placed_.end(), at,
                              [](uint64_t value, const Placed& placed) {
                                return value < placed.first_object;
                              }) -
             1);
  }

  std::vector<Placed> placed_;
};

}  // namespace capstan
