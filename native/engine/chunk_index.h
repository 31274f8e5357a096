// From digests to places, in 8 bytes a slot: 40 bits of the place and 24 of the digest.
//
// 4096 shards by twelve other bits of the digest; in a shard the 24 kept bits say where a chunk belongs, so
// that it grows, shrinks and is thinned out without its digests. 36 bits decide which chunks are looked at: of
// 10 TiB of them one in 400 searches finds a wrong one, which the caller refuses by its whole digest.
//
// At most 12 bytes a chunk, and kFixedBytes that count only in small stores. Not thread-safe.
#pragma once

#include <array>
#include <memory>
#include <span>

#include "bytes.h"

namespace capstan {

class ChunkIndex {
 public:
  static constexpr uint64_t kNone = ~0ull;
  static constexpr unsigned kRefBits = 40;
  // At most so many bits of a digest decide whether it is kept.
  static constexpr unsigned kSampleBitsMax = 12;
  // The shards themselves, and what many small ones need more than few large ones.
  static constexpr uint64_t kFixedBytes = 112 * 1024;

  struct Entry {
    Digest digest;
    uint64_t ref;
  };

  // The caller knows that it is not there. Nothing where the index keeps samples and this is none. A ref has
  // kRefBits, and not all of them are 1.
  void Insert(const Digest& digest, uint64_t ref);
  // Many at once, which hides what memory costs.
  void InsertMany(std::span<const Entry> entries);
  // From one to the other insertions cost a fifth, and nothing is found or erased: while a store is opened.
  void BeginLoading() { loading_ = true; }
  void EndLoading();
  // The first that `is_it(ref)` says yes to; kNone where there is none.
  template <class IsIt>
  uint64_t Find(const Digest& digest, IsIt&& is_it) const {
    const Key key = KeyOf(digest);
    const Shard& shard = shards_[key.shard];
    if (shard.slot_count == 0 || loading_ || !Keeps(key.print)) return kNone;
    for (size_t i = HomeOf(key.print, shard.slot_count); shard.slots[i] != kEmpty;
         i = Next(i, shard.slot_count))
      if (PrintOf(shard.slots[i]) == key.print && is_it(RefOf(shard.slots[i])))
        return RefOf(shard.slots[i]);
    return kNone;
  }
  bool Erase(const Digest& digest, uint64_t ref);

  // Keeps only digests of which `bits` certain bits are 0: one in 2^bits. Never fewer bits than before.
  void Sample(unsigned bits);
  unsigned sample_bits() const { return sample_bits_; }

  uint64_t size() const { return size_; }
  // With what the heap notes on each table.
  uint64_t memory_bytes() const { return sizeof *this + table_bytes_; }

 private:
  static constexpr size_t kShardCount = 4096;
  static constexpr uint64_t kEmpty = ~0ull;
  static constexpr unsigned kPrintBits = 24;

  struct Key {
    uint32_t shard;
    uint32_t print;
  };
  struct Shard {
    std::unique_ptr<uint64_t[]> slots;
    uint32_t slot_count = 0;
    uint32_t used = 0;
  };

  static Key KeyOf(const Digest& digest) {
    uint64_t bits;
    std::memcpy(&bits, digest.data(), sizeof bits);
    return {static_cast<uint32_t>(bits & (kShardCount - 1)),
            static_cast<uint32_t>(bits >> 12 & ((1u << kPrintBits) - 1))};
  }
  static uint64_t SlotOf(uint32_t print, uint64_t ref) {
    return static_cast<uint64_t>(print) << kRefBits | ref;
  }
  static uint32_t PrintOf(uint64_t slot) { return static_cast<uint32_t>(slot >> kRefBits); }
  static uint64_t RefOf(uint64_t slot) { return slot & ((1ull << kRefBits) - 1); }
  static size_t HomeOf(uint32_t print, size_t slots) {
    return static_cast<size_t>(print * static_cast<uint64_t>(slots) >> kPrintBits);
  }
  static size_t Next(size_t i, size_t slots) { return i + 1 == slots ? 0 : i + 1; }
  bool Keeps(uint32_t print) const { return (print & ((1u << sample_bits_) - 1)) == 0; }
  // Where it belongs, or while loading behind the last.
  void Put(Shard& shard, uint64_t slot) const;
  // Leaves out what is not kept any more.
  void Resize(Shard& shard, size_t slots);

  std::array<Shard, kShardCount> shards_;
  uint64_t size_ = 0;
  uint64_t table_bytes_ = 0;
  unsigned sample_bits_ = 0;
  bool loading_ = false;
};

}  // namespace capstan
