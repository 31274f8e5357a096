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
  if (before > 0 && file_->Reserve(before).ok()) held_ = before;
  return reserved;
}

bool SpaceReserve::Release() {
  const std::lock_guard guard(mutex_);
  if (held_.exchange(0) == 0) return false;
  // Disks that keep a log may not give it to others before that is written; there is no content to be lost.
  if (!file_->Truncate(0).ok()) return false;
  (void)file_->Sync().ok();
  return true;
}

void SpaceReserve::Shrink(uint64_t bytes) {
  if (held_ > bytes + kExcessBytesMax) Release();
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
