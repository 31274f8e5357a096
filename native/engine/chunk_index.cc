#include "chunk_index.h"

#include <algorithm>

namespace capstan {

void ChunkIndex::Put(Shard& shard, uint64_t slot) {
  size_t i = HomeOf(PrintOf(slot), shard.slots.size());
  while (shard.slots[i] != kEmpty) i = Next(i, shard.slots.size());
  shard.slots[i] = slot;
  ++shard.used;
}

void ChunkIndex::Resize(Shard& shard, size_t slots) {
  std::vector<uint64_t> old(slots, kEmpty);
  old.swap(shard.slots);
  shard.used = 0;
  for (const uint64_t slot : old)
    if (slot != kEmpty) Put(shard, slot);
}

void ChunkIndex::InsertKey(Key key, uint64_t ref) {
  if (!Keeps(key.print)) return;
  Shard& shard = shards_[key.shard];
  // At most 7 of 8 slots are taken, and after growing 7 of 10: 9 to 12 bytes a chunk.
  if ((shard.used + size_t{1}) * 8 > shard.slots.size() * 7)
    Resize(shard, std::max(kSlotsMin, shard.slots.size() * 5 / 4 + 1));
  Put(shard, static_cast<uint64_t>(key.print) << kRefBits | ref);
  ++size_;
}

void ChunkIndex::Insert(const Digest& digest, uint64_t ref) { InsertKey(KeyOf(digest), ref); }

void ChunkIndex::InsertMany(std::span<const Entry> entries) {
  // So far ahead is memory asked for: first the shard, then the slot.
  constexpr size_t kShardAhead = 24;
  constexpr size_t kSlotAhead = 12;
  for (size_t i = 0; i < entries.size(); ++i) {
    if (i + kShardAhead < entries.size())
      __builtin_prefetch(&shards_[KeyOf(entries[i + kShardAhead].digest).shard]);
    if (i + kSlotAhead < entries.size()) {
      const Key key = KeyOf(entries[i + kSlotAhead].digest);
      const Shard& shard = shards_[key.shard];
      if (!shard.slots.empty())
        __builtin_prefetch(&shard.slots[HomeOf(key.print, shard.slots.size())], 1);
    }
    InsertKey(KeyOf(entries[i].digest), entries[i].ref);
  }
}

bool ChunkIndex::Erase(const Digest& digest, uint64_t ref) {
  const Key key = KeyOf(digest);
  Shard& shard = shards_[key.shard];
  const size_t count = shard.slots.size();
  if (count == 0) return false;
  size_t hole = HomeOf(key.print, count);
  const uint64_t wanted = static_cast<uint64_t>(key.print) << kRefBits | ref;
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
  return true;
}

void ChunkIndex::Sample(unsigned bits) {
  bits = std::min(bits, kSampleBitsMax);
  if (bits <= sample_bits_) return;
  sample_bits_ = bits;
  for (Shard& shard : shards_) {
    const uint32_t before = shard.used;
    std::vector<uint64_t> kept;
    for (const uint64_t slot : shard.slots)
      if (slot != kEmpty && Keeps(PrintOf(slot))) kept.push_back(slot);
    shard.slots.assign(kept.empty() ? 0 : kept.size() * 5 / 4 + kSlotsMin, kEmpty);
    shard.slots.shrink_to_fit();
    shard.used = 0;
    for (const uint64_t slot : kept) Put(shard, slot);
    size_ -= before - shard.used;
  }
}

uint64_t ChunkIndex::memory_bytes() const {
  uint64_t bytes = sizeof *this;
  for (const Shard& shard : shards_) bytes += shard.slots.capacity() * sizeof(uint64_t);
  return bytes;
}

}  // namespace capstan
