// Where the objects of a partition lie: lengths, filemarks, and which part of a block is framing.
#pragma once

#include "coded_runs.h"

namespace capstan {

constexpr uint32_t kBlockBytesMax = 16u << 20;
// Of a partition.
constexpr uint64_t kObjectCountMax = 1ull << 48;
constexpr uint64_t kStreamBytesMax = 1ull << 52;

// One or more objects alike. length 0: filemarks. framing 0: the block lies in the payload stream
// as it is (payload == length); else its `framing` bytes lie in the framing stream and its
// `payload` bytes, at most `length`, in the payload stream.
struct Run {
  uint32_t length = 0;
  uint64_t count = 0;
  uint32_t framing = 0;
  uint32_t payload = length;
};

// How much lies before an object.
struct ObjectPlace {
  uint64_t object = 0;
  uint64_t bytes_before = 0;
  uint64_t filemarks_before = 0;
  uint64_t payload_before = 0;
  uint64_t framing_before = 0;
};

// How runs of objects are coded (object_map.cc): the last two lengths of blocks are at hand, a
// single block of another length takes one to four bytes, a filemark one, a framed block usually
// two.
struct ObjectCode {
  using Run = capstan::Run;
  using Place = ObjectPlace;
  struct State {
    uint32_t length = 0;        // of the last block
    uint32_t other_length = 0;  // of the last block of another length before it
    uint32_t framing = 0;       // of the last framed block
    uint32_t stripped = 0;      // length - payload of the last framed block
  };
  static constexpr const char* kName = "object map";
  static constexpr uint64_t Place::* kOrdinal = &Place::object;
  static constexpr size_t kBytesMax = 24;

  static bool Alike(const Run& a, const Run& b) {
    return a.length == b.length && a.framing == b.framing && a.payload == b.payload;
  }
  static void Move(Place& place, const Run& run, uint64_t count) {
    place.object += count;
    place.bytes_before += count * run.length;
    place.filemarks_before += run.length == 0 ? count : 0;
    place.payload_before += count * run.payload;
    place.framing_before += count * run.framing;
  }
  static uint8_t* Put(const Run& run, State& state, uint8_t* out);
  static const RunFault* Take(const uint8_t*& at, const uint8_t* end, State& state, Run& run);
  static const RunFault* Refuse(const Run& run, const Place& end);
};
extern template class CodedRuns<ObjectCode>;

// Not thread-safe, reading beside reading excepted.
class ObjectMap {
 public:
  // On an object or at the end, forwards by runs and backwards by objects; valid until the map
  // changes.
  using Cursor = CodedRuns<ObjectCode>::Cursor;

  uint64_t object_count() const { return runs_.end().object; }
  uint64_t filemark_count() const { return runs_.end().filemarks_before; }
  uint64_t byte_count() const { return runs_.end().bytes_before; }
  uint64_t payload_count() const { return runs_.end().payload_before; }
  uint64_t framing_count() const { return runs_.end().framing_before; }

  // Whether the run is one that can be and the limits leave room for it: what Append takes for
  // granted.
  bool Accepts(const Run& run) const { return ObjectCode::Refuse(run, runs_.end()) == nullptr; }
  // Extends the last run where it is alike; count 0 appends nothing.
  void Append(const Run& run) { runs_.Append(run); }
  void Truncate(uint64_t objects) { runs_.Truncate(objects); }

  // at <= object_count().
  Cursor CursorAt(uint64_t at) const { return runs_.CursorAt<&ObjectPlace::object>(at); }
  ObjectPlace PlaceOf(uint64_t at) const { return CursorAt(at).place(); }
  // The object that is filemark number `ordinal`, which exists.
  uint64_t FilemarkAt(uint64_t ordinal) const {
    return runs_.CursorAt<&ObjectPlace::filemarks_before>(ordinal).place().object;
  }

  // Appends the coded objects from `from` on: the same objects, the same bytes.
  void Encode(uint64_t from, Bytes& out) const { runs_.Encode(from, out); }
  // Appends all objects of `bytes`, or none: kCorrupt, kLimit, the place left empty.
  Status AppendEncoded(View bytes) { return runs_.AppendEncoded(bytes); }

  size_t memory_bytes() const { return runs_.memory_bytes(); }
  // See CodedRuns.
  uint64_t put_bytes() const { return runs_.put_bytes(); }

 private:
  CodedRuns<ObjectCode> runs_;
};

}  // namespace capstan
