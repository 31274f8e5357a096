// Room on the disk for what was accepted and does not lie in a file yet: a file without content that space is
// reserved for, and given back from once another file needs it.
//
// Packs could reserve their own space in front of their ends, but not that of the next pack, nor images theirs;
// and disks convert what was reserved at every write.
#pragma once

#include <atomic>
#include <mutex>

#include "disk.h"

namespace capstan {

// Thread-safe.
class SpaceReserve {
 public:
  // The file is made at the first need; it must not be there.
  SpaceReserve(Disk& disk, std::string path) : disk_(disk), path_(std::move(path)) {}

  // Holds room for so much, and where there is enough for some more. kNoSpace: what was held before still is.
  Status Hold(uint64_t bytes);
  // Gives all of it back to the disk; false where there was none. After an error the disk is not to be trusted.
  Result<bool> Release();
  // The same, where far more is held than `bytes`.
  Status Shrink(uint64_t bytes);
  // Nothing is held from here on.
  void Close();

 private:
  Status Grow(uint64_t bytes);

  Disk& disk_;
  const std::string path_;
  std::mutex mutex_;
  std::unique_ptr<File> file_;
  // The disk was too full for a whole step.
  bool tight_ = false;
  bool closed_ = false;
  std::atomic<uint64_t> held_{0};
};

}  // namespace capstan
