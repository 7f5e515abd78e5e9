// What was met in a store that cannot be decoded although its checksums are right: it was written so, or changed by
// hand. Whoever meets such a record answers an error that names it, and goes on with the others; here it is noted, so
// that operators learn of it once, in the log, and can see later that there is some (status, /metrics). Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "base/error.h"

namespace millrace::storage {

class Damage {
 public:
  // So many are told apart; what comes after them is neither logged nor counted.
  static constexpr std::size_t kNotedMax = 1000;

  // Logs and counts an error whose message has not been noted before. Answers it as it is.
  Error note(std::string_view component, Error error);
  std::uint64_t count() const { return count_.load(std::memory_order_relaxed); }  // different ones, since the start

 private:
  std::mutex mutex_;
  std::set<std::string, std::less<>> noted_;  // guarded by mutex_
  std::atomic<std::uint64_t> count_{0};
};

}  // namespace millrace::storage
