// The one error of this folder: input that DynamoDB refuses. Thread-safe (a constant).
#pragma once

#include "base/error.h"

namespace millrace::model {

inline constexpr ErrorType kValidationException{"ValidationException", 400, ErrorKind::kClient};

}  // namespace millrace::model
