// A message of a queue as clients see it, and the rules about it: sizes, characters, attributes, digests. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace millrace::sqs {

struct MessageAttribute {
  std::string name;
  std::string type;   // "String", "Number", "Binary", or one of these with a suffix: "Number.int"
  std::string value;  // of Binary: the bytes themselves
  bool is_binary() const { return type.starts_with("Binary"); }
  friend bool operator==(const MessageAttribute&, const MessageAttribute&) = default;
};

struct Message {
  std::string id;  // UUID
  std::string body;
  std::vector<MessageAttribute> attributes;
  std::string trace_header;            // AWSTraceHeader, "" when absent
  std::string sender;                  // SenderId
  std::string dead_letter_source_arn;  // the queue it was moved here from, else ""
  std::string group_id;                // MessageGroupId, "" when absent
  std::string deduplication_id;        // MessageDeduplicationId of a FIFO queue's message
  std::string sequence_number;         // of a FIFO queue's message; not stored, it follows from the message's number
  Time sent{};
};

// Body and attributes (names, types, values), as AWS counts them against MaximumMessageSize.
std::size_t message_bytes(std::string_view body, const std::vector<MessageAttribute>& attributes);

// AWS: MD5 over name, type and value of each, sorted by name, each with a 4-byte length; "" for none. Hex.
std::string attributes_md5(std::vector<MessageAttribute> attributes);

// kMissingParameter for an empty body; kInvalidMessageContents for characters that XML 1.0 does not have.
Result<void> check_body(std::string_view body);
// kInvalidParameterValue, with AWS's texts where known.
Result<void> check_attributes(const std::vector<MessageAttribute>& attributes);

// Those that MessageAttributeNames asks for: "All", ".*", a name, or a prefix as in "bar.*".
std::vector<MessageAttribute> select_attributes(const std::vector<MessageAttribute>& attributes,
                                                const std::vector<std::string>& names);

}  // namespace millrace::sqs
