#include "framing.h"

namespace capstan {
namespace {

constexpr size_t kPieceBytesMin = 3;

Error Malformed(const char* what) { return {ErrorCode::kCorrupt, "framing", what}; }

void Append(Bytes& out, View bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

// A piece of a program, and whether there was one: none of it exceeds a record.
bool TakePiece(Reader& reader, Piece& piece) {
  const uint64_t literal = reader.Varint();
  const uint64_t zeros = reader.Varint();
  const uint64_t payload = reader.Varint();
  if (reader.failed() || literal > kFramedRecordBytesMax || zeros > kFramedRecordBytesMax ||
      payload > kFramedRecordBytesMax || literal + zeros + payload == 0)
    return false;
  piece = {static_cast<uint32_t>(literal), static_cast<uint32_t>(zeros),
           static_cast<uint32_t>(payload)};
  return true;
}

struct Outline {
  ProgramLengths lengths;
  size_t literals_at;
};

Result<Outline> ReadOutline(View framing) {
  Reader reader(framing);
  const uint64_t piece_count = reader.Varint();
  if (reader.failed() || piece_count == 0 || piece_count > reader.left() / kPieceBytesMin)
    return Malformed("a program's number of pieces is wrong");
  uint64_t literal_length = 0, payload_length = 0, record_length = 0;
  for (uint64_t i = 0; i < piece_count; ++i) {
    Piece piece;
    if (!TakePiece(reader, piece)) return Malformed("a program has a malformed piece");
    literal_length += piece.literal;
    payload_length += piece.payload;
    record_length += uint64_t{piece.literal} + piece.zeros + piece.payload;
    if (record_length > kFramedRecordBytesMax) return Malformed("a program makes too long a record");
  }
  if (literal_length > reader.left()) return Malformed("a program is cut off");
  return Outline{{static_cast<uint32_t>(reader.offset() + literal_length),
                  static_cast<uint32_t>(payload_length), static_cast<uint32_t>(record_length)},
                 reader.offset()};
}

}  // namespace

bool Framer::Split(View record, Bytes& framing, Bytes& payload) {
  if (record.size() < kFramedRecordBytesMin || record.size() > kFramedRecordBytesMax) return false;
  if (!TakeBaculaBlock(record, pieces_) && !TakeAmandaHeader(record, pieces_)) {
    const size_t header_bytes = learner_.HeaderLength(record);
    if (header_bytes == 0) return false;
    pieces_.Start(record);
    pieces_.Literal(header_bytes);
    pieces_.Payload(record.size() - header_bytes);
  }
  // The proof that joining gives this record back: the pieces take every byte of it once and in order
  // (Pieces only ever moves on), and zeros were looked at. To join and compare would read it once more.
  if (pieces_.left() != 0) return false;

  Writer program(framing);
  program.Varint(pieces_.all().size());
  for (const Piece& piece : pieces_.all()) {
    program.Varint(piece.literal);
    program.Varint(piece.zeros);
    program.Varint(piece.payload);
  }
  size_t at = 0;
  for (const Piece& piece : pieces_.all()) {
    Append(framing, record.subspan(at, piece.literal));
    at += piece.literal + piece.zeros;
    Append(payload, record.subspan(at, piece.payload));
    at += piece.payload;
  }
  return true;
}

Result<ProgramLengths> MeasureProgram(View framing) {
  TRY_ASSIGN(const Outline outline, ReadOutline(framing));
  return outline.lengths;
}

Status Join(View program, View payload, std::span<uint8_t> record) {
  TRY_ASSIGN(const Outline outline, ReadOutline(program));
  const ProgramLengths& lengths = outline.lengths;
  if (lengths.program_length != program.size() || lengths.payload_length != payload.size() ||
      lengths.record_length != record.size())
    return Malformed("a program does not fit its record");
  // The outline has held the sums of all lengths against the three spans.
  const uint8_t* literal = program.data() + outline.literals_at;
  const uint8_t* data = payload.data();
  uint8_t* out = record.data();
  const auto copy = [&out](const uint8_t*& from, size_t count) {
    if (count > 0) std::memcpy(out, from, count);
    from += count;
    out += count;
  };
  Reader reader(program);
  for (uint64_t left = reader.Varint(); left > 0; --left) {
    copy(literal, reader.Varint());
    const size_t zeros = reader.Varint();
    if (zeros > 0) std::memset(out, 0, zeros);
    out += zeros;
    copy(data, reader.Varint());
  }
  return Ok();
}

}  // namespace capstan
