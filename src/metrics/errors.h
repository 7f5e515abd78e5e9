// What CloudWatch answers when it refuses. Names are those of the model's shapes; the query protocol's codes are its.
#pragma once

#include "base/error.h"

namespace millrace::metrics {

inline constexpr ErrorType kInvalidParameterValue{"InvalidParameterValueException", 400};
inline constexpr ErrorType kInvalidParameterCombination{"InvalidParameterCombinationException", 400};
inline constexpr ErrorType kMissingParameter{"MissingRequiredParameterException", 400};
inline constexpr ErrorType kValidationError{"ValidationError", 400};
inline constexpr ErrorType kInvalidNextToken{"InvalidNextToken", 400};
inline constexpr ErrorType kInvalidFormat{"InvalidFormatFault", 400};
inline constexpr ErrorType kResourceNotFound{"ResourceNotFound", 404};
inline constexpr ErrorType kResourceNotFoundException{"ResourceNotFoundException", 404};
inline constexpr ErrorType kLimitExceeded{"LimitExceededFault", 400};

}  // namespace millrace::metrics
