// What the simulated disk knows: contents and names, durable and visible, and the faults that are set.
#pragma once

#include <map>
#include <mutex>

#include "simulated_disk.h"

namespace capstan {

struct SimulatedChange {
  uint64_t sequence;
  bool truncation;
  uint64_t offset;  // of a truncation: the new size
  Bytes data;
  bool direct = false;  // went past the page cache
};

// A file, or a folder, which has no content.
struct SimulatedInode {
  bool folder = false;
  Bytes durable;
  Bytes live;
  // Since the last sync.
  std::vector<SimulatedChange> changes;
  // What the medium would have if everything were synced now; only where a failed sync made that differ
  // from `live`.
  std::optional<Bytes> medium;
  // What stood at each byte before its last write; zeros behind its end.
  Bytes previous;
  uint64_t reserved = 0;

  uint64_t space() const { return std::max<uint64_t>(live.size(), reserved); }
};

// Each member function wants `mutex` held.
class SimulatedState {
 public:
  using InodePointer = std::shared_ptr<SimulatedInode>;

  SimulatedState(uint64_t seed, CrashProfile profile) : random_(seed), profile_(profile) {}

  mutable std::mutex mutex;
  std::map<std::string, InodePointer> names;
  std::map<std::string, uint64_t> locks;
  std::optional<uint64_t> quota;
  std::vector<Fault> faults;
  uint64_t fault_count = 0;
  uint64_t operation_count = 0;
  uint64_t crash_at = 0;
  uint64_t life = 1;
  bool crashed = false;

  uint64_t Random();
  bool Coin() { return (Random() & 1) != 0; }

  Error Crashed() const { return {ErrorCode::kCrashed, "", "the simulated disk has no power"}; }
  // Whether the process that attached in `its_life` still runs.
  Status Alive(uint64_t its_life) const;
  // Counts an operation; true where it is the one at which the power goes.
  bool CountAndCrash();
  // The fault that this operation is to have: `kind` says what it is, most precisely.
  std::optional<Fault> TakeFault(FaultKind kind);
  static Error ErrorOf(const Fault& fault, const std::string& path);
  // What all files take, and what is reserved for them.
  uint64_t UsedBytes() const;
  // kNoSpace where `inode` cannot grow to `end`.
  Status CheckSpace(const SimulatedInode& inode, uint64_t end, const std::string& path) const;

  bool IsFolder(const std::string& path) const;
  // `from` empty: `to` now names `inode`. `to` empty: `from` is gone.
  void ChangeName(const std::string& from, const std::string& to, const InodePointer& inode);
  void SyncFolder(const std::string& folder);
  void Write(SimulatedInode& inode, uint64_t offset, View bytes, bool direct);
  void Truncate(SimulatedInode& inode, uint64_t size);
  void SyncFile(SimulatedInode& inode);
  // A failed sync: the pages are clean in the system's view, and were never written. What went past the
  // cache waits for the next sync.
  void DropChanges(SimulatedInode& inode);
  // Reads through the cache see the medium again.
  static void ForgetCached(SimulatedInode& inode);
  // Another page than the one of `inode` with `offset`; nothing where the disk has only that one.
  struct Place {
    InodePointer inode;
    uint64_t offset;
  };
  std::optional<Place> OtherPlace(const SimulatedInode& inode, uint64_t offset);

  void LoseUnsynced();
  bool Rot(const std::string& path, uint64_t offset, unsigned bit);
  uint64_t Hash() const;

 private:
  struct NameChange {
    uint64_t sequence;
    std::string from;
    std::string to;
    InodePointer inode;
  };
  using Names = std::map<std::string, InodePointer>;

  static void Apply(Names& names, const NameChange& change);
  static void Apply(Bytes& content, const SimulatedChange& change);
  void Change(SimulatedInode& inode, SimulatedChange change);
  void ApplyTorn(Bytes& content, const SimulatedChange& change, uint64_t unit, uint64_t keep_of_8);
  std::vector<InodePointer> AllInodes() const;
  // The sequence number of the last change that an ordered power cut keeps.
  uint64_t PrefixKept(const std::vector<InodePointer>& inodes);
  void LoseNames(uint64_t kept_until, uint64_t keep_of_8);
  bool Keep(uint64_t keep_of_8) { return Random() % 8 < keep_of_8; }

  uint64_t random_;
  const CrashProfile profile_;
  uint64_t sequence_ = 0;
  Names durable_names_;
  std::vector<NameChange> name_changes_;
};

// Without the last part; "" for what lies at the top.
std::string FolderOf(const std::string& path);

// A process's view of the disk; simulated_handles.cc.
std::unique_ptr<Disk> AttachTo(std::shared_ptr<SimulatedState> state);

}  // namespace capstan
