// Regions as they lie on the disk, read before they are asked for.
//
// Thread-safe. Whoever reads for it waits for nobody, so that whoever waits for it waits for the disk only.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace capstan {

template <class Raw>
class ReadAhead {
 public:
  // Of `regions`, those that are not on their way yet; they are from here on.
  std::vector<uint32_t> Begin(std::span<const uint32_t> regions) {
    const std::lock_guard guard(mutex_);
    std::vector<uint32_t> begun;
    for (const uint32_t region : regions)
      if (raws_.try_emplace(region).second) begun.push_back(region);
    return begun;
  }
  // Of no use where it was dropped meanwhile.
  void Arrive(uint32_t region, Raw raw) {
    const std::lock_guard guard(mutex_);
    const auto found = raws_.find(region);
    if (found == raws_.end()) return;
    found->second = std::move(raw);
    arrived_.notify_all();
  }
  // It was not read, or nobody wants it.
  void Drop(uint32_t region) {
    const std::lock_guard guard(mutex_);
    raws_.erase(region);
    arrived_.notify_all();
  }
  bool Knows(uint32_t region) {
    const std::lock_guard guard(mutex_);
    return raws_.contains(region);
  }
  // It was read, or is being read, and nobody came for it.
  bool HasSpare(uint32_t region) {
    const std::lock_guard guard(mutex_);
    return raws_.contains(region) && !waited_for_.contains(region);
  }
  // Waits where it is being read; nothing where it is not.
  std::optional<Raw> Take(uint32_t region) {
    std::unique_lock lock(mutex_);
    while (true) {
      const auto found = raws_.find(region);
      if (found == raws_.end()) return std::nullopt;
      if (found->second) {
        std::optional<Raw> raw = std::move(found->second);
        raws_.erase(found);
        return raw;
      }
      waited_for_.insert(region);
      arrived_.wait(lock);
      waited_for_.erase(waited_for_.find(region));
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  // Without a value: being read.
  std::unordered_map<uint32_t, std::optional<Raw>> raws_;
  // As often as somebody waits for it.
  std::unordered_multiset<uint32_t> waited_for_;
};

}  // namespace capstan
