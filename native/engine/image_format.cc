#include "image_format.h"

#include <algorithm>
#include <bit>
#include <optional>

#include "blake3.h"
#include "chunker.h"
#include "crc32c.h"

namespace capstan {
namespace {

constexpr uint8_t kImageMagic[8] = {'C', 'A', 'P', 'S', 'T', 'A', 'P', 'E'};
constexpr uint8_t kManifestMagic[8] = {'C', 'A', 'P', 'S', 'M', 'A', 'N', 'I'};
constexpr uint32_t kFrameMagic = 0x4d415246;   // "FRAM"
constexpr uint32_t kClosedMagic = 0x44534c43;  // "CLSD"
constexpr uint32_t kVersion = 2;
constexpr size_t kFrameCheckedBytes = kFrameHeaderBytes - 4;
// Of a frame's header, what the cipher authenticates beside whose it is: magic, sequence, length, flags.
constexpr size_t kFrameAuthenticatedBytes = 16;
constexpr size_t kManifestSliceBytes = kDigestBytes + 8;

Error Malformed(const std::string& what) { return {ErrorCode::kCorrupt, "", what}; }

struct FrameHeader {
  bool closed;
  bool encrypted;
  uint32_t sequence;
  uint32_t payload_length;
  uint32_t payload_crc;
  View nonce;
  View tag;
};

// Frames of another image do not check.
uint32_t ChecksumOf(const ImageId& id, View bytes) { return Crc32c(Crc32c(0, id), bytes); }

using Authenticated = std::array<uint8_t, kFrameAuthenticatedBytes + sizeof(ImageId)>;
Authenticated AuthenticatedOf(View header, const ImageId& id) {
  Authenticated bytes;
  std::copy_n(header.begin(), kFrameAuthenticatedBytes, bytes.begin());
  std::copy(id.begin(), id.end(), bytes.begin() + kFrameAuthenticatedBytes);
  return bytes;
}

std::optional<FrameHeader> ParseFrameHeader(View bytes, const ImageId& id) {
  if (bytes.size() < kFrameHeaderBytes) return std::nullopt;
  const View header = bytes.first(kFrameHeaderBytes);
  Reader reader(header);
  const uint32_t magic = reader.U32();
  FrameHeader parsed{magic == kClosedMagic, false, reader.U32(), reader.U32(), 0, {}, {}};
  const uint32_t flags = reader.U32();
  parsed.encrypted = flags == 1;
  parsed.payload_crc = reader.U32();
  parsed.nonce = reader.Raw(kCipherNonceBytes);
  parsed.tag = reader.Raw(kCipherTagBytes);
  Reader checksum(header.last(4));
  if ((magic != kFrameMagic && magic != kClosedMagic) || flags > 1 ||
      ChecksumOf(id, header.first(kFrameCheckedBytes)) != checksum.U32())
    return std::nullopt;
  return parsed;
}

Result<Bytes> WithHeader(uint32_t magic, uint32_t sequence, Bytes payload, const ImageId& id,
                         Sealing* sealing) {
  Bytes bytes;
  Writer writer(bytes);
  writer.U32(magic);
  writer.U32(sequence);
  writer.U32(static_cast<uint32_t>(payload.size()));
  writer.U32(sealing != nullptr ? 1 : 0);
  std::array<uint8_t, kCipherNonceBytes> nonce{};
  std::array<uint8_t, kCipherTagBytes> tag{};
  if (sealing != nullptr) {
    TRY_ASSIGN(nonce, sealing->nonces.Next());
    TRY(sealing->cipher->Seal(payload, nonce, AuthenticatedOf(bytes, id), tag));
  }
  writer.U32(ChecksumOf(id, payload));
  writer.Raw(nonce);
  writer.Raw(tag);
  bytes.resize(kFrameCheckedBytes);
  writer.U32(ChecksumOf(id, bytes));
  writer.Raw(payload);
  return bytes;
}

// Whether a whole frame starts anywhere behind `offset`: then what stands at `offset` was not torn but damaged.
bool AnyFrameBehind(View bytes, size_t offset, const ImageId& id) {
  for (size_t at = offset + 1; at + kFrameHeaderBytes <= bytes.size(); ++at) {
    const auto header = ParseFrameHeader(bytes.subspan(at), id);
    if (header && header->payload_length <= bytes.size() - at - kFrameHeaderBytes) return true;
  }
  return false;
}

bool IsWhole(const std::optional<FrameHeader>& header, View rest, const ImageId& id) {
  return header && header->payload_length <= rest.size() - kFrameHeaderBytes &&
         ChecksumOf(id, rest.subspan(kFrameHeaderBytes, header->payload_length)) ==
             header->payload_crc;
}

// The frame that `rest` would begin with but for a single bit, turned back; nothing where more is wrong.
std::optional<Bytes> WithoutRot(View rest, const ImageId& id) {
  if (rest.size() < kFrameHeaderBytes) return std::nullopt;
  Bytes frame(rest.begin(), rest.begin() + kFrameHeaderBytes);
  const uint32_t stored = Reader(View(frame).last(4)).U32();
  const uint32_t difference = stored ^ ChecksumOf(id, View(frame).first(kFrameCheckedBytes));
  const auto turn = [&](uint64_t bit) {
    frame[bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
  };
  if (std::has_single_bit(difference))
    turn(8 * kFrameCheckedBytes + static_cast<uint64_t>(std::countr_zero(difference)));
  else if (const auto bit = FlippedBit(kFrameCheckedBytes, difference); difference != 0 && bit)
    turn(*bit);
  const auto header = ParseFrameHeader(frame, id);
  if (!header || header->payload_length > rest.size() - kFrameHeaderBytes) return std::nullopt;
  const View payload = rest.subspan(kFrameHeaderBytes, header->payload_length);
  const uint32_t payload_crc = header->payload_crc;
  frame.insert(frame.end(), payload.begin(), payload.end());
  if (const uint32_t wrong = payload_crc ^ ChecksumOf(id, payload); wrong != 0) {
    const auto bit = FlippedBit(payload.size(), wrong);
    if (!bit || difference != 0) return std::nullopt;
    turn(8 * kFrameHeaderBytes + *bit);
  }
  return frame;
}

// A length, and so many bytes.
View TakeSized(Reader& reader) {
  const uint64_t length = reader.Varint();
  return reader.Raw(static_cast<size_t>(std::min<uint64_t>(length, SIZE_MAX)));
}

// Applies the next change of `reader` to its partition.
Status ReadChange(Reader& reader, std::vector<PartitionState>& partitions) {
  const uint32_t partition = reader.U8();
  if (partition >= partitions.size()) return Malformed("names a partition that is not there");
  PartitionState& state = partitions[partition];
  const uint64_t keep = reader.Varint();
  if (reader.failed() || keep > state.objects.object_count())
    return Malformed("keeps more objects than there are");
  const ObjectPlace kept = state.objects.PlaceOf(keep);
  state.objects.Truncate(keep);
  TRY(state.objects.AppendEncoded(TakeSized(reader)));
  const ObjectPlace end = state.objects.PlaceOf(state.objects.object_count());
  for (size_t i = 0; i < kStreamCount; ++i) {
    state.streams[i].Truncate(PartitionState::BytesBefore(kept, i));
    TRY(state.streams[i].AppendEncoded(TakeSized(reader)));
    if (reader.failed()) return Malformed("is cut short");
    if (state.streams[i].byte_count() != PartitionState::BytesBefore(end, i))
      return Malformed("has objects and chunks of different lengths");
  }
  return Ok();
}

// Applies a whole frame that closes nothing.
Status ReadFrame(View frame, const FrameHeader& header, const ImageId& id, Sealing* sealing,
                 ImageState& state) {
  if (header.encrypted != (sealing != nullptr))
    return Malformed(header.encrypted ? "a frame is encrypted" : "a frame is not encrypted");
  View payload = frame.subspan(kFrameHeaderBytes, header.payload_length);
  Bytes opened;
  if (sealing != nullptr) {
    opened.assign(payload.begin(), payload.end());
    TRY(sealing->cipher->Open(opened, header.nonce, AuthenticatedOf(frame, id), header.tag));
    payload = opened;
  }
  Reader reader(payload);
  state.generation = reader.U64();
  state.synced = {reader.U32(), reader.U64(), reader.U32()};
  if (state.synced.next_region > kRegionIdMax + 1)
    return Malformed("a frame names a region that cannot be");
  const uint32_t change_count = reader.U8();
  for (uint32_t i = 0; i < change_count; ++i)
    if (const Status change = ReadChange(reader, state.partitions); !change.ok())
      return Malformed("a frame's change: " + change.error().what);
  if (reader.failed() || reader.left() != 0) return Malformed("a frame is malformed");
  return Ok();
}

}  // namespace

std::string TapeOf(const std::string& image_name) {
  return image_name.substr(0, image_name.find('.'));
}

ImageId IdOfImage(const StoreId& store_id, const std::string& image_name) {
  ImageId id;
  const std::string tape = TapeOf(image_name);
  const Digest digest = ChunkDigest(View(reinterpret_cast<const uint8_t*>(tape.data()), tape.size()));
  std::copy(store_id.begin(), store_id.end(), id.begin());
  std::copy_n(digest.begin(), id.size() - store_id.size(), id.begin() + store_id.size());
  return id;
}

Bytes EncodeImageHeader(const ImageId& id, uint32_t partition_count) {
  Bytes bytes;
  Writer writer(bytes);
  writer.Raw(kImageMagic);
  writer.U32(kVersion);
  writer.U32(partition_count);
  writer.Raw(id);
  bytes.resize(kImageHeaderBytes - 4);
  writer.U32(Crc32c(0, bytes));
  return bytes;
}

FrameWriter::FrameWriter(uint64_t generation, const Watermark& synced) {
  Writer writer(payload_);
  writer.U64(generation);
  writer.U32(synced.pack);
  writer.U64(synced.offset);
  writer.U32(synced.next_region);
  count_offset_ = payload_.size();
  writer.U8(0);
}

void FrameWriter::Change(uint32_t partition, const PartitionState& state, uint64_t keep_objects) {
  payload_[count_offset_] = ++change_count_;
  Writer writer(payload_);
  writer.U8(static_cast<uint8_t>(partition));
  writer.Varint(keep_objects);
  const auto sized = [&](const Bytes& bytes) {
    writer.Varint(bytes.size());
    writer.Raw(bytes);
  };
  Bytes coded;
  state.objects.Encode(keep_objects, coded);
  sized(coded);
  const ObjectPlace kept = state.objects.PlaceOf(keep_objects);
  for (size_t i = 0; i < kStreamCount; ++i) {
    // What is kept ends with a slice: a cut made it so, or a sync.
    const uint64_t slice =
        state.streams[i].CursorAt(PartitionState::BytesBefore(kept, i)).ordinal();
    coded.clear();
    state.streams[i].Encode(slice, coded);
    sized(coded);
  }
}

Result<Bytes> FrameWriter::Finish(uint32_t sequence, const ImageId& id, Sealing* sealing) {
  return WithHeader(kFrameMagic, sequence, std::move(payload_), id, sealing);
}

Bytes EncodeClosed(uint32_t sequence, const ImageId& id) {
  // Nothing is sealed, so nothing can fail.
  return WithHeader(kClosedMagic, sequence, {}, id, nullptr).take();
}

Result<ParsedImage> ParseImageFile(View bytes, const ImageId& id, const std::string& name,
                                   Sealing* sealing) {
  const auto damaged = [&](uint64_t offset, const std::string& what) {
    return Error{ErrorCode::kCorrupt, At(name, offset), what};
  };
  if (bytes.size() < kImageHeaderBytes) return damaged(0, "the image's header is cut short");
  Reader reader(bytes.first(kImageHeaderBytes));
  const View magic = reader.Raw(8);
  const uint32_t version = reader.U32();
  const uint32_t partition_count = reader.U32();
  const View own_id = reader.Raw(id.size());
  Reader checksum(bytes.first(kImageHeaderBytes).last(4));
  if (!std::equal(magic.begin(), magic.end(), kImageMagic) ||
      Crc32c(0, bytes.first(kImageHeaderBytes - 4)) != checksum.U32())
    return damaged(0, "the image's header is damaged");
  if (version != kVersion)
    return damaged(0, "version " + std::to_string(version) + " of the format is not known");
  if (partition_count == 0 || partition_count > kPartitionCountMax)
    return damaged(0, "has " + std::to_string(partition_count) + " partitions");
  if (!std::equal(own_id.begin(), own_id.end(), id.begin()))
    return damaged(0, "the file is the image of another tape, or of another store");

  ParsedImage image{{}, kImageHeaderBytes, 0, false, false, {}};
  image.state.partitions.resize(partition_count);
  std::optional<Bytes> mended;
  while (image.end < bytes.size()) {
    View frame = bytes.subspan(image.end);
    auto header = ParseFrameHeader(frame, id);
    if (!IsWhole(header, frame, id) || header->sequence != image.next_sequence) {
      mended = WithoutRot(frame, id);
      const auto before = mended ? ParseFrameHeader(*mended, id) : std::nullopt;
      const bool was_next = before && before->sequence == image.next_sequence;
      // What a closing frame says is known without the bit.
      if (!was_next || !before->closed) {
        if (AnyFrameBehind(bytes, image.end, id)) return damaged(image.end, "a frame is damaged");
        // The last frame: a sync that a crash tore gives no frame that lacks a single bit and says what can be.
        ImageState state = image.state;
        if (was_next && ReadFrame(*mended, *before, id, sealing, state).ok())
          return damaged(image.end, "a bit of the last frame has turned over");
        image.torn = true;
        image.closed = false;
        return image;
      }
      image.rotten_marks.push_back(image.end);
      frame = *mended;
      header = before;
    }
    image.closed = header->closed;
    if (!header->closed)
      if (const Status read = ReadFrame(frame, *header, id, sealing, image.state); !read.ok())
        return damaged(image.end, read.error().what);
    image.end += kFrameHeaderBytes + header->payload_length;
    ++image.next_sequence;
  }
  return image;
}

Bytes EncodeManifest(const Manifest& manifest) {
  Bytes bytes;
  Writer writer(bytes);
  writer.Raw(kManifestMagic);
  writer.U32(kVersion);
  writer.U32(static_cast<uint32_t>(manifest.size()));
  for (const ManifestPartition& partition : manifest) {
    Bytes coded;
    partition.objects.Encode(0, coded);
    writer.Varint(coded.size());
    writer.Raw(coded);
    for (const auto& slices : partition.streams) {
      writer.Varint(slices.size());
      for (const ManifestSlice& slice : slices) {
        writer.Raw(slice.digest);
        writer.U32(slice.content_length);
        writer.U32(slice.used);
      }
    }
  }
  return bytes;
}

Result<Manifest> ParseManifest(View bytes) {
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
  Manifest manifest(count);
  for (ManifestPartition& partition : manifest) {
    if (const Status coded = partition.objects.AppendEncoded(TakeSized(reader)); !coded.ok())
      return Error{coded.error().code, "the manifest", coded.error().what};
    const uint64_t totals[] = {partition.objects.payload_count(), partition.objects.framing_count()};
    for (size_t i = 0; i < kStreamCount; ++i) {
      const uint64_t slice_count = reader.Varint();
      if (slice_count > reader.left() / kManifestSliceBytes)
        return damaged("it has more slices than bytes");
      partition.streams[i].reserve(slice_count);
      uint64_t sum = 0;
      for (uint64_t k = 0; k < slice_count; ++k) {
        const Digest digest = reader.TakeDigest();
        const uint32_t content_length = reader.U32();
        const uint32_t used = reader.U32();
        if (content_length == 0 || content_length > kChunkBytesMax || used == 0 ||
            used > content_length)
          return damaged("it has a slice that cannot be");
        partition.streams[i].push_back({digest, content_length, used});
        sum += used;
      }
      if (reader.failed()) return damaged("it is cut short");
      if (sum != totals[i]) return damaged("it has objects and chunks of different lengths");
    }
  }
  if (reader.left() != 0) return damaged("bytes stand behind its end");
  return manifest;
}

}  // namespace capstan
