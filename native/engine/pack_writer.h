// Writes a pack through a few aligned buffers, past the page cache where the disk can: the page cache costs
// more than the disk (docs/performance.md).
//
// What was taken is never given up: a write that fails for want of space keeps its buffer, and is tried
// again by Retry. Thread-safe.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "disk.h"

namespace capstan {

class PackWriter {
 public:
  // `threaded`: a thread of its own writes; else the call that fills a buffer does.
  explicit PackWriter(bool threaded);
  ~PackWriter();
  PackWriter(const PackWriter&) = delete;
  PackWriter& operator=(const PackWriter&) = delete;

  // Writes go to `file` from `offset` on, a multiple of 4096. Nothing is left to be written.
  void Attach(std::shared_ptr<File> file, uint64_t offset);
  // Where the next bytes go.
  uint64_t end() const;
  // Below this offset all lies in the file (not yet durable).
  uint64_t written_end() const;
  // Takes all of `bytes` and `rest` or, where earlier ones could not be written, nothing.
  Status Append(View bytes, View rest = {});
  // Fills up to a multiple of 4096 with zeros and waits until all of it lies in the file.
  Status Flush();
  // Makes it durable; call after Flush. A file whose sync failed once is never durable: the next sync would
  // say that it is well.
  Status Sync();
  // Returns once nothing is being written, and from then on nothing is: the file may be another's.
  void Halt();
  // After Halt: lets go of the file.
  void Detach();
  // Forgets the error of a write, so that it is tried again.
  void Retry();

 private:
  struct Block {
    AlignedBuffer buffer;
    size_t used = 0;
    uint64_t offset = 0;
  };
  static constexpr size_t kBlockBytes = 1u << 20;
  static constexpr size_t kBlockCount = 4;

  void Run();
  // With the lock held: writes the oldest full block; lets go of the lock meanwhile.
  void WriteOldest(std::unique_lock<std::mutex>& lock);
  Block& Current();
  void Submit();
  Status WaitForRoom(std::unique_lock<std::mutex>& lock, size_t blocks);

  const bool threaded_;
  // One sync at a time; before mutex_.
  std::mutex sync_mutex_;
  std::shared_ptr<File> unsyncable_;
  std::vector<Error> sync_error_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  std::shared_ptr<File> file_;
  std::vector<Block> free_;
  std::deque<Block> full_;
  // The block being filled, if any.
  std::vector<Block> current_;
  uint64_t end_ = 0;
  uint64_t written_end_ = 0;
  std::vector<Error> error_;
  bool writing_ = false;
  bool stopping_ = false;
  bool halted_ = false;
  std::thread thread_;
};

}  // namespace capstan
