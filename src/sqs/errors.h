// What SQS answers when it refuses. Names are those of the JSON protocol; `wire` knows the older names of the query
// protocol (AWS.SimpleQueueService.NonExistentQueue and so on).
#pragma once

#include "base/error.h"

namespace millrace::sqs {

inline constexpr ErrorType kQueueDoesNotExist{"QueueDoesNotExist"};
inline constexpr ErrorType kQueueNameExists{"QueueNameExists"};
inline constexpr ErrorType kInvalidAttributeName{"InvalidAttributeName"};
inline constexpr ErrorType kInvalidAttributeValue{"InvalidAttributeValue"};
inline constexpr ErrorType kInvalidParameterValue{"InvalidParameterValue"};
inline constexpr ErrorType kMissingParameter{"MissingParameter"};
inline constexpr ErrorType kInvalidMessageContents{"InvalidMessageContents"};
inline constexpr ErrorType kReceiptHandleIsInvalid{"ReceiptHandleIsInvalid"};
inline constexpr ErrorType kMessageNotInflight{"MessageNotInflight"};
inline constexpr ErrorType kOverLimit{"OverLimit", 403};
inline constexpr ErrorType kEmptyBatchRequest{"EmptyBatchRequest"};
inline constexpr ErrorType kTooManyEntriesInBatchRequest{"TooManyEntriesInBatchRequest"};
inline constexpr ErrorType kBatchEntryIdsNotDistinct{"BatchEntryIdsNotDistinct"};
inline constexpr ErrorType kInvalidBatchEntryId{"InvalidBatchEntryId"};
inline constexpr ErrorType kBatchRequestTooLong{"BatchRequestTooLong"};
inline constexpr ErrorType kUnsupportedOperation{"UnsupportedOperation"};
inline constexpr ErrorType kResourceNotFound{"ResourceNotFoundException", 404};
inline constexpr ErrorType kInvalidAddress{"InvalidAddress", 404};

}  // namespace millrace::sqs
