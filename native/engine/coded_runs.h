// A long sequence of runs of equal items, in a few bytes a run, found by sums in microseconds.
//
// Runs are coded one against the one before, in blocks that can be decoded alone; a block begins
// with the sums of everything before it. The last run is open: it lies uncoded beside the blocks,
// so that an equal one can extend it. Nothing of a large sequence is copied as it grows but one
// segment of blocks.
#pragma once

#include <algorithm>
#include <array>
#include <string>

#include "bytes.h"
#include "result.h"

namespace capstan {

// What is wrong with bytes that should be a run.
struct RunFault {
  ErrorCode code;
  const char* what;
};
inline constexpr RunFault kRunCut{ErrorCode::kCorrupt, "a run is cut off"};

// `Code` says what is coded and how:
//   Run, Place       an item with its `count`; the sums before an item
//   State            what a run is coded against; as constructed at the start of a block
//   kName, kOrdinal  what errors call the sequence; the member of Place that counts the items
//   kBytesMax        the longest code of a run
//   Alike(a, b)      whether two runs are one
//   Move(place, run, n)  adds `n` items of the run; modulo 2^64, so that -1 steps back
//   Put(run, state, out), Take(at, end, state, run)  code and decode; Take: null or the fault
//   Refuse(run, end)  the fault of appending a decoded run where the sums are `end`, or null
template <class Code>
class CodedRuns {
 public:
  using Run = typename Code::Run;
  using Place = typename Code::Place;
  static constexpr size_t kBlockRuns = 128;
  // 100 KiB or so of code: little enough to move as it grows, large enough to keep the list of
  // segments short.
  static constexpr size_t kSegmentBlocks = 256;

  // The sums of everything.
  const Place& end() const { return end_; }
  uint64_t size() const { return Ordinal(end_); }

  // Extends the last run where it is alike.
  void Append(const Run& run);
  // Keeps the first `items`, or all where there are no more.
  void Truncate(uint64_t items);

  // Stands on an item or at the end; valid until the sequence changes.
  class Cursor {
   public:
    bool at_end() const { return Ordinal(place_) == owner_->size(); }
    const Place& place() const { return place_; }
    // Of the item it stands on, `count` being the items from there on; count 0 at the end.
    Run run() const {
      Run rest = decoded_[index_];
      rest.count -= inside_;
      return rest;
    }
    // Not beyond the end.
    void Skip(uint64_t items);
    // To the first item of the next run, or to the end.
    void Next() { Skip(decoded_[index_].count - inside_); }
    // To the item before; false where there is none.
    bool Back();
    // To the last item with no more than `value` before it, in one member of Place; to the end at
    // its value.
    template <uint64_t Place::* kKey>
    void Seek(uint64_t value);

   private:
    friend class CodedRuns;
    explicit Cursor(const CodedRuns& owner) : owner_(&owner) {}
    bool in_open_run() const { return block_ == owner_->block_count(); }
    // To the first item of a block; the one behind the last is the open run.
    void Load(size_t block);

    const CodedRuns* owner_;
    Place place_{};
    size_t block_ = 0;
    size_t index_ = 0;
    size_t size_ = 0;
    uint64_t inside_ = 0;
    std::array<Run, kBlockRuns> decoded_{};
  };
  // Stands where Seek says.
  template <uint64_t Place::* kKey>
  Cursor CursorAt(uint64_t value) const {
    Cursor cursor(*this);
    cursor.template Seek<kKey>(value);
    return cursor;
  }

  // The items from `from` on, in one form only: the same items, the same bytes.
  void Encode(uint64_t from, Bytes& out) const;
  // Appends what was encoded, or nothing of it: kCorrupt or kLimit, with no place.
  Status AppendEncoded(View bytes);

  size_t memory_bytes() const;
  // Bytes that were coded so far, whatever was cut since, and those that the open run may take.
  uint64_t put_bytes() const { return put_bytes_ + Code::kBytesMax; }

 private:
  using State = typename Code::State;
  struct Block {
    Place before;
    uint32_t offset;  // in the code of its segment
    uint32_t runs;    // kBlockRuns in all but the last
  };
  struct Segment {
    std::vector<Block> blocks;  // kSegmentBlocks in all but the last
    Bytes code;
  };

  static uint64_t Ordinal(const Place& place) { return place.*Code::kOrdinal; }
  size_t block_count() const {
    if (segments_.empty()) return 0;
    return (segments_.size() - 1) * kSegmentBlocks + segments_.back().blocks.size();
  }
  const Block& block(size_t i) const {
    return segments_[i / kSegmentBlocks].blocks[i % kSegmentBlocks];
  }
  void CloseOpenRun();
  void StartBlock();
  // The last block with no more than `value` before it; block_count() for the open run.
  template <uint64_t Place::* kKey>
  size_t FindBlock(uint64_t value) const;

  std::vector<Segment> segments_;
  State state_{};  // behind the last coded run of the last block
  Place open_before_{};
  Run open_{};
  Place end_{};
  uint64_t put_bytes_ = 0;
};

template <class Code>
void CodedRuns<Code>::Append(const Run& run) {
  if (run.count == 0) return;
  if (open_.count != 0 && Code::Alike(open_, run)) {
    open_.count += run.count;
  } else {
    if (open_.count != 0) CloseOpenRun();
    open_before_ = end_;
    open_ = run;
  }
  Code::Move(end_, run, run.count);
}

template <class Code>
void CodedRuns<Code>::CloseOpenRun() {
  if (segments_.empty() || segments_.back().blocks.back().runs == kBlockRuns) StartBlock();
  Segment& segment = segments_.back();
  std::array<uint8_t, Code::kBytesMax> code;
  const uint8_t* const code_end = Code::Put(open_, state_, code.data());
  segment.code.insert(segment.code.end(), static_cast<const uint8_t*>(code.data()), code_end);
  put_bytes_ += static_cast<uint64_t>(code_end - code.data());
  ++segment.blocks.back().runs;
}

template <class Code>
void CodedRuns<Code>::StartBlock() {
  if (segments_.empty() || segments_.back().blocks.size() == kSegmentBlocks) {
    if (!segments_.empty()) segments_.back().code.shrink_to_fit();
    segments_.emplace_back();
  }
  Segment& segment = segments_.back();
  segment.blocks.push_back({open_before_, static_cast<uint32_t>(segment.code.size()), 0});
  state_ = State{};
}

template <class Code>
void CodedRuns<Code>::Truncate(uint64_t items) {
  if (items >= size()) return;
  if (items == 0) {
    const uint64_t put_bytes = put_bytes_;
    *this = CodedRuns();
    put_bytes_ = put_bytes;
    return;
  }
  // The run of the last item that stays becomes the open one.
  if (items <= Ordinal(open_before_)) {
    const size_t kept = FindBlock<Code::kOrdinal>(items - 1);
    segments_.resize(kept / kSegmentBlocks + 1);
    Segment& segment = segments_.back();
    segment.blocks.resize(kept % kSegmentBlocks + 1);
    Block& last = segment.blocks.back();
    const uint8_t* at = segment.code.data() + last.offset;
    const uint8_t* const code_end = segment.code.data() + segment.code.size();
    State state{};
    Place before = last.before;
    for (uint32_t runs = 0;; ++runs) {
      state_ = state;
      const size_t offset = static_cast<size_t>(at - segment.code.data());
      Run run{};
      Code::Take(at, code_end, state, run);
      if (items - Ordinal(before) <= run.count) {
        open_before_ = before;
        open_ = run;
        segment.code.resize(offset);
        last.runs = runs;
        break;
      }
      Code::Move(before, run, run.count);
    }
    // No block is empty: the run that is to come starts it again.
    if (last.runs == 0) segment.blocks.pop_back();
    if (segment.blocks.empty()) segments_.pop_back();
  }
  open_.count = items - Ordinal(open_before_);
  end_ = open_before_;
  Code::Move(end_, open_, open_.count);
}

template <class Code>
template <uint64_t CodedRuns<Code>::Place::* kKey>
size_t CodedRuns<Code>::FindBlock(uint64_t value) const {
  size_t high = block_count();
  if (open_before_.*kKey <= value) return high;
  size_t low = 0;
  while (high - low > 1) {
    const size_t middle = low + (high - low) / 2;
    (block(middle).before.*kKey <= value ? low : high) = middle;
  }
  return low;
}

template <class Code>
void CodedRuns<Code>::Cursor::Load(size_t block) {
  block_ = block;
  index_ = 0;
  inside_ = 0;
  if (in_open_run()) {
    decoded_[0] = owner_->open_;
    size_ = 1;
    place_ = owner_->open_before_;
    return;
  }
  const Block& loaded = owner_->block(block);
  const Bytes& code = owner_->segments_[block / kSegmentBlocks].code;
  const uint8_t* at = code.data() + loaded.offset;
  const uint8_t* const code_end = code.data() + code.size();
  State state{};
  for (size_t i = 0; i < loaded.runs; ++i) Code::Take(at, code_end, state, decoded_[i]);
  size_ = loaded.runs;
  place_ = loaded.before;
}

template <class Code>
template <uint64_t CodedRuns<Code>::Place::* kKey>
void CodedRuns<Code>::Cursor::Seek(uint64_t value) {
  Load(owner_->template FindBlock<kKey>(value));
  for (;;) {
    const Run& run = decoded_[index_];
    Place behind = place_;
    Code::Move(behind, run, run.count);
    if (value < behind.*kKey) break;
    place_ = behind;
    if (in_open_run()) {
      inside_ = run.count;
      return;
    }
    if (index_ + 1 == size_) {
      Load(block_ + 1);
    } else {
      ++index_;
    }
  }
  Place one{};
  Code::Move(one, decoded_[index_], 1);
  inside_ = (value - place_.*kKey) / one.*kKey;
  Code::Move(place_, decoded_[index_], inside_);
}

template <class Code>
void CodedRuns<Code>::Cursor::Skip(uint64_t items) {
  const Run& run = decoded_[index_];
  const uint64_t left = run.count - inside_;
  if (items > left) return Seek<Code::kOrdinal>(Ordinal(place_) + items);
  Code::Move(place_, run, items);
  inside_ += items;
  if (items < left || in_open_run()) return;
  if (index_ + 1 == size_) return Load(block_ + 1);
  ++index_;
  inside_ = 0;
}

template <class Code>
bool CodedRuns<Code>::Cursor::Back() {
  if (inside_ == 0) {
    if (index_ > 0) {
      --index_;
    } else {
      if (block_ == 0) return false;
      const Place place = place_;
      Load(block_ - 1);
      place_ = place;
      index_ = size_ - 1;
    }
    inside_ = decoded_[index_].count;
  }
  --inside_;
  Code::Move(place_, decoded_[index_], ~uint64_t{0});
  return true;
}

template <class Code>
void CodedRuns<Code>::Encode(uint64_t from, Bytes& out) const {
  State state{};
  std::array<uint8_t, Code::kBytesMax> code;
  for (Cursor cursor = CursorAt<Code::kOrdinal>(from); !cursor.at_end(); cursor.Next()) {
    const uint8_t* const code_end = Code::Put(cursor.run(), state, code.data());
    out.insert(out.end(), static_cast<const uint8_t*>(code.data()), code_end);
  }
}

template <class Code>
Status CodedRuns<Code>::AppendEncoded(View bytes) {
  const uint64_t size_before = size();
  const uint8_t* const bytes_end = bytes.data() + bytes.size();
  State state{};
  Run previous{};
  for (const uint8_t* at = bytes.data(); at != bytes_end;) {
    const uint8_t* const start = at;
    State twin = state;
    Run run{};
    const RunFault* fault = Code::Take(at, bytes_end, state, run);
    if (fault == nullptr) {
      static constexpr RunFault kOtherForm{ErrorCode::kCorrupt, "a run is not in its one form"};
      std::array<uint8_t, Code::kBytesMax> code;
      const uint8_t* const code_end = Code::Put(run, twin, code.data());
      if (!std::equal(start, at, static_cast<const uint8_t*>(code.data()), code_end) ||
          (previous.count != 0 && Code::Alike(previous, run)))
        fault = &kOtherForm;
      else
        fault = Code::Refuse(run, end_);
    }
    if (fault != nullptr) {
      Truncate(size_before);
      return Error{fault->code, "",
                   std::string(Code::kName) + ", byte " + std::to_string(start - bytes.data()) +
                       " of " + std::to_string(bytes.size()) + ": " + fault->what};
    }
    Append(run);
    previous = run;
  }
  return Ok();
}

template <class Code>
size_t CodedRuns<Code>::memory_bytes() const {
  size_t bytes = sizeof *this + segments_.capacity() * sizeof(Segment);
  for (const Segment& segment : segments_)
    bytes += segment.blocks.capacity() * sizeof(Block) + segment.code.capacity();
  return bytes;
}

}  // namespace capstan
