#include "space_reserve.h"

namespace capstan {
namespace {

// Held at a time, so that the disk is asked rarely; little by little once it is nearly full.
constexpr uint64_t kStepBytes = 16u << 20;
constexpr uint64_t kTightStepBytes = 64u << 10;
constexpr uint64_t kExcessBytesMax = 4 * kStepBytes;

}  // namespace

Status SpaceReserve::Hold(uint64_t bytes) {
  if (bytes <= held_) return Ok();
  const std::lock_guard guard(mutex_);
  if (bytes <= held_ || closed_) return Ok();
  if (!file_) {
    TRY_ASSIGN(file_, disk_.Open(path_, OpenMode::kCreate));
  }
  if (!tight_) {
    const Status grown = Grow((bytes + kStepBytes - 1) / kStepBytes * kStepBytes);
    if (grown.ok() || grown.error().code != ErrorCode::kNoSpace) return grown;
    tight_ = true;
  }
  return Grow((bytes + kTightStepBytes - 1) / kTightStepBytes * kTightStepBytes);
}

Status SpaceReserve::Grow(uint64_t bytes) {
  const Status reserved = file_->Reserve(bytes);
  if (reserved.ok()) {
    held_ = bytes;
    return reserved;
  }
  // Some disks keep the part that there was room for, which others may need.
  const uint64_t before = held_.exchange(0);
  TRY(file_->Truncate(0));
  if (before == 0) return reserved;
  const Status again = file_->Reserve(before);
  if (again.ok()) held_ = before;
  return again.ok() || again.error().code == ErrorCode::kNoSpace ? reserved : again;
}

Result<bool> SpaceReserve::Release() {
  const std::lock_guard guard(mutex_);
  if (held_.exchange(0) == 0) return false;
  TRY(file_->Truncate(0));
  // Disks that keep a log may not give it to others before that is written.
  const Status synced = file_->Sync();
  // There is no content to be lost, but a disk that has failed to sync may say of the next that it is well, and lie.
  if (!synced.ok() && synced.error().code != ErrorCode::kNoSpace) return synced.error();
  return true;
}

Status SpaceReserve::Shrink(uint64_t bytes) {
  if (held_ <= bytes + kExcessBytesMax) return Ok();
  TRY_ASSIGN([[maybe_unused]] const bool released, Release());
  return Ok();
}

void SpaceReserve::Close() {
  const std::lock_guard guard(mutex_);
  closed_ = true;
  held_ = 0;
  if (!file_) return;
  file_.reset();
  // Where this fails, the next opening clears it away.
  (void)disk_.Remove(path_).ok();
}

}  // namespace capstan
