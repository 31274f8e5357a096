// Goal: what a sync acknowledged survives, at whatever operation the power goes. Method: one small workload
// on the simulated disk, with a crash or a fault at each of its operations in turn, under every profile;
// afterwards the store opens, verifies clean, and has the content of the last acknowledged sync or, where the
// crash came inside a sync, of that one.
#include "../engine/blake3.h"
#include "../engine/simulated_disk.h"
#include "../engine/store.h"
#include "harness.h"

namespace capstan::test {
namespace {

// Ends the test with `what` unless `holds`.
void Check(bool holds, const std::string& what) {
  if (!holds) throw Failure(what);
}

constexpr StoreId kId{1, 2, 3};
// Small, so that packs are sealed within a workload.
constexpr uint64_t kPackBytesMax = 150000;

struct Content {
  uint64_t generation = 0;
  std::vector<Bytes> blocks;  // empty: a filemark
  bool operator==(const Content&) const = default;
};

struct Outcome {
  bool created = false;
  Content acknowledged;
  // What a sync that was not answered may have made durable.
  std::vector<Content> possible;
  ErrorCode error = ErrorCode::kInvalid;
  bool failed = false;
};

bool Note(Outcome& outcome, const Status& status) {
  if (status.ok()) return true;
  outcome.failed = true;
  outcome.error = status.error().code;
  return false;
}

Result<Content> ReadAll(Image& image) {
  TRY_ASSIGN(const ImageInfo info, image.Info());
  Content content{info.generation, {}};
  while (true) {
    TRY_ASSIGN(const ReadResult read, image.Read(0, content.blocks.size(), false, 100, 1 << 20));
    if (read.stopped_by == StoppedBy::kDamaged)
      return Error{ErrorCode::kCorrupt, "image", "damaged"};
    size_t offset = 0;
    for (const uint32_t length : read.lengths) {
      const auto first = read.data.begin() + static_cast<ptrdiff_t>(offset);
      content.blocks.emplace_back(first, first + length);
      offset += length;
    }
    if (read.stopped_by == StoppedBy::kEndOfData) return content;
  }
}

// Three sessions of appends, overwrites and syncs; stops at the first error.
void Work(SimulatedDisk& disk, Outcome& outcome) {
  Random random(99);
  Content now;
  for (uint64_t session = 0; session < 3; ++session) {
    auto opened = Store::Open(disk.Attach(), "/v", Store::Mode::kCreate, kPackBytesMax, kId);
    if (!opened.ok()) return void(Note(outcome, opened.error()));
    const auto store = opened.take();
    if (session == 0) {
      if (!Note(outcome, store->CreateImage("A", 1))) return;
      outcome.created = true;
    }
    auto image = store->OpenImage("A", true);
    if (!image.ok()) return void(Note(outcome, image.error()));
    for (uint64_t step = 0; step < 2; ++step) {
      const uint64_t at = step == 1 ? now.blocks.size() / 2 : now.blocks.size();
      now.blocks.resize(at);
      std::vector<uint32_t> lengths;
      Bytes data;
      for (int i = 0; i < 4; ++i) {
        const Bytes block = i == 2 ? Bytes{} : random.Noise(1 + random.Below(40000));
        lengths.push_back(static_cast<uint32_t>(block.size()));
        data.insert(data.end(), block.begin(), block.end());
        now.blocks.push_back(block);
      }
      const auto appended = image.value()->Append(0, at, lengths, data);
      if (!appended.ok()) return void(Note(outcome, appended.error()));
      now.generation += 1;
      outcome.possible = {now};
      if (!Note(outcome, image.value()->Sync(now.generation))) return;
      outcome.acknowledged = now;
      outcome.possible.clear();
    }
    if (!Note(outcome, image.value()->Close())) return;
    if (!Note(outcome, store->Close())) return;
  }
}

// Opens what is left and compares; then writes on, so that recovery left a store that works.
void CheckRecovered(SimulatedDisk& disk, const Outcome& outcome, const std::string& where) {
  auto opened = Store::Open(disk.Attach(), "/v", Store::Mode::kCreate, kPackBytesMax, kId);
  Check(opened.ok(),
        where + ": does not open: " + (opened.ok() ? "" : Describe(opened.error())));
  const auto store = opened.take();
  const auto report = store->Verify({});
  Check(report.ok(), where + ": verify fails");
  for (const Damage& damage : report.value().damages)
    Check(damage.place.ends_with(".index"), where + ": " + damage.place + " " + damage.what);
  auto image = store->OpenImage("A", true);
  if (!image.ok()) {
    Check(!outcome.created && image.error().code == ErrorCode::kNotFound,
          where + ": the image is gone: " + Describe(image.error()));
    return;
  }
  const auto content = ReadAll(*image.value());
  Check(content.ok(), where + ": cannot be read");
  bool known = content.value() == outcome.acknowledged;
  for (const Content& possible : outcome.possible) known = known || content.value() == possible;
  Check(known, Text(where, ": generation ", content.value().generation, " of ",
                    outcome.acknowledged.generation, " acknowledged, or its content, is wrong"));
  const uint64_t end = content.value().blocks.size();
  const Bytes block{1, 2, 3};
  const uint32_t length = 3;
  Check(image.value()->Append(0, end, {&length, 1}, block).ok() && image.value()->Sync(1000).ok(),
        where + ": takes no more");
}

uint64_t OperationsOfWork() {
  SimulatedDisk disk(1, CrashProfile::kOrdered);
  Outcome outcome;
  Work(disk, outcome);
  Check(!outcome.failed, "the workload fails by itself");
  return disk.operation_count();
}

void Sweep(CrashProfile profile, bool kill_first) {
  const uint64_t count = OperationsOfWork();
  for (uint64_t n = 1; n <= count; ++n) {
    for (uint64_t seed = 0; seed < 4; ++seed) {
      const std::string where = "operation " + std::to_string(n) + ", seed " + std::to_string(seed);
      SimulatedDisk disk(seed * 1000 + n, profile);
      disk.CrashAtOperation(n);
      Outcome outcome;
      Work(disk, outcome);
      Check(outcome.failed && outcome.error == ErrorCode::kCrashed, where + ": no crash");
      if (kill_first) {
        // The next process sees what was not synced; then the power goes.
        disk.Kill();
        CheckRecovered(disk, outcome, where + ", killed");
        const auto store = Store::Open(disk.Attach(), "/v", Store::Mode::kRead, kPackBytesMax, kId);
        disk.PowerCut();
        disk.Restart();
        auto again = Store::Open(disk.Attach(), "/v", Store::Mode::kCreate, kPackBytesMax, kId);
        Check(again.ok(), where + ": does not open after the kill and the cut");
        const auto report = again.value()->Verify({});
        Check(report.ok(), where + ": verify");
        for (const Damage& damage : report.value().damages)
          Check(damage.place.ends_with(".index"),
                where + ", killed, cut: " + damage.place + " " + damage.what);
        continue;
      }
      disk.PowerCut();
      disk.Restart();
      CheckRecovered(disk, outcome, where);
    }
  }
}

TEST("crash", "a power cut at every operation loses nothing synced: ordered") {
  Sweep(CrashProfile::kOrdered, false);
}
TEST("crash", "a power cut at every operation loses nothing synced: ext4") {
  Sweep(CrashProfile::kExt4, false);
}
TEST("crash", "a power cut at every operation loses nothing synced: any") {
  Sweep(CrashProfile::kAny, false);
}
TEST("crash", "a kill at every operation, then a power cut, loses nothing synced") {
  Sweep(CrashProfile::kAny, true);
}

void SweepFaults(FaultKind kind, FaultError error) {
  const uint64_t count = OperationsOfWork();
  for (uint64_t n = 1; n <= count; ++n) {
    const std::string where = "fault " + std::to_string(n);
    SimulatedDisk disk(n, CrashProfile::kAny);
    disk.FailOperation(n, kind, error, false);
    Outcome outcome;
    Work(disk, outcome);
    disk.ClearFaults();
    disk.PowerCut();
    disk.Restart();
    CheckRecovered(disk, outcome, where);
  }
}

TEST("crash", "a write that fails loses nothing synced: EIO") {
  SweepFaults(FaultKind::kWrite, FaultError::kIo);
}
TEST("crash", "a write that fails loses nothing synced: ENOSPC") {
  SweepFaults(FaultKind::kWrite, FaultError::kNoSpace);
}
TEST("crash", "a sync that fails once and lies afterwards loses nothing acknowledged") {
  SweepFaults(FaultKind::kSync, FaultError::kIo);
}

TEST("crash", "the same seed crashes to the same state") {
  uint64_t hashes[2];
  for (uint64_t& hash : hashes) {
    SimulatedDisk disk(7, CrashProfile::kAny);
    disk.CrashAtOperation(20);
    Outcome outcome;
    Work(disk, outcome);
    disk.PowerCut();
    hash = disk.Hash();
  }
  Check(hashes[0] == hashes[1], "they differ");
}

TEST("hostile", "a manifest that lies about a chunk's length is refused and never read past the chunk") {
  SimulatedDisk disk(1, CrashProfile::kOrdered);
  auto opened = Store::Open(disk.Attach(), "/v", Store::Mode::kCreate, kPackBytesMax, kId);
  const auto store = opened.take();
  const Bytes content(10, 5);
  Bytes encoded;
  Writer writer(encoded);
  writer.U8(0);
  writer.U32(10);
  writer.U32(10);
  writer.Raw(content);
  Check(store->AddEncodedChunks(encoded).ok(), "the chunk is refused");
  std::vector<PartitionState> partitions(1);
  partitions[0].records.Append(200000, 1);
  partitions[0].recipe.Append({Blake3(content), 200000, 200000});
  const Status staged = store->StageImage("X", EncodeManifest(partitions), 1);
  Check(!staged.ok() && staged.error().code == ErrorCode::kCorrupt, "it is taken");
}

TEST("hostile", "a mutated image file or manifest parses to a value or to an error") {
  Random random(5);
  std::vector<PartitionState> partitions(1);
  Frame frame{3, {1, 4096}, {}};
  for (int i = 0; i < 20; ++i) {
    partitions[0].records.Append(1000, 1);
    partitions[0].records.Append(0, 1);
    partitions[0].recipe.Append({Blake3(random.Noise(4)), 1000, 1000});
  }
  const Bytes manifest = EncodeManifest(partitions);
  Check(ParseManifest(manifest).ok(), "the manifest itself");
  frame.changes.push_back(WholeOf(0, partitions[0]));
  Bytes image = EncodeImageHeader(kId, 1);
  const Bytes encoded = EncodeFrame(frame, 0);
  image.insert(image.end(), encoded.begin(), encoded.end());
  const auto parsed = ParseImageFile(image, "A");
  Check(parsed.ok() && !parsed.value().torn && parsed.value().state.generation == 3,
        "the image itself");
  for (int i = 0; i < 20000; ++i) {
    Bytes mutated = i % 2 == 0 ? manifest : image;
    for (uint64_t flips = 1 + random.Below(3); flips > 0; --flips)
      mutated[random.Below(mutated.size())] = static_cast<uint8_t>(random.Next());
    if (random.Below(3) == 0) mutated.resize(random.Below(mutated.size()));
    if (i % 2 == 0) {
      const auto result = ParseManifest(mutated);
      if (result.ok()) Check(result.value().size() <= kPartitionCountMax, "too many partitions");
    } else {
      const auto result = ParseImageFile(mutated, "A");
      if (result.ok()) Check(result.value().end <= mutated.size(), "it ends behind its end");
    }
  }
}

}  // namespace
}  // namespace capstan::test
