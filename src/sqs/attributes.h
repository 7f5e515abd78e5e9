// The attributes of a queue that can be set: names, bounds, defaults, the two redrive documents. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/scope.h"

namespace millrace::sqs {

using Attributes = std::map<std::string, std::string, std::less<>>;

struct RedrivePolicy {
  std::string target_arn;  // deadLetterTargetArn
  int receives_max = 10;   // maxReceiveCount
};

struct RedriveAllowPolicy {
  enum class Permission { kAllowAll, kDenyAll, kByQueue };
  Permission permission = Permission::kAllowAll;
  std::vector<std::string> source_arns;
  bool allows(std::string_view source_arn) const;
};

struct QueueSettings {
  int visibility_seconds = 30;
  int delay_seconds = 0;
  int message_bytes_max = 1'048'576;
  int retention_seconds = 345'600;
  int wait_seconds = 0;
  bool fifo = false;                   // FifoQueue: settled when the queue is created
  bool content_deduplication = false;  // ContentBasedDeduplication
  std::string deduplication_scope;     // "queue" or "messageGroup"; "" for standard queues
  std::string throughput_limit;        // FifoThroughputLimit: "perQueue" or "perMessageGroupId"; "" as above
  bool managed_sse = true;             // recorded
  std::string policy;                  // recorded, JSON; "" = none
  std::string redrive_text;            // as given; "" = none
  std::string allow_text;              // as given; "" = none
  std::optional<RedrivePolicy> redrive;
  RedriveAllowPolicy allow;

  enum class Change { kCreate, kSet };
  // Applies CreateQueue's or SetQueueAttributes' map, all or nothing. Errors: kInvalidAttributeName for names that
  // cannot be set (those of FIFO queues on a standard queue among them), kInvalidAttributeValue, kInvalidParameterValue
  // for RedrivePolicy, kUnsupportedOperation for KMS attributes, which this server does not serve.
  Result<void> apply(const Attributes& attributes, Change change = Change::kSet);
  // As GetQueueAttributes shows them; also what is stored.
  Attributes to_map() const;
};

bool is_known_attribute(std::string_view name);  // for GetQueueAttributes, "All" included

// kInvalidParameterValue. AWS: a FIFO queue's name ends with .fifo, no other does.
Result<void> check_queue_name(std::string_view name, const QueueSettings& settings);

struct QueueName {
  Scope scope;
  std::string name;
  friend auto operator<=>(const QueueName&, const QueueName&) = default;
};

std::string queue_arn(const QueueName& queue);                   // arn:aws:sqs:us-east-1:000000000000:orders
std::optional<QueueName> parse_queue_arn(std::string_view arn);  // any partition

}  // namespace millrace::sqs
