// What CloudWatch Logs answers when it refuses.
#pragma once

#include "base/error.h"

namespace millrace::logs {

inline constexpr ErrorType kResourceNotFound{"ResourceNotFoundException", 400};
inline constexpr ErrorType kResourceAlreadyExists{"ResourceAlreadyExistsException", 400};
inline constexpr ErrorType kInvalidParameter{"InvalidParameterException", 400};
inline constexpr ErrorType kLimitExceeded{"LimitExceededException", 400};
inline constexpr ErrorType kTooManyTags{"TooManyTagsException", 400};

}  // namespace millrace::logs
