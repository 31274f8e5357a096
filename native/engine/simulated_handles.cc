// Files, locks and folders of the simulated disk as a process sees them.
#include <algorithm>

#include "simulated_state.h"

namespace capstan {
namespace {

using StatePointer = std::shared_ptr<SimulatedState>;
using InodePointer = SimulatedState::InodePointer;

enum class Way { kCached, kDirect };

class SimulatedFile final : public File {
 public:
  SimulatedFile(StatePointer state, InodePointer inode, std::string path, OpenMode mode, Way way)
      : state_(std::move(state)),
        inode_(std::move(inode)),
        path_(std::move(path)),
        life_(state_->life),
        writable_(mode != OpenMode::kRead),
        way_(way) {}

  Result<uint64_t> Size() override {
    const std::lock_guard guard(state_->mutex);
    TRY(state_->Alive(life_));
    return static_cast<uint64_t>(inode_->live.size());
  }

  Status ReadAt(uint64_t offset, std::span<uint8_t> out) override {
    const std::lock_guard guard(state_->mutex);
    TRY(state_->Alive(life_));
    const auto fault = state_->TakeFault(FaultKind::kRead);
    const bool wrong = fault && (fault->effect == FaultEffect::kStale ||
                                 fault->effect == FaultEffect::kMisdirect);
    if (fault && !wrong) return SimulatedState::ErrorOf(*fault, path_);
    if (offset > inode_->live.size() || out.size() > inode_->live.size() - offset)
      return Error{ErrorCode::kCorrupt, path_,
                   "ends early, at " + std::to_string(inode_->live.size())};
    if (wrong) {
      ReadWrong(*fault, offset, out);
      return Ok();
    }
    const bool medium = inode_->medium && IsDirect(out.data(), offset, out.size());
    Copy(medium ? *inode_->medium : inode_->live, offset, out);
    return Ok();
  }

  Status WriteAt(uint64_t offset, View bytes) override {
    const std::lock_guard guard(state_->mutex);
    TRY(CheckWritable());
    if (state_->CountAndCrash()) {
      Write(offset, bytes.first(state_->Random() % (bytes.size() + 1)));
      return state_->Crashed();
    }
    const auto fault = state_->TakeFault(FaultKind::kData);
    if (!fault) {
      TRY(state_->CheckSpace(*inode_, offset + bytes.size(), path_));
      Write(offset, bytes);
      return Ok();
    }
    switch (fault->effect) {
      case FaultEffect::kLie:
        WriteElsewhere(std::nullopt, offset, bytes);
        return Ok();
      case FaultEffect::kMisdirect:
        WriteElsewhere(state_->OtherPlace(*inode_, offset), offset, bytes);
        return Ok();
      case FaultEffect::kShort:
        if (!bytes.empty())
          Write(offset, bytes.first(state_->Random() % bytes.size()));
        break;
      default:
        break;
    }
    return SimulatedState::ErrorOf(*fault, path_);
  }

  Status Truncate(uint64_t size) override {
    const std::lock_guard guard(state_->mutex);
    TRY(CheckWritable());
    if (state_->CountAndCrash()) {
      if (state_->Coin()) state_->Truncate(*inode_, size);
      return state_->Crashed();
    }
    if (const auto fault = state_->TakeFault(FaultKind::kWrite))
      return SimulatedState::ErrorOf(*fault, path_);
    state_->Truncate(*inode_, size);
    inode_->reserved = 0;
    return Ok();
  }

  Status Reserve(uint64_t size) override {
    const std::lock_guard guard(state_->mutex);
    TRY(CheckWritable());
    if (state_->CountAndCrash()) return state_->Crashed();
    if (const auto fault = state_->TakeFault(FaultKind::kWrite))
      return SimulatedState::ErrorOf(*fault, path_);
    TRY(state_->CheckSpace(*inode_, size, path_));
    inode_->reserved = std::max(inode_->reserved, size);
    return Ok();
  }

  Status Sync() override {
    const std::lock_guard guard(state_->mutex);
    TRY(state_->Alive(life_));
    if (state_->CountAndCrash()) {
      if (state_->Coin()) state_->SyncFile(*inode_);
      return state_->Crashed();
    }
    const auto fault = state_->TakeFault(FaultKind::kSync);
    if (fault && fault->effect == FaultEffect::kLie) return Ok();
    if (fault) {
      state_->DropChanges(*inode_);
      return SimulatedState::ErrorOf(*fault, path_);
    }
    state_->SyncFile(*inode_);
    return Ok();
  }

  Status Refresh() override {
    TRY(Sync());
    const std::lock_guard guard(state_->mutex);
    TRY(state_->Alive(life_));
    state_->ForgetCached(*inode_);
    return Ok();
  }

 private:
  Status CheckWritable() const {
    TRY(state_->Alive(life_));
    if (!writable_) return Error{ErrorCode::kIo, path_, "the file is open for reading only"};
    return Ok();
  }

  bool IsDirect(const uint8_t* data, uint64_t offset, size_t size) const {
    return way_ == Way::kDirect &&
           (reinterpret_cast<uintptr_t>(data) | offset | size) % kDirectAlignment == 0;
  }

  void Write(uint64_t offset, View bytes) {
    state_->Write(*inode_, offset, bytes, IsDirect(bytes.data(), offset, bytes.size()));
  }

  // Zeros where `content` ends before.
  static void Copy(View content, uint64_t offset, std::span<uint8_t> out) {
    const size_t there = offset < content.size()
                             ? std::min<size_t>(out.size(), content.size() - offset)
                             : 0;
    if (there > 0) std::memcpy(out.data(), content.data() + offset, there);
    std::fill(out.begin() + static_cast<ptrdiff_t>(there), out.end(), uint8_t{0});
  }

  void ReadWrong(const Fault& fault, uint64_t offset, std::span<uint8_t> out) {
    if (fault.effect == FaultEffect::kMisdirect) {
      if (const auto place = state_->OtherPlace(*inode_, offset))
        return Copy(place->inode->live, place->offset, out);
    }
    Copy(inode_->previous, offset, out);
  }

  // The file has grown, its bytes went to `place` as far as that file goes, or nowhere.
  void WriteElsewhere(const std::optional<SimulatedState::Place>& place, uint64_t offset,
                      View bytes) {
    if (offset + bytes.size() > inode_->live.size())
      state_->Truncate(*inode_, offset + bytes.size());
    if (!place || place->offset >= place->inode->live.size()) return;
    const size_t there =
        std::min<size_t>(bytes.size(), place->inode->live.size() - place->offset);
    state_->Write(*place->inode, place->offset, bytes.first(there), true);
  }

  const StatePointer state_;
  const InodePointer inode_;
  const std::string path_;
  const uint64_t life_;
  const bool writable_;
  const Way way_;
};

class SimulatedLock final : public FileLock {
 public:
  SimulatedLock(StatePointer state, std::string path)
      : state_(std::move(state)), path_(std::move(path)), life_(state_->life) {}
  SimulatedLock(const SimulatedLock&) = delete;
  SimulatedLock& operator=(const SimulatedLock&) = delete;
  ~SimulatedLock() override {
    const std::lock_guard guard(state_->mutex);
    const auto held = state_->locks.find(path_);
    if (held != state_->locks.end() && held->second == life_) state_->locks.erase(held);
  }

 private:
  const StatePointer state_;
  const std::string path_;
  const uint64_t life_;
};

class AttachedDisk final : public Disk {
 public:
  // With the state's mutex held.
  explicit AttachedDisk(StatePointer state) : state_(std::move(state)), life_(state_->life) {}

  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    return OpenBy(path, mode, Way::kCached);
  }
  Result<std::unique_ptr<File>> OpenDirect(const std::string& path, OpenMode mode) override {
    return OpenBy(path, mode, Way::kDirect);
  }

  Result<bool> Exists(const std::string& path) override {
    const std::lock_guard guard(state_->mutex);
    TRY(state_->Alive(life_));
    return state_->names.contains(path);
  }

  Status Rename(const std::string& from, const std::string& to) override { return Move(from, to); }
  Status Remove(const std::string& path) override { return Move(path, ""); }

  Result<std::vector<std::string>> List(const std::string& directory) override {
    const std::lock_guard guard(state_->mutex);
    TRY(state_->Alive(life_));
    if (!state_->IsFolder(directory))
      return Error{ErrorCode::kNotFound, directory, "no such folder"};
    std::vector<std::string> found;
    const std::string prefix = directory.empty() ? "" : directory + "/";
    for (auto each = state_->names.lower_bound(prefix);
         each != state_->names.end() && each->first.starts_with(prefix); ++each)
      if (FolderOf(each->first) == directory) found.push_back(each->first.substr(prefix.size()));
    return found;
  }

  Status MakeDirectory(const std::string& path) override {
    const std::lock_guard guard(state_->mutex);
    TRY(state_->Alive(life_));
    if (state_->names.contains(path)) return Ok();
    TRY(CheckFolderOf(path));
    const auto inode = std::make_shared<SimulatedInode>();
    inode->folder = true;
    return ChangeName("", path, inode);
  }

  Status SyncDirectory(const std::string& path) override {
    const std::lock_guard guard(state_->mutex);
    TRY(state_->Alive(life_));
    // Where the process runs is the top of this disk.
    const std::string folder = path == "/" || path == "." ? "" : path;
    if (!state_->IsFolder(folder)) return Error{ErrorCode::kNotFound, path, "no such folder"};
    if (state_->CountAndCrash()) {
      if (state_->Coin()) state_->SyncFolder(folder);
      return state_->Crashed();
    }
    const auto fault = state_->TakeFault(FaultKind::kFolderSync);
    if (fault && fault->effect == FaultEffect::kLie) return Ok();
    // File systems keep a log of names, and what a failed sync left in it goes with the next: nothing drops.
    if (fault) return SimulatedState::ErrorOf(*fault, path);
    state_->SyncFolder(folder);
    return Ok();
  }

  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override {
    const std::lock_guard guard(state_->mutex);
    TRY(state_->Alive(life_));
    TRY(CheckFolderOf(path));
    if (state_->locks.contains(path))
      return Error{ErrorCode::kLocked, path, "held by another process of the simulation"};
    state_->locks[path] = life_;
    return std::unique_ptr<FileLock>(std::make_unique<SimulatedLock>(state_, path));
  }

 private:
  Status CheckFolderOf(const std::string& path) const {
    if (state_->IsFolder(FolderOf(path))) return Ok();
    return Error{ErrorCode::kNotFound, path, "no such folder"};
  }

  Status ChangeName(const std::string& from, const std::string& to, const InodePointer& inode) {
    if (state_->CountAndCrash()) {
      if (state_->Coin()) state_->ChangeName(from, to, inode);
      return state_->Crashed();
    }
    if (const auto fault = state_->TakeFault(FaultKind::kWrite))
      return SimulatedState::ErrorOf(*fault, from.empty() ? to : from);
    state_->ChangeName(from, to, inode);
    return Ok();
  }

  Result<std::unique_ptr<File>> OpenBy(const std::string& path, OpenMode mode, Way way) {
    const std::lock_guard guard(state_->mutex);
    TRY(state_->Alive(life_));
    const auto found = state_->names.find(path);
    InodePointer inode;
    if (mode == OpenMode::kCreate) {
      if (found != state_->names.end()) return Error{ErrorCode::kAlreadyExists, path, "exists"};
      TRY(CheckFolderOf(path));
      inode = std::make_shared<SimulatedInode>();
      TRY(ChangeName("", path, inode));
    } else {
      if (found == state_->names.end()) return Error{ErrorCode::kNotFound, path, "no such file"};
      inode = found->second;
    }
    return std::unique_ptr<File>(
        std::make_unique<SimulatedFile>(state_, std::move(inode), path, mode, way));
  }

  Status Move(const std::string& from, const std::string& to) {
    const std::lock_guard guard(state_->mutex);
    TRY(state_->Alive(life_));
    const auto found = state_->names.find(from);
    if (found == state_->names.end()) return Error{ErrorCode::kNotFound, from, "no such file"};
    const InodePointer inode = found->second;
    return ChangeName(from, to, inode);
  }

  const StatePointer state_;
  const uint64_t life_;
};

}  // namespace

std::unique_ptr<Disk> AttachTo(std::shared_ptr<SimulatedState> state) {
  const std::lock_guard guard(state->mutex);
  return std::make_unique<AttachedDisk>(state);
}

}  // namespace capstan
