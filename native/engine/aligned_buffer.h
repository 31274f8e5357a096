// Memory that a disk takes without a copy: what goes past the page cache must be aligned.
#pragma once

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
      : data_(static_cast<uint8_t*>(::operator new(size, kAlignment))), size_(size) {}
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
  struct Release {
    void operator()(uint8_t* data) const { ::operator delete(data, kAlignment); }
  };
  std::unique_ptr<uint8_t, Release> data_;
  size_t size_ = 0;
};

}  // namespace capstan
