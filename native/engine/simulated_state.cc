#include "simulated_state.h"

#include <algorithm>
#include <unordered_set>

namespace capstan {
namespace {

constexpr uint64_t kSectorBytes = 512;
constexpr uint64_t kPageBytes = 4096;
// How many of eight changes a power cut keeps: all and none are as likely as something between, because
// what depends on one lost change alone would hardly ever be seen at one half.
constexpr uint64_t kKeepRatesOf8[] = {0, 1, 4, 7, 8};

bool Counts(FaultKind fault, FaultKind operation) {
  switch (fault) {
    case FaultKind::kAny:
      return true;
    case FaultKind::kWrite:
      return operation == FaultKind::kWrite || operation == FaultKind::kData;
    case FaultKind::kSync:
      return operation == FaultKind::kSync || operation == FaultKind::kFolderSync;
    default:
      return fault == operation;
  }
}

}  // namespace

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

// splitmix64
uint64_t SimulatedState::Random() {
  uint64_t z = random_ += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

Status SimulatedState::Alive(uint64_t its_life) const {
  if (crashed || its_life != life) return Crashed();
  return Ok();
}

bool SimulatedState::CountAndCrash() {
  ++operation_count;
  if (crash_at == 0 || operation_count < crash_at) return false;
  crashed = true;
  crash_at = 0;
  return true;
}

std::optional<Fault> SimulatedState::TakeFault(FaultKind kind) {
  std::optional<Fault> taken;
  for (size_t i = 0; i < faults.size();) {
    Fault& fault = faults[i];
    if (!Counts(fault.kind, kind)) {
      ++i;
    } else if (fault.nth > 1) {
      --fault.nth;
      ++i;
    } else if (taken) {
      ++i;  // one a time; this one waits
    } else {
      taken = fault;
      if (fault.effect == FaultEffect::kFailThenLie) {
        taken->effect = FaultEffect::kFail;
        fault.effect = FaultEffect::kLie;
        fault.persistent = true;
      }
      if (fault.persistent)
        ++i;
      else
        faults.erase(faults.begin() + static_cast<ptrdiff_t>(i));
    }
  }
  if (taken) ++fault_count;
  return taken;
}

Error SimulatedState::ErrorOf(const Fault& fault, const std::string& path) {
  return {fault.error == FaultError::kIo ? ErrorCode::kIo : ErrorCode::kNoSpace, path,
          "injected fault"};
}

uint64_t SimulatedState::UsedBytes() const {
  uint64_t used = 0;
  for (const auto& [name, each] : names) used += each->space();
  return used;
}

Status SimulatedState::CheckSpace(const SimulatedInode& inode, uint64_t end,
                                  const std::string& path) const {
  if (!quota || end <= inode.space()) return Ok();
  if (UsedBytes() + end - inode.space() > *quota)
    return Error{ErrorCode::kNoSpace, path, "the simulated disk is full"};
  return Ok();
}

bool SimulatedState::IsFolder(const std::string& path) const {
  if (path.empty()) return true;
  const auto found = names.find(path);
  return found != names.end() && found->second->folder;
}

void SimulatedState::ChangeName(const std::string& from, const std::string& to,
                                const InodePointer& inode) {
  name_changes_.push_back({++sequence_, from, to, inode});
  Apply(names, name_changes_.back());
}

void SimulatedState::Apply(Names& names, const NameChange& change) {
  if (change.from.empty()) {
    names[change.to] = change.inode;
    return;
  }
  // A rename whose source never arrived has nothing to move.
  const auto source = names.find(change.from);
  if (source == names.end()) return;
  const InodePointer inode = source->second;
  names.erase(source);
  if (!change.to.empty()) names[change.to] = inode;
}

void SimulatedState::SyncFolder(const std::string& folder) {
  std::vector<NameChange> left;
  for (NameChange& change : name_changes_) {
    const std::string& path = change.to.empty() ? change.from : change.to;
    if (FolderOf(path) == folder)
      Apply(durable_names_, change);
    else
      left.push_back(std::move(change));
  }
  name_changes_ = std::move(left);
}

void SimulatedState::Apply(Bytes& content, const SimulatedChange& change) {
  if (change.truncation) {
    content.resize(change.offset);
    return;
  }
  if (content.size() < change.offset + change.data.size())
    content.resize(change.offset + change.data.size());
  std::copy(change.data.begin(), change.data.end(),
            content.begin() + static_cast<ptrdiff_t>(change.offset));
}

void SimulatedState::Change(SimulatedInode& inode, SimulatedChange change) {
  Apply(inode.live, change);
  if (inode.medium) Apply(*inode.medium, change);
  inode.changes.push_back(std::move(change));
}

void SimulatedState::Write(SimulatedInode& inode, uint64_t offset, View bytes, bool direct) {
  const uint64_t overwritten_end = std::min<uint64_t>(offset + bytes.size(), inode.live.size());
  if (offset < overwritten_end) {
    if (inode.previous.size() < overwritten_end) inode.previous.resize(overwritten_end);
    std::copy(inode.live.begin() + static_cast<ptrdiff_t>(offset),
              inode.live.begin() + static_cast<ptrdiff_t>(overwritten_end),
              inode.previous.begin() + static_cast<ptrdiff_t>(offset));
  }
  Change(inode, {++sequence_, false, offset, Bytes(bytes.begin(), bytes.end()), direct});
}

void SimulatedState::Truncate(SimulatedInode& inode, uint64_t size) {
  Change(inode, {++sequence_, true, size, {}, false});
}

void SimulatedState::SyncFile(SimulatedInode& inode) {
  for (const SimulatedChange& change : inode.changes) Apply(inode.durable, change);
  inode.changes.clear();
}

void SimulatedState::DropChanges(SimulatedInode& inode) {
  std::erase_if(inode.changes, [](const SimulatedChange& change) {
    return !change.direct && !change.truncation;
  });
  inode.medium = inode.durable;
  for (const SimulatedChange& change : inode.changes) Apply(*inode.medium, change);
}

void SimulatedState::ForgetCached(SimulatedInode& inode) {
  if (!inode.medium) return;
  inode.medium->resize(inode.live.size());
  inode.live = std::move(*inode.medium);
  inode.medium.reset();
}

std::optional<SimulatedState::Place> SimulatedState::OtherPlace(const SimulatedInode& inode,
                                                                uint64_t offset) {
  const auto pages = [](const SimulatedInode& each) {
    return (each.live.size() + kPageBytes - 1) / kPageBytes;
  };
  uint64_t total = 0;
  uint64_t forbidden = UINT64_MAX;
  for (const auto& [path, each] : names) {
    if (each.get() == &inode && offset / kPageBytes < pages(inode))
      forbidden = total + offset / kPageBytes;
    total += pages(*each);
  }
  if (forbidden != UINT64_MAX) --total;
  if (total == 0) return std::nullopt;
  uint64_t page = Random() % total;
  if (page >= forbidden) ++page;
  for (const auto& [path, each] : names) {
    if (page < pages(*each)) return Place{each, page * kPageBytes + offset % kPageBytes};
    page -= pages(*each);
  }
  return std::nullopt;
}

// What of one change reaches the medium, each unit of a write by itself.
void SimulatedState::ApplyTorn(Bytes& content, const SimulatedChange& change, uint64_t unit,
                               uint64_t keep_of_8) {
  if (change.truncation) {
    if (Keep(keep_of_8)) Apply(content, change);
    return;
  }
  const uint64_t end = change.offset + change.data.size();
  if (content.size() < end && Keep(keep_of_8)) content.resize(end);
  for (uint64_t at = change.offset; at < end;) {
    const uint64_t next = std::min(end, (at / unit + 1) * unit);
    if (Keep(keep_of_8)) {
      if (content.size() < next) content.resize(next);
      std::copy(change.data.begin() + static_cast<ptrdiff_t>(at - change.offset),
                change.data.begin() + static_cast<ptrdiff_t>(next - change.offset),
                content.begin() + static_cast<ptrdiff_t>(at));
    }
    at = next;
  }
}

std::vector<SimulatedState::InodePointer> SimulatedState::AllInodes() const {
  std::vector<InodePointer> inodes;
  std::unordered_set<const SimulatedInode*> seen;
  const auto add = [&](const InodePointer& inode) {
    if (inode && seen.insert(inode.get()).second) inodes.push_back(inode);
  };
  for (const auto& [path, inode] : durable_names_) add(inode);
  for (const auto& [path, inode] : names) add(inode);
  for (const NameChange& change : name_changes_) add(change.inode);
  return inodes;
}

uint64_t SimulatedState::PrefixKept(const std::vector<InodePointer>& inodes) {
  uint64_t oldest = sequence_ + 1;
  for (const auto& inode : inodes)
    for (const auto& change : inode->changes) oldest = std::min(oldest, change.sequence);
  for (const auto& change : name_changes_) oldest = std::min(oldest, change.sequence);
  return oldest - 1 + Random() % (sequence_ + 2 - oldest);
}

void SimulatedState::LoseNames(uint64_t kept_until, uint64_t keep_of_8) {
  const size_t prefix = profile_ == CrashProfile::kExt4 ? Random() % (name_changes_.size() + 1)
                                                        : name_changes_.size();
  for (size_t i = 0; i < name_changes_.size(); ++i) {
    const bool keep = profile_ == CrashProfile::kAny
                          ? Keep(keep_of_8)
                          : i < prefix && name_changes_[i].sequence <= kept_until;
    if (keep) Apply(durable_names_, name_changes_[i]);
  }
  name_changes_.clear();
  // A folder comes before what lies in it.
  for (auto each = durable_names_.begin(); each != durable_names_.end();) {
    const std::string folder = FolderOf(each->first);
    if (folder.empty() || durable_names_.contains(folder))
      ++each;
    else
      each = durable_names_.erase(each);
  }
  names = durable_names_;
}

void SimulatedState::LoseUnsynced() {
  const std::vector<InodePointer> inodes = AllInodes();
  const uint64_t keep_of_8 = kKeepRatesOf8[Random() % std::size(kKeepRatesOf8)];
  const uint64_t kept_until = profile_ == CrashProfile::kOrdered ? PrefixKept(inodes) : sequence_;
  LoseNames(kept_until, keep_of_8);
  for (const auto& inode : inodes) {
    for (const SimulatedChange& change : inode->changes) {
      if (profile_ != CrashProfile::kOrdered)
        ApplyTorn(inode->durable, change,
                  profile_ == CrashProfile::kExt4 ? kPageBytes : kSectorBytes, keep_of_8);
      else if (change.sequence <= kept_until)
        Apply(inode->durable, change);
    }
    inode->changes.clear();
    inode->medium.reset();
    inode->live = inode->durable;
  }
}

bool SimulatedState::Rot(const std::string& path, uint64_t offset, unsigned bit) {
  const auto found = names.find(path);
  if (found == names.end() || offset >= found->second->live.size()) return false;
  SimulatedInode& inode = *found->second;
  const uint8_t mask = static_cast<uint8_t>(1u << (bit & 7));
  inode.live[offset] ^= mask;
  if (offset < inode.durable.size()) inode.durable[offset] ^= mask;
  if (inode.medium && offset < inode.medium->size()) (*inode.medium)[offset] ^= mask;
  return true;
}

uint64_t SimulatedState::Hash() const {
  uint64_t hash = 0xcbf29ce484222325;
  const auto add = [&](View bytes) {
    for (const uint8_t byte : bytes) hash = (hash ^ byte) * 0x100000001b3;
  };
  for (const Names* each : {&names, &durable_names_}) {
    for (const auto& [path, inode] : *each) {
      add({reinterpret_cast<const uint8_t*>(path.data()), path.size()});
      add(inode->durable);
      add(inode->live);
    }
  }
  return hash;
}

}  // namespace capstan
