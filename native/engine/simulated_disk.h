// A disk in memory that loses, tears and refuses, by its seed: the same seed and calls, the same faults.
//
// Fault model. Each file has a durable content and the operations since its last sync; each name has a
// durable target and the changes since its folder's last sync. Reads see all of it. A power cut keeps
// of the operations not synced what the profile permits:
//   ordered  a prefix of them, in the order they were made, over all files and names;
//   ext4     a prefix of the changes of names; of the writes any 4096-byte pages;
//   any      any changes of names; of the writes any 512-byte sectors; a file's end may have grown while its
//            bytes did not arrive, which then read as zeros.
// A kill ends the process only: what was written stays, locks and open files go. Operations (writes,
// truncations, syncs, changes of names) are counted; a crash, an error or a lie can be set for the n-th.
// A failed sync drops what it should have written, and the next one says it is well, as Linux does.
#pragma once

#include <map>
#include <mutex>
#include <optional>

#include "disk.h"

namespace capstan {

enum class CrashProfile { kOrdered, kExt4, kAny };
enum class FaultKind { kWrite, kSync, kRead, kAny };
enum class FaultError { kIo, kNoSpace };

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
  // The n-th matching operation from now on fails; all later ones, too, where `persistent`.
  void FailOperation(uint64_t n, FaultKind kind, FaultError error, bool persistent);
  void ClearFaults();
  // Turns one bit of a file over, on the medium and in view; false where it has no such byte.
  bool Rot(const std::string& path, uint64_t offset, unsigned bit);
  std::vector<std::pair<std::string, uint64_t>> Files() const;
  // FNV-1a over all durable and visible state.
  uint64_t Hash() const;

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace capstan
