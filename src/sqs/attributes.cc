#include "sqs/attributes.h"

#include <algorithm>
#include <charconv>

#include "codec/json.h"
#include "sqs/errors.h"
#include "sqs/limits.h"

namespace millrace::sqs {
namespace {

struct IntegerAttribute {
  std::string_view name;
  int QueueSettings::*member;
  int min;
  int max;
};
constexpr IntegerAttribute kIntegers[] = {
    {"VisibilityTimeout", &QueueSettings::visibility_seconds, 0, kVisibilitySecondsMax},
    {"DelaySeconds", &QueueSettings::delay_seconds, 0, kDelaySecondsMax},
    {"MaximumMessageSize", &QueueSettings::message_bytes_max, 1024, int{kMessageBytesMax}},
    {"MessageRetentionPeriod", &QueueSettings::retention_seconds, 60, 1'209'600},
    {"ReceiveMessageWaitTimeSeconds", &QueueSettings::wait_seconds, 0, kWaitSecondsMax},
};
constexpr std::string_view kReadOnly[] = {"All",
                                          "ApproximateNumberOfMessages",
                                          "ApproximateNumberOfMessagesNotVisible",
                                          "ApproximateNumberOfMessagesDelayed",
                                          "CreatedTimestamp",
                                          "LastModifiedTimestamp",
                                          "QueueArn"};
constexpr std::string_view kDocuments[] = {"Policy", "RedrivePolicy", "RedriveAllowPolicy", "SqsManagedSseEnabled"};
// AWS has them; a standard queue without KMS does not show them.
constexpr std::string_view kNotServed[] = {"KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds"};
constexpr std::string_view kFifo[] = {"FifoQueue", "ContentBasedDeduplication", "DeduplicationScope",
                                      "FifoThroughputLimit"};

template <typename Range>
bool contains(const Range& range, std::string_view name) {
  return std::ranges::find(range, name) != std::ranges::end(range);
}

std::optional<int> parse_int(std::string_view text) {
  int value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

Error invalid_value(std::string_view name) {
  return Error(kInvalidAttributeValue, "Invalid value for the parameter " + std::string(name) + ".");
}

Error invalid_document(std::string_view name, std::string_view text, std::string_view reason) {
  return Error(kInvalidParameterValue, "Value " + std::string(text) + " for parameter " + std::string(name) +
                                           " is invalid. Reason: " + std::string(reason));
}

Result<RedrivePolicy> parse_redrive(std::string_view text) {
  const auto invalid = [&](std::string_view reason) { return invalid_document("RedrivePolicy", text, reason); };
  auto document = codec::parse_json(text);
  if (!document.ok() || !document->is_object()) return invalid("Redrive policy is not a valid JSON map.");
  RedrivePolicy policy;
  bool has_count = false;
  for (const auto& [name, value] : document->as_object()) {
    if (name == "deadLetterTargetArn" && value.is_string()) {
      policy.target_arn = value.as_string();
    } else if (name == "maxReceiveCount") {
      const auto count =
          value.is_int() ? std::optional<int>(static_cast<int>(std::clamp<std::int64_t>(value.as_int(), -1, 1'000'000)))
          : value.is_string() ? parse_int(value.as_string())
                              : std::nullopt;
      if (!count || *count < 1 || *count > 1000) {
        return invalid("Invalid value for maxReceiveCount: " + (value.is_string() ? value.as_string() : value.dump()) +
                       ", valid values are from 1 to 1000 both inclusive.");
      }
      policy.receives_max = *count;
      has_count = true;
    } else {
      return invalid("Only following attributes are supported: [deadLetterTargetArn, maxReceiveCount]");
    }
  }
  if (policy.target_arn.empty())
    return invalid("Redrive policy does not contain mandatory attribute: deadLetterTargetArn.");
  if (!has_count) return invalid("Redrive policy does not contain mandatory attribute: maxReceiveCount.");
  if (!parse_queue_arn(policy.target_arn)) return invalid("Invalid value for deadLetterTargetArn.");
  return policy;
}

Result<RedriveAllowPolicy> parse_allow(std::string_view text) {
  const auto invalid = [&](std::string_view reason) { return invalid_document("RedriveAllowPolicy", text, reason); };
  auto document = codec::parse_json(text);
  if (!document.ok() || !document->is_object()) return invalid("Redrive allow policy is not a valid JSON map.");
  RedriveAllowPolicy policy;
  using Permission = RedriveAllowPolicy::Permission;
  const auto permission = document->string_or("redrivePermission", "");
  if (permission == "denyAll") {
    policy.permission = Permission::kDenyAll;
  } else if (permission == "byQueue") {
    policy.permission = Permission::kByQueue;
  } else if (permission != "allowAll") {
    return invalid("redrivePermission must be one of allowAll, denyAll, byQueue.");
  }
  for (const auto& [name, value] : document->as_object()) {
    if (name != "redrivePermission" && name != "sourceQueueArns") {
      return invalid("Only following attributes are supported: [redrivePermission, sourceQueueArns]");
    }
  }
  if (const auto* sources = document->find("sourceQueueArns")) {
    if (policy.permission != Permission::kByQueue) {
      return invalid("sourceQueueArns can be specified only when redrivePermission is byQueue.");
    }
    if (!sources->is_array() || sources->as_array().size() > 10) {
      return invalid("sourceQueueArns must be a list of at most 10 ARNs.");
    }
    for (const auto& source : sources->as_array()) {
      if (!source.is_string() || !parse_queue_arn(source.as_string()))
        return invalid("Invalid ARN in sourceQueueArns.");
      policy.source_arns.push_back(source.as_string());
    }
  }
  if (policy.permission == Permission::kByQueue && policy.source_arns.empty()) {
    return invalid("sourceQueueArns is required when redrivePermission is byQueue.");
  }
  return policy;
}

Result<void> apply_document(QueueSettings& settings, const std::string& name, const std::string& text) {
  if (name == "SqsManagedSseEnabled") {
    if (text != "true" && text != "false") return invalid_value(name);
    settings.managed_sse = text == "true";
  } else if (name == "Policy") {
    if (!text.empty()) {
      auto document = codec::parse_json(text);
      if (!document.ok() || !document->is_object()) return invalid_value(name);
    }
    settings.policy = text;
  } else if (name == "RedrivePolicy") {
    settings.redrive.reset();
    if (!text.empty()) {
      MR_ASSIGN_OR_RETURN(settings.redrive, parse_redrive(text));
    }
    settings.redrive_text = text;
  } else {
    settings.allow = {};
    if (!text.empty()) {
      MR_ASSIGN_OR_RETURN(settings.allow, parse_allow(text));
    }
    settings.allow_text = text;
  }
  return {};
}

Result<void> refuse_not_served(const std::string& name, const std::string& value) {
  if (name == "KmsMasterKeyId" && value.empty()) return {};  // "no key": what this server has anyway
  return Error(kUnsupportedOperation,
               "The queue attribute " + name + " is not supported by this server: it serves no KMS keys.");
}

Result<void> apply_fifo(QueueSettings& settings, const std::string& name, const std::string& value) {
  // AWS: a standard queue does not know these names; FifoQueue=false is refused as well.
  if (!settings.fifo) return Error(kInvalidAttributeName, "Unknown Attribute " + name + ".");
  if (name == "FifoQueue") {
    if (value == "true") return {};
    return Error(kInvalidAttributeValue,
                 "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.");
  }
  if (name == "ContentBasedDeduplication") {
    if (value != "true" && value != "false") return invalid_value(name);
    settings.content_deduplication = value == "true";
  } else if (name == "DeduplicationScope") {
    if (value != "queue" && value != "messageGroup") return invalid_value(name);
    settings.deduplication_scope = value;
  } else {
    if (value != "perQueue" && value != "perMessageGroupId") return invalid_value(name);
    settings.throughput_limit = value;
  }
  return {};
}

Result<void> apply_one(QueueSettings& settings, const std::string& name, const std::string& value) {
  for (const auto& integer : kIntegers) {
    if (integer.name != name) continue;
    const auto number = parse_int(value);
    if (!number || *number < integer.min || *number > integer.max) return invalid_value(name);
    settings.*integer.member = *number;
    return {};
  }
  if (contains(kDocuments, name)) return apply_document(settings, name, value);
  if (contains(kFifo, name)) return apply_fifo(settings, name, value);
  if (contains(kNotServed, name)) return refuse_not_served(name, value);
  return Error(kInvalidAttributeName, "Unknown Attribute " + name + ".");
}

}  // namespace

bool RedriveAllowPolicy::allows(std::string_view source_arn) const {
  if (permission == Permission::kByQueue) return contains(source_arns, source_arn);
  return permission == Permission::kAllowAll;
}

Result<void> QueueSettings::apply(const Attributes& attributes, Change change) {
  QueueSettings changed = *this;
  if (const auto it = attributes.find("FifoQueue");
      change == Change::kCreate && it != attributes.end() && it->second == "true") {
    changed.fifo = true;
    changed.deduplication_scope = "queue";
    changed.throughput_limit = "perQueue";
  }
  for (const auto& [name, value] : attributes) MR_RETURN_IF_ERROR(apply_one(changed, name, value));
  // AWS: a limit per group needs deduplication per group.
  if (changed.throughput_limit == "perMessageGroupId" && changed.deduplication_scope != "messageGroup") {
    return Error(kInvalidAttributeValue,
                 "Invalid value for the parameter FifoThroughputLimit. Reason: perMessageGroupId is allowed only when "
                 "the value for DeduplicationScope is messageGroup.");
  }
  *this = std::move(changed);
  return {};
}

Attributes QueueSettings::to_map() const {
  Attributes map;
  for (const auto& integer : kIntegers) map[std::string(integer.name)] = std::to_string(this->*integer.member);
  map["SqsManagedSseEnabled"] = managed_sse ? "true" : "false";
  if (fifo) {
    map["FifoQueue"] = "true";
    map["ContentBasedDeduplication"] = content_deduplication ? "true" : "false";
    map["DeduplicationScope"] = deduplication_scope;
    map["FifoThroughputLimit"] = throughput_limit;
  }
  if (!policy.empty()) map["Policy"] = policy;
  if (!redrive_text.empty()) map["RedrivePolicy"] = redrive_text;
  if (!allow_text.empty()) map["RedriveAllowPolicy"] = allow_text;
  return map;
}

bool is_known_attribute(std::string_view name) {
  return contains(kReadOnly, name) || contains(kDocuments, name) || contains(kNotServed, name) ||
         contains(kFifo, name) ||
         std::ranges::any_of(kIntegers, [&](const IntegerAttribute& integer) { return integer.name == name; });
}

Result<void> check_queue_name(std::string_view name, const QueueSettings& settings) {
  constexpr std::string_view kSuffix = ".fifo";
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  };
  std::string_view stem = name;
  if (settings.fifo && name.ends_with(kSuffix)) stem.remove_suffix(kSuffix.size());
  const bool is_valid = !stem.empty() && name.size() <= 80 && std::ranges::all_of(stem, allowed);
  if (is_valid && (!settings.fifo || stem.size() < name.size())) return {};
  return Error(kInvalidParameterValue,
               settings.fifo ? "The name of a FIFO queue can only include alphanumeric characters, hyphens, or "
                               "underscores, must end with .fifo suffix and be 1 to 80 in length"
                             : "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length");
}

std::string queue_arn(const QueueName& queue) {
  return "arn:aws:sqs:" + queue.scope.region + ":" + queue.scope.account + ":" + queue.name;
}

std::optional<QueueName> parse_queue_arn(std::string_view arn) {
  std::vector<std::string_view> parts;
  for (std::size_t start = 0; parts.size() < 7;) {
    const auto end = arn.find(':', start);
    parts.push_back(arn.substr(start, end - start));
    if (end == std::string_view::npos) break;
    start = end + 1;
  }
  if (parts.size() != 6 || parts[0] != "arn" || parts[2] != "sqs" || parts[5].empty()) return std::nullopt;
  return QueueName{Scope{std::string(parts[4]), std::string(parts[3])}, std::string(parts[5])};
}

}  // namespace millrace::sqs
