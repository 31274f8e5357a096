// What closing a store lets go of.
#include <dirent.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdlib>
#include <future>
#include <mutex>
#include <set>
#include <thread>

#include "../engine/posix_disk.h"
#include "../engine/simulated_disk.h"
#include "../engine/store.h"
#include "harness.h"
#include "hooked_disk.h"

namespace capstan::test {
namespace {

// Of this process, below `folder`.
size_t OpenFilesBelow(const std::string& folder) {
  size_t count = 0;
  DIR* const descriptors = ::opendir("/proc/self/fd");
  while (const dirent* entry = ::readdir(descriptors)) {
    char target[4096];
    const std::string link = std::string("/proc/self/fd/") + entry->d_name;
    const ssize_t length = ::readlink(link.c_str(), target, sizeof target);
    if (length > 0 && std::string(target, static_cast<size_t>(length)).starts_with(folder)) ++count;
  }
  ::closedir(descriptors);
  return count;
}

TEST("close", "a closed store has no file open, whoever still holds it and its images") {
  char folder[] = "/tmp/capstan-close-XXXXXX";
  CHECK(::mkdtemp(folder) != nullptr);
  Store::Options options;
  options.path = std::string(folder) + "/v";
  options.mode = Store::Mode::kCreate;
  options.pack_bytes_max = 100000;
  options.thread_count = 2;
  {
    const auto store = Must(Store::Open(MakePosixDisk(), options));
    Must(store->CreateImage("A", 1));
    const auto written = Must(store->OpenImage("A", true));
    Random random(1);
    for (uint64_t i = 0; i < 8; ++i) {
      Must(written->Append(0, i, std::vector<uint32_t>{50000}, random.Noise(50000)));
      Must(written->Sync(i + 1));
    }
    const auto read = Must(store->OpenImage("A", false));
    Must(read->Read(0, 0, false, 100, 1 << 20));
    CHECK(OpenFilesBelow(folder) > 4);
    Must(store->Close());
    CHECK(OpenFilesBelow(folder) == 0, OpenFilesBelow(folder));
    const auto late = read->Read(0, 0, false, 100, 1 << 20);
    CHECK(!late.ok() && late.error().code == ErrorCode::kInvalid);
    CHECK(OpenFilesBelow(folder) == 0);
  }
  CHECK(std::system((std::string("rm -r ") + folder).c_str()) == 0);
}

// Where reads wait.
struct Gate {
  std::mutex mutex;
  std::condition_variable changed;
  bool open = true;
  size_t waiting = 0;
  std::set<std::string> opened;

  void Pass() {
    std::unique_lock lock(mutex);
    ++waiting;
    changed.notify_all();
    changed.wait(lock, [this] { return open; });
  }
  void Shut() {
    const std::lock_guard guard(mutex);
    open = false;
    waiting = 0;
    opened.clear();
  }
  void AwaitWaiting(size_t count) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return waiting >= count; });
  }
  void Open() {
    const std::lock_guard guard(mutex);
    open = true;
    changed.notify_all();
  }
  void Note(const std::string& path) {
    const std::lock_guard guard(mutex);
    opened.insert(path);
  }
};

TEST("close", "what was to be read ahead when the store is closed opens no file any more") {
  constexpr uint32_t kBytes = 600000;
  constexpr uint64_t kPackCount = 6;
  SimulatedDisk disk(1, CrashProfile::kOrdered);
  Store::Options options;
  options.path = "v";
  options.mode = Store::Mode::kCreate;
  options.pack_bytes_max = 700000;
  {
    const auto store = Must(Store::Open(disk.Attach(), options));
    Must(store->CreateImage("A", 1));
    const auto image = Must(store->OpenImage("A", true));
    for (uint64_t i = 0; i < kPackCount; ++i) {
      Must(image->Append(0, i, std::vector<uint32_t>{kBytes}, Random(i).Noise(kBytes)));
      Must(image->Sync(i + 1));
    }
    Must(image->Close());
    Must(store->Close());
  }
  Gate gate;
  const auto hooks = std::make_shared<Hooks>();
  hooks->open = [&](const std::string& path) { gate.Note(path); };
  hooks->read = [&](const std::string& path) {
    if (!path.ends_with("/00000001.pack")) gate.Pass();
  };
  options.mode = Store::Mode::kRead;
  options.thread_count = 2;
  {
    const auto store = Must(Store::Open(std::make_unique<HookedDisk>(disk.Attach(), hooks), options));
    const auto image = Must(store->OpenImage("A", false));
    gate.Shut();
    Must(image->Read(0, 0, false, 1, kBytes));
    // All four threads that read ahead.
    gate.AwaitWaiting(4);
    // Not std::async: where it hangs, the test must end.
    std::promise<bool> closing;
    auto closed = closing.get_future();
    std::thread([store, closing = std::move(closing)]() mutable {
      closing.set_value(store->Close().ok());
    }).detach();
    // Time to begin with it; too little only makes the test easier.
    CHECK(closed.wait_for(std::chrono::milliseconds(100)) == std::future_status::timeout);
    gate.Open();
    CHECK(closed.wait_for(std::chrono::seconds(20)) == std::future_status::ready);
    CHECK(closed.get());
  }
  CHECK(gate.opened.size() == 5, gate.opened.size());
}

}  // namespace
}  // namespace capstan::test
