// What IAM answers when it refuses; `wire` knows the codes on the wire ("NoSuchEntity").
#pragma once

#include "base/error.h"

namespace millrace::iam {

inline constexpr ErrorType kNoSuchEntity{"NoSuchEntityException", 404};
inline constexpr ErrorType kEntityAlreadyExists{"EntityAlreadyExistsException", 409};
inline constexpr ErrorType kMalformedPolicyDocument{"MalformedPolicyDocumentException", 400};
inline constexpr ErrorType kDeleteConflict{"DeleteConflictException", 409};
inline constexpr ErrorType kLimitExceeded{"LimitExceededException", 409};
inline constexpr ErrorType kInvalidInput{"InvalidInputException", 400};
inline constexpr ErrorType kValidation{"ValidationError", 400};

}  // namespace millrace::iam
