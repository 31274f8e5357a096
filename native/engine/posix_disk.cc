#include "posix_disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace capstan {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int get() const { return number_; }
  bool open() const { return number_ >= 0; }

 private:
  int number_;
};

Error FromErrno(int number, const std::string& path, const char* call) {
  ErrorCode code = ErrorCode::kIo;
  if (number == ENOENT) code = ErrorCode::kNotFound;
  if (number == EEXIST) code = ErrorCode::kAlreadyExists;
  if (number == ENOSPC || number == EDQUOT || number == EFBIG) code = ErrorCode::kNoSpace;
  return {code, path, std::string(call) + ": " + std::strerror(number)};
}

Descriptor OpenDescriptor(const std::string& path, int flags) {
  int number;
  do {
    number = ::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0600);
  } while (number < 0 && errno == EINTR);
  return Descriptor(number);
}

class PosixFile final : public File {
 public:
  PosixFile(Descriptor descriptor, std::string path)
      : descriptor_(std::move(descriptor)), path_(std::move(path)) {}

  Result<uint64_t> Size() override {
    struct stat status;
    if (::fstat(descriptor_.get(), &status) != 0) return FromErrno(errno, path_, "fstat");
    return static_cast<uint64_t>(status.st_size);
  }

  Status ReadAt(uint64_t offset, std::span<uint8_t> out) override {
    while (!out.empty()) {
      const ssize_t count =
          ::pread(descriptor_.get(), out.data(), out.size(), static_cast<off_t>(offset));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return FromErrno(errno, path_, "read");
      if (count == 0)
        return Error{ErrorCode::kCorrupt, path_, "ends early, at " + std::to_string(offset)};
      out = out.subspan(static_cast<size_t>(count));
      offset += static_cast<uint64_t>(count);
    }
    return Ok();
  }

  Status WriteAt(uint64_t offset, View bytes) override {
    while (!bytes.empty()) {
      const ssize_t count =
          ::pwrite(descriptor_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return FromErrno(errno, path_, "write");
      bytes = bytes.subspan(static_cast<size_t>(count));
      offset += static_cast<uint64_t>(count);
    }
    return Ok();
  }

  Status Truncate(uint64_t size) override {
    if (::ftruncate(descriptor_.get(), static_cast<off_t>(size)) != 0)
      return FromErrno(errno, path_, "truncate");
    return Ok();
  }

  Status Sync() override {
    if (::fdatasync(descriptor_.get()) != 0) return FromErrno(errno, path_, "fsync");
    return Ok();
  }

 private:
  Descriptor descriptor_;
  std::string path_;
};

class PosixLock final : public FileLock {
 public:
  explicit PosixLock(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}

 private:
  Descriptor descriptor_;
};

// "process 4711: node capstan serve", as the holder wrote it.
std::string HolderOf(int descriptor) {
  char text[200];
  const ssize_t count = ::pread(descriptor, text, sizeof text, 0);
  return count > 0 ? std::string(text, static_cast<size_t>(count)) : "unknown process";
}

class PosixDisk final : public Disk {
 public:
  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    const int flags = mode == OpenMode::kRead    ? O_RDONLY
                      : mode == OpenMode::kWrite ? O_RDWR
                                                 : O_RDWR | O_CREAT | O_EXCL;
    Descriptor descriptor = OpenDescriptor(path, flags);
    if (!descriptor.open()) return FromErrno(errno, path, "open");
    return std::unique_ptr<File>(std::make_unique<PosixFile>(std::move(descriptor), path));
  }

  Result<bool> Exists(const std::string& path) override {
    struct stat status;
    if (::lstat(path.c_str(), &status) == 0) return true;
    if (errno == ENOENT) return false;
    return FromErrno(errno, path, "stat");
  }

  Status Rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return FromErrno(errno, from, "rename");
    return Ok();
  }

  Status Remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) return FromErrno(errno, path, "remove");
    return Ok();
  }

  Result<std::vector<std::string>> List(const std::string& directory) override {
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(directory.c_str()), ::closedir);
    if (!stream) return FromErrno(errno, directory, "list");
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(stream.get())) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(name);
    }
    if (errno != 0) return FromErrno(errno, directory, "list");
    std::sort(names.begin(), names.end());
    return names;
  }

  Status MakeDirectory(const std::string& path) override {
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
      return FromErrno(errno, path, "mkdir");
    return Ok();
  }

  Status SyncDirectory(const std::string& path) override {
    const Descriptor descriptor = OpenDescriptor(path, O_RDONLY | O_DIRECTORY);
    if (!descriptor.open()) return FromErrno(errno, path, "open");
    if (::fsync(descriptor.get()) != 0) return FromErrno(errno, path, "fsync");
    return Ok();
  }

  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override {
    Descriptor descriptor = OpenDescriptor(path, O_RDWR | O_CREAT);
    if (!descriptor.open()) return FromErrno(errno, path, "open");
    if (::flock(descriptor.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) return FromErrno(errno, path, "flock");
      return Error{ErrorCode::kLocked, path, HolderOf(descriptor.get())};
    }
    const std::string holder = "process " + std::to_string(::getpid());
    // The text is for people only: a failure to write it takes nothing from the lock.
    if (::ftruncate(descriptor.get(), 0) == 0 &&
        ::pwrite(descriptor.get(), holder.data(), holder.size(), 0) < 0) {
      errno = 0;
    }
    return std::unique_ptr<FileLock>(std::make_unique<PosixLock>(std::move(descriptor)));
  }
};

}  // namespace

std::unique_ptr<Disk> MakePosixDisk() { return std::make_unique<PosixDisk>(); }

}  // namespace capstan
