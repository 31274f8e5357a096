// CRC-32C (Castagnoli, polynomial 1EDC6F41h reflected), as RFC 3720 uses it.
#pragma once

#include <optional>

#include "bytes.h"

namespace capstan {

// Continues from `crc` (0 at the start) over `bytes`. By the processor's instruction where it has one.
uint32_t Crc32c(uint32_t crc, View bytes);
// The same by a table: the twin that the tests compare.
uint32_t Crc32cByTable(uint32_t crc, View bytes);

// Which bit of `byte_count` bytes turned over (8 x byte + bit), where their checksum and the one they were given
// differ by `difference`, exclusive or; nothing where more than one did. What was overwritten by something else
// looks like one bit with a chance of its bits in 2^32.
std::optional<uint64_t> FlippedBit(uint64_t byte_count, uint32_t difference);

}  // namespace capstan
