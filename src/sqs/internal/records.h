// What the queues keep in the store.
//
//   kCatalogue  sqs/queues/<account>/<region>/<name>   JSON {"v":1,"number":N,"created":ms,"modified":ms,
//                                                      "attributes":{..},"tags":{..}}
//   kQueue      sqs/m/ be64(queue number) be64(message number)   a message (encode_message)
//   kQueue      sqs/c/ be64(queue number) be64(message number)   be32(receive count) be64(first received, ms),
//                                                                be64(last received, ms) be64(visible from, ms)
//                                                                be64(nonce)
//   kQueue      sqs/d/ be64(queue number) be64(message number)   what a FIFO queue was sent lately: be64(sent, ms)
//                                                                text(deduplication key) text(message id)
//
// Numbers come from one series (storage/numbers.h), are never reused, and order messages by the time they were sent.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sqs/message.h"

namespace millrace::sqs::internal {

inline constexpr std::string_view kQueuePrefix = "sqs/queues/";
inline constexpr std::string_view kMessagePrefix = "sqs/m/";
inline constexpr std::string_view kCountPrefix = "sqs/c/";
inline constexpr std::string_view kRecentPrefix = "sqs/d/";

std::string numbered_key(std::string_view prefix, std::uint64_t queue);
std::string numbered_key(std::string_view prefix, std::uint64_t queue, std::uint64_t message);
struct Numbers {
  std::uint64_t queue = 0;
  std::uint64_t message = 0;
};
std::optional<Numbers> parse_numbered_key(std::string_view prefix, std::string_view key);

// `visible_from`: when its delay ends.
std::string encode_message(const Message& message, Time visible_from);
struct StoredTimes {
  Time sent{};
  Time visible_from{};
};
std::optional<StoredTimes> decode_times(std::string_view encoded);
std::optional<Message> decode_message(std::string_view encoded);

struct Counts {
  std::uint32_t received = 0;
  Time first_received{};
  Time last_received{};
  Time visible_from{};
  std::uint64_t nonce = 0;  // of the last receipt; 0 in records of older versions
};
std::string encode_counts(const Counts& counts);
std::optional<Counts> decode_counts(std::string_view encoded);

// A message sent to a FIFO queue within the deduplication interval.
struct RecentRecord {
  Time sent{};
  std::string key;
  std::string message_id;
};
std::string encode_recent(const RecentRecord& record);
std::optional<RecentRecord> decode_recent(std::string_view encoded);

// Receipt handles are opaque: base64 of queue number, message number and a number drawn at each receive.
struct Receipt {
  std::uint64_t queue = 0;
  std::uint64_t message = 0;
  std::uint64_t nonce = 0;
};
std::string encode_receipt(const Receipt& receipt);
std::optional<Receipt> decode_receipt(std::string_view handle);

}  // namespace millrace::sqs::internal
