// The object map against a naive list of runs over random histories, and its code against damage.
#include "../engine/object_map.h"
#include "coded_runs_check.h"
#include "harness.h"

#include <deque>

namespace capstan::test {
namespace {

// The runs one after the other, everything found by walking them.
class NaiveMap {
 public:
  void Append(const Run& run) {
    if (run.count == 0) return;
    if (!runs_.empty() && ObjectCode::Alike(runs_.back(), run))
      runs_.back().count += run.count;
    else
      runs_.push_back(run);
  }
  void Truncate(uint64_t objects) {
    uint64_t before = 0;
    for (size_t i = 0; i < runs_.size(); ++i) {
      if (before + runs_[i].count >= objects) {
        runs_[i].count = objects - before;
        runs_.resize(runs_[i].count == 0 ? i : i + 1);
        return;
      }
      before += runs_[i].count;
    }
  }
  ObjectPlace PlaceOf(uint64_t at) const {
    ObjectPlace place;
    for (const Run& run : runs_) {
      const uint64_t count = std::min(run.count, at - place.object);
      place.object += count;
      place.bytes_before += count * run.length;
      if (run.length == 0) place.filemarks_before += count;
      place.payload_before += count * run.payload;
      place.framing_before += count * run.framing;
    }
    return place;
  }
  uint64_t count() const { return PlaceOf(~0ull).object; }
  // With the objects that are left of it.
  Run RunAt(uint64_t at) const {
    for (Run run : runs_) {
      if (at < run.count) {
        run.count -= at;
        return run;
      }
      at -= run.count;
    }
    return {};
  }
  uint64_t FilemarkAt(uint64_t ordinal) const {
    uint64_t object = 0;
    for (const Run& run : runs_) {
      if (run.length == 0) {
        if (ordinal < run.count) return object + ordinal;
        ordinal -= run.count;
      }
      object += run.count;
    }
    return ~0ull;
  }
  const std::deque<Run>& runs() const { return runs_; }

 private:
  std::deque<Run> runs_;
};

bool Same(const Run& a, const Run& b) { return a.count == b.count && ObjectCode::Alike(a, b); }
bool Same(const ObjectPlace& a, const ObjectPlace& b) {
  return a.object == b.object && a.bytes_before == b.bytes_before &&
         a.filemarks_before == b.filemarks_before && a.payload_before == b.payload_before &&
         a.framing_before == b.framing_before;
}

uint32_t RandomLength(Random& random) {
  switch (random.Below(4)) {
    case 0:
      return 65536;
    case 1:
      return static_cast<uint32_t>(1 + random.Below(40));
    case 2:
      return 1u << random.Below(25);
    default:
      return static_cast<uint32_t>(1 + random.Below(kBlockBytesMax));
  }
}

uint64_t RandomCount(Random& random) {
  if (random.OneIn(200)) return 1 + random.Below(1ull << 20);
  return random.OneIn(3) ? 1 + random.Below(40) : 1;
}

Run RandomRun(Random& random, const Run& before) {
  if (random.OneIn(5)) return Run{0, RandomCount(random)};
  // Often like the one before, as tapes are.
  const bool alike = before.length != 0 && random.OneIn(2);
  const uint32_t length = alike ? before.length : RandomLength(random);
  Run run{length, RandomCount(random)};
  if (random.OneIn(2)) return run;
  const auto stripped = static_cast<uint32_t>(random.Below(std::min(length, 3000u) + 1));
  run.payload = length - stripped;
  if (before.framing != 0 && random.OneIn(2))
    run.framing = stripped + 1;
  else
    run.framing = random.OneIn(50) ? kBlockBytesMax : static_cast<uint32_t>(1 + random.Below(300));
  return run;
}

void CheckTotals(const ObjectMap& map, const NaiveMap& naive) {
  const ObjectPlace end = naive.PlaceOf(~0ull);
  CHECK(Same(map.PlaceOf(map.object_count()), end));
  CHECK(map.object_count() == end.object);
  CHECK(map.byte_count() == end.bytes_before);
  CHECK(map.filemark_count() == end.filemarks_before);
  CHECK(map.payload_count() == end.payload_before);
  CHECK(map.framing_count() == end.framing_before);
}

void CheckRuns(const ObjectMap& map, const std::deque<Run>& runs) {
  ObjectMap::Cursor cursor = map.CursorAt(0);
  for (const Run& run : runs) {
    CHECK(!cursor.at_end());
    CHECK(Same(cursor.run(), run));
    cursor.Next();
  }
  CHECK(cursor.at_end());
  CHECK(cursor.run().count == 0);
}

void CheckOn(const ObjectMap::Cursor& cursor, const NaiveMap& naive, uint64_t at) {
  CHECK(cursor.place().object == at);
  CHECK(Same(cursor.place(), naive.PlaceOf(at)));
  CHECK(cursor.at_end() == (at == naive.count()));
  CHECK(cursor.at_end() || Same(cursor.run(), naive.RunAt(at)));
}

void Walk(const ObjectMap& map, const NaiveMap& naive, Random& random, int steps) {
  uint64_t at = random.Below(map.object_count() + 1);
  ObjectMap::Cursor cursor = map.CursorAt(at);
  CheckOn(cursor, naive, at);
  while (steps-- > 0) {
    switch (random.Below(4)) {
      case 0: {
        const uint64_t skipped = random.Below(map.object_count() - at + 1);
        cursor.Skip(skipped);
        at += skipped;
        break;
      }
      case 1:
        at += cursor.run().count;
        cursor.Next();
        break;
      default:
        CHECK(cursor.Back() == (at > 0));
        if (at > 0) --at;
    }
    CheckOn(cursor, naive, at);
  }
}

Bytes Encoded(const ObjectMap& map, uint64_t from = 0) {
  Bytes bytes;
  map.Encode(from, bytes);
  return bytes;
}

TEST("object map", "random histories end as in a naive list, every place and copy on the way") {
  Random random(31);
  for (int history = 0; history < 3000; ++history) {
    ObjectMap map;
    NaiveMap naive;
    Run before;
    const uint64_t burst = history % 100 == 0 ? 3000 : history % 3 == 0 ? 200 : 8;
    for (int step = 0; step < 8; ++step) {
      if (random.OneIn(4)) {
        const uint64_t keep = random.OneIn(10) ? 0 : random.Below(map.object_count() + 2);
        map.Truncate(keep);
        naive.Truncate(keep);
      }
      for (uint64_t i = random.Below(burst); i > 0; --i) {
        before = RandomRun(random, before);
        CHECK(map.Accepts(before));
        map.Append(before);
        naive.Append(before);
      }
      CheckTotals(map, naive);
      Walk(map, naive, random, 6);
      if (map.filemark_count() > 0) {
        const uint64_t ordinal = random.Below(map.filemark_count());
        CHECK(map.FilemarkAt(ordinal) == naive.FilemarkAt(ordinal));
      }
      // A copy that is cut and takes over what was encoded from the cut on.
      const uint64_t from = random.Below(map.object_count() + 1);
      ObjectMap copy = map;
      copy.Truncate(from);
      Must(copy.AppendEncoded(Encoded(map, from)));
      CheckRuns(copy, naive.runs());
      CHECK(Encoded(copy) == Encoded(map));
    }
    CheckRuns(map, naive.runs());
  }
}

TEST("object map", "cuts and places hold over many segments of blocks") {
  Random random(32);
  ObjectMap map;
  NaiveMap naive;
  Run before;
  while (naive.runs().size() < 100000) {
    before = RandomRun(random, before);
    map.Append(before);
    naive.Append(before);
  }
  for (int i = 0; i < 12; ++i) {
    CheckTotals(map, naive);
    CheckRuns(map, naive.runs());
    Walk(map, naive, random, 20);
    ObjectMap::Cursor cursor = map.CursorAt(map.object_count());
    for (size_t run = naive.runs().size(); run-- > naive.runs().size() * 9 / 10;) {
      for (uint64_t n = std::min<uint64_t>(naive.runs()[run].count, 50); n > 0; --n) {
        CHECK(cursor.Back());
        CHECK(ObjectCode::Alike(cursor.run(), naive.runs()[run]));
      }
      if (naive.runs()[run].count > 50) break;
    }
    const uint64_t keep = map.object_count() - random.Below(map.object_count() / 4);
    map.Truncate(keep);
    naive.Truncate(keep);
  }
}

TEST("object map", "each kind of run has the bytes that the format says") {
  ObjectMap map;
  map.Append({65536, 1});
  map.Append({0, 2});
  map.Append({65536, 300});
  map.Append({512, 1});
  map.Append({65536, 1});
  map.Append({10240, 20});
  map.Append({64512, 1, 24, 64464});
  map.Append({64512, 1, 36, 64452});
  map.Append({64512, 1, 20, 64000});
  map.Append({1, 1});
  const Bytes expected{
      0xfc, 0xff, 0x07,              // 65535 << 3 | 2 << 1: two more bytes
      0x11,                          // two filemarks
      0xf3, 0x9c, 0x02,              // as last, 15 and 284 more than 1
      0xfa, 0x0f,                    // 511 << 3 | 1 << 1
      0x05,                          // as the other
      0xf7, 0x04, 0xff, 0x4f,        // plain, 20 of them, 10239
      0x0d, 0xff, 0xf7, 0x03, 0x30, 0x60,  // framed, 64511, step 24, step 48
      0x09, 0x18,                    // 12 more of both
      0x0b, 0x1f, 0x88, 0x07,        // 16 less framing, 452 more stripped
      0x00,
  };
  CHECK(Encoded(map) == expected);
  ObjectMap again;
  Must(again.AppendEncoded(expected));
  CHECK(Encoded(again) == expected);
  CHECK(Same(again.PlaceOf(again.object_count()), map.PlaceOf(map.object_count())));
}

TEST("object map", "damaged code is refused whole, and what is taken is in its one form") {
  const auto make = [](Random& random) {
    ObjectMap map;
    Run before;
    for (uint64_t i = random.Below(30); i > 0; --i) map.Append(before = RandomRun(random, before));
    return map;
  };
  CheckDamagedCode<ObjectMap>("object map", Random(33), make, [](const ObjectMap& map) {
    CHECK(map.byte_count() <= kStreamBytesMax && map.object_count() <= kObjectCountMax);
  });
}

void CheckRefused(const Bytes& bytes, ErrorCode code, const char* part) {
  ObjectMap map;
  map.Append({512, 3});
  const Status status = map.AppendEncoded(bytes);
  CHECK(!status.ok());
  CHECK(status.error().code == code, status.error().what);
  CHECK(status.error().what.find(part) != std::string::npos, status.error().what);
  CHECK(map.object_count() == 3);
}

TEST("object map", "code that no map makes is refused with what is wrong") {
  CheckRefused({0x11, 0xfc, 0xff}, ErrorCode::kCorrupt, "byte 1 of 3: a run is cut off");
  CheckRefused({0xf1}, ErrorCode::kCorrupt, "cut off");
  CheckRefused({0x0f}, ErrorCode::kCorrupt, "not defined");
  CheckRefused({0x03}, ErrorCode::kCorrupt, "there is none");
  CheckRefused({0x09, 0x02}, ErrorCode::kCorrupt, "there is none");
  CheckRefused({0x0d, 0x0f, 0x00, 0x02}, ErrorCode::kCorrupt, "framing");  // no framing
  CheckRefused({0x0d, 0x0f, 0x01, 0x02}, ErrorCode::kCorrupt, "framing");  // less than none
  CheckRefused({0x0d, 0x0f, 0x02, 0x22}, ErrorCode::kCorrupt, "framing");  // 17 of 16 bytes
  CheckRefused({0x01, 0x01}, ErrorCode::kCorrupt, "one form");
  CheckRefused({0x07, 0x0f}, ErrorCode::kCorrupt, "one form");
  CheckRefused({0x02, 0x00}, ErrorCode::kCorrupt, "one form");
  CheckRefused({0x00, 0x01, 0x00}, ErrorCode::kCorrupt, "one form");
  CheckRefused({0x06, 0x00, 0x00, 0x08}, ErrorCode::kLimit, "16777216");
  CheckRefused({0xf1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, ErrorCode::kLimit,
               "objects");
  CheckRefused({0xf1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02},
               ErrorCode::kCorrupt, "cut off");
}

TEST("object map", "a partition is taken up to its limits and not beyond") {
  ObjectMap map;
  map.Append({kBlockBytesMax, (kStreamBytesMax / kBlockBytesMax) - 1});
  CHECK(map.Accepts({kBlockBytesMax, 1}));
  CHECK(!map.Accepts({kBlockBytesMax, 2}));
  CHECK(!map.Accepts({1, kBlockBytesMax + 1}));
  CHECK(map.Accepts({0, kObjectCountMax - map.object_count()}));
  CHECK(!map.Accepts({0, kObjectCountMax - map.object_count() + 1}));
  CHECK(!map.Accepts({kBlockBytesMax + 1, 1}));
  CHECK(!map.Accepts({10, 1, 0, 9}) && !map.Accepts({10, 1, 1, 11}) && !map.Accepts({0, 1, 1, 0}));
  CHECK(map.Accepts({10, 1, 11, 10}) && !map.Accepts({10, 1, kBlockBytesMax + 1, 10}));
  CHECK(!map.Accepts({1, kStreamBytesMax / kBlockBytesMax + 1, kBlockBytesMax, 0}));
  map.Append({kBlockBytesMax, 1});
  map.Append({0, kObjectCountMax - map.object_count()});
  ObjectMap again;
  Must(again.AppendEncoded(Encoded(map)));
  CHECK(again.object_count() == kObjectCountMax && again.byte_count() == kStreamBytesMax);
  CHECK(!again.AppendEncoded(Bytes{0x01}).ok());
  CHECK(again.FilemarkAt(again.filemark_count() - 1) == kObjectCountMax - 1);
}

TEST("object map", "a million blocks of random lengths take less than four and a half bytes each") {
  Random random(34);
  ObjectMap map;
  for (int i = 0; i < 1000000; ++i)
    map.Append({static_cast<uint32_t>(1 + random.Below(kBlockBytesMax)), 1});
  CHECK(map.memory_bytes() < 4500000, map.memory_bytes());
  CHECK(Encoded(map).size() < 4000000);
  map.Truncate(0);
  CHECK(map.memory_bytes() == ObjectMap().memory_bytes());
  CHECK(map.memory_bytes() < 300, map.memory_bytes());
}

}  // namespace
}  // namespace capstan::test
