// A disk in memory that loses, tears, lies and refuses, by its seed: the same seed and calls, the same faults.
//
// Model of a power cut. Each file has a durable content and the changes since its last sync; each name, of a
// file or a folder, has a durable target and the changes since its folder's last sync. Reads see all of it.
// A power cut keeps of the changes not synced what the profile permits:
//   ordered  a prefix of them, in the order they were made, over all files and names;
//   ext4     a prefix of the changes of names; of the writes any 4096-byte pages;
//   any      any changes of names; of the writes any 512-byte sectors; a file's end may have grown while its
//            bytes did not arrive, which then read as zeros.
// Whatever lies below a folder whose own name was not durable is gone with it. A kill ends the process only:
// what was written stays, locks and open files go.
//
// Operations (writes, truncations, reservations, syncs, changes of names) are counted; a crash can be set for
// the n-th, and faults for the n-th of a kind. Writes past the page cache wait for a sync as others do. But a
// failed sync drops what was written through the cache, and the next one says it is well, as on Linux: reads
// through the cache still see what was dropped, reads past it see what the medium has.
//
// Thread-safe; deterministic as long as the calls come in one order.
#pragma once

#include <memory>
#include <optional>

#include "disk.h"

namespace capstan {

enum class CrashProfile { kOrdered, kExt4, kAny };

// Which operations a fault counts.
enum class FaultKind {
  kWrite,  // all that changes files and names
  kSync,   // of files and folders
  kRead,
  kAny,
  kData,        // WriteAt only
  kFolderSync,  // SyncDirectory only
};
enum class FaultError { kIo, kNoSpace };
enum class FaultEffect {
  kFail,         // nothing is done; a sync drops what waits in the cache
  kShort,        // a write does the first part and fails then
  kFailThenLie,  // the first fails, all later ones of the kind lie
  kLie,          // says it is well and does nothing: a lost write, a sync that syncs nothing
  kStale,        // a read gives what stood there before the last write of each byte
  kMisdirect,    // a read or write goes to another page of this or another file, and says it is well
};

// An effect that an operation of the kind cannot have is kFail.
struct Fault {
  uint64_t nth = 1;  // of its kind from now on; 1: the next
  FaultKind kind = FaultKind::kAny;
  FaultEffect effect = FaultEffect::kFail;
  FaultError error = FaultError::kIo;
  bool persistent = false;  // all later ones, too
};

// Shared by the disk's handle and all the files open on it.
class SimulatedDisk {
 public:
  SimulatedDisk(uint64_t seed, CrashProfile profile);
  ~SimulatedDisk();

  // The interface for a process; it and its files are dead after the next power cut or kill.
  std::unique_ptr<Disk> Attach();

  uint64_t operation_count() const;
  bool crashed() const;
  // The n-th operation from now on (1: the next) is done in part, and everything fails from there on.
  void CrashAtOperation(uint64_t n);
  // Takes the power away now: loses what the profile says, detaches everybody.
  void PowerCut();
  void Kill();
  // The power is back.
  void Restart();
  void SetQuota(std::optional<uint64_t> bytes);
  // What counts against the quota.
  uint64_t used_bytes() const;
  // Beside the faults that are set already.
  void Inject(const Fault& fault);
  // In place of them.
  void FailOperation(uint64_t n, FaultKind kind, FaultError error, bool persistent);
  void ClearFaults();
  // How often a fault has taken effect.
  uint64_t fault_count() const;
  // Turns one bit of a file over, on the medium and in view; false where it has no such byte.
  bool Rot(const std::string& path, uint64_t offset, unsigned bit);
  std::vector<std::pair<std::string, uint64_t>> Files() const;
  // FNV-1a over all durable and visible state.
  uint64_t Hash() const;

 private:
  std::shared_ptr<class SimulatedState> state_;
};

}  // namespace capstan
