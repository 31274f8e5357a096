// Takes the records of backup applications apart into framing and the user's bytes, and joins them.
//
// A record of a known block format becomes a program, which says how to put it together, and payload:
//   varint piece count, then per piece: varint literal bytes, varint zero bytes, varint payload bytes;
//   then the literal bytes of all pieces.
// Joining knows no formats (docs/internals/framing.md).
#pragma once

#include "framing_formats.h"
#include "framing_learner.h"
#include "result.h"

namespace capstan {

// One a partition being written; knows where the tape file began, nothing of the disk.
class Framer {
 public:
  // Takes a record apart. True: `framing` got its program appended, `payload` its payload bytes.
  // False: no framing recognised, nothing appended; the record is stored as it is.
  bool Split(View record, Bytes& framing, Bytes& payload);
  // A filemark: a new tape file begins.
  void EndFile() { learner_.EndFile(); }
  // The position changed (overwriting, reopening): nothing that was learned holds.
  void Reset() { learner_.Reset(); }

 private:
  HeaderLearner learner_;
  // Kept for its memory only.
  Pieces pieces_;
};

struct ProgramLengths {
  uint32_t program_length;
  uint32_t payload_length;
  uint32_t record_length;
};
// Of the program at the start of `framing`; kCorrupt where it is malformed.
Result<ProgramLengths> MeasureProgram(View framing);
// Puts a record together. All three have exactly the lengths that MeasureProgram says.
Status Join(View program, View payload, std::span<uint8_t> record);

}  // namespace capstan
