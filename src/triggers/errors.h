// The errors of event source mappings, with AWS's names (spec 1.1).
#pragma once

#include "base/error.h"

namespace millrace::triggers {

inline constexpr ErrorType kInvalidParameter{"InvalidParameterValueException", 400, ErrorKind::kClient};
inline constexpr ErrorType kResourceConflict{"ResourceConflictException", 409, ErrorKind::kClient};
inline constexpr ErrorType kResourceInUse{"ResourceInUseException", 400, ErrorKind::kClient};
inline constexpr ErrorType kResourceNotFound{"ResourceNotFoundException", 404, ErrorKind::kClient};

}  // namespace millrace::triggers
