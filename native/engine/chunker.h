// Content-defined chunking: where a stream of bytes is cut depends on its last 32 bytes only.
//
// The definition, which every vector unit keeps to the byte: with g the gear table of chunker.cc, byte i of
// a stream has the hash h(i) = sum over k = 0 to 31 of g(byte i-k) * 2^k, modulo 2^32. A chunk ends behind
// the first of its bytes, counted from 0 at its start, that is
//  - from kChunkBytesMin to before kChunkBytesAverage, and has h < 2^15 (the upper 17 bits 0), or
//  - from kChunkBytesAverage on, and has h < 2^17 (the upper 15 bits 0), or
//  - the last that kChunkBytesMax allows, or the last of the stream.
// So lengths are normalised: cuts are rarer before the average than behind it.
#pragma once

#include "bytes.h"
#include "vector_unit.h"

namespace capstan {

constexpr size_t kChunkBytesMin = 16 * 1024;
constexpr size_t kChunkBytesAverage = 64 * 1024;
constexpr size_t kChunkBytesMax = 256 * 1024;

// Appends the lengths of the chunks of `bytes`, which begin where a chunk begins; returns how many bytes
// they cover. All of `bytes` where they are the stream's last; else only the chunks that no byte behind
// `bytes` could make longer or shorter, so that less than kChunkBytesMax remain: the front of the next call.
size_t CutChunks(View bytes, bool last, std::vector<uint32_t>& lengths);

// The length of the first of them; 0 where a byte behind `bytes` could make it longer or shorter.
size_t CutChunk(View bytes, bool last);

// By the unit named, which the processor must have (HasVectorUnit): what the tests compare. kScalar is the
// definition above, byte after byte.
size_t CutChunksBy(VectorUnit unit, View bytes, bool last, std::vector<uint32_t>& lengths);

}  // namespace capstan
