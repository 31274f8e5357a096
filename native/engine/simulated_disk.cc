#include "simulated_disk.h"

#include <algorithm>
#include <set>

namespace capstan {
namespace {

constexpr uint64_t kSectorBytes = 512;
constexpr uint64_t kPageBytes = 4096;

struct FileChange {
  uint64_t sequence;
  bool truncation;
  uint64_t offset;  // of a truncation: the new size
  Bytes data;
};

struct Inode {
  Bytes durable;
  Bytes live;
  std::vector<FileChange> changes;
  uint64_t reserved = 0;

  uint64_t space() const { return std::max<uint64_t>(live.size(), reserved); }
};
using InodePointer = std::shared_ptr<Inode>;

// `from` empty: `to` now names `inode` (created). `to` empty: `from` is gone.
struct NameChange {
  uint64_t sequence;
  std::string from;
  std::string to;
  InodePointer inode;
};

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

void Apply(Bytes& content, const FileChange& change) {
  if (change.truncation) {
    content.resize(change.offset);
    return;
  }
  if (content.size() < change.offset + change.data.size())
    content.resize(change.offset + change.data.size());
  std::copy(change.data.begin(), change.data.end(),
            content.begin() + static_cast<ptrdiff_t>(change.offset));
}

}  // namespace

struct SimulatedDisk::State {
  mutable std::mutex mutex;
  uint64_t random;
  CrashProfile profile;
  std::map<std::string, InodePointer> names;
  std::map<std::string, InodePointer> durable_names;
  std::vector<NameChange> name_changes;
  std::set<std::string> directories;
  std::map<std::string, uint64_t> locks;
  uint64_t sequence = 0;
  uint64_t operation_count = 0;
  uint64_t crash_at = 0;
  uint64_t life = 1;
  bool crashed = false;
  std::optional<uint64_t> quota;

  struct Fault {
    uint64_t left;
    FaultKind kind;
    FaultError error;
    bool persistent;
  };
  std::optional<Fault> fault;

  // splitmix64
  uint64_t Random() {
    uint64_t z = random += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  bool Coin() { return (Random() & 1) != 0; }

  Error Crashed() const { return {ErrorCode::kCrashed, "", "the simulated disk has no power"}; }

  Status Alive(uint64_t its_life) const {
    if (crashed || its_life != life) return Crashed();
    return Ok();
  }

  // Whether a fault is set for this operation.
  std::optional<Error> TakeFault(FaultKind kind, const std::string& path) {
    if (!fault || (fault->kind != FaultKind::kAny && fault->kind != kind)) return std::nullopt;
    if (fault->left > 1) {
      --fault->left;
      return std::nullopt;
    }
    const Fault taken = *fault;
    if (!taken.persistent) fault.reset();
    return Error{taken.error == FaultError::kIo ? ErrorCode::kIo : ErrorCode::kNoSpace, path,
                 "injected fault"};
  }

  // Counts an operation; true where it is the one at which the power goes.
  bool CountAndCrash() {
    ++operation_count;
    if (crash_at == 0 || operation_count < crash_at) return false;
    crashed = true;
    crash_at = 0;
    return true;
  }

  uint64_t LiveBytes() const {
    uint64_t sum = 0;
    for (const auto& [path, inode] : names) sum += inode->space();
    return sum;
  }

  void ChangeName(NameChange change) {
    change.sequence = ++sequence;
    ApplyName(names, change);
    name_changes.push_back(std::move(change));
  }

  static void ApplyName(std::map<std::string, InodePointer>& map, const NameChange& change) {
    if (change.from.empty()) {
      map[change.to] = change.inode;
      return;
    }
    // A rename whose source never arrived has nothing to move.
    const auto source = map.find(change.from);
    if (source == map.end()) return;
    const InodePointer inode = source->second;
    map.erase(source);
    if (!change.to.empty()) map[change.to] = inode;
  }

  void SyncInode(Inode& inode) {
    for (const FileChange& change : inode.changes) Apply(inode.durable, change);
    inode.changes.clear();
  }

  void SyncFolder(const std::string& folder) {
    std::vector<NameChange> left;
    for (NameChange& change : name_changes) {
      const std::string& path = change.to.empty() ? change.from : change.to;
      if (FolderOf(path) == folder)
        ApplyName(durable_names, change);
      else
        left.push_back(std::move(change));
    }
    name_changes = std::move(left);
  }

  // What of one write reaches the medium: each unit of it on the toss of a coin.
  void ApplyTorn(Bytes& content, const FileChange& change, uint64_t unit) {
    if (change.truncation) {
      if (Coin()) Apply(content, change);
      return;
    }
    const uint64_t end = change.offset + change.data.size();
    if (content.size() < end && Coin()) content.resize(end);
    for (uint64_t at = change.offset; at < end;) {
      const uint64_t next = std::min(end, (at / unit + 1) * unit);
      if (Coin()) {
        const auto first = change.data.begin() + static_cast<ptrdiff_t>(at - change.offset);
        const auto last = change.data.begin() + static_cast<ptrdiff_t>(next - change.offset);
        Apply(content, {0, false, at, Bytes(first, last)});
      }
      at = next;
    }
  }

  std::vector<InodePointer> AllInodes() const {
    std::vector<InodePointer> inodes;
    const auto add = [&](const InodePointer& inode) {
      if (inode && std::find(inodes.begin(), inodes.end(), inode) == inodes.end())
        inodes.push_back(inode);
    };
    for (const auto& [path, inode] : durable_names) add(inode);
    for (const auto& [path, inode] : names) add(inode);
    for (const NameChange& change : name_changes) add(change.inode);
    return inodes;
  }

  void LoseUnsynced() {
    const std::vector<InodePointer> inodes = AllInodes();
    uint64_t kept_until = sequence;
    if (profile == CrashProfile::kOrdered) {
      uint64_t oldest = sequence + 1;
      for (const auto& inode : inodes)
        for (const auto& change : inode->changes) oldest = std::min(oldest, change.sequence);
      for (const auto& change : name_changes) oldest = std::min(oldest, change.sequence);
      kept_until = oldest - 1 + Random() % (sequence + 2 - oldest);
    }
    const size_t names_kept =
        profile == CrashProfile::kExt4 ? Random() % (name_changes.size() + 1) : name_changes.size();
    for (size_t i = 0; i < name_changes.size(); ++i) {
      const bool keep = profile == CrashProfile::kAny ? Coin()
                                                      : i < names_kept && name_changes[i].sequence <= kept_until;
      if (keep) ApplyName(durable_names, name_changes[i]);
    }
    for (const auto& inode : inodes) {
      for (const FileChange& change : inode->changes) {
        if (profile == CrashProfile::kOrdered) {
          if (change.sequence <= kept_until) Apply(inode->durable, change);
        } else {
          ApplyTorn(inode->durable, change,
                    profile == CrashProfile::kExt4 ? kPageBytes : kSectorBytes);
        }
      }
      inode->changes.clear();
      inode->live = inode->durable;
    }
    name_changes.clear();
    names = durable_names;
  }
};

namespace {

using State = SimulatedDisk::State;

class SimulatedFile final : public File {
 public:
  SimulatedFile(std::shared_ptr<State> state, InodePointer inode, std::string path)
      : state_(std::move(state)), inode_(std::move(inode)), path_(std::move(path)), life_(state_->life) {}

  Result<uint64_t> Size() override {
    const std::lock_guard guard(state_->mutex);
    TRY(state_->Alive(life_));
    return static_cast<uint64_t>(inode_->live.size());
  }

  Status ReadAt(uint64_t offset, std::span<uint8_t> out) override {
    const std::lock_guard guard(state_->mutex);
    TRY(state_->Alive(life_));
    if (const auto error = state_->TakeFault(FaultKind::kRead, path_)) return *error;
    if (offset > inode_->live.size() || out.size() > inode_->live.size() - offset)
      return Error{ErrorCode::kCorrupt, path_, "ends early, at " + std::to_string(inode_->live.size())};
    if (!out.empty()) std::memcpy(out.data(), inode_->live.data() + offset, out.size());
    return Ok();
  }

  Status WriteAt(uint64_t offset, View bytes) override {
    const std::lock_guard guard(state_->mutex);
    TRY(state_->Alive(life_));
    const bool crash = state_->CountAndCrash();
    if (!crash) {
      if (const auto error = state_->TakeFault(FaultKind::kWrite, path_)) return *error;
      const uint64_t end = offset + bytes.size();
      TRY(CheckSpace(end));
    }
    const size_t done = crash ? state_->Random() % (bytes.size() + 1) : bytes.size();
    Change({0, false, offset, Bytes(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(done))});
    if (crash) return state_->Crashed();
    return Ok();
  }

  Status Truncate(uint64_t size) override {
    const std::lock_guard guard(state_->mutex);
    TRY(state_->Alive(life_));
    const bool crash = state_->CountAndCrash();
    if (!crash)
      if (const auto error = state_->TakeFault(FaultKind::kWrite, path_)) return *error;
    if (!crash || state_->Coin()) Change({0, true, size, {}});
    if (crash) return state_->Crashed();
    inode_->reserved = 0;
    return Ok();
  }

  Status Reserve(uint64_t size) override {
    const std::lock_guard guard(state_->mutex);
    TRY(state_->Alive(life_));
    if (state_->CountAndCrash()) return state_->Crashed();
    if (const auto error = state_->TakeFault(FaultKind::kWrite, path_)) return *error;
    TRY(CheckSpace(size));
    inode_->reserved = std::max(inode_->reserved, size);
    return Ok();
  }

  Status Sync() override {
    const std::lock_guard guard(state_->mutex);
    TRY(state_->Alive(life_));
    const bool crash = state_->CountAndCrash();
    if (!crash) {
      if (const auto error = state_->TakeFault(FaultKind::kSync, path_)) {
        // The pages are clean in the system's view now, and were never written.
        inode_->changes.clear();
        return *error;
      }
    }
    if (!crash || state_->Coin()) state_->SyncInode(*inode_);
    if (crash) return state_->Crashed();
    return Ok();
  }

 private:
  Status CheckSpace(uint64_t end) const {
    const uint64_t growth = end > inode_->space() ? end - inode_->space() : 0;
    if (state_->quota && growth > 0 && state_->LiveBytes() + growth > *state_->quota)
      return Error{ErrorCode::kNoSpace, path_, "the simulated disk is full"};
    return Ok();
  }

  void Change(FileChange change) {
    change.sequence = ++state_->sequence;
    Apply(inode_->live, change);
    inode_->changes.push_back(std::move(change));
  }

  std::shared_ptr<State> state_;
  InodePointer inode_;
  std::string path_;
  uint64_t life_;
};

class SimulatedLock final : public FileLock {
 public:
  SimulatedLock(std::shared_ptr<State> state, std::string path)
      : state_(std::move(state)), path_(std::move(path)), life_(state_->life) {}
  SimulatedLock(const SimulatedLock&) = delete;
  SimulatedLock& operator=(const SimulatedLock&) = delete;
  ~SimulatedLock() override {
    const std::lock_guard guard(state_->mutex);
    const auto held = state_->locks.find(path_);
    if (held != state_->locks.end() && held->second == life_) state_->locks.erase(held);
  }

 private:
  std::shared_ptr<State> state_;
  std::string path_;
  uint64_t life_;
};

class AttachedDisk final : public Disk {
 public:
  explicit AttachedDisk(std::shared_ptr<State> state) : state_(std::move(state)), life_(state_->life) {}

  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    const std::lock_guard guard(state_->mutex);
    TRY(state_->Alive(life_));
    const auto found = state_->names.find(path);
    if (mode != OpenMode::kCreate) {
      if (found == state_->names.end())
        return Error{ErrorCode::kNotFound, path, "no such file"};
      return std::unique_ptr<File>(std::make_unique<SimulatedFile>(state_, found->second, path));
    }
    if (found != state_->names.end()) return Error{ErrorCode::kAlreadyExists, path, "exists"};
    const bool crash = state_->CountAndCrash();
    if (!crash)
      if (const auto error = state_->TakeFault(FaultKind::kWrite, path)) return *error;
    const auto inode = std::make_shared<Inode>();
    if (!crash || state_->Coin()) state_->ChangeName({0, "", path, inode});
    if (crash) return state_->Crashed();
    return std::unique_ptr<File>(std::make_unique<SimulatedFile>(state_, inode, path));
  }

  // The fault model is the same on both ways to the disk.
  Result<std::unique_ptr<File>> OpenDirect(const std::string& path, OpenMode mode) override {
    return Open(path, mode);
  }

  Result<bool> Exists(const std::string& path) override {
    const std::lock_guard guard(state_->mutex);
    TRY(state_->Alive(life_));
    return state_->names.contains(path) || state_->directories.contains(path);
  }

  Status Rename(const std::string& from, const std::string& to) override { return Move(from, to); }
  Status Remove(const std::string& path) override { return Move(path, ""); }

  Result<std::vector<std::string>> List(const std::string& directory) override {
    const std::lock_guard guard(state_->mutex);
    TRY(state_->Alive(life_));
    if (!state_->directories.contains(directory))
      return Error{ErrorCode::kNotFound, directory, "no such folder"};
    std::vector<std::string> names;
    for (const auto& [path, inode] : state_->names)
      if (FolderOf(path) == directory) names.push_back(path.substr(directory.size() + 1));
    return names;
  }

  Status MakeDirectory(const std::string& path) override {
    const std::lock_guard guard(state_->mutex);
    TRY(state_->Alive(life_));
    // Folders are durable at once: the engine makes them before there is anything to lose.
    state_->directories.insert(path);
    return Ok();
  }

  Status SyncDirectory(const std::string& path) override {
    const std::lock_guard guard(state_->mutex);
    TRY(state_->Alive(life_));
    const bool crash = state_->CountAndCrash();
    if (!crash)
      if (const auto error = state_->TakeFault(FaultKind::kSync, path)) return *error;
    if (!crash || state_->Coin()) state_->SyncFolder(path);
    if (crash) return state_->Crashed();
    return Ok();
  }

  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override {
    const std::lock_guard guard(state_->mutex);
    TRY(state_->Alive(life_));
    if (state_->locks.contains(path))
      return Error{ErrorCode::kLocked, path, "another process of the simulation"};
    state_->locks[path] = life_;
    return std::unique_ptr<FileLock>(std::make_unique<SimulatedLock>(state_, path));
  }

 private:
  Status Move(const std::string& from, const std::string& to) {
    const std::lock_guard guard(state_->mutex);
    TRY(state_->Alive(life_));
    const auto found = state_->names.find(from);
    if (found == state_->names.end()) return Error{ErrorCode::kNotFound, from, "no such file"};
    const bool crash = state_->CountAndCrash();
    if (!crash)
      if (const auto error = state_->TakeFault(FaultKind::kWrite, from)) return *error;
    if (!crash || state_->Coin()) state_->ChangeName({0, from, to, found->second});
    if (crash) return state_->Crashed();
    return Ok();
  }

  std::shared_ptr<State> state_;
  uint64_t life_;
};

}  // namespace

SimulatedDisk::SimulatedDisk(uint64_t seed, CrashProfile profile)
    : state_(std::make_shared<State>()) {
  state_->random = seed;
  state_->profile = profile;
}
SimulatedDisk::~SimulatedDisk() = default;

std::unique_ptr<Disk> SimulatedDisk::Attach() { return std::make_unique<AttachedDisk>(state_); }

uint64_t SimulatedDisk::operation_count() const {
  const std::lock_guard guard(state_->mutex);
  return state_->operation_count;
}
bool SimulatedDisk::crashed() const {
  const std::lock_guard guard(state_->mutex);
  return state_->crashed;
}
void SimulatedDisk::CrashAtOperation(uint64_t n) {
  const std::lock_guard guard(state_->mutex);
  state_->crash_at = n == 0 ? 0 : state_->operation_count + n;
}
void SimulatedDisk::PowerCut() {
  const std::lock_guard guard(state_->mutex);
  state_->LoseUnsynced();
  state_->crashed = true;
  state_->crash_at = 0;
  state_->locks.clear();
  ++state_->life;
}
void SimulatedDisk::Kill() {
  const std::lock_guard guard(state_->mutex);
  state_->crash_at = 0;
  state_->crashed = false;
  state_->locks.clear();
  ++state_->life;
}
void SimulatedDisk::Restart() {
  const std::lock_guard guard(state_->mutex);
  state_->crashed = false;
}
void SimulatedDisk::SetQuota(std::optional<uint64_t> bytes) {
  const std::lock_guard guard(state_->mutex);
  state_->quota = bytes;
}
void SimulatedDisk::FailOperation(uint64_t n, FaultKind kind, FaultError error, bool persistent) {
  const std::lock_guard guard(state_->mutex);
  state_->fault = State::Fault{n, kind, error, persistent};
}
void SimulatedDisk::ClearFaults() {
  const std::lock_guard guard(state_->mutex);
  state_->fault.reset();
}
bool SimulatedDisk::Rot(const std::string& path, uint64_t offset, unsigned bit) {
  const std::lock_guard guard(state_->mutex);
  const auto found = state_->names.find(path);
  if (found == state_->names.end() || offset >= found->second->live.size()) return false;
  Inode& inode = *found->second;
  const uint8_t mask = static_cast<uint8_t>(1u << (bit & 7));
  inode.live[offset] ^= mask;
  if (offset < inode.durable.size()) inode.durable[offset] ^= mask;
  return true;
}
std::vector<std::pair<std::string, uint64_t>> SimulatedDisk::Files() const {
  const std::lock_guard guard(state_->mutex);
  std::vector<std::pair<std::string, uint64_t>> files;
  for (const auto& [path, inode] : state_->names) files.emplace_back(path, inode->live.size());
  return files;
}
uint64_t SimulatedDisk::Hash() const {
  const std::lock_guard guard(state_->mutex);
  uint64_t hash = 0xcbf29ce484222325;
  const auto add = [&](View bytes) {
    for (const uint8_t byte : bytes) hash = (hash ^ byte) * 0x100000001b3;
  };
  const auto add_all = [&](const std::map<std::string, InodePointer>& names) {
    for (const auto& [path, inode] : names) {
      add({reinterpret_cast<const uint8_t*>(path.data()), path.size()});
      add(inode->durable);
      add(inode->live);
    }
  };
  add_all(state_->names);
  add_all(state_->durable_names);
  return hash;
}

}  // namespace capstan
