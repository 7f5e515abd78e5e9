// A Scheduler without threads: time stands still until the test moves it, and work runs when the test says so, on the
// test's thread.
//
//   VirtualScheduler scheduler;                 // 2026-01-01T00:00:00Z
//   scheduler.run_ready();                      // everything posted and due, until nothing is left
//   scheduler.advance(std::chrono::hours(1));   // timers in time order, each one's work finished before the next
//
// post() and at() may be called from any thread (a committer's, say); run_*() from one thread only. offload() runs both
// functions as posted work, in order. Timers of the same Time run in the order they were set.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "platform/clock.h"

namespace millrace::testing {

inline constexpr Time kVirtualStart = Time(std::chrono::sys_days(std::chrono::year(2026) / 1 / 1));

class VirtualScheduler final : public platform::Scheduler {
 public:
  explicit VirtualScheduler(Time start = kVirtualStart);
  ~VirtualScheduler() override;

  Time now() const override;
  Time machine_now() const override;  // follows now(), unless set_machine_offset() said otherwise
  Deadline monotonic_now() const override;
  void post(std::function<void()> work) override;
  [[nodiscard]] platform::Timer at(Time when, std::function<void()> work) override;
  void offload(std::function<void()> work, std::function<void()> done) override;
  platform::BusyCounter& busy() override { return busy_; }

  // Runs what is posted and due, including what that adds, until nothing is left; the number of functions run.
  std::size_t run_ready();
  // Runs one posted or due function; false when there is none.
  bool run_one();
  // Moves time to `until` (never back), stopping at every timer on the way to run it and what it starts.
  void run_until(Time until);
  void advance(Milliseconds duration) { run_until(now() + duration); }
  // Moves time to the next timer and runs it and what it starts; false when no timer is set.
  bool run_next_timer();
  // The time of the next timer, kNever when none is set.
  Time next_timer() const;
  std::size_t timer_count() const;
  // Machine time = now() + offset: a machine whose clock is wrong, or a moved `Time`.
  void set_machine_offset(Milliseconds offset);

 private:
  using TimerKey = std::pair<Time, std::uint64_t>;
  // Shared with the cancel functions of timers, which may outlive the scheduler.
  struct State {
    std::mutex mutex;
    Time now;
    Milliseconds machine_offset{0};
    std::deque<std::function<void()>> posted;
    std::map<TimerKey, std::function<void()>> timers;
    std::uint64_t last_timer = 0;
  };

  std::shared_ptr<State> state_ = std::make_shared<State>();
  platform::BusyCounter busy_;
};

}  // namespace millrace::testing
