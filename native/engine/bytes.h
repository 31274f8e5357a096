// Little-endian reading and writing of what lies on disk; a reader never goes past its end.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <vector>

namespace capstan {

using Bytes = std::vector<uint8_t>;
using View = std::span<const uint8_t>;

// Grows without zeroing what will be written over anyway.
template <class T>
struct Uninitialized : std::allocator<T> {
  template <class U>
  struct rebind {
    using other = Uninitialized<U>;
  };
  template <class U>
  void construct(U* place) noexcept {
    ::new (static_cast<void*>(place)) U;
  }
  template <class U, class... Arguments>
  void construct(U* place, Arguments&&... arguments) {
    ::new (static_cast<void*>(place)) U(std::forward<Arguments>(arguments)...);
  }
};
// For content: resize leaves what is new as it happens to be.
using RawBytes = std::vector<uint8_t, Uninitialized<uint8_t>>;
// As insert at the end would, which takes byte after byte for want of a plain allocator.
inline void Append(RawBytes& bytes, View more) {
  const size_t before = bytes.size();
  bytes.resize(before + more.size());
  if (!more.empty()) std::memcpy(bytes.data() + before, more.data(), more.size());
}

constexpr size_t kDigestBytes = 32;
using Digest = std::array<uint8_t, kDigestBytes>;
// Of digests one behind another.
inline std::vector<Digest> SplitDigests(View bytes) {
  std::vector<Digest> digests(bytes.size() / kDigestBytes);
  for (size_t i = 0; i < digests.size(); ++i)
    std::memcpy(digests[i].data(), bytes.data() + i * kDigestBytes, kDigestBytes);
  return digests;
}

class Writer {
 public:
  explicit Writer(Bytes& out) : out_(out) {}

  void U8(uint8_t value) { out_.push_back(value); }
  void U32(uint32_t value) { Integer(value, 4); }
  void U64(uint64_t value) { Integer(value, 8); }
  // LEB128: seven bits a byte, least significant first.
  void Varint(uint64_t value) {
    while (value >= 0x80) {
      out_.push_back(static_cast<uint8_t>(value | 0x80));
      value >>= 7;
    }
    out_.push_back(static_cast<uint8_t>(value));
  }
  void Raw(View bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }

 private:
  void Integer(uint64_t value, int count) {
    for (int i = 0; i < count; ++i) out_.push_back(static_cast<uint8_t>(value >> (8 * i)));
  }
  Bytes& out_;
};

// After a read past the end `failed()` is true and every value is 0.
class Reader {
 public:
  explicit Reader(View bytes) : bytes_(bytes) {}

  bool failed() const { return failed_; }
  size_t offset() const { return offset_; }
  size_t left() const { return bytes_.size() - offset_; }

  uint8_t U8() { return static_cast<uint8_t>(Integer(1)); }
  uint32_t U32() { return static_cast<uint32_t>(Integer(4)); }
  uint64_t U64() { return Integer(8); }
  uint64_t Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const uint8_t byte = U8();
      if (failed_) return 0;
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) {
        // One value has one form: no empty last byte, nothing beyond 64 bits.
        if ((byte == 0 && shift > 0) || (shift == 63 && byte > 1)) break;
        return value;
      }
    }
    failed_ = true;
    return 0;
  }
  View Raw(size_t count) {
    if (failed_ || count > left()) {
      failed_ = true;
      return {};
    }
    const View view = bytes_.subspan(offset_, count);
    offset_ += count;
    return view;
  }
  Digest TakeDigest() {
    Digest digest{};
    const View view = Raw(kDigestBytes);
    if (!failed_) std::memcpy(digest.data(), view.data(), kDigestBytes);
    return digest;
  }

 private:
  uint64_t Integer(size_t count) {
    const View view = Raw(count);
    uint64_t value = 0;
    for (size_t i = 0; i < view.size(); ++i) value |= static_cast<uint64_t>(view[i]) << (8 * i);
    return value;
  }
  View bytes_;
  size_t offset_ = 0;
  bool failed_ = false;
};

}  // namespace capstan
