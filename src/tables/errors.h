// AWS: error names of DynamoDB that this folder answers with.
#pragma once

#include <string>
#include <utility>

#include "base/error.h"
#include "model/errors.h"

namespace millrace::tables {

using model::kValidationException;

inline constexpr ErrorType kResourceNotFound{"ResourceNotFoundException", 400, ErrorKind::kClient};
inline constexpr ErrorType kResourceInUse{"ResourceInUseException", 400, ErrorKind::kClient};
inline constexpr ErrorType kLimitExceeded{"LimitExceededException", 400, ErrorKind::kThrottled};
inline constexpr ErrorType kConditionalCheckFailed{"ConditionalCheckFailedException", 400, ErrorKind::kClient};
inline constexpr ErrorType kTransactionCanceled{"TransactionCanceledException", 400, ErrorKind::kClient};
inline constexpr ErrorType kIdempotentParameterMismatch{"IdempotentParameterMismatchException", 400,
                                                        ErrorKind::kClient};

inline Error invalid(std::string message) { return {kValidationException, std::move(message)}; }

}  // namespace millrace::tables
