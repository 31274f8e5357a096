// The chunk list against a naive list of slices over random histories, and its code against damage.
#include "../engine/chunk_list.h"
#include "coded_runs_check.h"
#include "harness.h"

#include <deque>

namespace capstan::test {
namespace {

// Slices and where each ends.
struct NaiveList {
  std::deque<Slice> slices;
  std::vector<uint64_t> ends;

  uint64_t bytes() const { return ends.empty() ? 0 : ends.back(); }
  uint64_t StartOf(size_t i) const { return i == 0 ? 0 : ends[i - 1]; }
  void Append(const Slice& slice) {
    ends.push_back(bytes() + slice.used);
    slices.push_back(slice);
  }
  void Truncate(uint64_t keep) {
    while (!slices.empty() && StartOf(slices.size() - 1) >= keep) {
      slices.pop_back();
      ends.pop_back();
    }
    if (slices.empty() || ends.back() <= keep) return;
    slices.back().used = static_cast<uint32_t>(keep - StartOf(slices.size() - 1));
    ends.back() = keep;
  }
  size_t IndexAt(uint64_t byte) const {
    size_t i = 0;
    while (i < ends.size() && ends[i] <= byte) ++i;
    return i;
  }
};

// What streams look like: new chunks in order, old ones in order, one chunk over and over.
Slice RandomSlice(Random& random, const Slice& before) {
  if (random.OneIn(4)) return before.used == 0 ? Slice{kChunkRefMin, 1} : before;
  Slice slice{before.ref + 1, static_cast<uint32_t>(1 + random.Below(kSliceBytesMax))};
  if (random.OneIn(10)) slice.used = kSliceBytesMax;
  if (random.OneIn(6)) slice.ref = (before.ref | 0xff) + 1;
  if (random.OneIn(12)) slice.ref = kChunkRefMin + random.Below(kChunkRefMax - kChunkRefMin + 1);
  if (random.OneIn(100)) slice.ref = kChunkRefMax;
  slice.ref = std::clamp(slice.ref, kChunkRefMin, kChunkRefMax);
  return slice;
}

void CheckOn(const ChunkList::Cursor& cursor, const NaiveList& naive, size_t i) {
  CHECK(cursor.ordinal() == i);
  CHECK(cursor.start() == naive.StartOf(i));
  CHECK(cursor.at_end() == (i == naive.slices.size()));
  if (cursor.at_end()) return;
  CHECK(cursor.slice() == naive.slices[i]);
  size_t repeats = 1;
  while (i + repeats < naive.slices.size() && naive.slices[i + repeats] == naive.slices[i])
    ++repeats;
  CHECK(cursor.repeats() == repeats);
}

void CheckAll(const ChunkList& list, const NaiveList& naive) {
  CHECK(list.size() == naive.slices.size());
  CHECK(list.byte_count() == naive.bytes());
  ChunkList::Cursor cursor = list.CursorAt(0);
  for (const Slice& slice : naive.slices) {
    CHECK(!cursor.at_end());
    CHECK(cursor.slice() == slice);
    cursor.Next();
  }
  CHECK(cursor.at_end());
  std::vector<uint64_t> refs;
  list.EachRef([&refs](uint64_t ref) { refs.push_back(ref); });
  size_t run = 0;
  for (size_t i = 0; i < naive.slices.size(); ++i) {
    const bool repeat = i > 0 && naive.slices[i] == naive.slices[i - 1];
    if (!repeat) CHECK(refs.at(run++) == naive.slices[i].ref);
  }
  CHECK(run == refs.size());
}

void Walk(const ChunkList& list, const NaiveList& naive, Random& random, int steps) {
  const uint64_t byte = random.Below(list.byte_count() + 1);
  size_t i = naive.IndexAt(byte);
  ChunkList::Cursor cursor = list.CursorAt(byte);
  CheckOn(cursor, naive, i);
  CheckOn(list.CursorAtSlice(i), naive, i);
  while (steps-- > 0) {
    switch (random.Below(4)) {
      case 0: {
        const uint64_t to = random.Below(list.byte_count() + 1);
        cursor.Seek(to);
        i = naive.IndexAt(to);
        break;
      }
      case 1:
        i += cursor.repeats();
        cursor.NextOther();
        break;
      case 2:
        if (cursor.at_end()) break;
        cursor.Next();
        ++i;
        break;
      default:
        CHECK(cursor.Back() == (i > 0));
        if (i > 0) --i;
    }
    CheckOn(cursor, naive, i);
  }
}

Bytes Encoded(const ChunkList& list, uint64_t from = 0) {
  Bytes bytes;
  list.Encode(from, bytes);
  return bytes;
}

TEST("chunk list", "random histories end as in a naive list, every place and copy on the way") {
  Random random(41);
  for (int history = 0; history < 3000; ++history) {
    ChunkList list;
    NaiveList naive;
    Slice before;
    const uint64_t burst = history % 100 == 0 ? 3000 : history % 3 == 0 ? 200 : 8;
    for (int step = 0; step < 8; ++step) {
      if (random.OneIn(4)) {
        // At a byte, or just between two slices.
        uint64_t keep = random.Below(list.byte_count() + 2);
        if (random.OneIn(3)) keep = naive.StartOf(naive.IndexAt(keep));
        if (random.OneIn(10)) keep = 0;
        list.Truncate(keep);
        naive.Truncate(keep);
      }
      for (uint64_t i = random.Below(burst); i > 0; --i) {
        before = RandomSlice(random, before);
        CHECK(list.Accepts(before));
        list.Append(before);
        naive.Append(before);
      }
      CHECK(list.size() == naive.slices.size() && list.byte_count() == naive.bytes());
      Walk(list, naive, random, 6);
      // A copy that is cut at a byte and takes over what was encoded from the slice behind on.
      const uint64_t from = random.Below(list.size() + 1);
      ChunkList copy = list;
      copy.Truncate(naive.StartOf(from));
      Must(copy.AppendEncoded(Encoded(list, from)));
      CHECK(copy.size() == list.size() && copy.byte_count() == list.byte_count());
      CHECK(Encoded(copy) == Encoded(list));
    }
    CheckAll(list, naive);
  }
}

TEST("chunk list", "cuts and places hold over many segments of blocks") {
  Random random(42);
  ChunkList list;
  NaiveList naive;
  Slice before;
  while (naive.slices.size() < 130000) {
    before = RandomSlice(random, before);
    list.Append(before);
    naive.Append(before);
  }
  for (int i = 0; i < 10; ++i) {
    CheckAll(list, naive);
    Walk(list, naive, random, 20);
    ChunkList::Cursor cursor = list.CursorAt(list.byte_count());
    for (size_t at = naive.slices.size(); at-- > 0;) {
      CHECK(cursor.Back());
      CHECK(cursor.slice() == naive.slices[at] && cursor.start() == naive.StartOf(at));
    }
    CHECK(!cursor.Back());
    const uint64_t keep = list.byte_count() - random.Below(list.byte_count() / 3);
    list.Truncate(keep);
    naive.Truncate(keep);
  }
}

TEST("chunk list", "each step has the bytes that the format says") {
  ChunkList list;
  list.Append({0x00000700, 65536});
  list.Append({0x00000701, 262144});
  for (int i = 0; i < 20; ++i) list.Append({0x00000702, 1});
  list.Append({0x00000800, 2});
  list.Append({0x00000503, 16385});
  const Bytes expected{
      0xff, 0xff, 0x08, 0x0e, 0x00,  // far: seven regions on, place 0
      0xff, 0xff, 0x03,              // next place
      0x00, 0x00, 0xf0, 0x04,        // next place, 15 and 4 more than 1
      0x01, 0x00, 0x04,              // next region
      0x00, 0x40, 0x08, 0x05, 0x03,  // far: three regions back, place 3
  };
  CHECK(Encoded(list) == expected);
  ChunkList again;
  Must(again.AppendEncoded(expected));
  CHECK(Encoded(again) == expected);
  CHECK(again.byte_count() == list.byte_count() && again.size() == 24);
}

TEST("chunk list", "damaged code is refused whole, and what is taken is in its one form") {
  const auto make = [](Random& random) {
    ChunkList list;
    Slice before;
    for (uint64_t i = random.Below(30); i > 0; --i)
      list.Append(before = RandomSlice(random, before));
    return list;
  };
  CheckDamagedCode<ChunkList>("chunk list", Random(43), make, [](const ChunkList& list) {
    list.EachRef([](uint64_t ref) { CHECK(ref <= kChunkRefMax); });
  });
}

void CheckRefused(const Bytes& bytes, ErrorCode code, const char* part) {
  ChunkList list;
  list.Append({7, 512});
  const Status status = list.AppendEncoded(bytes);
  CHECK(!status.ok());
  CHECK(status.error().code == code, status.error().what);
  CHECK(status.error().what.find(part) != std::string::npos, status.error().what);
  CHECK(list.size() == 1 && list.byte_count() == 512);
}

TEST("chunk list", "code that no list makes is refused with what is wrong") {
  CheckRefused({0x00, 0x00, 0x04, 0x00, 0x00}, ErrorCode::kCorrupt,
               "byte 3 of 5: a run is cut off");
  CheckRefused({0x00, 0x00, 0x08}, ErrorCode::kCorrupt, "cut off");
  CheckRefused({0x00, 0x00, 0x08, 0x02}, ErrorCode::kCorrupt, "cut off");
  CheckRefused({0x00, 0x00, 0xf4}, ErrorCode::kCorrupt, "cut off");
  CheckRefused({0x00, 0x00, 0x0c}, ErrorCode::kCorrupt, "not defined");
  CheckRefused({0x00, 0x00, 0x08, 0x01, 0x00}, ErrorCode::kCorrupt, "cannot be");
  CheckRefused({0x00, 0x00, 0x08, 0x00, 0x05}, ErrorCode::kCorrupt, "a region that cannot be");
  CheckRefused({0x00, 0x00, 0x00}, ErrorCode::kCorrupt, "a region that cannot be");
  CheckRefused({0x00, 0x00, 0x08, 0x80, 0xf0, 0xff, 0xff, 0x1f, 0x00}, ErrorCode::kCorrupt,
               "a region that cannot be");
  // The last chunk there can be, then the next place and the next region behind it.
  CheckRefused({0x00, 0x00, 0x08, 0xfe, 0xef, 0xff, 0xff, 0x1f, 0xff, 0x00, 0x00, 0x00},
               ErrorCode::kCorrupt, "byte 9 of 12: a chunk of a region that cannot be");
  CheckRefused({0x00, 0x00, 0x08, 0xfe, 0xef, 0xff, 0xff, 0x1f, 0x00, 0x00, 0x00, 0x04},
               ErrorCode::kCorrupt, "byte 9 of 12: a chunk of a region that cannot be");
  // The next place, said the long way.
  CheckRefused({0x00, 0x00, 0x04, 0x00, 0x00, 0x08, 0x00, 0x01}, ErrorCode::kCorrupt, "one form");
  CheckRefused({0x00, 0x00, 0xf4, 0x80, 0x00}, ErrorCode::kCorrupt, "one form");
  CheckRefused({0x00, 0x00, 0x04, 0x00, 0x00, 0x08, 0x00, 0x00}, ErrorCode::kCorrupt,
               "byte 3 of 8: a run is not in its one form");
  CheckRefused({0xff, 0xff, 0xf7, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
               ErrorCode::kLimit, "slices");
  CheckRefused({0xff, 0xff, 0xf7, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f}, ErrorCode::kLimit, "bytes");
}

TEST("chunk list", "a stream is taken up to its limits and not beyond") {
  // (2^52 - 2^18) / 2^18 slices of all of a chunk.
  ChunkList list;
  Must(list.AppendEncoded(Bytes{0xff, 0xff, 0xf7, 0xef, 0xff, 0xff, 0xff, 0x3f}));
  CHECK(list.byte_count() == kListBytesMax - kSliceBytesMax, list.byte_count());
  CHECK(list.Accepts({kChunkRefMin, kSliceBytesMax}));
  CHECK(!list.Accepts({kChunkRefMin, 0}) && !list.Accepts({kChunkRefMin, kSliceBytesMax + 1}));
  CHECK(list.Accepts({kChunkRefMax, 1}) && !list.Accepts({kChunkRefMax + 1, 1}) &&
        !list.Accepts({kChunkRefMin - 1, 1}));
  list.Append({kChunkRefMin, kSliceBytesMax});
  CHECK(!list.Accepts({kChunkRefMin, 1}));
  ChunkList again;
  Must(again.AppendEncoded(Encoded(list)));
  CHECK(again.byte_count() == kListBytesMax);
  const ChunkList::Cursor middle = again.CursorAt(kListBytesMax / 2 + 5);
  CHECK(middle.start() == kListBytesMax / 2);
  CHECK(middle.ordinal() == kListBytesMax / 2 / kSliceBytesMax);
}

TEST("chunk list", "a million slices of usual streams take less than four bytes each") {
  Random random(44);
  ChunkList list;
  uint64_t ref = kChunkRefMin;
  for (int i = 0; i < 1000000; ++i) {
    // Five chunks or so a region, and a jump to older data now and then.
    ref = random.OneIn(5) ? (ref | 0xff) + 1 : ref + 1;
    if (random.OneIn(50)) ref = (1 + random.Below(kChunkRefMax >> 8)) << 8;
    list.Append({ref, static_cast<uint32_t>(1 + random.Below(kSliceBytesMax))});
  }
  CHECK(list.memory_bytes() < 3500000, list.memory_bytes());
  const size_t before = list.memory_bytes();
  for (int i = 0; i < 1000000; ++i) list.Append({5, kSliceBytesMax});
  CHECK(list.memory_bytes() < before + 300);
  list.Truncate(0);
  CHECK(list.memory_bytes() < 300, list.memory_bytes());
}

}  // namespace
}  // namespace capstan::test
