// Memory that is used again and again, by whichever thread: pages touched for the first time cost as much as a read, and
// an allocator that keeps what each thread gives back keeps as much again as is in use.
//
// Thread-safe.
#pragma once

#include <algorithm>
#include <memory>
#include <mutex>
#include <vector>

#include "aligned_buffer.h"

namespace capstan {

class BufferPool {
 public:
  // What is smaller is not the pool's. Others are multiples of it, so that they fit more often.
  static constexpr size_t kStepBytes = 64 * 1024;

  // Keeps up to `free_bytes_max` that nobody uses.
  explicit BufferPool(size_t free_bytes_max) : free_(std::make_shared<Free>(free_bytes_max)) {}

  // Of `bytes` at least; comes back by itself, the pool may be gone by then.
  std::shared_ptr<AlignedBuffer> Take(size_t bytes) {
    if (bytes < kStepBytes) return std::make_shared<AlignedBuffer>(bytes);
    return {new AlignedBuffer(free_->Take(bytes)), Return{free_}};
  }

  size_t free_bytes() const {
    const std::lock_guard guard(free_->mutex);
    return free_->bytes;
  }

 private:
  struct Free {
    explicit Free(size_t bytes_max) : max(bytes_max) {}
    // The smallest that is large enough, unless most of it would lie idle.
    AlignedBuffer Take(size_t wanted) {
      const size_t rounded = (wanted + kStepBytes - 1) / kStepBytes * kStepBytes;
      const std::lock_guard guard(mutex);
      const auto found = std::ranges::lower_bound(buffers, wanted, {}, &AlignedBuffer::size);
      if (found == buffers.end() || found->size() > 2 * rounded) return AlignedBuffer(rounded);
      AlignedBuffer buffer = std::move(*found);
      buffers.erase(found);
      bytes -= buffer.size();
      return buffer;
    }
    void Give(AlignedBuffer buffer) {
      const std::lock_guard guard(mutex);
      if (bytes + buffer.size() > max) return;
      bytes += buffer.size();
      buffers.insert(std::ranges::lower_bound(buffers, buffer.size(), {}, &AlignedBuffer::size),
                     std::move(buffer));
    }
    const size_t max;
    std::mutex mutex;
    size_t bytes = 0;
    // The smallest first.
    std::vector<AlignedBuffer> buffers;
  };
  struct Return {
    std::shared_ptr<Free> free;
    void operator()(AlignedBuffer* buffer) const {
      const std::unique_ptr<AlignedBuffer> owned(buffer);
      free->Give(std::move(*owned));
    }
  };

  std::shared_ptr<Free> free_;
};

}  // namespace capstan
