// A stream is cut and taken in the same way, however it comes and however many threads there are; what is read
// ahead is what was asked for, once.
#include <atomic>
#include <latch>
#include <thread>

#include "../engine/read_ahead.h"
#include "../engine/simulated_disk.h"
#include "../engine/store.h"
#include "harness.h"

namespace capstan::test {
namespace {

Store::Options OptionsFor(unsigned thread_count) {
  Store::Options options;
  options.path = "/v";
  options.mode = Store::Mode::kCreate;
  options.thread_count = thread_count;
  return options;
}

// The manifest of what was written in pieces of `piece` bytes, records of 1,000 bytes.
Bytes ManifestOf(const Bytes& data, size_t piece, unsigned thread_count) {
  SimulatedDisk disk(1, CrashProfile::kAny);
  const auto store = Must(Store::Open(disk.Attach(), OptionsFor(thread_count)));
  Must(store->CreateImage("T", 1));
  const auto image = Must(store->OpenImage("T", true));
  uint64_t at = 0;
  for (size_t start = 0; start < data.size(); start += piece) {
    const View part = View(data).subspan(start, std::min(piece, data.size() - start));
    const std::vector<uint32_t> lengths(part.size() / 1000, 1000);
    at = Must(image->Append(0, at, lengths, part), "append");
  }
  Must(image->Sync(1));
  const auto read = Must(image->Read(0, 0, false, at, UINT64_MAX));
  CHECK(std::equal(data.begin(), data.end(), read.data.begin(), read.data.end()), piece);
  return Must(store->ExportManifest("T"));
}

// New, then half of it again with changes, so that what is expected breaks off and comes back.
Bytes Mixed() {
  Random random(5);
  Bytes data = random.Noise(6'000'000);
  const Bytes again(data.begin() + 1'500'000, data.begin() + 4'500'000);
  const Bytes between = random.Noise(1'700'000);
  for (const Bytes* part : {&again, &between, &again})
    data.insert(data.end(), part->begin(), part->end());
  return data;
}

TEST("stream", "the same bytes are cut alike, however many come at once and whoever digests them") {
  const Bytes data = Mixed();
  const Bytes expected = ManifestOf(data, 100'000, 0);
  for (const size_t piece : {size_t{1'000}, size_t{700'000}, size_t{2'500'000}, data.size()})
    for (const unsigned thread_count : {0u, 3u})
      CHECK(ManifestOf(data, piece, thread_count) == expected, piece, " ", thread_count);
}

TEST("stream", "what is shared among threads is done once each, and done when the call returns") {
  for (const unsigned thread_count : {0u, 1u, 4u}) {
    WorkerPool pool(thread_count);
    for (size_t count = 0; count < 40; ++count) {
      std::vector<std::atomic<int>> calls(count);
      for (const auto helpers : {WorkerPool::Helpers::kIdle, WorkerPool::Helpers::kFirst})
        pool.Share(count, 2, helpers, [&](size_t i) { ++calls[i]; });
      for (const auto& call : calls) CHECK(call == 2, thread_count, " ", count);
    }
  }
}

TEST("stream", "who shares out first is helped before what is queued, else by who has nothing to do") {
  for (const auto helpers : {WorkerPool::Helpers::kFirst, WorkerPool::Helpers::kIdle}) {
    WorkerPool pool(1);
    std::latch begun(1), release(1), queued(1);
    CHECK(pool.TrySubmit([&] { begun.count_down(), release.wait(); }));
    begun.wait();
    std::atomic<bool> helped = false, helped_before = false;
    CHECK(pool.TrySubmit([&] { helped_before = helped.load(), queued.count_down(); }));
    const std::thread::id here = std::this_thread::get_id();
    pool.Share(2, 1, helpers, [&](size_t i) {
      if (std::this_thread::get_id() != here) {
        helped = true;
        helped.notify_one();
      } else if (i == 0) {
        release.count_down();
        // The other one is the helper's, where there is one.
        if (helpers == WorkerPool::Helpers::kFirst) helped.wait(false);
      }
    });
    queued.wait();
    CHECK(helped_before == (helpers == WorkerPool::Helpers::kFirst));
  }
}

TEST("read ahead", "what was begun is waited for, what was dropped is not, and nothing is had twice") {
  ReadAhead<int> ahead;
  const std::vector<uint32_t> wanted = {1, 2, 3};
  CHECK(ahead.Begin(wanted) == wanted);
  CHECK(ahead.Begin(wanted).empty());
  std::thread reader([&] {
    ahead.Arrive(1, 10);
    ahead.Drop(2);
    ahead.Arrive(3, 30);
  });
  CHECK(ahead.Take(1) == 10);
  CHECK(!ahead.Take(1));
  CHECK(!ahead.Take(2));
  CHECK(ahead.Take(3) == 30);
  reader.join();
  CHECK(!ahead.Knows(3));
  CHECK(ahead.Begin({wanted.data(), 1}).size() == 1);
}

}  // namespace
}  // namespace capstan::test
