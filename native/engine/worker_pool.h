// Threads for compression and decompression; with no threads everything runs in the call, as the simulated
// world wants it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace capstan {

class WorkerPool {
 public:
  // Of jobs that hold the content of a region each.
  static constexpr size_t kQueuedJobsMax = 8;

  explicit WorkerPool(unsigned thread_count) : thread_count_(thread_count) {}
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;
  // Finishes what was submitted.
  ~WorkerPool() {
    {
      const std::lock_guard guard(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  bool inline_only() const { return thread_count_ == 0; }

  // Who helps: threads before they go on with what is queued, or only those that have nothing else to do.
  enum class Helpers { kFirst, kIdle };
  // Calls `each` with 0 to count - 1, here and on up to `helpers_max` threads; returns once all are done.
  void Share(size_t count, size_t helpers_max, Helpers helpers,
             const std::function<void(size_t)>& each) {
    struct Shared {
      const std::function<void(size_t)>* each;
      size_t count;
      std::atomic<size_t> next{0};
      std::atomic<size_t> done{0};
      void Run() {
        // Who comes late finds nothing left, and touches nothing of the caller's.
        for (size_t i = next++; i < count; i = next++) {
          (*each)(i);
          if (++done == count) done.notify_one();
        }
      }
    };
    // Not make_shared: clang 14 makes no aggregate that way.
    const std::shared_ptr<Shared> shared(new Shared{&each, count});
    const bool first = helpers == Helpers::kFirst;
    for (size_t helper = 1; helper < count && helper <= helpers_max; ++helper)
      if (!Submit([shared] { shared->Run(); }, first, first ? SIZE_MAX : helper)) break;
    shared->Run();
    for (size_t done = shared->done; done < count; done = shared->done) shared->done.wait(done);
  }

  // False where the queue is full or there are no threads: the caller does the job itself then, which
  // bounds memory and puts its own core to use.
  bool TrySubmit(std::function<void()> job, size_t queued_max = kQueuedJobsMax) {
    return Submit(std::move(job), false, queued_max);
  }

 private:
  bool Submit(std::function<void()> job, bool first, size_t queued_max) {
    if (thread_count_ == 0) return false;
    {
      const std::lock_guard guard(mutex_);
      if (queue_.size() >= queued_max) return false;
      queue_.insert(first ? queue_.begin() : queue_.end(), std::move(job));
      // A store that is only listed needs no threads.
      while (threads_.size() < thread_count_) threads_.emplace_back([this] { Run(); });
    }
    wake_.notify_one();
    return true;
  }

  void Run() {
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      const std::function<void()> job = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      job();
      lock.lock();
    }
  }

  const unsigned thread_count_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;
  std::vector<std::thread> threads_;
  bool stopping_ = false;
};

}  // namespace capstan
