// What goes to another store of the chunks that it lacks: which regions travel as they lie, which chunks are taken
// out of theirs, and in which order.
//
// First plain regions in the order of their numbers, then deltas, so that what they rest on is there before them.
//  - A region of which nearly all is lacking travels as it lies: nothing is decompressed or compressed again.
//  - A delta does where the other store has its bases, or gets them before it.
//  - What is lacking of other regions is gathered and compressed together.
//
// Thread-safe.
#pragma once

#include <mutex>

#include "parcel.h"

namespace capstan {

class Store;

class Transfer {
 public:
  struct Batch {
    // Neither here nor in the caller's memory: the end.
    RawBytes parcels;
    // What lies in the memory that the caller gave, in place of `parcels`.
    size_t filled_bytes = 0;
    // Of the chunks asked for, how many come with them.
    uint64_t chunk_count = 0;
  };

  // kCorrupt where a chunk is not here.
  static Result<std::shared_ptr<Transfer>> Make(std::shared_ptr<Store> store, View digests);

  // Chunks that deltas rest on and that do not come: the other store may have them.
  Result<Bytes> Bases() const;
  // Its answer: one byte for each of them, 0 where it has it. Without one no such delta travels.
  void UseBases(View lacking);
  // Parcels of `bytes_max` in all, or one; they lie in `into` where they fit. After an error it goes on behind the
  // region that could not be read.
  Result<Batch> Read(size_t bytes_max, std::span<uint8_t> into = {});

 private:
  // Chunks that lie in one region.
  struct Group {
    uint32_t region;
    // Places in refs_.
    size_t begin;
    size_t end;
    bool whole;
    bool failed = false;
  };
  struct Gathered {
    std::vector<ChunkEntry> chunks;
    RawBytes content;
  };

  explicit Transfer(std::shared_ptr<Store> store) : store_(std::move(store)) {}
  Status Find(View digests);
  void Plan();
  const Group* PlainGroup(uint32_t region) const;
  bool Comes(ChunkRef ref) const;
  bool IsThere(ChunkRef ref) const;
  Status ReadNext();
  Result<bool> ReadWhole(Group& group);
  Status Gather(Group& group);
  void Flush();

  const std::shared_ptr<Store> store_;
  mutable std::mutex mutex_;
  // Of the chunks asked for, in order; deltas' behind the others'.
  std::vector<ChunkRef> refs_;
  std::vector<Group> groups_;
  // Of groups_, so many are not of deltas.
  size_t plain_count_ = 0;
  std::vector<ChunkRef> bases_;
  std::vector<bool> base_is_there_;
  // Where the reading is: a group, and in it a place in refs_.
  size_t group_ = 0;
  size_t position_ = 0;
  Gathered gathered_;
  // What did not fit.
  Batch pending_;
  std::optional<Error> error_;
};

}  // namespace capstan
