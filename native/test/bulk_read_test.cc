// Long reads, which decode whole regions straight into the caller's memory.
#include <thread>

#include "../engine/chunker.h"
#include "../engine/read_ahead.h"
#include "../engine/simulated_disk.h"
#include "../engine/store.h"
#include "harness.h"

namespace capstan::test {
namespace {

constexpr uint32_t kBlockBytes = 64 * 1024;
constexpr uint64_t kBlockCount = 96;
constexpr uint64_t kReadBytes = 4u << 20;

Store::Options OptionsFor(unsigned thread_count) {
  Store::Options options;
  options.path = "v";
  options.mode = Store::Mode::kCreate;
  options.pack_bytes_max = 2u << 20;
  options.thread_count = thread_count;
  return options;
}

// From here on the seed's last byte, again and again: cut where nothing else ends a chunk, into equal lengths.
constexpr uint64_t kUniform = 1 << 20;

// Half of it compresses; equal seeds, equal blocks.
Bytes BlockOf(uint64_t seed) {
  if (seed >= kUniform) return Bytes(kBlockBytes, static_cast<uint8_t>(seed));
  Random random(seed);
  Bytes block = random.Noise(kBlockBytes);
  if (seed % 2 == 0) std::fill(block.begin(), block.begin() + kBlockBytes / 2, uint8_t{7});
  return block;
}

void Write(Store& store, const std::string& name, const std::vector<uint64_t>& seeds) {
  Must(store.CreateImage(name, 1));
  const auto image = Must(store.OpenImage(name, true));
  uint64_t at = 0;
  for (const uint64_t seed : seeds)
    at = Must(image->Append(0, at, std::vector<uint32_t>{kBlockBytes}, BlockOf(seed)));
  Must(image->Sync(1));
  Must(image->Close());
}

// All from `at` on, in long reads into memory of our own; the index of the first block that does not read.
uint64_t CheckReads(Image& image, const std::vector<uint64_t>& seeds, uint64_t at = 0) {
  Bytes into(kReadBytes);
  while (true) {
    const ReadResult read = Must(image.Read(0, at, false, kBlockCount, into.size(), into), "read");
    const View data = read.filled_bytes > 0 ? View(into).first(read.filled_bytes) : View(read.data);
    CHECK(data.size() == read.lengths.size() * kBlockBytes);
    for (size_t i = 0; i < read.lengths.size(); ++i, ++at) {
      const View block = data.subspan(i * kBlockBytes, kBlockBytes);
      const Bytes written = BlockOf(seeds[at]);
      CHECK(std::equal(block.begin(), block.end(), written.begin()), "block ", at);
    }
    if (read.stopped_by == StoppedBy::kDamaged) return at;
    if (read.stopped_by == StoppedBy::kEndOfData) return seeds.size();
  }
}

std::vector<uint64_t> InOrder(uint64_t first) {
  std::vector<uint64_t> seeds;
  for (uint64_t i = 0; i < kBlockCount; ++i) seeds.push_back(first + i);
  return seeds;
}

TEST("bulk read", "long reads give what was written: new, changed, repeated and out of order") {
  for (const unsigned thread_count : {0u, 2u}) {
    SimulatedDisk disk(1, CrashProfile::kOrdered);
    const auto store = Must(Store::Open(disk.Attach(), OptionsFor(thread_count)));
    std::vector<uint64_t> changed = InOrder(1000);
    for (uint64_t i = 5; i < kBlockCount; i += 9) changed[i] += 5000;
    std::vector<uint64_t> repeated(kBlockCount, 1002);
    std::vector<uint64_t> backwards = InOrder(1000);
    std::reverse(backwards.begin(), backwards.end());
    // Four blocks are a chunk, two chunks a region; "F" has them the other way round.
    std::vector<uint64_t> uniform, exchanged;
    for (uint64_t i = 0; i < kBlockCount; ++i) {
      uniform.push_back(kUniform + i / 4);
      exchanged.push_back(kUniform + (i / 4 ^ 1));
    }
    const std::pair<std::string, std::vector<uint64_t>> tapes[] = {
        {"A", InOrder(1000)}, {"B", changed}, {"C", repeated},
        {"D", backwards},     {"E", uniform}, {"F", exchanged}};
    for (const auto& [name, seeds] : tapes) Write(*store, name, seeds);
    for (const auto& [name, seeds] : tapes) {
      const auto image = Must(store->OpenImage(name, false));
      CHECK(CheckReads(*image, seeds) == kBlockCount);
      // From somewhere else: what was read ahead is given up.
      CHECK(CheckReads(*image, seeds, 37) == kBlockCount);
      CHECK(CheckReads(*image, seeds, 3) == kBlockCount);
    }
    Must(store->Close());
  }
}

TEST("bulk read", "long reads put blocks together whose headers lie apart") {
  SimulatedDisk disk(1, CrashProfile::kOrdered);
  const auto store = Must(Store::Open(disk.Attach(), OptionsFor(2)));
  const auto block_of = [](uint8_t session, uint64_t i) {
    Bytes block = BlockOf(1 + i);
    for (size_t k = 0; k < 32; ++k) block[k] = static_cast<uint8_t>(k < 8 ? "CAPSTAN:"[k] : session);
    for (size_t k = 0; k < 4; ++k) block[12 + k] = static_cast<uint8_t>(i >> (8 * k));
    return block;
  };
  uint64_t before = 0;
  for (const uint8_t session : {1, 2}) {
    before = Must(store->Statistics()).packs.stored_bytes;
    const std::string name(1, static_cast<char>('A' + session));
    Must(store->CreateImage(name, 1));
    const auto image = Must(store->OpenImage(name, true));
    for (uint64_t i = 0; i < kBlockCount; ++i)
      Must(image->Append(0, i, std::vector<uint32_t>{kBlockBytes}, block_of(session, i)));
    Must(image->Sync(1));
    Bytes into(kReadBytes);
    for (uint64_t at = 0; at < kBlockCount;) {
      const ReadResult read = Must(image->Read(0, at, false, kBlockCount, into.size(), into));
      CHECK(read.filled_bytes == read.lengths.size() * kBlockBytes && read.filled_bytes > 0);
      for (size_t i = 0; i < read.lengths.size(); ++i, ++at) {
        const Bytes written = block_of(session, at);
        CHECK(std::equal(written.begin(), written.end(), into.begin() + i * kBlockBytes), at);
      }
    }
  }
  const uint64_t growth = Must(store->Statistics()).packs.stored_bytes - before;
  CHECK(growth < kBlockCount * kBlockBytes / 4, "the headers do not lie apart: ", growth);
}

TEST("bulk read", "a long read of what is not written out yet gives what was appended") {
  SimulatedDisk disk(1, CrashProfile::kOrdered);
  const auto store = Must(Store::Open(disk.Attach(), OptionsFor(2)));
  Must(store->CreateImage("A", 1));
  const auto image = Must(store->OpenImage("A", true));
  const std::vector<uint64_t> seeds = InOrder(1);
  uint64_t at = 0;
  for (const uint64_t seed : seeds)
    at = Must(image->Append(0, at, std::vector<uint32_t>{kBlockBytes}, BlockOf(seed)));
  CHECK(CheckReads(*image, seeds) == kBlockCount);
}

TEST("bulk read", "a flipped bit ends a long read before the block that it is in") {
  for (const unsigned thread_count : {0u, 2u}) {
    SimulatedDisk disk(1, CrashProfile::kOrdered);
    const std::vector<uint64_t> seeds = InOrder(1);
    {
      const auto store = Must(Store::Open(disk.Attach(), OptionsFor(thread_count)));
      Write(*store, "A", seeds);
      Must(store->Close());
    }
    // In what is stored of a region in the second pack.
    CHECK(disk.Rot("v/packs/00000002.pack", (1u << 20) + 1234, 5));
    const auto store = Must(Store::Open(disk.Attach(), OptionsFor(thread_count)));
    const auto image = Must(store->OpenImage("A", false));
    const uint64_t good = CheckReads(*image, seeds);
    CHECK(good > 0 && good < kBlockCount, good);
    CHECK(!image->Read(0, good, false, 1, kBlockBytes).ok());
    // A region has a few blocks; those behind it read.
    CHECK(CheckReads(*image, seeds, good + (1u << 20) / kBlockBytes) == kBlockCount);
  }
}

TEST("bulk read", "what is dropped while it is being read ahead is not kept") {
  ReadAhead<int> ahead;
  const uint32_t regions[] = {1, 2};
  CHECK(ahead.Begin(regions).size() == 2);
  ahead.Drop(1);
  ahead.Arrive(1, 10);
  ahead.Arrive(2, 20);
  CHECK(!ahead.Knows(1) && !ahead.Take(1));
  CHECK(ahead.Take(2) == 20 && !ahead.Knows(2));
}

}  // namespace
}  // namespace capstan::test
