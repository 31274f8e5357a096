// A disk that fills up: who writes is told before anything is taken, and what was taken is kept.
#include "../engine/simulated_disk.h"
#include "../engine/store.h"
#include "harness.h"

namespace capstan::test {
namespace {

constexpr StoreId kId{4, 2};
constexpr uint64_t kSmallPackBytesMax = 150000;
constexpr uint32_t kKiB = 1024;

struct Plan {
  uint64_t quota;
  uint64_t pack_bytes_max = kSmallPackBytesMax;
  uint32_t block_bytes = 32 * kKiB;
  uint32_t blocks_a_call = 1;
  uint32_t sync_every = 1000000;
  bool encrypted = false;
  // All bytes are alike: only the frames need room.
  bool zeros = false;
};

Store::Options OptionsFor(const Plan& plan, Store::Mode mode) {
  Store::Options options;
  options.path = "v";
  options.mode = mode;
  options.pack_bytes_max = plan.pack_bytes_max;
  options.id_if_new = kId;
  if (plan.encrypted) options.key = Bytes(32, 9);
  return options;
}

struct Tape {
  std::shared_ptr<Image> image;
  std::vector<uint32_t> lengths;
  Bytes data;
};

Status Append(Tape& tape, const std::vector<uint32_t>& lengths, const Bytes& data) {
  TRY_ASSIGN(const uint64_t count, tape.image->Append(0, tape.lengths.size(), lengths, data));
  tape.lengths.insert(tape.lengths.end(), lengths.begin(), lengths.end());
  tape.data.insert(tape.data.end(), data.begin(), data.end());
  CHECK(count == tape.lengths.size());
  return Ok();
}

void CheckReads(Image& image, const Tape& tape) {
  uint64_t object = 0;
  size_t byte = 0;
  while (true) {
    const ReadResult read = Must(image.Read(0, object, false, 10000, 1 << 20));
    for (const uint32_t length : read.lengths) CHECK(length == tape.lengths.at(object++));
    CHECK(byte + read.data.size() <= tape.data.size() &&
          std::equal(read.data.begin(), read.data.end(),
                     tape.data.begin() + static_cast<ptrdiff_t>(byte)));
    byte += read.data.size();
    if (read.stopped_by == StoppedBy::kEndOfData) break;
  }
  CHECK(object == tape.lengths.size(), object);
}

// Two tapes in turn, until one is told that there is no space: then both end in order. Bytes written.
uint64_t FillUp(const Plan& plan) {
  SimulatedDisk disk(1, CrashProfile::kAny);
  disk.SetQuota(plan.quota);
  Random random(plan.quota);
  Tape tapes[2];
  {
    auto store = Must(Store::Open(disk.Attach(), OptionsFor(plan, Store::Mode::kCreate)), "create");
    for (int i = 0; i < 2; ++i) {
      const std::string name = i == 0 ? "A" : "B";
      Must(store->CreateImage(name, 1), "create an image");
      tapes[i].image = Must(store->OpenImage(name, true));
    }
    uint64_t generation = 0;
    Status appended = Ok();
    for (uint32_t call = 0; appended.ok() && call < 20000; ++call) {
      std::vector<uint32_t> lengths;
      uint64_t sum = 0;
      for (uint32_t i = 0; i < plan.blocks_a_call; ++i) {
        lengths.push_back(1 + static_cast<uint32_t>(random.Below(plan.block_bytes)));
        sum += lengths.back();
        if (random.Below(50) == 0) lengths.push_back(0);
      }
      Tape& tape = tapes[call % 2];
      appended = Append(tape, lengths, plan.zeros ? Bytes(sum) : random.Noise(sum));
      if (appended.ok() && call % plan.sync_every == plan.sync_every - 1)
        Must(tape.image->Sync(++generation), Text("sync ", call).c_str());
    }
    CHECK(!appended.ok() && appended.error().code == ErrorCode::kNoSpace);
    for (Tape& tape : tapes) {
      // A filemark, the trailer labels that a host writes behind it, and what makes them durable.
      Must(Append(tape, {0, 80, 80, 0, 0}, random.Noise(160)), "end the tape");
      Must(tape.image->Sync(++generation), "sync at the end");
    }
    // Told once more, nothing is taken.
    CHECK(!tapes[0].image->Append(0, tapes[0].lengths.size(), std::vector<uint32_t>{1u << 20},
                                  Bytes(1 << 20)).ok());
    tapes[0].image.reset();
    tapes[1].image.reset();
  }
  disk.PowerCut();
  disk.Restart();
  const auto store = Must(Store::Open(disk.Attach(), OptionsFor(plan, Store::Mode::kRead)), "open");
  CHECK(Must(store->Verify({})).damages.empty());
  for (int i = 0; i < 2; ++i)
    CheckReads(*Must(store->OpenImage(i == 0 ? "A" : "B", false)), tapes[i]);
  return tapes[0].data.size() + tapes[1].data.size();
}

TEST("space", "on a disk of any size, no space is told before data is taken, and what was taken is synced") {
  for (uint64_t quota = 700 * kKiB; quota < 1400 * kKiB; quota += 37 * kKiB + 513) {
    FillUp({.quota = quota});
    FillUp({.quota = quota, .sync_every = 3});
    FillUp({.quota = quota, .pack_bytes_max = 60000});
    FillUp({.quota = quota, .pack_bytes_max = 1 << 20, .encrypted = true});
    FillUp({.quota = quota, .block_bytes = 300, .blocks_a_call = 40, .sync_every = 7});
  }
}

TEST("space", "what waits in the pack's buffers is counted") {
  for (uint64_t quota = 3000 * kKiB; quota < 4100 * kKiB; quota += 61 * kKiB)
    FillUp({.quota = quota, .pack_bytes_max = 64 << 20});
}

TEST("space", "records whose frame is longer than their data fit, too") {
  FillUp({.quota = 700 * kKiB, .block_bytes = 4, .blocks_a_call = 500});
  FillUp({.quota = 900 * kKiB, .block_bytes = 4, .blocks_a_call = 1000, .zeros = true});
}

TEST("space", "all but the room that is held is used") {
  CHECK(FillUp({.quota = 8000 * kKiB}) > 7000 * kKiB);
}

TEST("space", "room goes back to the disk once the store is closed, and after a crash once it is opened") {
  SimulatedDisk disk(1, CrashProfile::kAny);
  const Plan plan{.quota = 40u << 20};
  const auto room = [&](uint64_t bytes) {
    disk.SetQuota(plan.quota);
    const auto file = Must(disk.Attach()->Open("probe", OpenMode::kCreate));
    const bool free = file->Reserve(bytes).ok();
    Must(disk.Attach()->Remove("probe"));
    disk.SetQuota(std::nullopt);
    return free;
  };
  const uint64_t nearly_all = 36u << 20;
  const auto write = [&](const std::string& name) {
    auto store = Must(Store::Open(disk.Attach(), OptionsFor(plan, Store::Mode::kCreate)));
    Must(store->CreateImage(name, 1));
    const auto image = Must(store->OpenImage(name, true));
    Must(image->Append(0, 0, std::vector<uint32_t>{100}, Bytes(100)));
    Must(image->Sync(1));
    Must(image->Close());
    CHECK(!room(nearly_all), "nothing is held while it is open");
    return store;
  };
  Must(write("A")->Close());
  CHECK(room(nearly_all), "something is held once it is closed");
  write("B").reset();
  CHECK(!room(nearly_all));
  disk.Kill();
  Must(Store::Open(disk.Attach(), OptionsFor(plan, Store::Mode::kWrite)));
  CHECK(room(nearly_all), "what a process held that was killed is still held");
}

TEST("space", "an encrypted store opens for writing on a full disk, again and again, whatever cuts it short") {
  const Plan plan{.quota = 1 << 20, .encrypted = true};
  SimulatedDisk disk(1, CrashProfile::kAny);
  const auto open = [&](Store::Mode mode) {
    return Store::Open(disk.Attach(), OptionsFor(plan, mode));
  };
  {
    const auto store = Must(open(Store::Mode::kCreate));
    Must(store->CreateImage("A", 1));
    Must(store->Close());
  }
  const auto fill = [&] {
    uint64_t used = 0;
    for (const auto& [path, size] : disk.Files()) used += size;
    disk.SetQuota(used);
  };
  fill();
  for (int i = 0; i < 3; ++i) Must(Must(open(Store::Mode::kWrite), "open on a full disk")->Close());
  for (uint64_t n = 1; n < 40; ++n) {
    disk.CrashAtOperation(n);
    (void)open(Store::Mode::kWrite).ok();
    disk.PowerCut();
    disk.Restart();
    const auto store = Must(open(Store::Mode::kWrite), Text("open after a crash at ", n).c_str());
    CHECK(Must(store->ListImages()).size() == 1);
    Must(store->Close());
  }
}

}  // namespace
}  // namespace capstan::test
