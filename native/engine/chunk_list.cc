#include "chunk_list.h"

#include "varint.h"

namespace capstan {

// Three bytes, least significant first: used - 1 in 18 bits, Step in two, count - 1 in four.
// Then, where the four bits are full, a varint of the rest of the count; then, for kFar, a varint
// of the zigzag difference of the regions and a byte of the place in the region.
namespace {

enum Step : uint32_t {
  kNextPlace = 0,
  kNextRegion = 1,  // its place 0
  kFar = 2,
};
constexpr int kStepShift = 18;
constexpr int kCountShift = 20;
constexpr uint64_t kCountFull = 15;
constexpr size_t kHeadBytes = 3;

constexpr RunFault kNoStep{ErrorCode::kCorrupt, "a step to a chunk that is not defined"};
constexpr RunFault kNoRef{ErrorCode::kCorrupt, "a chunk of a region that cannot be"};
constexpr RunFault kNoUse{ErrorCode::kCorrupt, "a slice of no possible length"};
constexpr RunFault kTooMany{ErrorCode::kLimit, "more slices than a stream may have"};
constexpr RunFault kTooLong{ErrorCode::kLimit, "more bytes than a stream may have"};

constexpr uint64_t RegionStart(uint64_t ref) { return ref & ~uint64_t{0xff}; }

}  // namespace

uint8_t* SliceCode::Put(const Run& run, State& state, uint8_t* out) {
  const uint64_t ref = run.slice.ref;
  const uint32_t step = ref == state.ref + 1                    ? kNextPlace
                        : ref == RegionStart(state.ref) + 0x100 ? kNextRegion
                                                                : kFar;
  const uint64_t more = run.count - 1;
  const auto head = static_cast<uint32_t>((run.slice.used - 1) | step << kStepShift |
                                          std::min(more, kCountFull) << kCountShift);
  for (size_t i = 0; i < kHeadBytes; ++i) *out++ = static_cast<uint8_t>(head >> (8 * i));
  if (more >= kCountFull) out = PutVarint(more - kCountFull, out);
  if (step == kFar) {
    const int64_t regions = static_cast<int64_t>(ref >> 8) - static_cast<int64_t>(state.ref >> 8);
    out = PutVarint(ZigZag(regions), out);
    *out++ = static_cast<uint8_t>(ref);
  }
  state.ref = ref;
  return out;
}

const RunFault* SliceCode::Take(const uint8_t*& at, const uint8_t* end, State& state, Run& run) {
  if (static_cast<size_t>(end - at) < kHeadBytes) return &kRunCut;
  const uint32_t head = at[0] | uint32_t{at[1]} << 8 | uint32_t{at[2]} << 16;
  at += kHeadBytes;
  run.slice.used = (head & ((1u << kStepShift) - 1)) + 1;
  uint64_t more = head >> kCountShift;
  if (more == kCountFull) {
    uint64_t rest;
    if (!TakeVarint(at, end, rest)) return &kRunCut;
    if (rest >= kSliceCountMax) return &kTooMany;
    more += rest;
  }
  run.count = more + 1;
  switch (head >> kStepShift & 3) {
    case kNextPlace:
      run.slice.ref = state.ref + 1;
      break;
    case kNextRegion:
      run.slice.ref = RegionStart(state.ref) + 0x100;
      break;
    case kFar: {
      uint64_t regions;
      if (!TakeVarint(at, end, regions) || at == end) return &kRunCut;
      // Modulo 2^64: a region below zero is a large one.
      const uint64_t region = (state.ref >> 8) + static_cast<uint64_t>(UnZigZag(regions));
      if (region > kChunkRefMax >> 8) return &kNoRef;
      run.slice.ref = region << 8 | *at++;
      break;
    }
    default:
      return &kNoStep;
  }
  if (run.slice.ref < kChunkRefMin || run.slice.ref > kChunkRefMax) return &kNoRef;
  state.ref = run.slice.ref;
  return nullptr;
}

const RunFault* SliceCode::Refuse(const Run& run, const Place& end) {
  if (run.slice.used == 0 || run.slice.used > kSliceBytesMax) return &kNoUse;
  if (run.slice.ref < kChunkRefMin || run.slice.ref > kChunkRefMax) return &kNoRef;
  if (run.count > kSliceCountMax - end.ordinal) return &kTooMany;
  if (run.count > (kListBytesMax - end.bytes_before) / run.slice.used) return &kTooLong;
  return nullptr;
}

template class CodedRuns<SliceCode>;

void ChunkList::Truncate(uint64_t bytes) {
  if (bytes >= byte_count()) return;
  const Cursor cut = CursorAt(bytes);
  const Slice part{cut.slice().ref, static_cast<uint32_t>(bytes - cut.start())};
  slices_.Truncate(cut.ordinal());
  if (part.used != 0) Append(part);
}

}  // namespace capstan
