// What closing a store lets go of.
#include <dirent.h>
#include <unistd.h>

#include <cstdlib>

#include "../engine/posix_disk.h"
#include "../engine/store.h"
#include "harness.h"

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

}  // namespace
}  // namespace capstan::test
