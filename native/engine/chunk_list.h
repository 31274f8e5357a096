// Which chunks make up a stream of a partition, in order.
#pragma once

#include "coded_runs.h"

namespace capstan {

// Of the first and the last region that there can be.
constexpr uint64_t kChunkRefMin = 0x100;
constexpr uint64_t kChunkRefMax = uint64_t{UINT32_MAX - 1024} << 8 | 0xff;
constexpr uint32_t kSliceBytesMax = 256 * 1024;
constexpr uint64_t kSliceCountMax = 1ull << 48;
constexpr uint64_t kListBytesMax = 1ull << 52;

// The first `used` bytes of a chunk, 1 to kSliceBytesMax: less than all of it where the tape was
// overwritten in its middle. How long the chunk is stands with the chunk.
struct Slice {
  uint64_t ref = 0;  // region << 8 | place in it
  uint32_t used = 0;
  bool operator==(const Slice&) const = default;
};

struct SliceRun {
  Slice slice;
  uint64_t count = 0;
};

struct SlicePlace {
  uint64_t ordinal = 0;
  uint64_t bytes_before = 0;
};

// How slices are coded (chunk_list.cc): three bytes for one whose chunk follows the one before, or
// opens the next region.
struct SliceCode {
  using Run = SliceRun;
  using Place = SlicePlace;
  struct State {
    uint64_t ref = 0;  // of the slice before
  };
  static constexpr const char* kName = "chunk list";
  static constexpr uint64_t Place::* kOrdinal = &Place::ordinal;
  static constexpr size_t kBytesMax = 24;

  static bool Alike(const Run& a, const Run& b) { return a.slice == b.slice; }
  static void Move(Place& place, const Run& run, uint64_t count) {
    place.ordinal += count;
    place.bytes_before += count * run.slice.used;
  }
  static uint8_t* Put(const Run& run, State& state, uint8_t* out);
  static const RunFault* Take(const uint8_t*& at, const uint8_t* end, State& state, Run& run);
  static const RunFault* Refuse(const Run& run, const Place& end);
};
extern template class CodedRuns<SliceCode>;

// Not thread-safe, reading beside reading excepted.
class ChunkList {
 public:
  // On a slice or at the end; valid until the list changes.
  class Cursor {
   public:
    bool at_end() const { return cursor_.at_end(); }
    // Of the slice it stands on; not at the end.
    Slice slice() const { return cursor_.run().slice; }
    // How often it stands here one after the other, from this one on; 0 at the end.
    uint64_t repeats() const { return cursor_.run().count; }
    // Of its first byte; byte_count() at the end.
    uint64_t start() const { return cursor_.place().bytes_before; }
    // size() at the end.
    uint64_t ordinal() const { return cursor_.place().ordinal; }
    void Next() { cursor_.Skip(1); }
    // Over the repeats.
    void NextOther() { cursor_.Next(); }
    // To the slice before; false where there is none.
    bool Back() { return cursor_.Back(); }
    // To the slice that `byte` lies in; to the end at byte_count().
    void Seek(uint64_t byte) { cursor_.Seek<&SlicePlace::bytes_before>(byte); }

   private:
    friend class ChunkList;
    explicit Cursor(CodedRuns<SliceCode>::Cursor cursor) : cursor_(cursor) {}
    CodedRuns<SliceCode>::Cursor cursor_;
  };

  uint64_t size() const { return slices_.size(); }
  uint64_t byte_count() const { return slices_.end().bytes_before; }

  // Whether the slice is one that can be and the limits leave room for it: what Append takes for
  // granted.
  bool Accepts(const Slice& slice) const {
    return SliceCode::Refuse({slice, 1}, slices_.end()) == nullptr;
  }
  void Append(const Slice& slice) { slices_.Append({slice, 1}); }
  // Keeps the first `bytes`, or all where there are no more; of the last slice perhaps a part.
  void Truncate(uint64_t bytes);

  // On the slice that `byte` lies in; at the end at byte_count().
  Cursor CursorAt(uint64_t byte) const {
    return Cursor(slices_.CursorAt<&SlicePlace::bytes_before>(byte));
  }
  Cursor CursorAtSlice(uint64_t ordinal) const {
    return Cursor(slices_.CursorAt<&SlicePlace::ordinal>(ordinal));
  }
  // Every chunk in order, once for repeats that follow each other.
  template <class Visit>
  void EachRef(Visit visit) const {
    for (Cursor cursor = CursorAtSlice(0); !cursor.at_end(); cursor.NextOther())
      visit(cursor.slice().ref);
  }

  // Appends the coded slices from number `from` on: the same slices, the same bytes.
  void Encode(uint64_t from, Bytes& out) const { slices_.Encode(from, out); }
  // Appends all slices of `bytes`, or none: kCorrupt, kLimit, the place left empty.
  Status AppendEncoded(View bytes) { return slices_.AppendEncoded(bytes); }

  size_t memory_bytes() const { return slices_.memory_bytes(); }
  // See CodedRuns.
  uint64_t put_bytes() const { return slices_.put_bytes(); }

 private:
  CodedRuns<SliceCode> slices_;
};

}  // namespace capstan
