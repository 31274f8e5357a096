// Goal: the real disk does what disk.h says, past the page cache and through it, and its locks say who holds
// them. Method: small files in a folder of their own, on the file system of the temporary folder and on
// tmpfs, which knows no direct transfers.
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "../engine/posix_disk.h"
#include "harness.h"

namespace capstan::test {
namespace {

class TemporaryFolder {
 public:
  explicit TemporaryFolder(const std::string& parent) : path_(parent + "/capstan-XXXXXX") {
    CHECK(::mkdtemp(path_.data()) != nullptr, path_);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::vector<std::string> Parents() {
  std::vector<std::string> parents{std::filesystem::temp_directory_path()};
  if (std::filesystem::is_directory("/dev/shm")) parents.push_back("/dev/shm");
  return parents;
}

AlignedBuffer NoiseBuffer(uint64_t seed, size_t size) {
  AlignedBuffer buffer(size);
  const Bytes noise = Random(seed).Noise(size);
  std::copy(noise.begin(), noise.end(), buffer.data());
  return buffer;
}

bool Same(View a, View b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

TEST("disk", "an aligned buffer is aligned, moves and keeps its memory") {
  for (const size_t size : {size_t{1}, kDirectAlignment, size_t{1} << 20}) {
    AlignedBuffer buffer(size);
    CHECK(reinterpret_cast<uintptr_t>(buffer.data()) % kDirectAlignment == 0, size);
    buffer.data()[size - 1] = 7;
    const uint8_t* const data = buffer.data();
    AlignedBuffer moved = std::move(buffer);
    CHECK(moved.data() == data && moved.size() == size && moved.span()[size - 1] == 7);
    CHECK(buffer.size() == 0 && buffer.data() == nullptr);
    AlignedBuffer assigned;
    assigned = std::move(moved);
    CHECK(assigned.data() == data && assigned.size() == size && moved.size() == 0);
  }
}

TEST("disk", "direct and cached transfers of one file see each other's bytes") {
  for (const std::string& parent : Parents()) {
    const TemporaryFolder folder(parent);
    const auto disk = MakePosixDisk();
    const std::string path = folder.path() + "/file";
    const auto file = Must(disk->OpenDirect(path, OpenMode::kCreate), "create");
    const AlignedBuffer content = NoiseBuffer(1, 5 * kDirectAlignment);
    CHECK(file->WriteAt(0, content.span()).ok(), parent);
    // Unaligned in place, length and address, one after the other; then read back on both ways.
    CHECK(file->WriteAt(5 * kDirectAlignment, content.span().first(100)).ok());
    CHECK(file->WriteAt(kDirectAlignment, content.span().first(3)).ok());
    CHECK(file->WriteAt(2 * kDirectAlignment, content.span().subspan(1, kDirectAlignment)).ok());
    CHECK(file->Sync().ok());
    Bytes expected(content.span().begin(), content.span().end());
    expected.insert(expected.end(), expected.begin(), expected.begin() + 100);
    std::copy_n(content.data(), 3, expected.begin() + kDirectAlignment);
    std::copy_n(content.data() + 1, kDirectAlignment, expected.begin() + 2 * kDirectAlignment);
    CHECK(Must(file->Size()) == expected.size());
    AlignedBuffer aligned(5 * kDirectAlignment);
    CHECK(file->ReadAt(0, aligned.span()).ok());
    CHECK(Same(aligned.span(), View(expected).first(aligned.size())), parent);
    const auto cached = Must(disk->Open(path, OpenMode::kRead), "open");
    CHECK(Must(ReadWhole(*cached, expected.size(), "file")) == expected, parent);
    // An aligned read that ends behind the file's end.
    AlignedBuffer beyond(2 * kDirectAlignment);
    const Status read = file->ReadAt(4 * kDirectAlignment, beyond.span());
    CHECK(!read.ok() && read.error().code == ErrorCode::kCorrupt, parent);
    const auto readonly = Must(disk->OpenDirect(path, OpenMode::kRead), "open for reading");
    CHECK(readonly->ReadAt(0, aligned.span()).ok());
    CHECK(Same(aligned.span(), View(expected).first(aligned.size())), parent);
    CHECK(!readonly->WriteAt(0, content.span()).ok());
    CHECK(disk->OpenDirect(path, OpenMode::kCreate).error().code == ErrorCode::kAlreadyExists);
    CHECK(disk->OpenDirect(path + "x", OpenMode::kRead).error().code == ErrorCode::kNotFound);
  }
}

TEST("disk", "reserving space changes neither size nor content") {
  for (const std::string& parent : Parents()) {
    const TemporaryFolder folder(parent);
    const auto disk = MakePosixDisk();
    const auto file = Must(disk->OpenDirect(folder.path() + "/file", OpenMode::kCreate), "create");
    const AlignedBuffer content = NoiseBuffer(1, kDirectAlignment);
    CHECK(file->WriteAt(0, content.span()).ok());
    CHECK(file->Reserve(1 << 20).ok(), parent);
    CHECK(Must(file->Size()) == kDirectAlignment, parent);
    CHECK(file->WriteAt(kDirectAlignment, content.span()).ok());
    const Bytes whole = Must(ReadWhole(*file, 1 << 20, "file"));
    CHECK(Same(View(whole).first(kDirectAlignment), content.span()) &&
              Same(View(whole).subspan(kDirectAlignment), content.span()),
          parent);
    CHECK(file->Truncate(5).ok() && Must(file->Size()) == 5, parent);
  }
}

TEST("threads", "writes and reads of one file from several threads, each to its places, stay apart") {
  constexpr size_t kThreadCount = 4;
  constexpr size_t kRounds = 16;
  for (const std::string& parent : Parents()) {
    const TemporaryFolder folder(parent);
    const auto disk = MakePosixDisk();
    const auto file = Must(disk->OpenDirect(folder.path() + "/file", OpenMode::kCreate), "create");
    std::array<bool, kThreadCount> right{};
    std::vector<std::thread> threads;
    for (size_t t = 0; t < kThreadCount; ++t)
      threads.emplace_back([&, t] {
        bool all = true;
        for (size_t round = 0; round < kRounds; ++round) {
          const uint64_t at = (round * kThreadCount + t) * kDirectAlignment;
          const AlignedBuffer content = NoiseBuffer(at, kDirectAlignment);
          AlignedBuffer read(kDirectAlignment);
          all = all && file->WriteAt(at, content.span()).ok() &&
                file->ReadAt(at, read.span()).ok() && Same(content.span(), read.span());
        }
        right[t] = all;
      });
    for (std::thread& thread : threads) thread.join();
    for (size_t t = 0; t < kThreadCount; ++t) CHECK(right[t], parent, " thread ", t);
  }
}

TEST("disk", "a lock that another process holds is refused with its number and command line") {
  const TemporaryFolder folder(std::filesystem::temp_directory_path());
  const std::string path = folder.path() + "/lock";
  int ready[2];
  int finish[2];
  CHECK(::pipe(ready) == 0 && ::pipe(finish) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    char byte = MakePosixDisk()->Lock(path).ok() ? 'x' : '-';
    const auto lock = MakePosixDisk()->Lock(path);
    byte = lock.ok() ? 'y' : '-';
    if (::write(ready[1], &byte, 1) == 1 && ::read(finish[0], &byte, 1) >= 0) ::_exit(0);
    ::_exit(1);
  }
  char byte = 0;
  CHECK(::read(ready[0], &byte, 1) == 1 && byte == 'y', "the child has no lock");
  const auto disk = MakePosixDisk();
  const auto refused = disk->Lock(path);
  CHECK(!refused.ok() && refused.error().code == ErrorCode::kLocked);
  const std::string& what = refused.error().what;
  CHECK(what.starts_with("held by process " + std::to_string(child) + " on "), what);
  CHECK(what.find("tests") != std::string::npos, what);
  byte = 'f';
  CHECK(::write(finish[1], &byte, 1) == 1);
  int status = 0;
  CHECK(::waitpid(child, &status, 0) == child && status == 0, "the child");
  for (const int descriptor : {ready[0], ready[1], finish[0], finish[1]}) ::close(descriptor);
  CHECK(disk->Lock(path).ok(), "the lock outlives its holder");
}

}  // namespace
}  // namespace capstan::test
