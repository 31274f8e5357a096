#include "codec.h"

#include <memory>

#include "zstd_api.h"

namespace capstan {
namespace {

constexpr int kLevelParameter = 100;
constexpr int kWindowLogParameter = 101;
constexpr int kHashLogParameter = 102;
constexpr int kMinMatchParameter = 105;
constexpr int kResetAll = 3;
constexpr int kResetSession = 1;

// By Effort. -5 is a third faster than 1, and a fifth longer.
constexpr int kLevels[] = {1, -3, -5};
// 8192 entries, 32 KiB: the table stays in the first-level cache. 6 % faster for 1 % of the ratio.
constexpr int kHashLog = 13;
// The changes are few and small: a table that holds all of the prefix finds the rest, a better search finds
// no more. With the level's own, made for the content alone, it would take half as much again.
constexpr int kDeltaLevel = 1;
constexpr int kDeltaHashLog = 17;
constexpr int kDeltaMinMatch = 5;
// Prefix and content together must lie in the window: 4 MiB.
constexpr int kDeltaWindowLog = 22;
// Less than this saved is not worth a decompression: 1/32, about 3 %.
constexpr size_t kWorthwhileDivisor = 32;

struct FreeCompressor {
  void operator()(ZSTD_CCtx_s* context) const { ZSTD_freeCCtx(context); }
};
struct FreeDecompressor {
  void operator()(ZSTD_DCtx_s* context) const { ZSTD_freeDCtx(context); }
};

// A context is some hundred KiB to set up; one a thread.
ZSTD_CCtx_s* Compressor() {
  thread_local const std::unique_ptr<ZSTD_CCtx_s, FreeCompressor> context(ZSTD_createCCtx());
  return context.get();
}

ZSTD_DCtx_s* Decompressor() {
  thread_local const std::unique_ptr<ZSTD_DCtx_s, FreeDecompressor> context(ZSTD_createDCtx());
  return context.get();
}

size_t Worthwhile(View content) { return content.size() - content.size() / kWorthwhileDivisor; }

// Bytes appended; 0, and nothing appended, where it failed or is longer than `worthwhile`.
size_t AppendCompressed(ZSTD_CCtx_s* context, View content, size_t worthwhile, RawBytes& out) {
  const size_t start = out.size();
  out.resize(start + ZSTD_compressBound(content.size()));
  const size_t size = ZSTD_compress2(context, out.data() + start, out.size() - start,
                                     content.data(), content.size());
  const bool kept = !ZSTD_isError(size) && size <= worthwhile;
  out.resize(kept ? start + size : start);
  return kept ? size : 0;
}

}  // namespace

Codec Compress(View content, Effort effort, RawBytes& out) {
  ZSTD_CCtx_s* const context = Compressor();
  if (context != nullptr) {
    ZSTD_CCtx_reset(context, kResetAll);
    ZSTD_CCtx_setParameter(context, kLevelParameter,
                           kLevels[static_cast<size_t>(effort)]);
    ZSTD_CCtx_setParameter(context, kHashLogParameter, kHashLog);
    if (content.size() > kWorthwhileDivisor &&
        AppendCompressed(context, content, Worthwhile(content), out) > 0)
      return Codec::kZstd;
  }
  Append(out, content);
  return Codec::kRaw;
}

bool CompressAgainst(View prefix, View content, RawBytes& out) {
  ZSTD_CCtx_s* const context = Compressor();
  if (context == nullptr) return false;
  ZSTD_CCtx_reset(context, kResetAll);
  ZSTD_CCtx_setParameter(context, kLevelParameter, kDeltaLevel);
  ZSTD_CCtx_setParameter(context, kWindowLogParameter, kDeltaWindowLog);
  ZSTD_CCtx_setParameter(context, kHashLogParameter, kDeltaHashLog);
  ZSTD_CCtx_setParameter(context, kMinMatchParameter, kDeltaMinMatch);
  ZSTD_CCtx_refPrefix(context, prefix.data(), prefix.size());
  return AppendCompressed(context, content, Worthwhile(content), out) > 0;
}

Status Decompress(Codec codec, View stored, View prefix, std::span<uint8_t> content) {
  if (codec == Codec::kRaw) {
    if (stored.size() != content.size())
      return Error{ErrorCode::kCorrupt, "", "what is stored raw is not as long as it says"};
    std::copy(stored.begin(), stored.end(), content.begin());
    return Ok();
  }
  ZSTD_DCtx_s* const context = Decompressor();
  if (context == nullptr) return Error{ErrorCode::kIo, "", "no memory for decompression"};
  ZSTD_DCtx_reset(context, kResetSession);
  if (codec == Codec::kDelta) ZSTD_DCtx_refPrefix(context, prefix.data(), prefix.size());
  const size_t size = ZSTD_decompressDCtx(context, content.data(), content.size(), stored.data(),
                                          stored.size());
  if (ZSTD_isError(size) || size != content.size())
    return Error{ErrorCode::kCorrupt, "", "it does not decompress to the length it says"};
  return Ok();
}

}  // namespace capstan
