// Limits of functions. Source: AWS's quotas, unless said otherwise.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace millrace::functions {

inline constexpr int kTimeoutSecondsMax = 900;
inline constexpr int kMemoryMbMin = 128;
inline constexpr int kMemoryMbMax = 10240;
inline constexpr std::size_t kEnvironmentBytesMax = 4096;
inline constexpr std::size_t kArchiveBytesMax = 52'428'800;  // zipped, sent in the request
inline constexpr std::size_t kSyncPayloadBytesMax = 6'291'456;
inline constexpr std::size_t kAsyncPayloadBytesDefault = 1'048'576;  // was 262144 until late 2025
inline constexpr int kUnreservedConcurrencyMin = 100;
inline constexpr int kEventAgeSecondsMin = 60;
inline constexpr int kEventAgeSecondsMax = 21600;
inline constexpr int kAsyncRetriesMax = 2;
inline constexpr std::size_t kDeadLetterMessageBytesMax = 1024;   // of ErrorMessage
inline constexpr std::size_t kTopicMessageBytesMax = 256 * 1024;  // a larger record goes to a topic without payloads
inline constexpr std::size_t kPolicyBytesMax = 20480;
inline constexpr std::size_t kLayersMax = 5;  // of a function

// Ours.
inline constexpr int kAsyncInFlightMax = 16;             // asynchronous events of one function at a time
inline constexpr std::size_t kAsyncWindow = 4096;        // events of one function kept in memory, without payload
inline constexpr std::size_t kHistoryLength = 50;        // invocations remembered per function
inline constexpr std::size_t kHotFolderFilesMax = 5000;  // looked at for changes before an invocation
inline constexpr std::chrono::seconds kThrottleBackoffMin{1};
inline constexpr std::chrono::seconds kThrottleBackoffMax{300};
inline constexpr std::chrono::seconds kFirstRetry{60};
inline constexpr std::chrono::seconds kSecondRetry{120};

}  // namespace millrace::functions
