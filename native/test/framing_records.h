// What the tests of framing make records of, and how they take them apart and join them again.
#pragma once

#include <string_view>

#include "../engine/framing.h"
#include "harness.h"

namespace capstan::test {

using Records = std::vector<Bytes>;

void Append(Bytes& out, View bytes);
void Append(Bytes& out, std::string_view text);
void BigEndian(Bytes& out, uint64_t value, int bytes);
void LittleEndian(Bytes& out, uint64_t value, int bytes);

struct Taken {
  Bytes framing;
  Bytes payload;
  // Per record: the bytes of it that went to the framing, or nothing of it where it stayed as it is.
  std::vector<size_t> framing_bytes;
  size_t raw = 0;
};

// Takes every record apart, joins it again and compares; a record that is left alone is payload.
Taken TakeApart(Framer& framer, const Records& records);
Taken TakeApart(const Records& records);

// What a backup saves: words, noise, zeros, small numbers, in files of all lengths.
Bytes MixedContent(uint64_t seed, size_t size);
// The same content, changed early on: everything behind lies elsewhere in its records.
Bytes Shifted(const Bytes& content, size_t at, size_t by);
Bytes Whole(const Records& records);
// The share of the chunks' bytes of `second` that `first` has not.
double NewShare(const Bytes& first, const Bytes& second);

}  // namespace capstan::test
