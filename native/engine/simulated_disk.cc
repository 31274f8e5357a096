#include "simulated_disk.h"

#include "simulated_state.h"

namespace capstan {

SimulatedDisk::SimulatedDisk(uint64_t seed, CrashProfile profile)
    : state_(std::make_shared<SimulatedState>(seed, profile)) {}
SimulatedDisk::~SimulatedDisk() = default;

std::unique_ptr<Disk> SimulatedDisk::Attach() { return AttachTo(state_); }

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
uint64_t SimulatedDisk::used_bytes() const {
  const std::lock_guard guard(state_->mutex);
  return state_->UsedBytes();
}
void SimulatedDisk::Inject(const Fault& fault) {
  const std::lock_guard guard(state_->mutex);
  state_->faults.push_back(fault);
}
void SimulatedDisk::FailOperation(uint64_t n, FaultKind kind, FaultError error, bool persistent) {
  const std::lock_guard guard(state_->mutex);
  state_->faults = {{n, kind, FaultEffect::kFail, error, persistent}};
}
void SimulatedDisk::ClearFaults() {
  const std::lock_guard guard(state_->mutex);
  state_->faults.clear();
}
uint64_t SimulatedDisk::fault_count() const {
  const std::lock_guard guard(state_->mutex);
  return state_->fault_count;
}
bool SimulatedDisk::Rot(const std::string& path, uint64_t offset, unsigned bit) {
  const std::lock_guard guard(state_->mutex);
  return state_->Rot(path, offset, bit);
}
std::vector<std::pair<std::string, uint64_t>> SimulatedDisk::Files() const {
  const std::lock_guard guard(state_->mutex);
  std::vector<std::pair<std::string, uint64_t>> files;
  for (const auto& [path, inode] : state_->names)
    if (!inode->folder) files.emplace_back(path, inode->live.size());
  return files;
}
uint64_t SimulatedDisk::Hash() const {
  const std::lock_guard guard(state_->mutex);
  return state_->Hash();
}

}  // namespace capstan
