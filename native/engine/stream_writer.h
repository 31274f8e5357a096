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
  uint64_t Take(View bytes, PackStore& packs, ChunkList& list);

  Bytes pending_;
  std::vector<uint32_t> lengths_;
  ChunkStream chunks_;
};

}  // namespace capstan
