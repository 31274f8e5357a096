// The few functions of zstd's stable interface that the engine calls. The node binary exports them (zstd
// is part of it), so the module links to nothing; its tests link Debian's libzstd.
// Source: zstd 1.5, "Advanced compression API" and "Advanced decompression API" of its manual.
#pragma once

#include <cstddef>

extern "C" {
struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;
ZSTD_CCtx_s* ZSTD_createCCtx(void);
size_t ZSTD_freeCCtx(ZSTD_CCtx_s* context);
size_t ZSTD_compressBound(size_t in_size);
// `parameter`: 100 is the level, 101 the logarithm of the window, 102 of the hash table, 105 the shortest match.
size_t ZSTD_CCtx_setParameter(ZSTD_CCtx_s* context, int parameter, int value);
// `directive`: 1 is the session only, 3 session and parameters.
size_t ZSTD_CCtx_reset(ZSTD_CCtx_s* context, int directive);
size_t ZSTD_CCtx_refPrefix(ZSTD_CCtx_s* context, const void* prefix, size_t prefix_size);
size_t ZSTD_compress2(ZSTD_CCtx_s* context, void* out, size_t out_capacity, const void* in,
                      size_t in_size);
ZSTD_DCtx_s* ZSTD_createDCtx(void);
size_t ZSTD_freeDCtx(ZSTD_DCtx_s* context);
size_t ZSTD_DCtx_reset(ZSTD_DCtx_s* context, int directive);
size_t ZSTD_DCtx_refPrefix(ZSTD_DCtx_s* context, const void* prefix, size_t prefix_size);
size_t ZSTD_decompressDCtx(ZSTD_DCtx_s* context, void* out, size_t out_capacity, const void* in,
                           size_t in_size);
unsigned ZSTD_isError(size_t code);
}
