// What SNS answers when it refuses.
#pragma once

#include "base/error.h"

namespace millrace::sns {

inline constexpr ErrorType kInvalidParameter{"InvalidParameter", 400};
inline constexpr ErrorType kParameterValueInvalid{"ParameterValueInvalid", 400};
inline constexpr ErrorType kTopicNotFound{"NotFound", 404};
inline constexpr ErrorType kResourceNotFound{"ResourceNotFound", 404};
inline constexpr ErrorType kTagLimitExceeded{"TagLimitExceeded", 400};
inline constexpr ErrorType kTopicLimitExceeded{"TopicLimitExceeded", 403};
inline constexpr ErrorType kSubscriptionLimitExceeded{"SubscriptionLimitExceeded", 403};
inline constexpr ErrorType kEmptyBatchRequest{"EmptyBatchRequest", 400};
inline constexpr ErrorType kTooManyEntriesInBatchRequest{"TooManyEntriesInBatchRequest", 400};
inline constexpr ErrorType kBatchEntryIdsNotDistinct{"BatchEntryIdsNotDistinct", 400};
inline constexpr ErrorType kInvalidBatchEntryId{"InvalidBatchEntryId", 400};
inline constexpr ErrorType kBatchRequestTooLong{"BatchRequestTooLong", 400};

}  // namespace millrace::sns
