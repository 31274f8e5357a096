#include "chunk_index.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <algorithm>
#include <utility>

namespace capstan {
namespace {

constexpr size_t kSlotsMin = 3;
// What the heap notes on a table: with it, an odd number of slots fills whole 16 bytes.
constexpr size_t kHeapBytes = sizeof(uint64_t);

// At most 7 of 8 slots are taken, and 7 of 10 after growing or erasing: 9 to 12 bytes a chunk.
size_t Odd(size_t slots) { return slots | 1; }
size_t SlotsFor(size_t used) { return used == 0 ? 0 : std::max(kSlotsMin, Odd(used * 5 / 4 + 1)); }
size_t BytesOf(size_t slots) { return slots == 0 ? 0 : slots * sizeof(uint64_t) + kHeapBytes; }

}  // namespace

void ChunkIndex::Put(Shard& shard, uint64_t slot) const {
  size_t i = loading_ ? shard.used : HomeOf(PrintOf(slot), shard.slot_count);
  while (shard.slots[i] != kEmpty) i = Next(i, shard.slot_count);
  shard.slots[i] = slot;
  ++shard.used;
}

void ChunkIndex::Resize(Shard& shard, size_t slots) {
  const Shard old = std::exchange(shard, Shard{});
  table_bytes_ += BytesOf(slots) - BytesOf(old.slot_count);
  if (slots == 0) return;
  shard.slots = std::make_unique_for_overwrite<uint64_t[]>(slots);
  shard.slot_count = static_cast<uint32_t>(slots);
  std::fill_n(shard.slots.get(), slots, kEmpty);
  for (size_t i = 0; i < old.slot_count; ++i)
    if (old.slots[i] != kEmpty && Keeps(PrintOf(old.slots[i]))) Put(shard, old.slots[i]);
}

void ChunkIndex::Insert(const Digest& digest, uint64_t ref) {
  const Key key = KeyOf(digest);
  if (!Keeps(key.print)) return;
  Shard& shard = shards_[key.shard];
  if ((shard.used + size_t{1}) * 8 > shard.slot_count * size_t{7})
    Resize(shard, std::max(kSlotsMin, Odd(shard.slot_count * size_t{5} / 4 + 1)));
  Put(shard, SlotOf(key.print, ref));
  ++size_;
}

void ChunkIndex::InsertMany(std::span<const Entry> entries) {
  // So far ahead is memory asked for.
  constexpr size_t kAhead = 16;
  for (size_t i = 0; i < entries.size(); ++i) {
    if (i + kAhead < entries.size() && !loading_) {
      const Key key = KeyOf(entries[i + kAhead].digest);
      const Shard& shard = shards_[key.shard];
      if (shard.slot_count > 0)
        __builtin_prefetch(&shard.slots[HomeOf(key.print, shard.slot_count)], 1);
    }
    Insert(entries[i].digest, entries[i].ref);
  }
}

void ChunkIndex::EndLoading() {
  loading_ = false;
  // At once to the size that they come to, which spares all the growing with everything in its place.
  for (Shard& shard : shards_) Resize(shard, SlotsFor(shard.used));
}

bool ChunkIndex::Erase(const Digest& digest, uint64_t ref) {
  const Key key = KeyOf(digest);
  Shard& shard = shards_[key.shard];
  const size_t count = shard.slot_count;
  if (count == 0 || loading_) return false;
  size_t hole = HomeOf(key.print, count);
  const uint64_t wanted = SlotOf(key.print, ref);
  while (shard.slots[hole] != wanted) {
    if (shard.slots[hole] == kEmpty) return false;
    hole = Next(hole, count);
  }
  // What stands behind the hole moves up, unless it belongs behind it.
  for (size_t i = Next(hole, count); shard.slots[i] != kEmpty; i = Next(i, count)) {
    const size_t home = HomeOf(PrintOf(shard.slots[i]), count);
    const bool belongs_behind =
        hole < i ? home > hole && home <= i : home > hole || home <= i;
    if (belongs_behind) continue;
    shard.slots[hole] = shard.slots[i];
    hole = i;
  }
  shard.slots[hole] = kEmpty;
  --shard.used;
  --size_;
  if (shard.used * size_t{10} < count * 7 && SlotsFor(shard.used) < count)
    Resize(shard, SlotsFor(shard.used));
  return true;
}

void ChunkIndex::Sample(unsigned bits) {
  bits = std::min(bits, kSampleBitsMax);
  if (bits <= sample_bits_) return;
  sample_bits_ = bits;
  size_ = 0;
  for (Shard& shard : shards_) {
    size_t kept = 0;
    for (size_t i = 0; i < shard.slot_count; ++i)
      if (shard.slots[i] != kEmpty && Keeps(PrintOf(shard.slots[i]))) ++kept;
    Resize(shard, SlotsFor(kept));
    size_ += shard.used;
  }
  // The heap keeps the old tables between the new ones: up to as much again.
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

}  // namespace capstan
