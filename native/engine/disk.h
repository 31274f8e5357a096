// All that the engine does to files, so that a simulated disk can stand under it.
//
// Paths are whole. What was written is visible to later reads at once and durable after Sync; a name
// that was created, renamed or removed is durable after SyncDirectory of its folder.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "aligned_buffer.h"
#include "bytes.h"
#include "result.h"

namespace capstan {

// Calls may come from several threads at once; of writes, the places must not overlap.
class File {
 public:
  virtual ~File() = default;
  virtual Result<uint64_t> Size() = 0;
  // Fills `out` from `offset` on; kCorrupt where the file ends before that.
  virtual Status ReadAt(uint64_t offset, std::span<uint8_t> out) = 0;
  // All of `bytes`, or an error, after which any part of them may have been written.
  virtual Status WriteAt(uint64_t offset, View bytes) = 0;
  // Gives back what was reserved beyond the end.
  virtual Status Truncate(uint64_t size) = 0;
  // A hint: the file will have `size` bytes. Changes no content and no size; kNoSpace where it cannot come
  // true, no error where the disk takes no such hints.
  virtual Status Reserve(uint64_t size) = 0;
  virtual Status Sync() = 0;
  // Sync; and later reads see what the medium has, not what is cached: after a sync that failed, these are
  // two things.
  virtual Status Refresh() = 0;
};

// Held until destroyed, or until the process ends.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

enum class OpenMode { kRead, kWrite, kCreate };

class Disk {
 public:
  virtual ~Disk() = default;
  // kNotFound; kCreate: kAlreadyExists.
  virtual Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) = 0;
  // The same; reads and writes whose address, offset and length are multiples of kDirectAlignment go past
  // the page cache where the file system can, all others through it. Either sees what the other wrote.
  virtual Result<std::unique_ptr<File>> OpenDirect(const std::string& path, OpenMode mode) = 0;
  virtual Result<bool> Exists(const std::string& path) = 0;
  // Takes the place of what `to` was.
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  virtual Status Remove(const std::string& path) = 0;
  // Names of the files in a folder, sorted.
  virtual Result<std::vector<std::string>> List(const std::string& directory) = 0;
  // No error where it exists; the folder above must.
  virtual Status MakeDirectory(const std::string& path) = 0;
  virtual Status SyncDirectory(const std::string& path) = 0;
  // kLocked, with who holds it in `what`.
  virtual Result<std::unique_ptr<FileLock>> Lock(const std::string& path) = 0;
};

// The whole file, at most `bytes_max` of it.
inline Result<Bytes> ReadWhole(File& file, uint64_t bytes_max, const std::string& place) {
  TRY_ASSIGN(const uint64_t size, file.Size());
  if (size > bytes_max)
    return Error{ErrorCode::kLimit, place,
                 std::to_string(size) + " bytes, over the limit of " + std::to_string(bytes_max)};
  Bytes bytes(size);
  TRY(file.ReadAt(0, bytes));
  return bytes;
}

}  // namespace capstan
