// The production Scheduler: one control thread, a pool of workers, and time that can be moved.
//
// now() is the machine's UTC clock plus an offset. `advance` and `set` move it forward: timers run one by one in the
// order (time, when scheduled), and the work each one starts is finished (busy() falls to zero) before the next one
// runs; meanwhile now() stands still at the time of the timer that ran last. Otherwise timers run as they come due.
// now() never falls, also when the machine's clock is set back.
//
// Thread-safe. Nothing runs before start(); what was posted or scheduled by then runs first. After stop() everything
// that is handed over is dropped: destroyed without having run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/result.h"
#include "platform/clock.h"

namespace millrace::platform {

struct ControlLoopOptions {
  Milliseconds offset{0};                   // now() - machine_now() at the start, as saved from offset()
  std::size_t workers = 2;                  // threads for offload()
  std::size_t offload_queue_max = 4096;     // then offload() waits for room
  Milliseconds advance_step_limit{120000};  // machine time that may pass at one point of moved time
};

// How a move of time ended.
struct Advanced {
  Time reached;                 // now() at the end
  bool complete = false;        // false: something stayed busy beyond the limit; time stopped at `reached`
  std::int64_t timers_run = 0;  // by this move
  std::int64_t busy = 0;        // what busy() counted at the end when not complete
};

class ControlLoop final : public Scheduler {
 public:
  explicit ControlLoop(ControlLoopOptions options = {});
  ~ControlLoop() override;  // stop()
  ControlLoop(const ControlLoop&) = delete;
  ControlLoop& operator=(const ControlLoop&) = delete;

  void start();
  // Cancels timers, drops posted work, waits for what is running. Idempotent. REQUIRES: not on one of its threads.
  void stop();

  Time now() const override;
  Time machine_now() const override;
  Deadline monotonic_now() const override;

  void post(std::function<void()> work) override;
  [[nodiscard]] Timer at(Time when, std::function<void()> work) override;
  // Waits for room when the queue of the pool is full.
  void offload(std::function<void()> work, std::function<void()> done) override;
  BusyCounter& busy() override;

  // Moves time forward by `by` / to `to`; returns the time it will be at least. Moves are carried out one after the
  // other; `by` counts from where the moves before it end, and from when this one begins: whatever was started before
  // the call and waits for that long is over then. `done` is called on the control thread when the move is over; it is
  // dropped when the loop stops first. A caller that holds a Busy token itself must release it, or the move waits for
  // it. Fails with kInvalidArgument, without calling `done`, when time would fall or move further than kAdvanceMax.
  Result<Time> advance(Milliseconds by, std::function<void(const Advanced&)> done);
  Result<Time> set(Time to, std::function<void(const Advanced&)> done);
  static constexpr Milliseconds kAdvanceMax = std::chrono::days(36525);

  // now() - machine_now(), to be saved after a move and given to the next start.
  Milliseconds offset() const;

  // Calls `f` on the control thread: with true once nothing was busy and no timer due, with false when `limit` passed
  // before that. Under constant load it is enough that the count fell to zero once.
  void when_idle(std::function<void(bool idle)> f, Deadline limit);

 private:
  class Core;
  std::shared_ptr<Core> core_;  // shared with Timers, which may outlive the loop
};

}  // namespace millrace::platform
