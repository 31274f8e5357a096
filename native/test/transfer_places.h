// Stores on simulated disks, the tapes that are transferred between them, and what lies in their packs.
#pragma once

#include "../engine/simulated_disk.h"
#include "../engine/store.h"
#include "carry.h"
#include "harness.h"

namespace capstan::test {

constexpr char kPlacePath[] = "/v";
constexpr size_t kRecordBytes = 6000;

using Records = std::vector<Bytes>;

struct Place {
  explicit Place(uint8_t number, Bytes key_ = {}) : key(std::move(key_)), disk(number, CrashProfile::kOrdered) {
    options.path = kPlacePath;
    options.mode = Store::Mode::kCreate;
    options.id_if_new = StoreId{number};
    options.key = key;
    store = Must(Store::Open(disk.Attach(), options), "open");
  }
  Bytes key;
  SimulatedDisk disk;
  Store::Options options;
  std::shared_ptr<Store> store;
};

Bytes Key(uint8_t seed);

enum class Fill { kNoise, kText };
Records Make(uint64_t seed, size_t count, Fill fill = Fill::kText);
// The same, a byte of every `step`-th record changed.
Records Edited(Records records, size_t step);
// Each record, and a filemark, so that each is a chunk; synced after every fifth, so that each five are a region.
void Write(Store& store, const std::string& name, const Records& records, uint64_t generation = 1);
// The same in one region.
void WriteRegion(Store& store, const std::string& name, std::span<const Bytes> records);
// The tape as it arrives: what lacks, staged, durable, published; and as it is there after a restart.
Carried Copy(Place& from, Place& to, const std::string& name, const Records& records);

struct Lying {
  Codec codec;
  std::vector<Digest> chunks;
  Bytes stored;
  friend bool operator==(const Lying&, const Lying&) = default;
};

// All regions of a store's packs, opened.
std::vector<Lying> RegionsOf(Place& place);
size_t DeltaCount(Place& place);
size_t Count(const std::vector<Codec>& codecs, Codec codec);

}  // namespace capstan::test
