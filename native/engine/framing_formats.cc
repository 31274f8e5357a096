#include "framing_formats.h"

#include <algorithm>

namespace capstan {
namespace {

uint32_t BigEndian32(View bytes, size_t at) {
  return uint32_t{bytes[at]} << 24 | uint32_t{bytes[at + 1]} << 16 | uint32_t{bytes[at + 2]} << 8 |
         bytes[at + 3];
}

// Bacula's and Bareos's blocks: "Storage Media Output Format" in both developers' guides; the lengths of
// BB01 and the fields of BB03 as in their public block.h.
//   block header   u32 checksum (BB03: options), u32 block size, u32 block number, "BB0x",
//                  BB02 and BB03: u32 session id, u32 session time; BB03 with a checksum: u64 xxHash
//   record header  BB01: u32 session id, u32 session time; i32 file index, i32 stream, u32 data bytes
// All are big endian. Data that does not fit into its block goes on in the next one, under a record header
// of its own with the negative stream and the bytes still to come. A file index below 0 marks a label;
// labels are never split.
constexpr size_t kBlockSizeAt = 4;
constexpr size_t kBlockIdAt = 12;
constexpr uint32_t kChecksumOption = 1;
constexpr uint32_t kEncryptedBlockOption = 4;
constexpr size_t kRecordHeaderBytes = 12;
constexpr size_t kSessionBytes = 8;
constexpr size_t kLabelBytesMax = 4096;

struct BaculaSizes {
  size_t block_header;
  size_t record_header;
};

bool BaculaSizesOf(View record, BaculaSizes& sizes) {
  switch (record[kBlockIdAt + 3]) {
    case '1':
      sizes = {16, kSessionBytes + kRecordHeaderBytes};
      return true;
    case '2':
      sizes = {24, kRecordHeaderBytes};
      return true;
    case '3': {
      const uint32_t options = BigEndian32(record, 0);
      // Beneath encryption no record header can be seen.
      if (options & kEncryptedBlockOption) return false;
      sizes = {options & kChecksumOption ? size_t{32} : size_t{24}, kRecordHeaderBytes};
      return true;
    }
    default:
      return false;
  }
}

bool AllZero(View bytes) {
  // The first byte is zero and each equals its predecessor.
  return bytes.empty() ||
         (bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

// Amanda's header, from its public fileheader.c: a text of key words, padded with zeros to 32 KiB.
// The records behind it up to the filemark are the dump as it is.
constexpr char kAmandaMagic[] = "AMANDA: ";
constexpr size_t kAmandaHeaderBytesMax = 64 * 1024;

}  // namespace

size_t Pieces::Take(size_t count) {
  const size_t taken = std::min(count, left());
  offset_ += taken;
  return taken;
}

void Pieces::Literal(size_t count) {
  const auto taken = static_cast<uint32_t>(Take(count));
  if (taken == 0) return;
  if (pieces_.empty() || pieces_.back().zeros > 0 || pieces_.back().payload > 0)
    pieces_.push_back({0, 0, 0});
  pieces_.back().literal += taken;
}

void Pieces::Payload(size_t count) {
  const auto taken = static_cast<uint32_t>(Take(count));
  if (taken == 0) return;
  if (pieces_.empty()) pieces_.push_back({0, 0, 0});
  pieces_.back().payload += taken;
}

void Pieces::PaddedLiteral(size_t count) {
  const View bytes = rest().first(std::min(count, left()));
  size_t used = bytes.size();
  while (used > 0 && bytes[used - 1] == 0) --used;
  Literal(used);
  const auto zeros = static_cast<uint32_t>(Take(bytes.size() - used));
  if (zeros == 0) return;
  if (pieces_.empty() || pieces_.back().zeros > 0 || pieces_.back().payload > 0)
    pieces_.push_back({0, 0, 0});
  pieces_.back().zeros += zeros;
}

bool TakeBaculaBlock(View record, Pieces& pieces) {
  if (record.size() < kFramedRecordBytesMin || std::memcmp(&record[kBlockIdAt], "BB0", 3) != 0)
    return false;
  BaculaSizes sizes;
  if (!BaculaSizesOf(record, sizes)) return false;
  // Blocks of fixed length are padded, and what the size counts depends on the release.
  const size_t block_bytes = BigEndian32(record, kBlockSizeAt);
  if (block_bytes < sizes.block_header || block_bytes > record.size()) return false;

  pieces.Start(record);
  pieces.Literal(sizes.block_header);
  while (pieces.offset() + sizes.record_header <= block_bytes) {
    const View header = pieces.rest().first(sizes.record_header);
    // Padding begins where a record would.
    if (AllZero(header)) break;
    const View fields = header.last(kRecordHeaderBytes);
    const bool label = (fields[0] & 0x80) != 0;
    const uint32_t data_bytes = BigEndian32(fields, 8);
    pieces.Literal(sizes.record_header);
    const size_t here = std::min<size_t>(data_bytes, block_bytes - pieces.offset());
    if (label && here <= kLabelBytesMax) {
      pieces.Literal(here);
    } else {
      pieces.Payload(here);
    }
  }
  // What is left is padding: bytes too few for a record header, then zeros.
  if (AllZero(pieces.rest())) {
    pieces.PaddedLiteral(pieces.left());
  } else if (pieces.left() < sizes.record_header) {
    pieces.Literal(pieces.left());
  } else {
    pieces.Payload(pieces.left());
  }
  return true;
}

bool TakeAmandaHeader(View record, Pieces& pieces) {
  constexpr size_t magic_bytes = sizeof kAmandaMagic - 1;
  if (record.size() < kFramedRecordBytesMin || record.size() > kAmandaHeaderBytesMax ||
      std::memcmp(record.data(), kAmandaMagic, magic_bytes) != 0)
    return false;
  pieces.Start(record);
  pieces.PaddedLiteral(record.size());
  return true;
}

}  // namespace capstan
