#include "stream_writer.h"

#include <algorithm>

#include "blake3.h"
#include "chunker.h"

namespace capstan {
namespace {

// After so many new chunks in a row, the next are probably new as well.
constexpr unsigned kNewCountMin = 8;
// Cut and digested at a time then.
constexpr size_t kBatchBytes = 1 << 20;

}  // namespace

size_t StreamWriter::TakeChunk(View bytes, bool last, PackStore& packs, ChunkList& list,
                               uint64_t& new_bytes) {
  // What followed the last chunk before probably follows it again: one digest says so, and where it does, no
  // end need be looked for. The same bytes were cut there before, so the cuts are what they would be.
  const ChunkEntry expected = chunks_.expected;
  size_t length = 0;
  Digest digest;
  if (expected.length != 0 && expected.length <= bytes.size()) {
    digest = ChunkDigest(bytes.first(expected.length));
    if (digest == expected.digest) length = expected.length;
  }
  if (length == 0) {
    length = CutChunk(bytes, last);
    if (length == 0) return 0;
    if (length != expected.length) digest = ChunkDigest(bytes.first(length));
  }
  bool is_new = false;
  const ChunkRef ref = packs.Take(chunks_, digest, bytes.first(length), &is_new);
  list.Append({ref, static_cast<uint32_t>(length)});
  if (is_new) new_bytes += length;
  new_count_ = is_new ? new_count_ + 1 : 0;
  return length;
}

size_t StreamWriter::TakeChunks(View bytes, PackStore& packs, ChunkList& list,
                                uint64_t& new_bytes) {
  lengths_.clear();
  const size_t cut = CutChunks(bytes.first(kBatchBytes), false, lengths_);
  packs.DigestChunks(bytes, lengths_, digests_);
  size_t done = 0;
  for (size_t i = 0; i < lengths_.size(); ++i) {
    bool is_new = false;
    const View chunk = bytes.subspan(done, lengths_[i]);
    list.Append({packs.Take(chunks_, digests_[i], chunk, &is_new), lengths_[i]});
    if (is_new) new_bytes += chunk.size();
    new_count_ = is_new ? new_count_ + 1 : 0;
    done += chunk.size();
  }
  return cut;
}

uint64_t StreamWriter::Append(View bytes, PackStore& packs, ChunkList& list) {
  // Little by little: cut once enough has come that a cut is certain.
  if (pending_.size() + bytes.size() < kChunkBytesMax) {
    pending_.insert(pending_.end(), bytes.begin(), bytes.end());
    return 0;
  }
  uint64_t new_bytes = 0;
  if (!pending_.empty()) {
    // The chunks that begin in what was pending are cut there; the others where the bytes lie.
    const size_t copied = std::min(bytes.size(), kChunkBytesMax);
    const size_t before = pending_.size();
    pending_.insert(pending_.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(copied));
    size_t done = 0;
    while (done < before) {
      const size_t length =
          TakeChunk(View(pending_).subspan(done), false, packs, list, new_bytes);
      if (length == 0) break;
      done += length;
    }
    if (done < before) {
      pending_.erase(pending_.begin(), pending_.begin() + static_cast<ptrdiff_t>(done));
      return new_bytes;
    }
    bytes = bytes.subspan(done - before);
    pending_.clear();
  }
  while (!bytes.empty()) {
    const bool many = new_count_ >= kNewCountMin && bytes.size() >= kBatchBytes;
    const size_t length = many ? TakeChunks(bytes, packs, list, new_bytes)
                               : TakeChunk(bytes, false, packs, list, new_bytes);
    if (length == 0) break;
    bytes = bytes.subspan(length);
  }
  pending_.assign(bytes.begin(), bytes.end());
  return new_bytes;
}

uint64_t StreamWriter::Finish(PackStore& packs, ChunkList& list) {
  uint64_t new_bytes = 0;
  View bytes = pending_;
  while (!bytes.empty()) bytes = bytes.subspan(TakeChunk(bytes, true, packs, list, new_bytes));
  pending_.clear();
  return new_bytes;
}

void StreamWriter::Truncate(uint64_t bytes, ChunkList& list) {
  chunks_.expected = {};
  if (bytes >= list.byte_count()) {
    pending_.resize(bytes - list.byte_count());
    return;
  }
  pending_.clear();
  // A tape that is written again begins with much of what it had there.
  chunks_.replaced = list.CursorAt(bytes).slice().ref;
  chunks_.delta_count = 0;
  list.Truncate(bytes);
}

}  // namespace capstan
