#include "platform/internal/worker_pool.h"

#include <algorithm>
#include <utility>

#include "platform/thread_name.h"

namespace millrace::platform::internal {

namespace {
thread_local const WorkerPool* this_threads_pool = nullptr;
}

WorkerPool::WorkerPool(std::size_t threads, std::size_t queue_max) : queue_max_(std::max<std::size_t>(queue_max, 1)) {
  for (std::size_t i = 0; i < std::max<std::size_t>(threads, 1); ++i) threads_.emplace_back([this] { loop(); });
}

bool WorkerPool::is_worker() const { return this_threads_pool == this; }

void WorkerPool::run(std::function<void()> work) {
  std::unique_lock lock(mutex_);
  if (!is_worker()) has_room_.wait(lock, [&] { return stopping_ || queue_.size() < queue_max_; });
  if (stopping_) {
    lock.unlock();  // `work` is destroyed without the lock: its captures may call back
    return;
  }
  queue_.push_back(std::move(work));
  lock.unlock();
  has_work_.notify_one();
}

void WorkerPool::loop() {
  this_threads_pool = this;
  name_this_thread("mr:worker");
  std::unique_lock lock(mutex_);
  while (true) {
    has_work_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
    if (stopping_) return;
    auto work = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    has_room_.notify_one();
    work();
    work = nullptr;
    lock.lock();
  }
}

void WorkerPool::stop() {
  std::deque<std::function<void()>> dropped;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    dropped.swap(queue_);
  }
  has_work_.notify_all();
  has_room_.notify_all();
  for (auto& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

}  // namespace millrace::platform::internal
