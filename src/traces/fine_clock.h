// Times of day to the microsecond, from a clock of whole milliseconds and one that counts finely.
//
// The day's time that belongs to a moment of the monotonic clock is a constant away from it. now() rounds down, so each
// reading gives a lower bound of that constant, and the largest of them is right to some microseconds soon. When time
// is moved, or the machine's clock set, the bound is begun anew. Thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>

#include "platform/clock.h"

namespace millrace::traces {

class FineClock {
 public:
  explicit FineClock(const platform::Clock& clock) : clock_(clock) {}

  // Microseconds since 1970 of a moment close to now.
  std::int64_t at(Deadline moment) {
    const std::int64_t bound = to_unix_ms(clock_.now()) * 1000 - count(clock_.monotonic_now());
    const std::lock_guard lock(mutex_);
    if (bound > offset_ || bound < offset_ - kFallMax) offset_ = bound;
    return offset_ + count(moment);
  }

 private:
  static constexpr std::int64_t kFallMax = 5000;
  static std::int64_t count(Deadline moment) {
    return std::chrono::duration_cast<std::chrono::microseconds>(moment.time_since_epoch()).count();
  }

  const platform::Clock& clock_;
  std::mutex mutex_;
  std::int64_t offset_ = INT64_MIN / 2;  // guarded
};

}  // namespace millrace::traces
