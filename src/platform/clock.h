// The door to time, timers and background work (DESIGN section 5, "Two kinds of time").
//
// `Clock` tells both times. `Scheduler` runs functions on the control thread: at once, or at a `Time`. Time can be
// moved forward; then everything that waits for it runs in time order, each step's work finished before the next:
// `Busy` tokens say what "finished" means. The production implementation is `platform/control_loop.h` (one thread, an
// io_context); the one for tests is `testing/virtual_scheduler.h` (a priority queue, no thread).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "base/time.h"

namespace millrace::platform {

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Time now() const = 0;          // movable, never falls
  virtual Time machine_now() const = 0;  // the machine's UTC clock: Date headers, signatures, functions' deadlines
  virtual Deadline monotonic_now() const = 0;
};

// Counts work in progress: posted functions that have not run, invocations in flight, requests being served, syncs
// waited for. Thread-safe. A step of an advance is over when the count is zero.
class BusyCounter {
 public:
  void enter() { count_.fetch_add(1, std::memory_order_acq_rel); }
  void leave();  // tells the observer when the count reaches zero
  std::int64_t count() const { return count_.load(std::memory_order_acquire); }
  // Called, from any thread, whenever the count falls to zero. Set once, before use.
  void on_idle(std::function<void()> observer) { observer_ = std::move(observer); }

 private:
  std::atomic<std::int64_t> count_{0};
  std::function<void()> observer_;
};

// Holds the counter up while it lives. Move-only; may be moved into a callback.
class Busy {
 public:
  Busy() = default;
  explicit Busy(BusyCounter& counter) : counter_(&counter) { counter.enter(); }
  Busy(Busy&& other) noexcept : counter_(std::exchange(other.counter_, nullptr)) {}
  Busy& operator=(Busy&& other) noexcept {
    if (this != &other) {
      release();
      counter_ = std::exchange(other.counter_, nullptr);
    }
    return *this;
  }
  ~Busy() { release(); }
  void release() {
    if (counter_ != nullptr) std::exchange(counter_, nullptr)->leave();
  }

 private:
  BusyCounter* counter_ = nullptr;
};

// A scheduled call; cancelled when destroyed (release() lets it run without an owner). May outlive the scheduler.
class Timer {
 public:
  Timer() = default;
  explicit Timer(std::function<void()> cancel) : cancel_(std::move(cancel)) {}
  Timer(Timer&& other) noexcept : cancel_(std::exchange(other.cancel_, nullptr)) {}
  Timer& operator=(Timer&& other) noexcept {
    if (this != &other) {
      cancel();
      cancel_ = std::exchange(other.cancel_, nullptr);
    }
    return *this;
  }
  ~Timer() { cancel(); }
  void cancel() {
    if (cancel_) std::exchange(cancel_, nullptr)();
  }
  void release() { cancel_ = nullptr; }

 private:
  std::function<void()> cancel_;
};

// Every function given to a Scheduler runs on its one control thread, never inside the call that hands it over, and
// must not block. Thread-safe.
class Scheduler : public Clock {
 public:
  // Runs `work` soon. Counts as busy until it has run.
  virtual void post(std::function<void()> work) = 0;
  // Runs `work` once now() >= when; at once if that has passed. Waiting does not count as busy.
  [[nodiscard]] virtual Timer at(Time when, std::function<void()> work) = 0;
  // Runs `work` on the pool (may block: disk, compression, rendering), then `done` on the control thread. Busy
  // meanwhile.
  virtual void offload(std::function<void()> work, std::function<void()> done) = 0;
  virtual BusyCounter& busy() = 0;
};

}  // namespace millrace::platform
