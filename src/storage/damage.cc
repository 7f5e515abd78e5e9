#include "storage/damage.h"

#include "telemetry/log.h"

namespace millrace::storage {

Error Damage::note(std::string_view component, Error error) {
  {
    const std::lock_guard lock(mutex_);
    if (noted_.size() == kNotedMax || !noted_.insert(error.message()).second) return error;
    count_.store(noted_.size(), std::memory_order_relaxed);
  }
  telemetry::log_error(component, error.message());
  return error;
}

}  // namespace millrace::storage
