#include "manifest_outline.h"

#include <algorithm>

#include "blake3.h"
#include "image_format.h"

namespace capstan {
namespace {

// One piece in some 320 bytes, eight slices: short enough that a change costs little, long enough that their
// names do. What is cut is digests, mostly, so that the simplest of hashes will do: with the 32 bytes up to one as
// a number whose digits count 2^k, the upper bits of its product with 2^32 divided by the golden ratio.
constexpr uint32_t kGolden = 2654435761u;
constexpr uint32_t kCutLimit = 1u << 24;

using PieceDigest = std::array<uint8_t, kPieceDigestBytes>;

PieceDigest DigestOf(View piece) {
  const Digest whole = Blake3(piece);
  PieceDigest digest;
  std::copy_n(whole.begin(), digest.size(), digest.begin());
  return digest;
}

// Calls `visit` with each piece.
template <class Visit>
void EachPiece(View manifest, Visit visit) {
  size_t start = 0;
  uint32_t sum = 0;
  for (size_t i = 0; i < manifest.size(); ++i) {
    sum = 2 * sum + manifest[i] + 1;
    const size_t length = i + 1 - start;
    const bool cut = length >= kPieceBytesMin && sum * kGolden < kCutLimit;
    if (!cut && length < kPieceBytesMax && i + 1 < manifest.size()) continue;
    visit(manifest.subspan(start, length));
    start = i + 1;
  }
}

struct Piece {
  PieceDigest digest;
  View bytes;
};

Error NoOutline(const std::string& what) {
  return Error{ErrorCode::kInvalid, "the outline of a manifest", what};
}

}  // namespace

Bytes OutlineManifest(View manifest) {
  Bytes outline;
  EachPiece(manifest, [&](View piece) {
    outline.push_back(static_cast<uint8_t>(piece.size() >> 8));
    outline.push_back(static_cast<uint8_t>(piece.size()));
    const PieceDigest digest = DigestOf(piece);
    outline.insert(outline.end(), digest.begin(), digest.end());
  });
  return outline;
}

Result<FilledManifest> FillManifest(View outline, View older) {
  if (outline.size() % kOutlinePieceBytes != 0) return NoOutline("it ends within a piece");
  const size_t count = outline.size() / kOutlinePieceBytes;
  const auto length_of = [&](size_t i) {
    const View piece = outline.subspan(i * kOutlinePieceBytes);
    return size_t{piece[0]} << 8 | piece[1];
  };
  uint64_t total = 0;
  for (size_t i = 0; i < count; ++i) {
    const size_t length = length_of(i);
    if (length > kPieceBytesMax || length < (i + 1 < count ? kPieceBytesMin : 1))
      return NoOutline("a piece has " + std::to_string(length) + " bytes");
    total += length;
  }
  if (total > kManifestBytesMax)
    return Error{ErrorCode::kLimit, "the outline of a manifest", "the manifest is too long"};
  std::vector<Piece> known;
  EachPiece(older, [&](View piece) { known.push_back({DigestOf(piece), piece}); });
  const auto before = [](const Piece& a, const Piece& b) { return a.digest < b.digest; };
  std::sort(known.begin(), known.end(), before);
  FilledManifest filled{Bytes(total), Bytes(count, 1)};
  uint8_t* out = filled.manifest.data();
  for (size_t i = 0; i < count; ++i) {
    const size_t length = length_of(i);
    Piece wanted{};
    std::copy_n(outline.begin() + static_cast<ptrdiff_t>(i * kOutlinePieceBytes + 2),
                kPieceDigestBytes, wanted.digest.begin());
    const auto found = std::lower_bound(known.begin(), known.end(), wanted, before);
    if (found != known.end() && found->digest == wanted.digest && found->bytes.size() == length) {
      std::copy(found->bytes.begin(), found->bytes.end(), out);
      filled.lacking[i] = 0;
    }
    out += length;
  }
  return filled;
}

}  // namespace capstan
