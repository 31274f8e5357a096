// BLAKE3, 256 bits: the identity of chunks (keyed) and of what else is named by its content (unkeyed).
// Source of the algorithm: O'Connor, Aumasson, Neves, Wilcox-O'Hearn, "BLAKE3: one function, fast
// everywhere" (2020), section 2.
#pragma once

#include "bytes.h"
#include "vector_unit.h"

namespace capstan {

using DigestKey = std::array<uint8_t, 32>;

// The key of chunk digests, published: the ASCII bytes of "Capstan chunk identity 2 (keyed)". It keeps
// no secret; it keeps the digests of chunks apart from every other BLAKE3 of the same bytes.
constexpr DigestKey kChunkDigestKey = {'C', 'a', 'p', 's', 't', 'a', 'n', ' ', 'c', 'h', 'u',
                                       'n', 'k', ' ', 'i', 'd', 'e', 'n', 't', 'i', 't', 'y',
                                       ' ', '2', ' ', '(', 'k', 'e', 'y', 'e', 'd', ')'};

// By the widest vector unit that the processor has.
Digest Blake3(View bytes);
Digest Blake3Keyed(const DigestKey& key, View bytes);
inline Digest ChunkDigest(View bytes) { return Blake3Keyed(kChunkDigestKey, bytes); }

// By the unit named, which the processor must have (HasVectorUnit): what the tests compare.
Digest Blake3By(VectorUnit unit, View bytes);
Digest Blake3KeyedBy(VectorUnit unit, const DigestKey& key, View bytes);
// One block at a time.
inline Digest Blake3Scalar(View bytes) { return Blake3By(VectorUnit::kScalar, bytes); }

}  // namespace capstan
