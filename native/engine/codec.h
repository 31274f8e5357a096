// Compression of a region: zstd where it saves, against a prefix where that saves more, else as it is.
#pragma once

#include "bytes.h"
#include "result.h"

namespace capstan {

enum class Codec : uint8_t { kRaw = 0, kZstd = 1, kDelta = 2 };

// What a store does about it; kFast takes more space and less time.
enum class Compression : uint8_t { kOff = 0, kFast = 1, kOn = 2 };
// kLittle is for what went before did not compress: it finds out cheaply whether that goes on.
enum class Effort { kUsual, kLittle, kFast };
// Appends `content` to `out`, compressed; kRaw and as it is where that saves less than 1/32.
Codec Compress(View content, Effort effort, RawBytes& out);

// Appends `content` compressed with `prefix` as what went before; false, and nothing appended, where
// that did not make it shorter by a little.
bool CompressAgainst(View prefix, View content, RawBytes& out);

// Fills `content`, exactly, from `stored`; `prefix` is what a kDelta was compressed against.
Status Decompress(Codec codec, View stored, View prefix, std::span<uint8_t> content);

}  // namespace capstan
