// What the engine answers when it refuses. CloudFormation has one name for most of it.
#pragma once

#include <string>

#include "base/result.h"

namespace millrace::stacks {

inline constexpr ErrorType kValidation{"ValidationError", 400};
inline constexpr ErrorType kAlreadyExists{"AlreadyExistsException", 400};
inline constexpr ErrorType kChangeSetNotFound{"ChangeSetNotFound", 404};
inline constexpr ErrorType kInvalidChangeSetStatus{"InvalidChangeSetStatus", 400};
inline constexpr ErrorType kInsufficientCapabilities{"InsufficientCapabilitiesException", 400};

inline Error invalid(std::string message) { return Error(kValidation, std::move(message)); }
inline Error format_error(const std::string& message) { return invalid("Template format error: " + message); }
inline Error template_error(const std::string& message) { return invalid("Template error: " + message); }

}  // namespace millrace::stacks
