// Content-defined chunking: where a stream of bytes is cut depends on its last 32 bytes only.
#pragma once

#include "bytes.h"

namespace capstan {

constexpr size_t kChunkBytesMin = 16 * 1024;
constexpr size_t kChunkBytesAverage = 64 * 1024;
constexpr size_t kChunkBytesMax = 256 * 1024;

// Length of the first chunk of `bytes`. Where the stream goes on behind `bytes`, they must be at least
// kChunkBytesMax, so that the cut does not depend on how the stream came in.
size_t FirstChunkLength(View bytes);

}  // namespace capstan
