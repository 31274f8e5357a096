// Many threads over one store, for ThreadSanitizer (`make tsan`) and AddressSanitizer alike: tapes that share
// chunks are written, read, verified, copied and collected at once; whatever is read is what was written.
#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <thread>

#include <stdlib.h>

#include "../engine/posix_disk.h"
#include "../engine/simulated_disk.h"
#include "../engine/store.h"
#include "harness.h"

namespace capstan::test {
namespace {

constexpr uint64_t kPackBytes = 2u << 20;
constexpr size_t kTapeCount = 4;
constexpr size_t kBlocksASync = 12;

// Block `index` of a tape: every third is the same on all of them; lengths differ.
Bytes BlockOf(size_t tape, uint64_t index) {
  const uint64_t seed = index % 3 == 0 ? index : (tape + 1) << 32 | index;
  Random random(seed * 0x9e3779b97f4a7c15 + 1);
  Bytes block = random.Noise(8 * (1000 + random.Below(10000)));
  // Half of it compresses.
  std::fill(block.begin(), block.begin() + static_cast<ptrdiff_t>(block.size() / 2),
            static_cast<uint8_t>(index));
  return block;
}

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "capstan-XXXXXX").string();
    CHECK(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

Store::Options OptionsOf(const std::string& path, Store::Mode mode, unsigned thread_count) {
  Store::Options options;
  options.path = path;
  options.mode = mode;
  options.pack_bytes_max = kPackBytes;
  options.thread_count = thread_count;
  return options;
}

// Threads whose first failure ends the test once all have ended.
class Crew {
 public:
  ~Crew() { Join(); }
  void Start(std::function<void()> work) {
    threads_.emplace_back([this, work = std::move(work)] {
      try {
        work();
      } catch (const std::exception& error) {
        const std::lock_guard guard(mutex_);
        if (failure_.empty()) failure_ = error.what();
        stop = true;
      }
    });
  }
  void Join() {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  void JoinAndCheck() {
    Join();
    if (!failure_.empty()) throw Failure(failure_);
  }
  std::atomic<bool> stop{false};

 private:
  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::string failure_;
};

std::string NameOf(size_t tape) { return Text("T", tape); }

// The blocks [at, at + count) of a tape, as far as there are any; how many were read.
size_t ReadAndCompare(Image& image, size_t tape, uint64_t at, uint64_t count) {
  const auto read = Must(image.Read(0, at, false, count, UINT64_MAX), "read");
  CHECK(read.stopped_by != StoppedBy::kDamaged, "tape ", tape, " at ", at);
  size_t offset = 0;
  for (size_t i = 0; i < read.lengths.size(); ++i) {
    const Bytes block = BlockOf(tape, at + i);
    CHECK(read.lengths[i] == block.size(), "tape ", tape, " object ", at + i);
    CHECK(std::equal(block.begin(), block.end(), read.data.begin() + static_cast<ptrdiff_t>(offset)),
          "tape ", tape, " object ", at + i);
    offset += block.size();
  }
  return read.lengths.size();
}

// Writes blocks in their order, now and then from an earlier one on again, and reads what is not synced.
void WriteTape(Store& store, size_t tape, unsigned sync_count, const std::atomic<bool>& stop) {
  const auto image = Must(store.OpenImage(NameOf(tape), true), "open to write");
  Random random(tape + 100);
  for (unsigned round = 0; round < sync_count && !stop; ++round) {
    uint64_t at = Must(image->Locate(0, UINT64_MAX)).object_count;
    if (at > 0 && random.OneIn(5)) at -= random.Below(std::min<uint64_t>(at, 9)) + 1;
    for (size_t i = 0; i < kBlocksASync; ++i, ++at) {
      const Bytes block = BlockOf(tape, at);
      const uint32_t length = static_cast<uint32_t>(block.size());
      Must(image->Append(0, at, {&length, 1}, block), "append");
      if (random.OneIn(6)) ReadAndCompare(*image, tape, at - std::min<uint64_t>(at, 4), 5);
    }
    Must(image->Sync(round + 1), "sync");
  }
  Must(image->Close(), "close");
}

void ReadTapes(Store& store, const std::atomic<bool>& stop) {
  Random random(7);
  while (!stop) {
    const size_t tape = random.Below(kTapeCount);
    const auto image = Must(store.OpenImage(NameOf(tape), false), "open to read");
    for (uint64_t at = 0; !stop;) {
      const size_t count = ReadAndCompare(*image, tape, at, 6);
      if (count == 0) break;
      at += count;
    }
    Must(image->Close(), "close");
  }
}

void VerifyAgain(Store& store, const std::atomic<bool>& stop) {
  while (!stop) {
    const auto report = Must(store.Verify({}), "verify");
    for (const Damage& damage : report.damages)
      throw Failure(Text("verify found ", damage.place, ": ", damage.what));
    Must(store.Statistics(), "statistics");
    Must(store.ListImages(), "list");
  }
}

void CollectAgain(Store& store, const std::atomic<bool>& stop) {
  while (!stop) Must(store.Collect(0.9, 3), "collect");
}

// Copies a tape as a transfer does, and replaces the last copy by it.
void CopyAgain(Store& store, const std::atomic<bool>& stop) {
  for (uint64_t turn = 0; !stop; ++turn) {
    const size_t tape = turn % kTapeCount;
    const Bytes manifest = Must(store.ExportManifest(NameOf(tape)), "export");
    const auto summary = Must(store.ReadManifest(manifest), "read manifest");
    Bytes digests;
    for (size_t i = 0; i < summary.digests.size(); i += 7) {
      store.LackingChunks(summary.digests[i]);
      digests.insert(digests.end(), summary.digests[i].begin(), summary.digests[i].end());
    }
    const auto transfer = store.OpenTransfer(digests);
    // What the tape no longer has may be collected meanwhile.
    while (transfer.ok() && !stop) {
      const auto batch = transfer.value()->Read(kParcelBytesMax);
      if (!batch.ok() || batch.value().parcels.empty()) break;
      Must(store.AddParcels(batch.value().parcels), "add");
    }
    const std::string staged = Text("C", tape, ".S");
    const auto done = store.StageImage(staged, manifest, 1);
    if (!done.ok() && done.error().code == ErrorCode::kNotFound) continue;
    Must(done, "stage");
    Must(store.Sync(), "sync of what is staged");
    Must(store.PublishImage(staged, Text("C", tape)), "publish");
    const auto copy = Must(store.OpenImage(Text("C", tape), false), "open the copy");
    for (uint64_t at = 0; !stop;) {
      const size_t count = ReadAndCompare(*copy, tape, at, 16);
      if (count == 0) break;
      at += count;
    }
    if (turn % 5 == 4) {
      Must(copy->Close(), "close the copy");
      Must(store.RemoveImage(Text("C", tape)), "remove the copy");
    }
  }
}

// Everything at once; then the store is opened again, and all is there.
void Mix(const std::function<std::unique_ptr<Disk>()>& attach, const std::string& path,
         unsigned thread_count, unsigned sync_count) {
  {
    const auto store =
        Must(Store::Open(attach(), OptionsOf(path, Store::Mode::kCreate, thread_count)), "create");
    for (size_t tape = 0; tape < kTapeCount; ++tape)
      Must(store->CreateImage(NameOf(tape), 1), "create image");
    Crew others;
    Crew writers;
    others.Start([&] { ReadTapes(*store, others.stop); });
    others.Start([&] { VerifyAgain(*store, others.stop); });
    others.Start([&] { CollectAgain(*store, others.stop); });
    others.Start([&] { CopyAgain(*store, others.stop); });
    for (size_t tape = 0; tape < kTapeCount; ++tape)
      writers.Start([&, tape] { WriteTape(*store, tape, sync_count, others.stop); });
    writers.Join();
    others.stop = true;
    others.JoinAndCheck();
    writers.JoinAndCheck();
    Must(store->Close(), "close");
  }
  const auto store =
      Must(Store::Open(attach(), OptionsOf(path, Store::Mode::kWrite, thread_count)), "reopen");
  CHECK(Must(store->Verify({})).damages.empty());
  for (size_t tape = 0; tape < kTapeCount; ++tape) {
    const auto image = Must(store->OpenImage(NameOf(tape), false));
    const uint64_t objects = Must(image->Locate(0, UINT64_MAX)).object_count;
    CHECK(objects > 0);
    CHECK(ReadAndCompare(*image, tape, 0, objects) == objects);
  }
}

TEST("threads", "all at once on a simulated disk with two workers") {
  SimulatedDisk disk(1, CrashProfile::kAny);
  Mix([&] { return disk.Attach(); }, "/store", 2, 8);
}

TEST("threads", "all at once on a simulated disk with four workers") {
  SimulatedDisk disk(2, CrashProfile::kAny);
  Mix([&] { return disk.Attach(); }, "/store", 4, 8);
}

TEST("threads", "all at once on a real disk with two workers") {
  const TemporaryFolder folder;
  Mix(MakePosixDisk, folder.path() + "/store", 2, 8);
}

TEST("threads", "an image closed while the collection looks at it waits for nobody that waits for it") {
  SimulatedDisk disk(3, CrashProfile::kAny);
  const auto store =
      Must(Store::Open(disk.Attach(), OptionsOf("/store", Store::Mode::kCreate, 2)));
  Must(store->CreateImage("T0", 1));
  Crew crew;
  crew.Start([&] { CollectAgain(*store, crew.stop); });
  crew.Start([&] { CollectAgain(*store, crew.stop); });
  crew.Start([&] {
    // Many lengths make a file that is written anew when the image is closed.
    for (unsigned turn = 0; turn < 12 && !crew.stop; ++turn) {
      const auto image = Must(store->OpenImage("T0", true));
      for (unsigned sync = 0; sync < 4; ++sync) {
        std::vector<uint32_t> lengths;
        uint64_t sum = 0;
        Random random(sync + 1);
        for (unsigned i = 0; i < 20000; ++i) {
          lengths.push_back(static_cast<uint32_t>(random.Below(60) + 1));
          sum += lengths.back();
        }
        Must(image->Append(0, 0, lengths, Bytes(sum, static_cast<uint8_t>(turn))));
        Must(image->Sync(turn * 4 + sync + 1));
      }
      Must(image->Close());
    }
    crew.stop = true;
  });
  crew.JoinAndCheck();
}

// A version of a tape: every fourth block has a byte of its own.
Bytes VersionOf(size_t tape, uint8_t version, uint64_t index) {
  Bytes block = BlockOf(tape, index);
  if (index % 4 == 3) block.front() ^= version;
  return block;
}

std::string VersionName(size_t tape, unsigned version) { return Text("T", tape, "V", version); }

// Sends a version as replication does, from the beginning again where a collection took what was there.
void SendVersion(Store& source, Store& target, const std::string& name,
                 std::atomic<uint64_t>& delta_count) {
  const Bytes manifest = Must(source.ExportManifest(name), "export");
  while (true) {
    Bytes lacking;
    for (const Digest& digest : Must(source.ReadManifest(manifest)).digests)
      if (target.LackingChunks(digest)[0] != 0)
        lacking.insert(lacking.end(), digest.begin(), digest.end());
    const auto transfer = Must(source.OpenTransfer(lacking), "open a transfer");
    transfer->UseBases(target.LackingChunks(Must(transfer->Bases())));
    Status added = Ok();
    while (added.ok()) {
      const auto batch = Must(transfer->Read(1), "read");
      if (batch.parcels.empty()) break;
      delta_count += batch.parcels[0] == static_cast<uint8_t>(Codec::kDelta) ? 1 : 0;
      added = target.AddParcels(batch.parcels);
    }
    if (added.ok()) added = target.StageImage(name + ".S", manifest, 1);
    if (!added.ok() && added.error().code == ErrorCode::kNotFound) continue;
    Must(added, "add and stage");
    Must(target.Sync(), "sync");
    Must(target.PublishImage(name + ".S", name), "publish");
    return;
  }
}

TEST("threads", "deltas from another store come in beside each other, a collection and a verification") {
  constexpr unsigned kVersions = 3;
  constexpr uint64_t kBlocks = 24;
  SimulatedDisk here(5, CrashProfile::kAny);
  SimulatedDisk there(6, CrashProfile::kAny);
  const auto source = Must(Store::Open(here.Attach(), OptionsOf("/store", Store::Mode::kCreate, 2)));
  for (unsigned version = 0; version < kVersions; ++version)
    for (size_t tape = 0; tape < 2; ++tape) {
      Must(source->CreateImage(VersionName(tape, version), 1));
      const auto image = Must(source->OpenImage(VersionName(tape, version), true));
      for (uint64_t at = 0; at < kBlocks; ++at) {
        const Bytes block = VersionOf(tape, static_cast<uint8_t>(version), at);
        const uint32_t length = static_cast<uint32_t>(block.size());
        Must(image->Append(0, at, {&length, 1}, block));
      }
      Must(image->Sync(1));
    }
  const auto target = Must(Store::Open(there.Attach(), OptionsOf("/store", Store::Mode::kCreate, 3)));
  std::atomic<uint64_t> delta_count{0};
  Crew others;
  Crew senders;
  others.Start([&] {
    // Now and then: verifications one after another leave the senders no time under ThreadSanitizer.
    while (!others.stop) {
      CHECK(Must(target->Verify({}), "verify").damages.empty());
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  });
  others.Start([&] {
    // What a transfer was told is here stays for two of them: a slow one would begin again for ever.
    for (int i = 0; i < 8 && !others.stop; ++i) {
      Must(target->Collect(1.0, 3), "collect");
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  });
  for (size_t tape = 0; tape < 2; ++tape)
    senders.Start([&, tape] {
      for (unsigned version = 0; version < kVersions && !others.stop; ++version)
        SendVersion(*source, *target, VersionName(tape, version), delta_count);
    });
  senders.Join();
  others.stop = true;
  others.JoinAndCheck();
  senders.JoinAndCheck();
  CHECK(delta_count > 0);
  CHECK(Must(target->Verify({})).damages.empty());
  for (unsigned version = 0; version < kVersions; ++version)
    for (size_t tape = 0; tape < 2; ++tape) {
      const auto image = Must(target->OpenImage(VersionName(tape, version), false));
      const auto read = Must(image->Read(0, 0, false, kBlocks, UINT64_MAX));
      Bytes expected;
      for (uint64_t at = 0; at < kBlocks; ++at) {
        const Bytes block = VersionOf(tape, static_cast<uint8_t>(version), at);
        expected.insert(expected.end(), block.begin(), block.end());
      }
      CHECK(std::equal(expected.begin(), expected.end(), read.data.begin(), read.data.end()));
    }
}

// A call after the store was closed is refused; one that runs meanwhile is whole or refused.
void Tolerate(const Error& error) {
  CHECK(error.code == ErrorCode::kInvalid || error.code == ErrorCode::kFailed, Describe(error));
}

void CloseMeanwhile(const std::function<std::unique_ptr<Disk>()>& attach, const std::string& path,
                    uint64_t delay_us) {
  std::array<std::atomic<uint64_t>, kTapeCount> synced{};
  {
    const auto store = Must(Store::Open(attach(), OptionsOf(path, Store::Mode::kCreate, 2)));
    std::vector<std::shared_ptr<Image>> images;
    for (size_t tape = 0; tape < kTapeCount; ++tape) {
      Must(store->CreateImage(NameOf(tape), 1));
      images.push_back(Must(store->OpenImage(NameOf(tape), true)));
    }
    Crew crew;
    for (size_t tape = 0; tape < kTapeCount; ++tape)
      crew.Start([&, tape] {
        for (uint64_t at = 0;; ++at) {
          const Bytes block = BlockOf(tape, at);
          const uint32_t length = static_cast<uint32_t>(block.size());
          const auto appended = images[tape]->Append(0, at, {&length, 1}, block);
          if (!appended.ok()) return Tolerate(appended.error());
          if (at % 4 == 3) {
            const auto done = images[tape]->Sync(at);
            if (!done.ok()) return Tolerate(done.error());
            synced[tape] = at + 1;
          }
          const auto read = images[tape]->Read(0, at / 2, false, 4, UINT64_MAX);
          if (!read.ok()) return Tolerate(read.error());
        }
      });
    std::this_thread::sleep_for(std::chrono::microseconds(delay_us));
    Must(store->Close(), "close");
    // The next process may come at once: the images of the last are still open.
    const auto next = Must(Store::Open(attach(), OptionsOf(path, Store::Mode::kWrite, 2)), "next");
    Must(next->CreateImage("NEXT", 1));
    const auto image = Must(next->OpenImage("NEXT", true));
    for (uint64_t at = 0; at < 30; ++at) {
      const Bytes block = BlockOf(9, at);
      const uint32_t length = static_cast<uint32_t>(block.size());
      Must(image->Append(0, at, {&length, 1}, block));
    }
    Must(image->Sync(1));
    crew.JoinAndCheck();
    images.clear();
    Must(image->Close());
    Must(next->Close());
  }
  const auto store = Must(Store::Open(attach(), OptionsOf(path, Store::Mode::kWrite, 2)));
  const auto report = Must(store->Verify({}));
  CHECK(report.damages.empty(), report.damages.front().place, ": ", report.damages.front().what);
  CHECK(ReadAndCompare(*Must(store->OpenImage("NEXT", false)), 9, 0, 30) == 30);
  for (size_t tape = 0; tape < kTapeCount; ++tape) {
    const uint64_t count = synced[tape];
    const auto image = Must(store->OpenImage(NameOf(tape), false));
    CHECK(ReadAndCompare(*image, tape, 0, count) == count, "tape ", tape);
  }
}

TEST("threads", "a store closed in the midst of its work leaves the next one alone") {
  for (const uint64_t delay_us : {0u, 3000u, 20000u, 60000u}) {
    SimulatedDisk disk(4, CrashProfile::kAny);
    CloseMeanwhile([&] { return disk.Attach(); }, "/store", delay_us);
  }
}

TEST("pack table", "a table that names one region twice is searched within its bounds") {
  RegionHeader header{};
  header.id = 1;
  header.chunk_count = 2;
  PackTable table;
  table.Add(header, 4096, {{{Digest{1}, 10}, {Digest{2}, 10}}, {}});
  header.chunk_count = 1;
  table.Add(header, 8192, {{{Digest{3}, 10}}, {}});
  CHECK(table.FindDigest(Digest{2}) == kNoChunk);
  CHECK(table.FindDigest(Digest{3}) == RefOf(1, 0));
}

TEST("threads", "reading ahead goes on while store and image are closed and destroyed") {
  SimulatedDisk disk(5, CrashProfile::kAny);
  {
    const auto store =
        Must(Store::Open(disk.Attach(), OptionsOf("/store", Store::Mode::kCreate, 4)));
    Must(store->CreateImage("T0", 1));
    const std::atomic<bool> go_on{false};
    WriteTape(*store, 0, 6, go_on);
    Must(store->Close());
  }
  for (unsigned turn = 0; turn < 10; ++turn) {
    auto store = Must(Store::Open(disk.Attach(), OptionsOf("/store", Store::Mode::kRead, 4)));
    auto image = Must(store->OpenImage("T0", false));
    ReadAndCompare(*image, 0, 0, 2 + turn);
    if (turn % 2 == 0) Must(store->Close());
    store.reset();
    image.reset();
  }
}

TEST("threads", "many readers share a store that a writer changes") {
  SimulatedDisk disk(6, CrashProfile::kAny);
  const auto writer =
      Must(Store::Open(disk.Attach(), OptionsOf("/store", Store::Mode::kCreate, 2)));
  for (size_t tape = 0; tape < kTapeCount; ++tape) Must(writer->CreateImage(NameOf(tape), 1));
  const auto reader =
      Must(Store::Open(disk.Attach(), OptionsOf("/store", Store::Mode::kRead, 2)));
  Crew readers;
  Crew writers;
  for (int i = 0; i < 3; ++i) readers.Start([&] { ReadTapes(*reader, readers.stop); });
  for (size_t tape = 0; tape < kTapeCount; ++tape)
    writers.Start([&, tape] { WriteTape(*writer, tape, 6, readers.stop); });
  writers.Join();
  readers.stop = true;
  readers.JoinAndCheck();
  writers.JoinAndCheck();
}

}  // namespace
}  // namespace capstan::test
