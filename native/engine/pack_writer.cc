#include "pack_writer.h"

#include <algorithm>
#include <cstring>

#include "cold_copy.h"

namespace capstan {
namespace {

Error Halted() { return {ErrorCode::kInvalid, "packs", "the store is closed"}; }

}  // namespace

PackWriter::PackWriter(bool threaded) : threaded_(threaded) {}

PackWriter::~PackWriter() {
  {
    const std::lock_guard guard(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void PackWriter::Attach(std::shared_ptr<File> file, uint64_t offset) {
  const std::lock_guard guard(mutex_);
  file_ = std::move(file);
  end_ = written_end_ = offset;
}

uint64_t PackWriter::end() const {
  const std::lock_guard guard(mutex_);
  return end_;
}

uint64_t PackWriter::written_end() const {
  const std::lock_guard guard(mutex_);
  return written_end_;
}

PackWriter::Block& PackWriter::Current() {
  if (current_.empty()) {
    if (free_.empty()) free_.push_back({AlignedBuffer(kBlockBytes), 0, 0});
    current_.push_back(std::move(free_.back()));
    free_.pop_back();
    current_.back().used = 0;
    current_.back().offset = end_;
  }
  return current_.back();
}

void PackWriter::Submit() {
  full_.push_back(std::move(current_.back()));
  current_.clear();
  if (!threaded_) return;
  if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
  wake_.notify_one();
}

void PackWriter::WriteOldest(std::unique_lock<std::mutex>& lock) {
  writing_ = true;
  Block& block = full_.front();
  const std::shared_ptr<File> file = file_;
  lock.unlock();
  const Status written = file->WriteAt(block.offset, block.buffer.span().first(block.used));
  lock.lock();
  writing_ = false;
  if (written.ok()) {
    written_end_ = block.offset + block.used;
    free_.push_back(std::move(block));
    full_.pop_front();
  } else {
    error_.assign(1, written.error());
  }
  done_.notify_all();
}

void PackWriter::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] {
      return stopping_ || (!halted_ && !full_.empty() && error_.empty());
    });
    if (stopping_) return;
    WriteOldest(lock);
  }
}

// Until at most `blocks` wait to be written.
Status PackWriter::WaitForRoom(std::unique_lock<std::mutex>& lock, size_t blocks) {
  while (full_.size() > blocks) {
    if (halted_) return Halted();
    if (!error_.empty()) return error_.front();
    if (threaded_)
      done_.wait(lock);
    else
      WriteOldest(lock);
  }
  return Ok();
}

Status PackWriter::Append(View bytes, View rest) {
  std::unique_lock lock(mutex_);
  if (halted_) return Halted();
  // Blocks that the bytes will fill: those must have room before the first byte is taken.
  const size_t used = current_.empty() ? 0 : current_.back().used;
  const size_t filled = (used + bytes.size() + rest.size()) / kBlockBytes;
  const size_t kept = std::max(kBlockCount, filled + 1) - filled - 1;
  TRY(WaitForRoom(lock, kept));
  for (View part : {bytes, rest}) {
    while (!part.empty()) {
      Block& block = Current();
      const size_t count = std::min(part.size(), kBlockBytes - block.used);
      ColdCopy(block.buffer.data() + block.used, part.data(), count);
      block.used += count;
      end_ += count;
      part = part.subspan(count);
      if (block.used == kBlockBytes) Submit();
    }
  }
  // Without a thread a full block is written at once; a failure shows at the next call.
  if (!threaded_ && error_.empty())
    while (!full_.empty() && error_.empty() && !halted_) WriteOldest(lock);
  return Ok();
}

Status PackWriter::Flush() {
  std::unique_lock lock(mutex_);
  if (halted_) return Halted();
  if (!current_.empty()) {
    Block& block = Current();
    const size_t padded =
        (block.used + kDirectAlignment - 1) / kDirectAlignment * kDirectAlignment;
    std::memset(block.buffer.data() + block.used, 0, padded - block.used);
    end_ += padded - block.used;
    block.used = padded;
    Submit();
  }
  return WaitForRoom(lock, 0);
}

Status PackWriter::Sync() {
  const std::lock_guard sync_guard(sync_mutex_);
  std::shared_ptr<File> file;
  {
    const std::lock_guard guard(mutex_);
    file = file_;
  }
  if (!file) return Halted();
  if (file == unsyncable_) return sync_error_.front();
  const Status synced = file->Sync();
  if (!synced.ok()) {
    unsyncable_ = file;
    sync_error_.assign(1, synced.error());
  }
  return synced;
}

void PackWriter::Halt() {
  std::unique_lock lock(mutex_);
  halted_ = true;
  done_.wait(lock, [this] { return !writing_; });
  done_.notify_all();
}

void PackWriter::Detach() {
  const std::lock_guard sync_guard(sync_mutex_);
  const std::lock_guard guard(mutex_);
  file_.reset();
  unsyncable_.reset();
}

void PackWriter::Retry() {
  const std::lock_guard guard(mutex_);
  error_.clear();
  wake_.notify_one();
}

}  // namespace capstan
