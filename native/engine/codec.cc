#include "codec.h"

#include <memory>

#include "zstd_api.h"

namespace capstan {
namespace {

constexpr int kLevel = 1;
// Less than this saved is not worth a decompression: 1/32, about 3 %.
constexpr size_t kWorthwhileDivisor = 32;

struct FreeCompressor {
  void operator()(ZSTD_CCtx_s* context) const { ZSTD_freeCCtx(context); }
};
struct FreeDecompressor {
  void operator()(ZSTD_DCtx_s* context) const { ZSTD_freeDCtx(context); }
};

}  // namespace

EncodedChunk EncodeChunk(View content) {
  // A context is some hundred KiB to set up; one a thread.
  thread_local const std::unique_ptr<ZSTD_CCtx_s, FreeCompressor> context(ZSTD_createCCtx());
  EncodedChunk encoded{Codec::kZstd, Bytes(ZSTD_compressBound(content.size()))};
  const size_t size = context ? ZSTD_compressCCtx(context.get(), encoded.stored.data(),
                                                  encoded.stored.size(), content.data(),
                                                  content.size(), kLevel)
                              : content.size();
  if (!context || ZSTD_isError(size) || size + content.size() / kWorthwhileDivisor >= content.size())
    return {Codec::kRaw, Bytes(content.begin(), content.end())};
  encoded.stored.resize(size);
  return encoded;
}

Result<Bytes> DecodeChunk(uint8_t codec, View stored, uint32_t content_length) {
  if (codec == static_cast<uint8_t>(Codec::kRaw)) {
    if (stored.size() != content_length)
      return Error{ErrorCode::kCorrupt, "", "a raw chunk is not as long as it says"};
    return Bytes(stored.begin(), stored.end());
  }
  if (codec != static_cast<uint8_t>(Codec::kZstd))
    return Error{ErrorCode::kCorrupt, "", "codec " + std::to_string(codec) + " is not known"};
  thread_local const std::unique_ptr<ZSTD_DCtx_s, FreeDecompressor> context(ZSTD_createDCtx());
  if (!context) return Error{ErrorCode::kIo, "", "no memory for decompression"};
  Bytes content(content_length);
  const size_t size = ZSTD_decompressDCtx(context.get(), content.data(), content.size(),
                                          stored.data(), stored.size());
  if (ZSTD_isError(size) || size != content_length)
    return Error{ErrorCode::kCorrupt, "", "a chunk does not decompress to the length it says"};
  return content;
}

}  // namespace capstan
