#include "platform/clock.h"

#include "base/assert.h"
#include "platform/machine_clock.h"

namespace millrace::platform {

void BusyCounter::leave() {
  // seq_cst, so that a waiter which announces itself and then looks at the count cannot miss the observer's call.
  const std::int64_t before = count_.fetch_sub(1, std::memory_order_seq_cst);
  MR_ASSERT(before > 0);
  if (before == 1 && observer_) observer_();
}

Time MachineClock::machine_now() const { return std::chrono::floor<Milliseconds>(std::chrono::system_clock::now()); }
Deadline MachineClock::monotonic_now() const { return std::chrono::steady_clock::now(); }

}  // namespace millrace::platform
