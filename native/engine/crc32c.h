// CRC-32C (Castagnoli, polynomial 1EDC6F41h reflected), as RFC 3720 uses it.
#pragma once

#include "bytes.h"

namespace capstan {

// Continues from `crc` (0 at the start) over `bytes`. By the processor's instruction where it has one.
uint32_t Crc32c(uint32_t crc, View bytes);
// The same by a table: the twin that the tests compare.
uint32_t Crc32cByTable(uint32_t crc, View bytes);

}  // namespace capstan
