// A transfer to a store that has threads of its own.
#include <algorithm>

#include "transfer_places.h"

namespace capstan::test {
namespace {

// Threads compress, and write; a delta waits for its bases.
TEST("transfer", "with threads all arrives as well, as it lies") {
  Place from(1);
  Place to(2);
  Must(to.store->Close());
  to.options.thread_count = 3;
  to.store = Must(Store::Open(to.disk.Attach(), to.options));
  const Records first = Make(1, 200, Fill::kNoise);
  Write(*from.store, "A", first);
  const Records second = Edited(first, 4);
  Write(*from.store, "B", second);
  Bytes both = ChunksOf(*from.store, "A");
  const Bytes of_second = ChunksOf(*from.store, "B");
  both.insert(both.end(), of_second.begin(), of_second.end());
  const Carried carried = Must(Carry(*from.store, *to.store, both));
  CHECK(Count(carried.codecs, Codec::kDelta) > 10);
  Must(to.store->Sync());
  auto sent = RegionsOf(from);
  auto arrived = RegionsOf(to);
  const auto by_chunk = [](const Lying& a, const Lying& b) { return a.chunks < b.chunks; };
  std::sort(sent.begin(), sent.end(), by_chunk);
  std::sort(arrived.begin(), arrived.end(), by_chunk);
  CHECK(sent == arrived);
}

TEST("transfer", "a delta that comes right behind its base waits until that is written") {
  Place from(1);
  const Records first = Make(1, 80, Fill::kNoise);
  // It takes its time to be sealed.
  WriteRegion(*from.store, "A", first);
  Write(*from.store, "B", Edited(first, 80));
  Bytes both = ChunksOf(*from.store, "A");
  const Bytes of_second = ChunksOf(*from.store, "B");
  both.insert(both.end(), of_second.begin(), of_second.end());
  for (int round = 0; round < 10; ++round) {
    Place to(2, Key(2));
    Must(to.store->Close());
    to.options.thread_count = 2;
    to.store = Must(Store::Open(to.disk.Attach(), to.options));
    const Carried carried = Must(Carry(*from.store, *to.store, both));
    CHECK(carried.codecs.back() == Codec::kDelta && carried.codecs.size() == 2);
    Must(to.store->Sync());
    CHECK(DeltaCount(to) == 1, "in round ", round);
  }
}

}  // namespace
}  // namespace capstan::test
