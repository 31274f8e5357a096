// What the fuzz targets share: inputs that are edits of something whole, and checksums put right again.
//
// A checksum would stop the fuzzer at its first step. So an input is a script of edits to bytes that the
// engine itself made, and its first byte says whether checksums are made to fit afterwards: the decoder sees
// what a careful forger, or a writer with a bug, would have left.
#pragma once

#include <cstdio>
#include <cstdlib>

#include "../../engine/bytes.h"
#include "../../engine/image_format.h"
#include "../../engine/result.h"

namespace capstan::fuzz {

struct Target {
  const char* name;
  void (*run)(View input);
};
extern const Target kFormatTargets[];
extern const size_t kFormatTargetCount;
extern const Target kStreamTargets[];
extern const size_t kStreamTargetCount;
extern const Target kStoreTargets[];
extern const size_t kStoreTargetCount;

// What must hold, whatever the input.
#define FUZZ_CHECK(condition)                                                        \
  do {                                                                               \
    if (!(condition)) {                                                              \
      std::fprintf(stderr, "%s:%d: not " #condition "\n", __FILE__, __LINE__);       \
      std::abort();                                                                  \
    }                                                                                \
  } while (false)

// The bytes after the edits that `script` describes, at most 8 MiB.
Bytes Edit(Bytes bytes, Reader& script);

void PutU32(Bytes& bytes, size_t offset, uint32_t value);
// Each makes the checksums fit what they stand for, as far as the bytes go.
void SealRegion(std::span<uint8_t> region, const RegionSite& site);
void SealPack(Bytes& pack, uint32_t number);
void SealImage(Bytes& image, const ImageId& id);
void SealSuperblock(Bytes& superblock);

// Deterministic, neither all alike nor all different.
Bytes Content(size_t size, uint64_t seed);

}  // namespace capstan::fuzz
