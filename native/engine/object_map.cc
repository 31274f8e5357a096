#include "object_map.h"

#include "varint.h"

namespace capstan {

// Even first byte: one plain block of a new length; bits 1 and 2 say how many bytes follow, the
// rest and these, least significant first, are length - 1 in 5, 13, 21 or 29 bits.
// Odd first byte: bits 1 to 3 are the Kind, bits 4 to 7 count - 1; where they are full, a varint of
// the rest of the count follows, then what the kind says. A step is a varint of the zigzag
// difference; stripped is length - payload.
namespace {

enum Kind : uint32_t {
  kFilemarks = 0,
  kPlainAsLast = 1,   // of the length of the last block
  kPlainAsOther = 2,  // of the last other length before it
  kPlain = 3,         // varint length - 1; more than one of them
  kFramedAsLast = 4,  // of the last length: step of framing, which is the step of stripped, too
  kFramedAsLong = 5,  // of the last length: step of framing, step of stripped
  kFramed = 6,        // varint length - 1, step of framing from 0, step of stripped from 0
};
constexpr uint64_t kCountFull = 15;

constexpr RunFault kNoKind{ErrorCode::kCorrupt, "a kind of run that is not defined"};
constexpr RunFault kNoLength{ErrorCode::kCorrupt, "a length like one before, and there is none"};
constexpr RunFault kNoFraming{ErrorCode::kCorrupt, "framing or payload that such a block cannot have"};
constexpr RunFault kLongBlock{ErrorCode::kLimit, "a block longer than 16777216 bytes"};
constexpr RunFault kTooMany{ErrorCode::kLimit, "more objects than a partition may have"};
constexpr RunFault kTooLong{ErrorCode::kLimit, "more bytes than a partition may have"};

int64_t Difference(uint32_t a, uint32_t b) { return int64_t{a} - int64_t{b}; }

// `base` + the zigzag step that stands at `at`.
const RunFault* TakeStep(const uint8_t*& at, const uint8_t* end, uint32_t base, uint32_t& sum) {
  uint64_t step;
  if (!TakeVarint(at, end, step)) return &kRunCut;
  // Modulo 2^64: a sum below zero is a large one.
  const uint64_t wide = base + static_cast<uint64_t>(UnZigZag(step));
  if (wide > kBlockBytesMax) return &kNoFraming;
  sum = static_cast<uint32_t>(wide);
  return nullptr;
}

const RunFault* TakeLength(const uint8_t*& at, const uint8_t* end, uint32_t& length) {
  uint64_t less;
  if (!TakeVarint(at, end, less)) return &kRunCut;
  if (less >= kBlockBytesMax) return &kLongBlock;
  length = static_cast<uint32_t>(less + 1);
  return nullptr;
}

void NoteLength(ObjectCode::State& state, uint32_t length) {
  if (length == state.length) return;
  state.other_length = state.length;
  state.length = length;
}

Kind KindOf(const Run& run, const ObjectCode::State& state) {
  if (run.length == 0) return kFilemarks;
  if (run.framing != 0) {
    if (run.length != state.length) return kFramed;
    const uint32_t stripped = run.length - run.payload;
    return Difference(stripped, state.stripped) == Difference(run.framing, state.framing)
               ? kFramedAsLast
               : kFramedAsLong;
  }
  if (run.length == state.length) return kPlainAsLast;
  return run.length == state.other_length ? kPlainAsOther : kPlain;
}

// The one plain block of a new length.
uint8_t* PutSingle(uint32_t length, uint8_t* out) {
  const uint32_t less = length - 1;
  const uint32_t more_bytes = (less >= 1u << 5) + (less >= 1u << 13) + (less >= 1u << 21);
  const uint32_t code = less << 3 | more_bytes << 1;
  for (uint32_t i = 0; i <= more_bytes; ++i) *out++ = static_cast<uint8_t>(code >> (8 * i));
  return out;
}

const RunFault* TakeSingle(const uint8_t*& at, const uint8_t* end, Run& run) {
  const uint32_t more_bytes = *at >> 1 & 3;
  if (static_cast<size_t>(end - at) <= more_bytes) return &kRunCut;
  uint32_t code = 0;
  for (uint32_t i = 0; i <= more_bytes; ++i) code |= uint32_t{*at++} << (8 * i);
  const uint32_t less = code >> 3;
  if (less >= kBlockBytesMax) return &kLongBlock;
  run = Run{less + 1, 1};
  return nullptr;
}

// The framing and stripped bytes of a framed run, and its length where it is new.
const RunFault* TakeFramed(uint32_t kind, const uint8_t*& at, const uint8_t* end,
                        ObjectCode::State& state, Run& run) {
  run.length = state.length;
  uint32_t framing;
  uint32_t stripped;
  if (kind == kFramed) {
    if (const RunFault* fault = TakeLength(at, end, run.length)) return fault;
    if (const RunFault* fault = TakeStep(at, end, 0, framing)) return fault;
    if (const RunFault* fault = TakeStep(at, end, 0, stripped)) return fault;
  } else {
    if (run.length == 0) return &kNoLength;
    if (const RunFault* fault = TakeStep(at, end, state.framing, framing)) return fault;
    stripped = state.stripped + framing - state.framing;
    if (kind == kFramedAsLong) {
      if (const RunFault* fault = TakeStep(at, end, state.stripped, stripped)) return fault;
    }
  }
  if (framing == 0 || stripped > run.length) return &kNoFraming;
  run.framing = framing;
  run.payload = run.length - stripped;
  state.framing = framing;
  state.stripped = stripped;
  return nullptr;
}

}  // namespace

uint8_t* ObjectCode::Put(const Run& run, State& state, uint8_t* out) {
  const Kind kind = KindOf(run, state);
  if (kind == kPlain && run.count == 1) {
    NoteLength(state, run.length);
    return PutSingle(run.length, out);
  }
  const uint64_t more = run.count - 1;
  *out++ = static_cast<uint8_t>(1 | kind << 1 | std::min(more, kCountFull) << 4);
  if (more >= kCountFull) out = PutVarint(more - kCountFull, out);
  if (kind == kFilemarks) return out;
  if (kind == kPlain || kind == kFramed) out = PutVarint(run.length - 1, out);
  NoteLength(state, run.length);
  if (run.framing == 0) return out;
  const uint32_t stripped = run.length - run.payload;
  const State base = kind == kFramed ? State{} : state;
  out = PutVarint(ZigZag(Difference(run.framing, base.framing)), out);
  if (kind != kFramedAsLast) out = PutVarint(ZigZag(Difference(stripped, base.stripped)), out);
  state.framing = run.framing;
  state.stripped = stripped;
  return out;
}

const RunFault* ObjectCode::Take(const uint8_t*& at, const uint8_t* end, State& state, Run& run) {
  if (at == end) return &kRunCut;
  if ((*at & 1) == 0) {
    if (const RunFault* fault = TakeSingle(at, end, run)) return fault;
    NoteLength(state, run.length);
    return nullptr;
  }
  const uint32_t kind = *at >> 1 & 7;
  uint64_t more = *at++ >> 4;
  if (more == kCountFull) {
    uint64_t rest;
    if (!TakeVarint(at, end, rest)) return &kRunCut;
    if (rest >= kObjectCountMax) return &kTooMany;
    more += rest;
  }
  run = Run{0, more + 1};
  switch (kind) {
    case kFilemarks:
      return nullptr;
    case kPlainAsLast:
    case kPlainAsOther:
      run.length = kind == kPlainAsLast ? state.length : state.other_length;
      if (run.length == 0) return &kNoLength;
      run.payload = run.length;
      break;
    case kPlain:
      if (const RunFault* fault = TakeLength(at, end, run.length)) return fault;
      run.payload = run.length;
      break;
    case kFramedAsLast:
    case kFramedAsLong:
    case kFramed:
      if (const RunFault* fault = TakeFramed(kind, at, end, state, run)) return fault;
      break;
    default:
      return &kNoKind;
  }
  NoteLength(state, run.length);
  return nullptr;
}

const RunFault* ObjectCode::Refuse(const Run& run, const Place& end) {
  if (run.length > kBlockBytesMax) return &kLongBlock;
  if (run.framing > kBlockBytesMax || run.payload > run.length ||
      (run.framing == 0 && run.payload != run.length) || (run.framing != 0 && run.length == 0))
    return &kNoFraming;
  if (run.count > kObjectCountMax - end.object) return &kTooMany;
  // Framing can be longer than what it frames: each stream has its limit.
  const auto fits = [&run](uint32_t each, uint64_t before) {
    return each == 0 || run.count <= (kStreamBytesMax - before) / each;
  };
  if (!fits(run.length, end.bytes_before) || !fits(run.framing, end.framing_before))
    return &kTooLong;
  return nullptr;
}

template class CodedRuns<ObjectCode>;

}  // namespace capstan
