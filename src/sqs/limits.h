// Every limit of the queues. AWS: "Amazon SQS message quotas" unless said otherwise.
#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace::sqs {

inline constexpr std::size_t kMessageBytesMax = 1'048'576;  // also of all messages of a batch together
inline constexpr std::size_t kMessageAttributesMax = 10;
inline constexpr std::size_t kBatchEntriesMax = 10;
inline constexpr int kReceiveMessagesMax = 10;
inline constexpr int kWaitSecondsMax = 20;
inline constexpr int kDelaySecondsMax = 900;
inline constexpr int kVisibilitySecondsMax = 43'200;
inline constexpr std::size_t kInFlightMax = 120'000;  // per queue
inline constexpr int kListResultsMax = 1000;
inline constexpr std::size_t kTagsMax = 50;

// Ours: bytes of messages kept in memory, all queues together; what is beyond is read from the store when received.
inline constexpr std::size_t kMessageCacheBytesMax = std::size_t{256} << 20;
// Ours: messages that one round of expiry removes before it lets others run.
inline constexpr std::size_t kExpireRoundMax = 1000;

}  // namespace millrace::sqs
