// What EventBridge answers when it refuses.
#pragma once

#include "base/error.h"

namespace millrace::events {

inline constexpr ErrorType kValidation{"ValidationException", 400};
inline constexpr ErrorType kResourceNotFound{"ResourceNotFoundException", 400};
inline constexpr ErrorType kInvalidEventPattern{"InvalidEventPatternException", 400};
inline constexpr ErrorType kLimitExceeded{"LimitExceededException", 400};

}  // namespace millrace::events
