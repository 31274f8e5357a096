// Goal: what new chunks are compressed against what they replace, and when that pays. Method: a tape and its next
// version, and what the store has grown by; and in which form the chunks then travel.
#include "../engine/simulated_disk.h"
#include "carry.h"
#include "harness.h"

namespace capstan::test {
namespace {

// Too short to be cut: a filemark ends each, and so they are chunks.
constexpr uint32_t kBlockBytes = 15000;
using Blocks = std::vector<Bytes>;

struct Tape {
  SimulatedDisk disk{1, CrashProfile::kOrdered};
  std::shared_ptr<Store> store;

  Tape() {
    Store::Options options;
    options.path = "v";
    options.mode = Store::Mode::kCreate;
    store = Must(Store::Open(disk.Attach(), options));
    Must(store->CreateImage("A", 1));
  }

  // From object `at` on; the bytes by which the store has grown.
  uint64_t Write(uint64_t at, const Blocks& blocks) {
    const uint64_t before = Must(store->Statistics()).packs.stored_bytes;
    const auto image = Must(store->OpenImage("A", true));
    for (const Bytes& block : blocks)
      at = Must(image->Append(0, at, std::vector<uint32_t>{kBlockBytes, 0}, block));
    Must(image->Sync(1));
    Must(image->Close());
    return Must(store->Statistics()).packs.stored_bytes - before;
  }

  // Sends what the other lacks; how many deltas went as such.
  size_t DeltasCarriedTo(Tape& other) {
    const Carried carried =
        Must(Carry(*store, *other.store, LackingOf(*other.store, ChunksOf(*store, "A"))));
    return static_cast<size_t>(std::count(carried.codecs.begin(), carried.codecs.end(), Codec::kDelta));
  }
};

Blocks NoiseOf(uint64_t seed, size_t count) {
  Random random(seed);
  Blocks blocks(count);
  for (Bytes& block : blocks) block = random.Noise(kBlockBytes);
  return blocks;
}

// With other bytes in place of the first `count`: so much noise, then zeros.
Bytes Changed(const Bytes& block, size_t count, size_t noise) {
  Bytes changed = block;
  std::fill_n(changed.begin(), count, 0);
  const Bytes other = Random(99).Noise(noise);
  std::copy(other.begin(), other.end(), changed.begin());
  return changed;
}

// One block in the middle of many is replaced.
uint64_t GrowthBy(const Bytes& replacement, const Blocks& before) {
  Tape tape;
  tape.Write(0, before);
  Blocks after = before;
  after[5] = replacement;
  // Syncs pad to 4 KiB.
  return tape.Write(0, after);
}

TEST("delta choice", "what shares less than half with what it replaces is a delta, too, where that is shorter") {
  const Blocks before = NoiseOf(1, 10);
  for (const size_t changed : {2000u, 6000u, 9000u, 12000u}) {
    const uint64_t growth = GrowthBy(Changed(before[5], changed, changed), before);
    CHECK(growth < changed + 5000, changed, ": ", growth);
  }
}

TEST("delta choice", "what shares nothing with what it replaces is no delta, however well it is compressed") {
  // The last of them shares all but a little, and is one.
  struct Change {
    size_t bytes;
    size_t noise;
    size_t deltas;
  };
  for (const auto& [bytes, noise, deltas] :
       {Change{kBlockBytes, 9000, 0}, Change{kBlockBytes, kBlockBytes, 0}, Change{500, 500, 1}}) {
    Tape tape;
    Tape other;
    const Blocks before = NoiseOf(2, 3);
    tape.Write(0, before);
    CHECK(tape.DeltasCarriedTo(other) == 0);
    Blocks after = before;
    after[1] = Changed(before[1], bytes, noise);
    CHECK(tape.Write(0, after) < noise + 5000, noise);
    CHECK(tape.DeltasCarriedTo(other) == deltas, noise);
  }
}

TEST("delta choice", "what is put in front of a tape costs itself, and what it makes of the first chunk") {
  Tape tape;
  const Blocks before = NoiseOf(3, 5);
  tape.Write(0, before);
  Blocks after = before;
  // The block begins with something new, and goes on as it did.
  std::copy_backward(before[0].begin(), before[0].end() - 100, after[0].end());
  std::fill_n(after[0].begin(), 100, 7);
  CHECK(tape.Write(0, after) <= 4096);
  const auto image = Must(tape.store->OpenImage("A", false));
  const ReadResult read = Must(image->Read(0, 0, false, 1, 1 << 20));
  CHECK(std::equal(read.data.begin(), read.data.end(), after[0].begin(), after[0].end()));
}

TEST("delta choice", "each time that a tape is written anew it is compressed against what it had") {
  Tape tape;
  // Nearly as much as is compressed so with nothing in it that is known.
  Blocks blocks = NoiseOf(5, 130);
  const auto image = Must(tape.store->OpenImage("A", true));
  for (uint64_t round = 0; round < 4; ++round) {
    const uint64_t before = Must(tape.store->Statistics()).packs.stored_bytes;
    uint64_t at = 0;
    for (Bytes& block : blocks) {
      block[100 + round] ^= 0xff;
      at = Must(image->Append(0, at, std::vector<uint32_t>{kBlockBytes, 0}, block));
    }
    Must(image->Sync(round + 1));
    const uint64_t growth = Must(tape.store->Statistics()).packs.stored_bytes - before;
    CHECK(round == 0 || growth < blocks.size() * kBlockBytes / 10, round, ": ", growth);
  }
}

TEST("delta choice", "what takes the place of the last of a tape is compressed against it") {
  Tape tape;
  const Blocks before = NoiseOf(4, 5);
  tape.Write(0, before);
  CHECK(tape.Write(8, {Changed(before[4], 500, 500)}) <= 4096);
}

}  // namespace
}  // namespace capstan::test
