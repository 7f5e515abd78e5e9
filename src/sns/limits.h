// Limits of topics (AWS: "Amazon SNS endpoints and quotas").
#pragma once

#include <cstddef>

namespace millrace::sns {

inline constexpr std::size_t kMessageBytesMax = 256 * 1024;  // of a message with its attributes, and of a batch
inline constexpr std::size_t kBatchEntriesMax = 10;
inline constexpr std::size_t kSubjectCharactersMax = 100;  // AWS: "less than or equal to 100 characters"
inline constexpr std::size_t kTopicNameMax = 256;
inline constexpr std::size_t kTopicsMax = 100'000;                // per account and region
inline constexpr std::size_t kSubscriptionsPerTopicMax = 10'000;  // ours; AWS: 12,500,000
inline constexpr std::size_t kTagsMax = 50;
inline constexpr std::size_t kPageSize = 100;  // of lists
inline constexpr std::size_t kFilterKeysMax = 5;

}  // namespace millrace::sns
