// Compression of one chunk: zstd where it saves, else as it is.
#pragma once

#include "bytes.h"
#include "result.h"

namespace capstan {

enum class Codec : uint8_t { kRaw = 0, kZstd = 1 };

struct EncodedChunk {
  Codec codec;
  Bytes stored;
};

EncodedChunk EncodeChunk(View content);

// The content, exactly `content_length` bytes of it, or why `stored` is not that.
Result<Bytes> DecodeChunk(uint8_t codec, View stored, uint32_t content_length);

}  // namespace capstan
