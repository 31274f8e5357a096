// The block formats of backup applications: which bytes of a record are framing and which are payload.
#pragma once

#include "bytes.h"

namespace capstan {

// A record of a tape has at most 16 MiB, and what is shorter than this is not worth taking apart.
constexpr uint32_t kFramedRecordBytesMax = 16u << 20;
constexpr uint32_t kFramedRecordBytesMin = 64;

// In this order in the record: framing as it is, framing that is zeros, payload.
struct Piece {
  uint32_t literal;
  uint32_t zeros;
  uint32_t payload;
};

// The pieces of one record from its start to its end: each call takes the bytes that follow.
class Pieces {
 public:
  void Start(View record) {
    record_ = record;
    offset_ = 0;
    pieces_.clear();
  }
  const std::vector<Piece>& all() const { return pieces_; }
  size_t offset() const { return offset_; }
  size_t left() const { return record_.size() - offset_; }
  // The bytes that follow and have not been taken.
  View rest() const { return record_.subspan(offset_); }

  // None of them takes more than is left.
  void Literal(size_t count);
  void Payload(size_t count);
  // Framing that probably ends in zeros.
  void PaddedLiteral(size_t count);

 private:
  size_t Take(size_t count);

  View record_;
  size_t offset_ = 0;
  std::vector<Piece> pieces_;
};

// False where the record is not of the format; then `pieces` is in no particular state.
// Bacula and Bareos: blocks BB01, BB02 and BB03.
bool TakeBaculaBlock(View record, Pieces& pieces);
// Amanda: the header record at the start of each tape file.
bool TakeAmandaHeader(View record, Pieces& pieces);

}  // namespace capstan
