// Checks a decoded Document against its input shape and says what is wrong in AWS's own words.
//
//   1 validation error detected: Value '10001' at 'batchSize' failed to satisfy constraint: Member must have value less
//   than or equal to 10000
//
// Checked: required members, bounds of numbers, lengths of strings, blobs, lists and maps, enums, patterns, nested
// without limit (documents are bounded by their parsers). Pure; thread-safe.
#pragma once

#include "base/result.h"
#include "wire/service.h"
#include "wire/shapes.h"

namespace millrace::wire {

inline constexpr ErrorType kValidationException{"ValidationException", 400, ErrorKind::kClient};
// AWS: services of the query protocol call it so; CloudWatch Logs has its own.
inline constexpr ErrorType kValidationError{"ValidationError", 400, ErrorKind::kClient};
inline constexpr ErrorType kInvalidParameterException{"InvalidParameterException", 400, ErrorKind::kClient};
inline constexpr ErrorType kMissingParameter{"MissingParameter", 400, ErrorKind::kClient};
inline constexpr int kViolationsShownMax = 10;

// Error: a client error under the name that the service uses for it. `document` is not changed.
// S3 has no such texts: what violates its schema is MalformedXML when it came in a body, else InvalidArgument.
Result<void> validate(const ServiceModel& model, const Shape& shape, const Document& document);

}  // namespace millrace::wire
