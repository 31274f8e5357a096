// Targets for what takes streams of bytes apart: framing, its programs, the chunker, variable-length integers.
#include <algorithm>

#include "../../engine/chunker.h"
#include "../../engine/framing.h"
#include "../../engine/varint.h"
#include "fuzz.h"

namespace capstan::fuzz {
namespace {

constexpr uint32_t kJoinedBytesMax = 1u << 20;

// Records of any bytes, and of bytes with blocks of noise as a header would lie between; what is taken apart
// is put together again.
void Split(View input) {
  Reader script(input);
  Framer framer;
  while (script.left() > 0 && !script.failed()) {
    const uint8_t kind = script.U8();
    Bytes record;
    if (kind % 8 == 0) {
      framer.EndFile();
      continue;
    }
    if (kind % 8 == 1) {
      framer.Reset();
      continue;
    }
    const View front = script.Raw(std::min<size_t>(script.U8(), script.left()));
    record.assign(front.begin(), front.end());
    if (kind & 8) {
      const Bytes more = Content(kind * size_t{64}, kind);
      record.insert(record.end(), more.begin(), more.end());
    }
    if (kind & 16) record.resize(record.size() + kind * size_t{8});
    if (record.empty()) continue;
    Bytes framing{1, 2, 3};
    Bytes payload{4};
    if (!framer.Split(record, framing, payload)) {
      FUZZ_CHECK(framing.size() == 3 && payload.size() == 1);
      continue;
    }
    const View program = View(framing).subspan(3);
    const auto lengths = MeasureProgram(program);
    FUZZ_CHECK(lengths.ok() && lengths.value().program_length == program.size() &&
               lengths.value().payload_length == payload.size() - 1 &&
               lengths.value().record_length == record.size());
    Bytes joined(record.size());
    FUZZ_CHECK(Join(program, View(payload).subspan(1), joined).ok());
    FUZZ_CHECK(joined == record);
  }
}

void Program(View input) {
  const auto lengths = MeasureProgram(input);
  if (!lengths.ok()) return;
  FUZZ_CHECK(lengths.value().program_length <= input.size());
  if (lengths.value().payload_length > kJoinedBytesMax ||
      lengths.value().record_length > kJoinedBytesMax)
    return;
  const Bytes payload = Content(lengths.value().payload_length, 1);
  Bytes record(lengths.value().record_length);
  FUZZ_CHECK(Join(input.first(lengths.value().program_length), payload, record).ok());
}

// Bytes stretched to the length of chunks; all units cut alike.
void Cut(View input) {
  Reader script(input);
  Bytes bytes;
  while (script.left() > 0 && !script.failed() && bytes.size() < (1u << 20)) {
    const uint8_t kind = script.U8();
    const size_t size = kind * size_t{1024} + script.U8();
    Bytes more = kind % 3 == 0 ? Bytes(size, script.U8()) : Content(size, script.U8());
    if (kind % 3 == 2) {
      const View raw = script.Raw(std::min<size_t>(32, script.left()));
      more.insert(more.end(), raw.begin(), raw.end());
    }
    bytes.insert(bytes.end(), more.begin(), more.end());
  }
  for (const bool last : {false, true}) {
    std::vector<uint32_t> expected;
    const size_t covered = CutChunksBy(VectorUnit::kScalar, bytes, last, expected);
    FUZZ_CHECK(last ? covered == bytes.size() : bytes.size() - covered < kChunkBytesMax);
    for (const VectorUnit unit : {VectorUnit::kAvx2, VectorUnit::kAvx512}) {
      if (!HasVectorUnit(unit)) continue;
      std::vector<uint32_t> lengths;
      FUZZ_CHECK(CutChunksBy(unit, bytes, last, lengths) == covered && lengths == expected);
    }
    const size_t first = bytes.empty() ? 0 : CutChunk(bytes, last);
    FUZZ_CHECK(first == (expected.empty() ? 0 : expected.front()));
  }
}

void Varint(View input) {
  const uint8_t* at = input.data();
  const uint8_t* const end = at + input.size();
  Reader reader(input);
  while (at < end) {
    const uint8_t* const start = at;
    uint64_t value = 0;
    const bool taken = TakeVarint(at, end, value);
    FUZZ_CHECK(at <= end);
    if (!taken) {
      FUZZ_CHECK((reader.Varint(), reader.failed()));
      return;
    }
    FUZZ_CHECK(UnZigZag(ZigZag(static_cast<int64_t>(value))) == static_cast<int64_t>(value));
    uint8_t again[kVarintBytesMax];
    const uint8_t* const again_end = PutVarint(value, again);
    const bool shortest = std::equal(start, at, static_cast<const uint8_t*>(again), again_end);
    const uint64_t read = reader.Varint();
    FUZZ_CHECK(reader.failed() != shortest);
    if (reader.failed()) return;
    FUZZ_CHECK(read == value);
  }
}

}  // namespace

const Target kStreamTargets[] = {
    {"split", Split}, {"program", Program}, {"cut", Cut}, {"varint", Varint}};
const size_t kStreamTargetCount = std::size(kStreamTargets);

}  // namespace capstan::fuzz
