// The few functions of zstd's stable interface that the engine calls. The node binary exports them (zstd
// is part of it), so the module links to nothing; its tests link Debian's libzstd.
// Source: zstd 1.5, "Simple API" and "Explicit context" of its manual.
#pragma once

#include <cstddef>

extern "C" {
struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;
ZSTD_CCtx_s* ZSTD_createCCtx(void);
size_t ZSTD_freeCCtx(ZSTD_CCtx_s* context);
size_t ZSTD_compressCCtx(ZSTD_CCtx_s* context, void* out, size_t out_capacity, const void* in,
                         size_t in_size, int level);
size_t ZSTD_compressBound(size_t in_size);
ZSTD_DCtx_s* ZSTD_createDCtx(void);
size_t ZSTD_freeDCtx(ZSTD_DCtx_s* context);
size_t ZSTD_decompressDCtx(ZSTD_DCtx_s* context, void* out, size_t out_capacity, const void* in,
                           size_t in_size);
unsigned ZSTD_isError(size_t code);
}
