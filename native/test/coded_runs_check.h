// What the tests of the object map and of the chunk list have in common: code with bytes changed, taken out and
// put in is refused whole, or is what the list that it makes encodes to.
#pragma once

#include <algorithm>

#include "harness.h"

namespace capstan::test {

inline Bytes Damaged(Bytes bytes, Random& random) {
  for (uint64_t i = random.Below(4); i > 0 && !bytes.empty(); --i) {
    const auto at = bytes.begin() + static_cast<ptrdiff_t>(random.Below(bytes.size()));
    switch (random.Below(4)) {
      case 0:
        bytes.erase(at);
        break;
      case 1:
        bytes.insert(at, static_cast<uint8_t>(random.Next()));
        break;
      case 2:
        *at = 0xff;
        break;
      default:
        *at ^= static_cast<uint8_t>(1u << random.Below(8));
    }
  }
  return bytes;
}

// `make` gives a list of random runs; `check` looks at what was taken. Complaints begin with `name`.
template <class List, class Make, class Check>
void CheckDamagedCode(const std::string& name, Random random, const Make& make, const Check& check) {
  const auto encoded = [](const List& list) {
    Bytes bytes;
    list.Encode(0, bytes);
    return bytes;
  };
  int taken = 0;
  for (int round = 0; round < 20000; ++round) {
    List list = make(random);
    const Bytes bytes =
        Damaged(random.OneIn(10) ? random.Noise(random.Below(40)) : encoded(list), random);
    List fresh;
    const Status status = fresh.AppendEncoded(bytes);
    if (status.ok()) {
      ++taken;
      CHECK(encoded(fresh) == bytes);
      check(fresh);
    } else {
      CHECK(status.error().code == ErrorCode::kCorrupt || status.error().code == ErrorCode::kLimit);
      CHECK(status.error().what.starts_with(name + ", byte "));
      CHECK(encoded(fresh).empty());
      const Bytes was = encoded(list);
      if (!list.AppendEncoded(bytes).ok()) CHECK(encoded(list) == was);
    }
  }
  CHECK(taken > 1000 && taken < 19000, taken);
}

}  // namespace capstan::test
