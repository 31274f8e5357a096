#include "stream_writer.h"

#include "blake3.h"
#include "chunker.h"

namespace capstan {

// The chunks that lengths_ cuts `bytes` into.
uint64_t StreamWriter::Take(View bytes, PackStore& packs, ChunkList& list) {
  uint64_t new_bytes = 0;
  for (const uint32_t length : lengths_) {
    const View content = bytes.first(length);
    bool is_new = false;
    list.Append({packs.Take(chunks_, ChunkDigest(content), content, &is_new), length});
    if (is_new) new_bytes += length;
    bytes = bytes.subspan(length);
  }
  lengths_.clear();
  return new_bytes;
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
    CutChunks(pending_, false, lengths_);
    size_t done = 0;
    size_t count = 0;
    while (count < lengths_.size() && done < before) done += lengths_[count++];
    lengths_.resize(count);
    new_bytes += Take(pending_, packs, list);
    if (done < before) {
      pending_.erase(pending_.begin(), pending_.begin() + static_cast<ptrdiff_t>(done));
      return new_bytes;
    }
    bytes = bytes.subspan(done - before);
    pending_.clear();
  }
  const size_t done = CutChunks(bytes, false, lengths_);
  new_bytes += Take(bytes, packs, list);
  pending_.assign(bytes.begin() + static_cast<ptrdiff_t>(done), bytes.end());
  return new_bytes;
}

uint64_t StreamWriter::Finish(PackStore& packs, ChunkList& list) {
  CutChunks(pending_, true, lengths_);
  const uint64_t new_bytes = Take(pending_, packs, list);
  pending_.clear();
  return new_bytes;
}

void StreamWriter::Truncate(uint64_t bytes, ChunkList& list) {
  if (bytes >= list.byte_count()) {
    pending_.resize(bytes - list.byte_count());
    return;
  }
  pending_.clear();
  list.Truncate(bytes);
}

}  // namespace capstan
