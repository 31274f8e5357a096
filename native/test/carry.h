// A transfer from one store to another, as the server makes it.
#pragma once

#include "../engine/store.h"

namespace capstan::test {

// The digests, one behind another.
Bytes Join(std::span<const Digest> digests);
// Of the chunks that make up the image.
Bytes ChunksOf(Store& store, const std::string& image);
// Those that `target` says it lacks.
Bytes LackingOf(Store& target, View digests);

struct Carried {
  uint64_t bytes = 0;
  uint64_t chunk_count = 0;
  std::vector<Codec> codecs;
};
// What `source` sends of these chunks to `target`, batch after batch. Errors of the source are failures of the test.
Result<Carried> Carry(Store& source, Store& target, View digests);

}  // namespace capstan::test
