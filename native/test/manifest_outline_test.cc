// Goal: of a manifest that is much like an older one only little has to travel, and what does not travel is right.
#include "../engine/blake3.h"
#include "../engine/image_format.h"
#include "../engine/manifest_outline.h"
#include "harness.h"

namespace capstan::test {
namespace {

constexpr size_t kSliceBytes = 40;

// As long as a slice each, and as random as most of it.
Bytes Slices(uint64_t seed, size_t count) { return Random(seed).Noise(count * kSliceBytes); }

struct Filled {
  size_t lacking_bytes = 0;
  size_t lacking_pieces = 0;
};

// Fills `wanted` from `older`, and what lacks from itself; it is whole then.
Filled Fill(const Bytes& wanted, const Bytes& older) {
  const Bytes outline = OutlineManifest(wanted);
  FilledManifest filled = Must(FillManifest(outline, older), "fill");
  CHECK(filled.manifest.size() == wanted.size());
  CHECK(filled.lacking.size() * kOutlinePieceBytes == outline.size());
  Filled found;
  size_t at = 0;
  for (size_t i = 0; i < filled.lacking.size(); ++i) {
    const size_t length =
        size_t{outline[i * kOutlinePieceBytes]} << 8 | outline[i * kOutlinePieceBytes + 1];
    if (filled.lacking[i] != 0) {
      std::copy_n(wanted.begin() + static_cast<ptrdiff_t>(at), length,
                  filled.manifest.begin() + static_cast<ptrdiff_t>(at));
      found.lacking_bytes += length;
      ++found.lacking_pieces;
    }
    at += length;
  }
  CHECK(at == wanted.size() && filled.manifest == wanted);
  return found;
}

TEST("manifest outline", "names a twentieth of the bytes, whatever these are") {
  for (const Bytes& bytes : {Slices(1, 20000), Bytes(800000, 0), Bytes(1, 7), Bytes{}}) {
    const Bytes outline = OutlineManifest(bytes);
    CHECK(outline.size() < bytes.size() / 14 + 2 * kOutlinePieceBytes, outline.size(), " ", bytes.size());
    CHECK(Fill(bytes, bytes).lacking_pieces == 0);
    const Bytes none;
    CHECK(Fill(bytes, none).lacking_bytes == bytes.size());
  }
}

TEST("manifest outline", "costs a change, an insertion, a deletion some pieces") {
  const Bytes older = Slices(2, 20000);
  Random random(3);
  for (int i = 0; i < 10; ++i) {
    const size_t at = random.Below(older.size() - 1000);
    const auto place = [&](Bytes& bytes) { return bytes.begin() + static_cast<ptrdiff_t>(at); };
    Bytes changed = older;
    changed[at] ^= 1;
    Bytes longer = older;
    const Bytes more = random.Noise(1 + random.Below(500));
    longer.insert(place(longer), more.begin(), more.end());
    Bytes shorter = older;
    shorter.erase(place(shorter), place(shorter) + 500);
    for (const Bytes& bytes : {changed, longer, shorter}) {
      const Filled filled = Fill(bytes, older);
      CHECK(filled.lacking_pieces > 0 && filled.lacking_bytes < 6000, filled.lacking_bytes);
    }
  }
}

TEST("manifest outline", "is cut and named as the document says") {
  // One cut where the document's formula has it, computed here in its own words.
  const Bytes bytes = Slices(4, 1000);
  const Bytes outline = OutlineManifest(bytes);
  size_t start = 0;
  size_t piece = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    uint32_t sum = 0;
    for (size_t k = 0; k < 32 && k <= i; ++k) sum += (bytes[i - k] + 1u) << k;
    const size_t length = i - start + 1;
    if (!(length >= 64 && 2654435761u * sum < 1u << 24) && length < 4096 && i + 1 < bytes.size()) continue;
    const Digest digest = Blake3(View(bytes).subspan(start, length));
    CHECK(outline.size() >= (piece + 1) * 18);
    const View named = View(outline).subspan(piece * 18, 18);
    CHECK((size_t{named[0]} << 8 | named[1]) == length, piece);
    CHECK(std::equal(named.begin() + 2, named.end(), digest.begin()), piece);
    start = i + 1;
    ++piece;
  }
  CHECK(piece > 50 && outline.size() == piece * 18, piece);
}

TEST("manifest outline", "that is none is refused, and one of too much before memory is taken") {
  const Bytes older = Slices(5, 100);
  const auto refused = [&](const Bytes& outline) {
    const auto filled = FillManifest(outline, older);
    CHECK(!filled.ok());
    return filled.error().code;
  };
  const Bytes outline = OutlineManifest(Slices(6, 1000));
  CHECK(refused(Bytes(outline.begin(), outline.end() - 1)) == ErrorCode::kInvalid);
  for (const size_t length : {0u, 63u, 4097u, 65535u}) {
    Bytes edited = outline;
    edited[0] = static_cast<uint8_t>(length >> 8);
    edited[1] = static_cast<uint8_t>(length);
    CHECK(refused(edited) == ErrorCode::kInvalid, length);
  }
  Bytes endless;
  for (size_t i = 0; i <= kManifestBytesMax / kPieceBytesMax; ++i) {
    endless.push_back(kPieceBytesMax >> 8);
    endless.resize(endless.size() + 17);
  }
  CHECK(refused(endless) == ErrorCode::kLimit);
}

}  // namespace
}  // namespace capstan::test
