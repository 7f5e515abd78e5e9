// A value that many threads read all the time and few change, rarely: the newest one, read without a lock and without a
// count that threads share.
//
// Each thread keeps the value it read last, with a reference count of its own, and compares one atomic version with
// every read; only after a change does it copy the new one. So a reader waits for nobody, not even for whoever
// publishes, and readers do not take cache lines from each other. Who publishes waits for those who are just copying.
//
// A read that begins after publish() returned sees that value or a newer one. Values are immutable and may outlive this
// object: a thread that does not read any more holds the last value it saw until it ends. Hence they should own nothing
// that must go at a certain time. Thread-safe. Not to be read from destructors of thread-local objects.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

namespace millrace {

namespace internal {

// A place that every thread has of its own: its number, free again with the object.
class ThreadPlace {
 public:
  ThreadPlace();
  ThreadPlace(const ThreadPlace&) = delete;
  ThreadPlace& operator=(const ThreadPlace&) = delete;
  ~ThreadPlace();

  struct Kept {
    std::uint64_t version = 0;  // 0: nothing
    std::shared_ptr<const void> value;
  };
  Kept& of_this_thread() const;  // until the thread's next call of any place

  // Rises, never repeats, over all places: so a place that is used again finds nothing of its earlier user.
  static std::uint64_t next_version();

 private:
  const std::size_t number_;
};

}  // namespace internal

template <typename T>
class Published {
 public:
  explicit Published(std::shared_ptr<const T> first)
      : newest_(new Version{internal::ThreadPlace::next_version(), std::move(first)}) {
    version_.store(newest_.load()->number);
  }
  Published(const Published&) = delete;
  Published& operator=(const Published&) = delete;
  ~Published() { delete newest_.load(); }

  // Never null unless that was published. Copies of what it returns are counted apart from those of other threads.
  std::shared_ptr<const T> read() const {
    internal::ThreadPlace::Kept& kept = place_.of_this_thread();
    if (kept.version != version_.load(std::memory_order_acquire)) refresh(kept);
    return std::static_pointer_cast<const T>(kept.value);
  }

  void publish(std::shared_ptr<const T> next) {
    std::unique_ptr<const Version> before;  // goes after the lock
    const std::lock_guard lock(publishing_);
    const auto* const version = new Version{internal::ThreadPlace::next_version(), std::move(next)};
    before.reset(newest_.exchange(version));
    version_.store(version->number, std::memory_order_release);
    // Whoever copies from now on copies the new one.
    while (copying_.load() != 0) std::this_thread::yield();
  }

 private:
  struct Version {
    std::uint64_t number;
    std::shared_ptr<const T> value;
  };

  void refresh(internal::ThreadPlace::Kept& kept) const {
    copying_.fetch_add(1);  // from here to the next change of it, what newest_ names stays
    const Version* const newest = newest_.load();
    std::shared_ptr<const T> value = newest->value;
    const std::uint64_t number = newest->number;
    copying_.fetch_sub(1);
    // A holder of its own makes a count of its own.
    const T* const raw = value.get();
    const auto own = std::make_shared<const std::shared_ptr<const T>>(std::move(value));
    // What the thread held goes last: its destructor may be anything but a read of this.
    const std::shared_ptr<const void> before = std::exchange(kept.value, std::shared_ptr<const void>(own, raw));
    kept.version = number;
  }

  const internal::ThreadPlace place_;
  std::atomic<std::uint64_t> version_{0};
  std::atomic<const Version*> newest_;
  mutable std::atomic<int> copying_{0};  // threads that do, at this moment
  std::mutex publishing_;                // one at a time; no reader takes it
};

}  // namespace millrace
