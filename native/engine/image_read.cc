// Reading: what follows is read ahead, and decoded where it is wanted.
#include <algorithm>
#include <cstring>
#include <unordered_set>

#include "chunker.h"
#include "image.h"
#include "store.h"

namespace capstan {
namespace {

// Whoever reads so much in a call has it decoded on all cores at once, straight into his memory where whole regions
// are wanted; what follows is only read meanwhile. It lies in memory as it lies on the disk.
constexpr uint64_t kAtOnceBytes = 1u << 20;
constexpr uint64_t kReadAheadBytes = 20u << 20;
// Of the regions behind a call, so many that stand for themselves or for deltas are decoded by who finds nothing left to
// do in it: what comes until the next call has begun. Fewer, and cores idle between calls; what is decoded so is copied.
constexpr size_t kDecodedAheadRegions = 12;
// They are looked for among so many.
constexpr size_t kRegionsBehindMax = 32;
// For less, so much behind what was asked for is decoded, too.
constexpr uint64_t kDecodedAheadBytes = 8u << 20;
// Of one call and what follows it.
constexpr uint64_t kAheadBytesMax = 24u << 20;
// Asked for so much at a time, that neighbours are read in one go.
constexpr uint64_t kAheadStepBytes = 2u << 20;
// Of blocks whose framing lies apart, as many are put together at a time as have no more of it; or one.
constexpr uint64_t kFramingBytesAtOnce = 1u << 20;

}  // namespace

// Of one region, one after another.
struct Image::Part {
  std::vector<Slice> slices;
  // Of the first.
  uint64_t skip;
  std::span<uint8_t> out;

  // The slices' lengths, where they are the chunks of a region from its first on.
  std::vector<uint32_t> LengthsFromFirst() const {
    std::vector<uint32_t> lengths;
    size_t bytes = 0;
    for (const Slice& slice : slices) {
      if (PlaceOf(slice.ref) != lengths.size()) return {};
      lengths.push_back(slice.used);
      bytes += slice.used;
    }
    if (skip != 0 || bytes != out.size()) return {};
    return lengths;
  }
};

Status Image::ReadPart(const Part& part) const {
  const std::vector<uint32_t> lengths = part.LengthsFromFirst();
  if (!lengths.empty() &&
      store_->packs_->ReadRegion(RegionOf(part.slices.front().ref), lengths, part.out))
    return Ok();
  std::span<uint8_t> out = part.out;
  uint64_t skip = part.skip;
  for (const Slice& slice : part.slices) {
    TRY_ASSIGN(const ChunkContent content, store_->ReadChunk(slice.ref));
    if (content.bytes.size() < slice.used)
      return Error{ErrorCode::kCorrupt, "images/" + name_, "a slice is longer than its chunk"};
    const size_t count = std::min<uint64_t>(slice.used - skip, out.size());
    std::memcpy(out.data(), content.bytes.data() + skip, count);
    out = out.subspan(count);
    skip = 0;
  }
  return Ok();
}

Status Image::ReadStream(const Partition& partition, StreamKind kind, uint64_t from,
                         std::span<uint8_t> out) const {
  const ChunkList& list = partition.state.stream(kind);
  const bool at_once = kind == StreamKind::kPayload && out.size() >= kAtOnceBytes;
  std::vector<Part> parts;
  std::vector<uint32_t> next;
  if (from < list.byte_count()) {
    size_t part_bytes = 0;
    ChunkList::Cursor cursor = list.CursorAt(from);
    for (; !cursor.at_end() && part_bytes < out.size(); cursor.Next()) {
      const Slice slice = cursor.slice();
      const uint64_t skip = from - cursor.start();
      const bool same = !parts.empty() &&
                        RegionOf(parts.back().slices.back().ref) == RegionOf(slice.ref);
      if (!same) {
        out = out.subspan(part_bytes);
        part_bytes = 0;
        parts.push_back({{}, skip, {}});
      }
      const size_t count = std::min<uint64_t>(slice.used - skip, out.size() - part_bytes);
      part_bytes += count;
      from += count;
      parts.back().slices.push_back(slice);
      parts.back().out = out.first(part_bytes);
    }
    out = out.subspan(part_bytes);
    if (at_once && !parts.empty())
      next = RegionsBehind(cursor, RegionOf(parts.back().slices.back().ref));
  }
  TRY(ReadParts(parts, next));
  if (out.empty()) return Ok();
  const Bytes& pending = partition.writers[static_cast<size_t>(kind)].pending();
  const uint64_t skip = from - list.byte_count();
  if (skip + out.size() > pending.size())
    return Error{ErrorCode::kCorrupt, "images/" + name_, "its objects are longer than its chunks"};
  std::memcpy(out.data(), pending.data() + skip, out.size());
  return Ok();
}

// What was read ahead and is wanted first behind `last`.
std::vector<uint32_t> Image::RegionsBehind(ChunkList::Cursor cursor, uint32_t last) const {
  std::vector<uint32_t> regions;
  for (; !cursor.at_end() && cursor.start() < prefetch_end_; cursor.NextOther()) {
    const uint32_t region = RegionOf(cursor.slice().ref);
    if (region == last) continue;
    if (regions.size() == kRegionsBehindMax) break;
    regions.push_back(last = region);
  }
  return regions;
}

// First one for each region that has to be decoded, then those that need it, too: parts beside each other often do, as a
// delta and what lies around it, and whoever came to the second would wait for who has the first.
std::vector<size_t> Image::OrderOf(std::span<const Part> parts) const {
  std::vector<uint32_t> regions;
  for (const Part& part : parts) regions.push_back(RegionOf(part.slices.front().ref));
  std::unordered_set<uint32_t> seen;
  std::vector<size_t> order, behind;
  for (size_t i = 0; const uint32_t root : store_->packs_->RootsOf(regions))
    (seen.insert(root).second ? order : behind).push_back(i++);
  order.insert(order.end(), behind.begin(), behind.end());
  return order;
}

Status Image::ReadParts(std::span<const Part> parts, std::span<const uint32_t> next) const {
  size_t bytes = 0;
  for (const Part& part : parts) bytes += part.out.size();
  if (bytes < kAtOnceBytes) {
    for (const Part& part : parts) TRY(ReadPart(part));
    return Ok();
  }
  const std::vector<size_t> order = OrderOf(parts);
  std::vector<std::optional<Error>> errors(parts.size());
  store_->packs_->ShareReading(parts.size(), [&](size_t n) {
    // Who is done before others goes on with what the next call wants.
    if (n + 1 == parts.size()) store_->packs_->DecodeAhead(next, kDecodedAheadRegions);
    const Status read = ReadPart(parts[order[n]]);
    if (!read.ok()) errors[order[n]] = read.error();
  });
  for (const auto& error : errors)
    if (error) return *error;
  return Ok();
}

// What is read from here on in order: in few calls, so that neighbours are read in one go.
void Image::Prefetch(const Partition& partition, uint64_t payload_byte, uint64_t byte_count,
                     bool goes_on) {
  if (!goes_on) {
    DropAhead(UINT64_MAX);
    prefetch_end_ = payload_byte;
    if (byte_count <= kChunkBytesMax) return;
  }
  const bool at_once = byte_count >= kAtOnceBytes;
  const uint64_t ahead = !goes_on ? 0 : at_once ? kReadAheadBytes : kDecodedAheadBytes;
  const uint64_t needed = payload_byte + std::min(byte_count + ahead, kAheadBytesMax);
  if (needed < prefetch_end_ + (goes_on ? kAheadStepBytes : 0)) return;
  const uint64_t from = std::max(payload_byte, prefetch_end_);
  prefetch_end_ = needed;
  const ChunkList& list = partition.state.stream(StreamKind::kPayload);
  if (from >= list.byte_count()) return;
  std::vector<uint32_t> regions;
  for (ChunkList::Cursor cursor = list.CursorAt(from);
       !cursor.at_end() && cursor.start() < prefetch_end_; cursor.NextOther()) {
    const uint32_t region = RegionOf(cursor.slice().ref);
    if (regions.empty() || regions.back() != region) regions.push_back(region);
  }
  if (at_once)
    ahead_.push_back({needed, store_->packs_->BeginReading(regions)});
  else
    store_->packs_->Prefetch(regions);
}

// What was read ahead for bytes before `payload_byte`, and not wanted: a region that was at hand decoded, say.
void Image::DropAhead(uint64_t payload_byte) {
  while (!ahead_.empty() && ahead_.front().end <= payload_byte) {
    store_->packs_->DropAhead(ahead_.front().regions);
    ahead_.pop_front();
  }
}

Status Image::ReadObjects(const Partition& partition, uint64_t from, uint64_t to,
                          std::span<uint8_t> out) const {
  const ObjectMap& objects = partition.state.objects;
  while (from < to) {
    const ObjectPlace first = objects.PlaceOf(from);
    uint64_t end = to;
    const auto framing_bytes = [&] { return objects.PlaceOf(end).framing_before - first.framing_before; };
    while (end - from > 1 && framing_bytes() > kFramingBytesAtOnce) end = from + (end - from) / 2;
    const ObjectPlace last = objects.PlaceOf(end);
    const std::span<uint8_t> blocks = out.first(last.bytes_before - first.bytes_before);
    if (framing_bytes() == 0)
      TRY(ReadStream(partition, StreamKind::kPayload, first.payload_before, blocks));
    else
      TRY(ReadFramed(partition, first, last, blocks));
    out = out.subspan(blocks.size());
    from = end;
  }
  return Ok();
}

Status Image::ReadFramed(const Partition& partition, const ObjectPlace& first,
                         const ObjectPlace& last, std::span<uint8_t> out) const {
  RawBytes framing(last.framing_before - first.framing_before);
  RawBytes payload(last.payload_before - first.payload_before);
  TRY(ReadStream(partition, StreamKind::kFraming, first.framing_before, framing));
  TRY(ReadStream(partition, StreamKind::kPayload, first.payload_before, payload));
  View programs = framing;
  View payloads = payload;
  for (ObjectMap::Cursor cursor = partition.state.objects.CursorAt(first.object);
       cursor.place().object < last.object; cursor.Skip(1)) {
    const Run run = cursor.run();
    const View program = programs.first(run.framing);
    const View content = payloads.first(run.payload);
    if (run.framing == 0) {
      std::copy(content.begin(), content.end(), out.begin());
    } else {
      TRY_ASSIGN(const ProgramLengths lengths, MeasureProgram(program));
      if (lengths.program_length != run.framing || lengths.payload_length != run.payload ||
          lengths.record_length != run.length)
        return Error{ErrorCode::kCorrupt, "images/" + name_,
                     "a block's framing does not fit its payload"};
      TRY(Join(program, content, out.first(run.length)));
    }
    programs = programs.subspan(run.framing);
    payloads = payloads.subspan(run.payload);
    out = out.subspan(run.length);
  }
  return Ok();
}

Result<ReadResult> Image::Read(uint32_t number, uint64_t at, bool reverse, uint64_t count_max,
                               uint64_t bytes_max, std::span<uint8_t> into) {
  const std::lock_guard guard(mutex_);
  TRY(CheckReadable(number));
  const Partition& partition = partitions_[number];
  const ObjectMap& objects = partition.state.objects;
  at = std::min(at, objects.object_count());
  ReadResult result{{}, {}, StoppedBy::kLimit, 0};
  uint64_t bytes = 0;
  ObjectMap::Cursor cursor = objects.CursorAt(at);
  while (result.lengths.size() < count_max) {
    if (reverse ? !cursor.Back() : cursor.at_end()) {
      result.stopped_by = reverse ? StoppedBy::kBeginningOfPartition : StoppedBy::kEndOfData;
      break;
    }
    const uint32_t length = cursor.run().length;
    if (!result.lengths.empty() && bytes + length > bytes_max) break;
    result.lengths.push_back(length);
    bytes += length;
    if (!reverse) cursor.Skip(1);
    if (length == 0) {
      result.stopped_by = StoppedBy::kFilemark;
      break;
    }
  }
  const uint64_t first = reverse ? at - result.lengths.size() : at;
  const uint64_t last = first + result.lengths.size();
  if (!reverse) {
    const uint64_t payload_byte = objects.PlaceOf(first).payload_before;
    DropAhead(payload_byte);
    Prefetch(partition, payload_byte, bytes, at == read_end_);
    read_end_ = last;
  }
  const bool in_place = !reverse && bytes <= into.size();
  if (!in_place) result.data.resize(bytes);
  const std::span<uint8_t> out = in_place ? into.first(bytes) : std::span<uint8_t>(result.data);
  if (const Status read = ReadObjects(partition, first, last, out); !read.ok()) {
    // Object by object, as far as they are whole.
    RawBytes whole;
    size_t good = 0;
    for (; good < result.lengths.size(); ++good) {
      Bytes block(result.lengths[good]);
      const uint64_t object = reverse ? at - 1 - good : at + good;
      const Status one = ReadObjects(partition, object, object + 1, block);
      if (!one.ok()) {
        if (good == 0 || one.error().code != ErrorCode::kCorrupt) return one.error();
        break;
      }
      capstan::Append(whole, block);
    }
    // All of it, where only the first attempt failed.
    if (good < result.lengths.size()) result.stopped_by = StoppedBy::kDamaged;
    result.lengths.resize(good);
    result.data = std::move(whole);
    return result;
  }
  if (in_place) result.filled_bytes = bytes;
  if (!reverse) return result;
  RawBytes reversed;
  reversed.reserve(bytes);
  uint64_t end = bytes;
  for (const uint32_t length : result.lengths) {
    capstan::Append(reversed, View(result.data).subspan(end - length, length));
    end -= length;
  }
  result.data = std::move(reversed);
  return result;
}

}  // namespace capstan
