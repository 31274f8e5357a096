#include "posix_disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace capstan {
namespace {

constexpr size_t kCommandBytesMax = 200;
constexpr size_t kHostBytesMax = 65;
constexpr size_t kHolderBytesMax = kCommandBytesMax + kHostBytesMax + 40;

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
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

bool SameFile(const Descriptor& a, const Descriptor& b) {
  struct stat of_a;
  struct stat of_b;
  return ::fstat(a.get(), &of_a) == 0 && ::fstat(b.get(), &of_b) == 0 &&
         of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
}

bool IsAligned(const void* address, uint64_t offset, size_t length) {
  return (reinterpret_cast<uintptr_t>(address) | offset | length) % kDirectAlignment == 0;
}

class PosixFile final : public File {
 public:
  // `direct` is open on the same file past the page cache, or not open at all.
  PosixFile(Descriptor descriptor, Descriptor direct, std::string path)
      : descriptor_(std::move(descriptor)),
        direct_(std::move(direct)),
        use_direct_(direct_.open()),
        path_(std::move(path)) {}

  Result<uint64_t> Size() override {
    struct stat status;
    if (::fstat(descriptor_.get(), &status) != 0) return FromErrno(errno, path_, "fstat");
    return static_cast<uint64_t>(status.st_size);
  }

  Status ReadAt(uint64_t offset, std::span<uint8_t> out) override {
    while (!out.empty()) {
      const bool direct = use_direct_ && IsAligned(out.data(), offset, out.size());
      const ssize_t count = ::pread(direct ? direct_.get() : descriptor_.get(), out.data(),
                                    out.size(), static_cast<off_t>(offset));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0 && Refuses(direct, errno)) continue;
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
      const bool direct = use_direct_ && IsAligned(bytes.data(), offset, bytes.size());
      const ssize_t count = ::pwrite(direct ? direct_.get() : descriptor_.get(), bytes.data(),
                                     bytes.size(), static_cast<off_t>(offset));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0 && Refuses(direct, errno)) continue;
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

  Status Reserve(uint64_t size) override {
    int result;
    do {
      result = ::fallocate(descriptor_.get(), FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(size));
    } while (result != 0 && errno == EINTR);
    const bool unsupported = errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL;
    if (result != 0 && !unsupported) return FromErrno(errno, path_, "fallocate");
    return Ok();
  }

  Status Sync() override {
    if (::fdatasync(descriptor_.get()) != 0) return FromErrno(errno, path_, "fsync");
    return Ok();
  }

  Status Refresh() override {
    TRY(Sync());
    // Linux keeps pages that it failed to write as if they were clean; clean ones can be dropped.
    ::posix_fadvise(descriptor_.get(), 0, 0, POSIX_FADV_DONTNEED);
    return Ok();
  }

 private:
  // Some file systems take O_DIRECT when a file is opened, and refuse the first transfer, or want more
  // alignment: all goes through the cache from there on.
  bool Refuses(bool direct, int number) {
    if (!direct || number != EINVAL) return false;
    use_direct_ = false;
    return true;
  }

  Descriptor descriptor_;
  Descriptor direct_;
  std::atomic<bool> use_direct_;
  std::string path_;
};

class PosixLock final : public FileLock {
 public:
  explicit PosixLock(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}

 private:
  Descriptor descriptor_;
};

// "process 4711 on vault1 (node capstan serve)", in printable characters.
std::string HolderText() {
  std::string text = "process " + std::to_string(::getpid());
  char host[kHostBytesMax] = {};
  if (::gethostname(host, sizeof host - 1) == 0 && host[0] != '\0') text += std::string(" on ") + host;
  if (const Descriptor file = OpenDescriptor("/proc/self/cmdline", O_RDONLY); file.open()) {
    char command[kCommandBytesMax];
    ssize_t count = ::read(file.get(), command, sizeof command);
    while (count > 0 && command[count - 1] == '\0') --count;
    if (count > 0) text += " (" + std::string(command, static_cast<size_t>(count)) + ")";
  }
  // Arguments end with a zero byte.
  for (char& c : text)
    if (c < ' ' || c > '~') c = c == '\0' ? ' ' : '?';
  return text;
}

// What the holder wrote.
std::string HolderOf(int descriptor) {
  char text[kHolderBytesMax];
  const ssize_t count = ::pread(descriptor, text, sizeof text, 0);
  return count > 0 ? "held by " + std::string(text, static_cast<size_t>(count))
                   : "held by an unknown process";
}

class PosixDisk final : public Disk {
 public:
  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    return OpenWith(path, mode, false);
  }

  Result<std::unique_ptr<File>> OpenDirect(const std::string& path, OpenMode mode) override {
    return OpenWith(path, mode, true);
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
    const std::string holder = HolderText();
    // The text is for people only: a failure to write it takes nothing from the lock.
    if (::ftruncate(descriptor.get(), 0) == 0 &&
        ::pwrite(descriptor.get(), holder.data(), holder.size(), 0) < 0) {
      errno = 0;
    }
    return std::unique_ptr<FileLock>(std::make_unique<PosixLock>(std::move(descriptor)));
  }

 private:
  static Result<std::unique_ptr<File>> OpenWith(const std::string& path, OpenMode mode,
                                                bool direct) {
    const int access = mode == OpenMode::kRead ? O_RDONLY : O_RDWR;
    Descriptor descriptor =
        OpenDescriptor(path, mode == OpenMode::kCreate ? access | O_CREAT | O_EXCL : access);
    if (!descriptor.open()) return FromErrno(errno, path, "open");
    // Where it is refused (tmpfs), or the name means another file by now, the cache does as well.
    Descriptor past_cache = direct ? OpenDescriptor(path, access | O_DIRECT) : Descriptor(-1);
    if (past_cache.open() && !SameFile(descriptor, past_cache)) past_cache = Descriptor(-1);
    return std::unique_ptr<File>(
        std::make_unique<PosixFile>(std::move(descriptor), std::move(past_cache), path));
  }
};

}  // namespace

std::unique_ptr<Disk> MakePosixDisk() { return std::make_unique<PosixDisk>(); }

}  // namespace capstan
