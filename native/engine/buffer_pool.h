// Memory to read into, used again and again: pages touched for the first time cost as much as the read.
//
// Thread-safe.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "aligned_buffer.h"

namespace capstan {

class BufferPool {
 public:
  // Keeps up to `free_max` buffers of `bytes` that nobody uses.
  BufferPool(size_t bytes, size_t free_max) : free_(std::make_shared<Free>(bytes, free_max)) {}

  // Of `bytes` at least; comes back by itself, the pool may be gone by then. A small one is not the pool's: much of
  // the memory would lie idle.
  std::shared_ptr<AlignedBuffer> Take(size_t bytes) {
    if (bytes > free_->bytes || bytes < free_->bytes / 2) return std::make_shared<AlignedBuffer>(bytes);
    return {new AlignedBuffer(free_->Take()), Return{free_}};
  }

  size_t free_count() const {
    const std::lock_guard guard(free_->mutex);
    return free_->buffers.size();
  }

 private:
  struct Free {
    Free(size_t buffer_bytes, size_t count_max) : bytes(buffer_bytes), max(count_max) {}
    AlignedBuffer Take() {
      const std::lock_guard guard(mutex);
      if (buffers.empty()) return AlignedBuffer(bytes);
      AlignedBuffer buffer = std::move(buffers.back());
      buffers.pop_back();
      return buffer;
    }
    const size_t bytes;
    const size_t max;
    std::mutex mutex;
    std::vector<AlignedBuffer> buffers;
  };
  struct Return {
    std::shared_ptr<Free> free;
    void operator()(AlignedBuffer* buffer) const {
      const std::unique_ptr<AlignedBuffer> owned(buffer);
      const std::lock_guard guard(free->mutex);
      if (free->buffers.size() < free->max) free->buffers.push_back(std::move(*owned));
    }
  };

  std::shared_ptr<Free> free_;
};

}  // namespace capstan
