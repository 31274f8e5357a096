// BLAKE3, 256 bits, unkeyed: the identity of chunks and manifests.
// Source of the algorithm: O'Connor, Aumasson, Neves, Wilcox-O'Hearn, "BLAKE3: one function, fast
// everywhere" (2020), section 2.
#pragma once

#include "bytes.h"

namespace capstan {

Digest Blake3(View bytes);
// The same, one block at a time: the twin of the lanes that the tests compare.
Digest Blake3Scalar(View bytes);

}  // namespace capstan
