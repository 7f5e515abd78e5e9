// Threads that run work which may block. Bounded: a caller waits while the queue is full, except a worker itself,
// which would wait for its own kind. Thread-safe. Destruction waits for running work and drops what is queued.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace millrace::platform::internal {

class WorkerPool {
 public:
  WorkerPool(std::size_t threads, std::size_t queue_max);
  ~WorkerPool() { stop(); }
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Dropped (destroyed without having run) after stop().
  void run(std::function<void()> work);
  // REQUIRES: not called by a worker. Idempotent.
  void stop();

 private:
  void loop();
  bool is_worker() const;

  const std::size_t queue_max_;
  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable has_work_;
  std::condition_variable has_room_;
  std::deque<std::function<void()>> queue_;  // guarded by mutex_
  bool stopping_ = false;                    // guarded by mutex_
};

}  // namespace millrace::platform::internal
