// Decoded regions, the least recently used given up first, each decoded by one thread at a time.
//
// Thread-safe.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <list>
#include <mutex>
#include <unordered_map>
#include <unordered_set>

#include "aligned_buffer.h"
#include "region.h"

namespace capstan {

struct RegionContent {
  // In `memory`, or in the caller's.
  View bytes;
  std::shared_ptr<AlignedBuffer> memory;
  // Where each chunk ends.
  std::vector<uint32_t> ends;
  std::vector<ChunkEntry> chunks;
  // The chunks' digests were compared; until then they are only good to be compressed against.
  mutable std::atomic<bool> verified{false};

  View Chunk(uint32_t place) const {
    const uint32_t start = place == 0 ? 0 : ends[place - 1];
    return bytes.subspan(start, ends[place] - start);
  }
};

class RegionCache {
 public:
  explicit RegionCache(size_t bytes_max) : bytes_max_(bytes_max) {}

  // From the cache, or made by `decode` and kept.
  template <class Decode>
  Result<std::shared_ptr<const RegionContent>> Get(uint32_t id, Decode&& decode) {
    {
      std::unique_lock lock(mutex_);
      arrived_.wait(lock, [&] { return !decoding_.contains(id); });
      if (const auto found = places_.find(id); found != places_.end()) {
        return found->second->second;
      }
      decoding_.insert(id);
    }
    Result<std::shared_ptr<const RegionContent>> decoded = decode();
    {
      const std::lock_guard guard(mutex_);
      decoding_.erase(id);
      if (decoded.ok()) Keep(id, decoded.value());
    }
    arrived_.notify_all();
    return decoded;
  }

  // Whether it is there, or on its way.
  bool Knows(uint32_t id) {
    const std::lock_guard guard(mutex_);
    return places_.contains(id) || decoding_.contains(id);
  }

  void Forget(uint32_t id) {
    const std::lock_guard guard(mutex_);
    const auto found = places_.find(id);
    if (found == places_.end()) return;
    bytes_ -= found->second->second->bytes.size();
    entries_.erase(found->second);
    places_.erase(found);
  }

 private:
  using Entry = std::pair<uint32_t, std::shared_ptr<const RegionContent>>;

  void Keep(uint32_t id, const std::shared_ptr<const RegionContent>& content) {
    entries_.emplace_front(id, content);
    places_[id] = entries_.begin();
    bytes_ += content->bytes.size();
    while (bytes_ > bytes_max_ && entries_.size() > 1) {
      bytes_ -= entries_.back().second->bytes.size();
      places_.erase(entries_.back().first);
      entries_.pop_back();
    }
  }

  const size_t bytes_max_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::list<Entry> entries_;
  std::unordered_map<uint32_t, std::list<Entry>::iterator> places_;
  std::unordered_set<uint32_t> decoding_;
  size_t bytes_ = 0;
};

}  // namespace capstan
