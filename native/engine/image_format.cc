#include "image_format.h"

#include <optional>

#include "chunker.h"
#include "crc32c.h"

namespace capstan {
namespace {

constexpr uint8_t kImageMagic[8] = {'C', 'A', 'P', 'S', 'T', 'A', 'P', 'E'};
constexpr uint8_t kManifestMagic[8] = {'C', 'A', 'P', 'S', 'M', 'A', 'N', 'I'};
constexpr uint32_t kFrameMagic = 0x4d415246;   // "FRAM"
constexpr uint32_t kClosedMagic = 0x44534c43;  // "CLSD"
constexpr uint32_t kVersion = 1;
constexpr size_t kFrameHeaderBytes = 24;
constexpr size_t kSliceBytes = kDigestBytes + 8;
// No tape has more: keeps sums far from overflow.
constexpr uint64_t kObjectCountMax = 1ull << 48;
constexpr uint64_t kByteCountMax = 1ull << 52;
// A run takes two bytes in the file and forty in memory.
constexpr uint64_t kRunCountMax = 1ull << 24;

void WriteChange(Writer& writer, const PartitionChange& change) {
  writer.U8(static_cast<uint8_t>(change.partition));
  writer.Varint(change.keep_objects);
  writer.Varint(change.runs.size());
  for (const Run& run : change.runs) {
    writer.Varint(run.length);
    writer.Varint(run.count);
  }
  writer.Varint(change.slices.size());
  for (const Slice& slice : change.slices) {
    writer.Raw(slice.digest);
    writer.U32(slice.content_length);
    writer.U32(slice.used);
  }
}

Error Malformed(const char* what) { return {ErrorCode::kCorrupt, "", what}; }

// Applies the next change of `reader` to its partition.
Status ReadChange(Reader& reader, std::vector<PartitionState>& partitions) {
  const uint32_t partition = reader.U8();
  if (partition >= partitions.size()) return Malformed("names a partition that is not there");
  PartitionState& state = partitions[partition];
  const uint64_t keep = reader.Varint();
  if (keep > state.records.object_count()) return Malformed("keeps more objects than there are");
  const uint64_t bytes_kept = state.records.BytesBefore(keep);
  state.records.Truncate(keep);
  state.recipe.Truncate(bytes_kept);
  const uint64_t run_count = reader.Varint();
  // Each run takes two bytes at least, so a count beyond that is a lie.
  if (run_count > reader.left() / 2) return Malformed("has more runs than bytes");
  if (run_count > kRunCountMax) return Malformed("has too many runs");
  uint32_t previous_length = UINT32_MAX;
  for (uint64_t i = 0; i < run_count; ++i) {
    const uint64_t length = reader.Varint();
    const uint64_t count = reader.Varint();
    if (reader.failed() || length > kBlockBytesMax || count == 0 || count > kObjectCountMax ||
        length == previous_length ||
        state.records.object_count() + count > kObjectCountMax ||
        (length > 0 && count > (kByteCountMax - state.records.byte_count()) / length))
      return Malformed("has a run that cannot be");
    previous_length = static_cast<uint32_t>(length);
    state.records.Append(previous_length, count);
  }
  const uint64_t slice_count = reader.Varint();
  if (slice_count > reader.left() / kSliceBytes) return Malformed("has more slices than bytes");
  for (uint64_t i = 0; i < slice_count; ++i) {
    Slice slice{reader.TakeDigest(), reader.U32(), reader.U32()};
    if (slice.content_length == 0 || slice.content_length > kChunkBytesMax || slice.used == 0 ||
        slice.used > slice.content_length)
      return Malformed("has a slice that cannot be");
    state.recipe.Append(slice);
  }
  if (reader.failed()) return Malformed("is cut short");
  if (state.recipe.byte_count() != state.records.byte_count())
    return Malformed("has records and chunks of different lengths");
  return Ok();
}

struct FrameHeader {
  bool closed;
  uint32_t sequence;
  uint32_t payload_length;
  uint32_t payload_crc;
};

std::optional<FrameHeader> ParseFrameHeader(View bytes) {
  if (bytes.size() < kFrameHeaderBytes) return std::nullopt;
  const View header = bytes.first(kFrameHeaderBytes);
  Reader reader(header);
  const uint32_t magic = reader.U32();
  FrameHeader parsed{magic == kClosedMagic, reader.U32(), reader.U32(), reader.U32()};
  reader.U32();
  if ((magic != kFrameMagic && magic != kClosedMagic) ||
      Crc32c(0, header.first(kFrameHeaderBytes - 4)) != reader.U32())
    return std::nullopt;
  return parsed;
}

Bytes WithHeader(uint32_t magic, uint32_t sequence, const Bytes& payload) {
  Bytes bytes;
  Writer writer(bytes);
  writer.U32(magic);
  writer.U32(sequence);
  writer.U32(static_cast<uint32_t>(payload.size()));
  writer.U32(Crc32c(0, payload));
  writer.U32(0);
  writer.U32(Crc32c(0, bytes));
  writer.Raw(payload);
  return bytes;
}

// Whether a whole frame starts anywhere behind `offset`: then what stands at `offset` was not torn but damaged.
bool AnyFrameBehind(View bytes, size_t offset) {
  for (size_t at = offset + 1; at + kFrameHeaderBytes <= bytes.size(); ++at) {
    const auto header = ParseFrameHeader(bytes.subspan(at));
    if (header && header->payload_length <= bytes.size() - at - kFrameHeaderBytes) return true;
  }
  return false;
}

}  // namespace

PartitionChange ChangeSince(uint32_t partition, const PartitionState& state,
                            uint64_t keep_objects) {
  PartitionChange change{partition, keep_objects, state.records.RunsFrom(keep_objects), {}};
  const uint64_t bytes = state.records.BytesBefore(keep_objects);
  for (size_t i = state.recipe.IndexAt(bytes); i < state.recipe.size(); ++i)
    change.slices.push_back(state.recipe[i]);
  return change;
}

PartitionChange WholeOf(uint32_t partition, const PartitionState& state) {
  return ChangeSince(partition, state, 0);
}

Bytes EncodeImageHeader(const StoreId& store_id, uint32_t partition_count) {
  Bytes bytes;
  Writer writer(bytes);
  writer.Raw(kImageMagic);
  writer.U32(kVersion);
  writer.U32(partition_count);
  writer.Raw(store_id);
  bytes.resize(kImageHeaderBytes - 4);
  writer.U32(Crc32c(0, bytes));
  return bytes;
}

Bytes EncodeFrame(const Frame& frame, uint32_t sequence) {
  Bytes payload;
  Writer writer(payload);
  writer.U64(frame.generation);
  writer.U32(frame.synced.pack);
  writer.U64(frame.synced.offset);
  writer.U8(static_cast<uint8_t>(frame.changes.size()));
  for (const PartitionChange& change : frame.changes) WriteChange(writer, change);
  return WithHeader(kFrameMagic, sequence, payload);
}

Bytes EncodeClosed(uint32_t sequence) { return WithHeader(kClosedMagic, sequence, {}); }

Result<ParsedImage> ParseImageFile(View bytes, const std::string& name) {
  const auto damaged = [&](uint64_t offset, const std::string& what) {
    return Error{ErrorCode::kCorrupt, name + " at " + std::to_string(offset), what};
  };
  if (bytes.size() < kImageHeaderBytes) return damaged(0, "the image's header is cut short");
  Reader reader(bytes.first(kImageHeaderBytes));
  const View magic = reader.Raw(8);
  const uint32_t version = reader.U32();
  const uint32_t partition_count = reader.U32();
  Reader checksum(bytes.subspan(kImageHeaderBytes - 4, 4));
  if (!std::equal(magic.begin(), magic.end(), kImageMagic) ||
      Crc32c(0, bytes.first(kImageHeaderBytes - 4)) != checksum.U32())
    return damaged(0, "the image's header is damaged");
  if (version != kVersion)
    return damaged(0, "version " + std::to_string(version) + " of the format is not known");
  if (partition_count == 0 || partition_count > kPartitionCountMax)
    return damaged(0, "has " + std::to_string(partition_count) + " partitions");

  ParsedImage image{{}, kImageHeaderBytes, 0, false, false};
  image.state.partitions.resize(partition_count);
  while (image.end < bytes.size()) {
    const View rest = bytes.subspan(image.end);
    const auto header = ParseFrameHeader(rest);
    const bool whole = header && header->payload_length <= rest.size() - kFrameHeaderBytes;
    const View payload =
        whole ? rest.subspan(kFrameHeaderBytes, header->payload_length) : View{};
    if (!whole || Crc32c(0, payload) != header->payload_crc ||
        header->sequence != image.next_sequence) {
      if (AnyFrameBehind(bytes, image.end)) return damaged(image.end, "a frame is damaged");
      image.torn = true;
      image.closed = false;
      return image;
    }
    image.closed = header->closed;
    if (!header->closed) {
      Reader frame(payload);
      image.state.generation = frame.U64();
      image.state.synced = {frame.U32(), frame.U64()};
      const uint32_t change_count = frame.U8();
      for (uint32_t i = 0; i < change_count; ++i)
        if (const Status change = ReadChange(frame, image.state.partitions); !change.ok())
          return damaged(image.end, "a frame " + change.error().what);
      if (frame.failed() || frame.left() != 0) return damaged(image.end, "a frame is malformed");
    }
    image.end += kFrameHeaderBytes + header->payload_length;
    ++image.next_sequence;
  }
  return image;
}

Bytes EncodeManifest(const std::vector<PartitionState>& partitions) {
  Bytes bytes;
  Writer writer(bytes);
  writer.Raw(kManifestMagic);
  writer.U32(kVersion);
  writer.U32(static_cast<uint32_t>(partitions.size()));
  for (uint32_t i = 0; i < partitions.size(); ++i) WriteChange(writer, WholeOf(i, partitions[i]));
  return bytes;
}

Result<std::vector<PartitionState>> ParseManifest(View bytes) {
  const auto damaged = [](const std::string& what) {
    return Error{ErrorCode::kCorrupt, "the manifest", what};
  };
  if (bytes.size() > kManifestBytesMax)
    return Error{ErrorCode::kLimit, "the manifest",
                 std::to_string(bytes.size()) + " bytes, over the limit of " +
                     std::to_string(kManifestBytesMax)};
  Reader reader(bytes);
  const View magic = reader.Raw(8);
  if (reader.failed() || !std::equal(magic.begin(), magic.end(), kManifestMagic))
    return damaged("it is none");
  const uint32_t version = reader.U32();
  const uint32_t count = reader.U32();
  if (reader.failed() || version != kVersion)
    return damaged("version " + std::to_string(version) + " of the format is not known");
  if (count == 0 || count > kPartitionCountMax)
    return damaged("it has " + std::to_string(count) + " partitions");
  std::vector<PartitionState> partitions(count);
  for (uint32_t i = 0; i < count; ++i) {
    if (reader.left() == 0 || bytes[reader.offset()] != i) return damaged("a partition is missing");
    if (const Status change = ReadChange(reader, partitions); !change.ok())
      return damaged("it " + change.error().what);
  }
  if (reader.left() != 0) return damaged("bytes stand behind its end");
  return partitions;
}

}  // namespace capstan
