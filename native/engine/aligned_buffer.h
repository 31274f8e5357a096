// Memory that a disk takes without a copy: what goes past the page cache must be aligned.
#pragma once

#include <sys/mman.h>

#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <utility>

namespace capstan {

// Of addresses, offsets and lengths.
constexpr size_t kDirectAlignment = 4096;

// Allocated once, never zeroed, never grown.
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(size_t size)
      : data_(Allocate(size), Release{size}), size_(size) {}
  AlignedBuffer(AlignedBuffer&& other) noexcept
      : data_(std::move(other.data_)), size_(std::exchange(other.size_, 0)) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    data_ = std::move(other.data_);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }

  uint8_t* data() { return data_.get(); }
  const uint8_t* data() const { return data_.get(); }
  size_t size() const { return size_; }
  std::span<uint8_t> span() { return {data_.get(), size_}; }
  std::span<const uint8_t> span() const { return {data_.get(), size_}; }

 private:
  static constexpr std::align_val_t kAlignment{kDirectAlignment};
  // From so much on it is the system's own: the allocator would keep it, for the thread that had it.
  static constexpr size_t kMappedBytesMin = 64 * 1024;
  static uint8_t* Allocate(size_t size) {
    if (size < kMappedBytesMin) return static_cast<uint8_t*>(::operator new(size, kAlignment));
    void* const data = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) throw std::bad_alloc();
    return static_cast<uint8_t*>(data);
  }
  struct Release {
    size_t size;
    void operator()(uint8_t* data) const {
      if (size < kMappedBytesMin)
        ::operator delete(data, kAlignment);
      else
        munmap(data, size);
    }
  };
  std::unique_ptr<uint8_t, Release> data_;
  size_t size_ = 0;
};

}  // namespace capstan
