// The collection beside threads that write what it takes from, for ThreadSanitizer, too.
#include <array>
#include <atomic>
#include <thread>

#include "../engine/simulated_disk.h"
#include "collect_model.h"

namespace capstan::test {
namespace {

TEST("threads", "a collection goes beside writers and readers, and loses nothing") {
  constexpr int kWriters = 2;
  constexpr int kRounds = 25;
  SimulatedDisk disk(1, CrashProfile::kAny);
  Store::Options options;
  options.path = "/v";
  options.mode = Store::Mode::kCreate;
  options.pack_bytes_max = 20 << 10;
  options.thread_count = 2;
  const auto store = Must(Store::Open(disk.Attach(), options));
  std::array<std::string, kWriters + 1> failures;
  std::array<Blocks, kWriters> written;
  std::atomic<int> at_work{kWriters};
  const auto guarded = [](std::string& failure, const std::function<void()>& work) {
    try {
      work();
    } catch (const std::exception& error) {
      failure = error.what();
    }
  };
  // Each repeats what it wrote, a little changed, and gives most of it up again.
  const auto write = [&](int number) {
    Random random(static_cast<uint64_t>(number));
    const std::string name(1, static_cast<char>('A' + number));
    Must(store->CreateImage(name, 1));
    const auto image = Must(store->OpenImage(name, true));
    Blocks& blocks = written[static_cast<size_t>(number)];
    for (uint64_t round = 1; round <= kRounds; ++round) {
      const size_t at = blocks.size() < 80 ? blocks.size() : random.Below(20);
      Blocks added;
      for (size_t i = 0; i < 6; ++i) {
        Bytes bytes = random.Noise(3000);
        if (!blocks.empty() && !random.OneIn(3))
          if (const Block& known = blocks[random.Below(blocks.size())]) bytes = *known;
        if (random.OneIn(3)) bytes[random.Below(bytes.size())] ^= 1;
        added.push_back(std::make_shared<Bytes>(std::move(bytes)));
        added.push_back(nullptr);
      }
      std::vector<uint32_t> lengths;
      Bytes data;
      Lay(added, lengths, data);
      blocks.resize(at);
      blocks.insert(blocks.end(), added.begin(), added.end());
      Must(image->Append(0, at, lengths, data), "append");
      Must(image->Sync(round), "sync");
      CheckReads(*image, {round, {blocks}}, "as it is written");
    }
    Must(image->Close());
  };
  std::vector<std::thread> threads;
  for (int number = 0; number < kWriters; ++number)
    threads.emplace_back([&, number] {
      guarded(failures[static_cast<size_t>(number)], [&] { write(number); });
      --at_work;
    });
  guarded(failures[kWriters], [&] {
    while (at_work > 0) Must(store->Collect(1.0, 3), "collect");
  });
  for (std::thread& thread : threads) thread.join();
  for (const std::string& failure : failures) CHECK(failure.empty(), failure);
  const VerifyReport report = Must(store->Verify({}));
  CHECK(report.damages.empty(), report.damages[0].place, ": ", report.damages[0].what);
  Must(store->Close());
  const auto again = Must(Store::Open(disk.Attach(), options));
  for (size_t number = 0; number < kWriters; ++number) {
    const auto image = Must(again->OpenImage(std::string(1, static_cast<char>('A' + number)), false));
    CheckReads(*image, {kRounds, {written[number]}}, "afterwards");
  }
}

}  // namespace
}  // namespace capstan::test
