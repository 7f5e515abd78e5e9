// What FIFO queues ask of a message: group, deduplication id, and what counts as the same message. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "sqs/attributes.h"

namespace millrace::sqs {

// AWS: also how long ReceiveRequestAttemptId is remembered.
inline constexpr Seconds kDeduplicationInterval{300};

// What a sender says about the order and the sameness of a message.
struct FifoParameters {
  std::optional<std::string> group_id;
  std::optional<std::string> deduplication_id;
  std::optional<int> delay_seconds;
};

// The deduplication id that counts: the given one or, with ContentBasedDeduplication, the SHA-256 of the body, in hex.
// Errors, of FIFO queues: kMissingParameter without a group, kInvalidParameterValue for a malformed id, for a delay of
// the message's own (AWS: 0 is allowed) and when there is nothing to deduplicate by.
Result<std::string> deduplication_id_of(const QueueSettings& settings, const FifoParameters& parameters,
                                        std::string_view body);
// The same for standard queues, which have no deduplication: refuses it. A group is allowed (AWS: fair queues).
Result<void> check_standard(const FifoParameters& parameters);

// Two messages with the same key are one, within kDeduplicationInterval.
std::string deduplication_key(const QueueSettings& settings, std::string_view group_id,
                              std::string_view deduplication_id);

// 20 digits that grow with the message's number.
std::string sequence_number_of(std::uint64_t message_number);

}  // namespace millrace::sqs
