// The errors of Lambda that this service answers with; names and statuses as in AWS's model.
#pragma once

#include "base/error.h"

namespace millrace::functions {

inline constexpr ErrorType kResourceNotFound{"ResourceNotFoundException", 404, ErrorKind::kClient};
inline constexpr ErrorType kResourceConflict{"ResourceConflictException", 409, ErrorKind::kClient};
inline constexpr ErrorType kInvalidParameterValue{"InvalidParameterValueException", 400, ErrorKind::kClient};
inline constexpr ErrorType kInvalidRequestContent{"InvalidRequestContentException", 400, ErrorKind::kClient};
inline constexpr ErrorType kRequestEntityTooLarge{"RequestEntityTooLargeException", 413, ErrorKind::kClient};
inline constexpr ErrorType kPreconditionFailed{"PreconditionFailedException", 412, ErrorKind::kClient};
inline constexpr ErrorType kPolicyLengthExceeded{"PolicyLengthExceededException", 400, ErrorKind::kClient};
inline constexpr ErrorType kTooManyRequests{"TooManyRequestsException", 429, ErrorKind::kThrottled};
inline constexpr ErrorType kServiceError{"ServiceException", 500, ErrorKind::kServer};

}  // namespace millrace::functions
