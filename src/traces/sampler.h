// Which requests without a decision of their own are traced: all, or as X-Ray's default rule says.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "base/time.h"
#include "platform/random.h"

namespace millrace::traces {

struct SamplingRule {
  int reservoir = 1;        // per second and function, before the rate applies
  double fixed_rate = 1.0;  // of the others
};
// AWS: one request per second, and 5 % of the rest.
inline constexpr SamplingRule kAwsRule{1, 0.05};

// Thread-safe.
class Sampler {
 public:
  Sampler(SamplingRule rule, platform::Random& random) : rule_(rule), random_(random) {}
  const SamplingRule& rule() const { return rule_; }

  bool sample(const std::string& who, Time now) {
    if (rule_.fixed_rate >= 1) return true;
    const std::int64_t second = to_unix_s(now);
    {
      const std::lock_guard lock(mutex_);
      if (seconds_.size() > kNamesMax) seconds_.clear();
      auto& [since, taken] = seconds_[who];
      if (since != second) {
        since = second;
        taken = 0;
      }
      if (taken < rule_.reservoir) {
        ++taken;
        return true;
      }
    }
    return static_cast<double>(random_.next() >> 11) * 0x1p-53 < rule_.fixed_rate;
  }

 private:
  static constexpr std::size_t kNamesMax = 10'000;
  const SamplingRule rule_;
  platform::Random& random_;
  std::mutex mutex_;                                             // guards the next
  std::map<std::string, std::pair<std::int64_t, int>> seconds_;  // by function: second, taken in it
};

}  // namespace millrace::traces
