#include "testing/virtual_scheduler.h"

#include <algorithm>

namespace millrace::testing {

VirtualScheduler::VirtualScheduler(Time start) { state_->now = start; }

VirtualScheduler::~VirtualScheduler() {
  // Destroy closures without holding the lock: they may own timers.
  std::deque<std::function<void()>> posted;
  std::map<TimerKey, std::function<void()>> timers;
  const std::lock_guard lock(state_->mutex);
  posted.swap(state_->posted);
  timers.swap(state_->timers);
}

Time VirtualScheduler::now() const {
  const std::lock_guard lock(state_->mutex);
  return state_->now;
}

Time VirtualScheduler::machine_now() const {
  const std::lock_guard lock(state_->mutex);
  return state_->now + state_->machine_offset;
}

Deadline VirtualScheduler::monotonic_now() const { return Deadline(now().time_since_epoch()); }

void VirtualScheduler::post(std::function<void()> work) {
  busy_.enter();
  const std::lock_guard lock(state_->mutex);
  state_->posted.push_back([this, work = std::move(work)] {
    work();
    busy_.leave();
  });
}

platform::Timer VirtualScheduler::at(Time when, std::function<void()> work) {
  const std::lock_guard lock(state_->mutex);
  const TimerKey key(when, ++state_->last_timer);
  state_->timers.emplace(key, std::move(work));
  return platform::Timer([state = std::weak_ptr(state_), key] {
    std::function<void()> cancelled;
    if (const auto alive = state.lock()) {
      const std::lock_guard inner(alive->mutex);
      if (const auto it = alive->timers.find(key); it != alive->timers.end()) {
        cancelled = std::move(it->second);
        alive->timers.erase(it);
      }
    }
  });
}

void VirtualScheduler::offload(std::function<void()> work, std::function<void()> done) {
  post([this, work = std::move(work), done = std::move(done)] {
    work();
    post(done);
  });
}

bool VirtualScheduler::run_one() {
  std::function<void()> work;
  {
    const std::lock_guard lock(state_->mutex);
    if (!state_->posted.empty()) {
      work = std::move(state_->posted.front());
      state_->posted.pop_front();
    } else if (!state_->timers.empty() && state_->timers.begin()->first.first <= state_->now) {
      work = std::move(state_->timers.begin()->second);
      state_->timers.erase(state_->timers.begin());
    } else {
      return false;
    }
  }
  work();
  return true;
}

std::size_t VirtualScheduler::run_ready() {
  std::size_t count = 0;
  while (run_one()) ++count;
  return count;
}

bool VirtualScheduler::run_next_timer() {
  run_ready();
  const Time next = next_timer();
  if (next == kNever) return false;
  {
    const std::lock_guard lock(state_->mutex);
    state_->now = std::max(state_->now, next);
  }
  run_ready();
  return true;
}

void VirtualScheduler::run_until(Time until) {
  run_ready();
  while (next_timer() <= until && run_next_timer()) {
  }
  {
    const std::lock_guard lock(state_->mutex);
    state_->now = std::max(state_->now, until);
  }
  run_ready();
}

Time VirtualScheduler::next_timer() const {
  const std::lock_guard lock(state_->mutex);
  return state_->timers.empty() ? kNever : state_->timers.begin()->first.first;
}

std::size_t VirtualScheduler::timer_count() const {
  const std::lock_guard lock(state_->mutex);
  return state_->timers.size();
}

void VirtualScheduler::set_machine_offset(Milliseconds offset) {
  const std::lock_guard lock(state_->mutex);
  state_->machine_offset = offset;
}

}  // namespace millrace::testing
