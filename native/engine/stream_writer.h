// Cuts a stream into chunks as it comes, and has the packs take them.
#pragma once

#include "chunk_list.h"
#include "pack_store.h"

namespace capstan {

class StreamWriter {
 public:
  // Bytes of the chunks that were new.
  uint64_t Append(View bytes, PackStore& packs, ChunkList& list);
  // Ends the chunk that is being gathered.
  uint64_t Finish(PackStore& packs, ChunkList& list);
  // Keeps the first `bytes` of the stream.
  void Truncate(uint64_t bytes, ChunkList& list);

  // Bytes behind the list that no chunk's end was found in yet.
  const Bytes& pending() const { return pending_; }
  ChunkStream& chunks() { return chunks_; }

 private:
  // Takes the first chunk of `bytes`; its length, or 0 where it does not end in them.
  size_t TakeChunk(View bytes, bool last, PackStore& packs, ChunkList& list, uint64_t& new_bytes);

  // The same of many, where none of the last was known: nothing is expected, and all must be cut and digested.
  size_t TakeChunks(View bytes, PackStore& packs, ChunkList& list, uint64_t& new_bytes);

  Bytes pending_;
  // Since the last that was known.
  unsigned new_count_ = 0;
  std::vector<uint32_t> lengths_;
  std::vector<Digest> digests_;
  ChunkStream chunks_;
};

}  // namespace capstan
