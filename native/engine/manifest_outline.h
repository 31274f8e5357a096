// What of a manifest another one has, without either going to where the other is: a manifest is cut by its content
// into pieces, and its outline names these. docs/formats/replication.md has every byte.
#pragma once

#include "bytes.h"
#include "result.h"

namespace capstan {

// A piece is at least so long, but for the last.
constexpr size_t kPieceBytesMin = 64;
constexpr size_t kPieceBytesMax = 4096;
// Of a piece in an outline: length (2, big-endian) and the first 16 bytes of its digest.
constexpr size_t kPieceDigestBytes = 16;
constexpr size_t kOutlinePieceBytes = 2 + kPieceDigestBytes;

// In the manifest's order.
Bytes OutlineManifest(View manifest);

struct FilledManifest {
  // Zeros where `lacking` says so.
  Bytes manifest;
  // For each piece 1 where the older manifest does not have it, else 0.
  Bytes lacking;
};
// The manifest of that outline, as far as `older` has its pieces. Whether these are the ones that were outlined, and
// the whole is a manifest, its digest proves. kInvalid where the outline is none; kLimit where it is of too much.
Result<FilledManifest> FillManifest(View outline, View older);

}  // namespace capstan
