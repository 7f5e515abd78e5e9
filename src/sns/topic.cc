#include "sns/topic.h"

#include <algorithm>

#include "codec/json.h"
#include "sns/errors.h"
#include "sns/limits.h"

namespace millrace::sns {
namespace {

using codec::Json;

Error invalid(std::string_view text) { return Error(kInvalidParameter, "Invalid parameter: " + std::string(text)); }

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= kTopicNameMax && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

// The service, region, account and rest of an ARN.
struct Parts {
  std::string_view service, region, account, resource;
};
std::optional<Parts> split_arn(std::string_view arn) {
  std::string_view fields[5];
  for (auto& field : fields) {
    const auto end = arn.find(':');
    if (end == std::string_view::npos) return std::nullopt;
    field = arn.substr(0, end);
    arn.remove_prefix(end + 1);
  }
  if (fields[0] != "arn" || fields[1].empty() || arn.empty()) return std::nullopt;
  return Parts{fields[2], fields[3], fields[4], arn};
}

// AWS: what every topic has until another policy is set.
std::string default_policy(const TopicName& topic) {
  const std::string arn = topic_arn(topic);
  Json actions = Json::array();
  for (const char* action :
       {"SNS:GetTopicAttributes", "SNS:SetTopicAttributes", "SNS:AddPermission", "SNS:RemovePermission",
        "SNS:DeleteTopic", "SNS:Subscribe", "SNS:ListSubscriptionsByTopic", "SNS:Publish"}) {
    actions.push(action);
  }
  Json statement = Json::object(
      {{"Sid", "__default_statement_ID"},
       {"Effect", "Allow"},
       {"Principal", Json::object({{"AWS", "*"}})},
       {"Action", std::move(actions)},
       {"Resource", arn},
       {"Condition", Json::object({{"StringEquals", Json::object({{"AWS:SourceOwner", topic.scope.account}})}})}});
  return Json::object({{"Version", "2008-10-17"},
                       {"Id", "__default_policy_ID"},
                       {"Statement", Json::array({std::move(statement)})}})
      .dump();
}

constexpr std::string_view kEffectiveDeliveryPolicy =
    R"({"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":20,"maxDelayTarget":20,"numRetries":3,)"
    R"("numMaxDelayRetries":0,"numNoDelayRetries":0,"numMinDelayRetries":0,"backoffFunction":"linear"},)"
    R"("disableSubscriptionOverrides":false,"defaultRequestPolicy":{"headerContentType":"text/plain; charset=UTF-8"}}})";

// The queue of a RedrivePolicy.
Result<std::string> dead_letters_of(std::string_view text) {
  const auto wrong = [](std::string_view reason) { return invalid("RedrivePolicy: " + std::string(reason)); };
  const auto json = codec::parse_json(text);
  if (!json.ok() || !json->is_object()) return wrong("failed to parse JSON.");
  for (const auto& [name, value] : json->as_object()) {
    if (name != "deadLetterTargetArn") return wrong("unexpected field '" + name + "'.");
  }
  const auto arn = json->string_or("deadLetterTargetArn", "");
  const auto parts = split_arn(arn);
  if (!parts || parts->service != "sqs") return wrong("deadLetterTargetArn is an invalid arn");
  if (arn.ends_with(".fifo")) return wrong("FIFO queues cannot be the dead-letter queue of a standard subscription");
  return std::string(arn);
}

}  // namespace

std::string topic_arn(const TopicName& topic) {
  return "arn:aws:sns:" + topic.scope.region + ":" + topic.scope.account + ":" + topic.name;
}

std::optional<TopicName> parse_topic_arn(std::string_view arn) {
  const auto parts = split_arn(arn);
  if (!parts || parts->service != "sns" || parts->region.empty() || parts->account.empty()) return std::nullopt;
  std::string_view name = parts->resource;
  if (name.ends_with(".fifo")) name.remove_suffix(5);
  if (!is_name(name)) return std::nullopt;
  return TopicName{Scope{std::string(parts->account), std::string(parts->region)}, std::string(parts->resource)};
}

std::string subscription_arn(const SubscriptionName& subscription) {
  return topic_arn(subscription.topic) + ":" + subscription.id;
}

std::optional<SubscriptionName> parse_subscription_arn(std::string_view arn) {
  const auto colon = arn.rfind(':');
  if (colon == std::string_view::npos || colon + 1 == arn.size()) return std::nullopt;
  auto topic = parse_topic_arn(arn.substr(0, colon));
  if (!topic) return std::nullopt;
  return SubscriptionName{*std::move(topic), std::string(arn.substr(colon + 1))};
}

Result<void> check_topic_name(std::string_view name) {
  if (name.ends_with(".fifo")) {
    return invalid("Topic Name Reason: FIFO topics are not supported by millrace: " + std::string(name));
  }
  if (!is_name(name)) return invalid("Topic Name");
  return {};
}

Result<void> check_endpoint(std::string_view protocol, std::string_view endpoint) {
  constexpr std::string_view kOthers[] = {"http", "https", "email", "email-json", "sms", "application", "firehose"};
  if (std::ranges::find(kOthers, protocol) != std::end(kOthers)) {
    return invalid("Protocol Reason: " + std::string(protocol) +
                   " subscriptions are not supported by millrace; sqs and lambda are.");
  }
  if (protocol != "sqs" && protocol != "lambda") {
    return invalid("Amazon SNS does not support this protocol string: " + std::string(protocol));
  }
  const auto parts = split_arn(endpoint);
  if (protocol == "sqs") {
    if (!parts || parts->service != "sqs") return invalid("SQS endpoint ARN");
    // AWS: the text of a standard topic.
    if (endpoint.ends_with(".fifo")) {
      return invalid("Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics");
    }
    return {};
  }
  if (!parts || parts->service != "lambda" || !parts->resource.starts_with("function:")) {
    return invalid("Lambda endpoint ARN");
  }
  return {};
}

Result<void> Subscription::set(std::string_view name, std::string_view value) {
  if (name == "RawMessageDelivery") {
    if (value != "true" && value != "false" && value != "True" && value != "False") {
      return invalid("RawMessageDelivery: Invalid value [" + std::string(value) + "]. Must be true or false.");
    }
    const bool wanted = value == "true" || value == "True";
    if (wanted && protocol != "sqs") {
      return invalid("RawMessageDelivery: Delivery protocol [" + protocol + "] does not support raw message delivery.");
    }
    raw = wanted;
    return {};
  }
  if (name == "FilterPolicy") {
    MR_ASSIGN_OR_RETURN(filter, Filter::compile(value, filter.scope()));
    return {};
  }
  if (name == "FilterPolicyScope") {
    if (value != "MessageAttributes" && value != "MessageBody") {
      return invalid("FilterPolicyScope: Invalid value [" + std::string(value) +
                     "]. Please use either MessageBody or MessageAttributes");
    }
    MR_ASSIGN_OR_RETURN(filter, filter.with_scope(value == "MessageBody" ? FilterScope::kMessageBody
                                                                         : FilterScope::kMessageAttributes));
    return {};
  }
  if (name == "RedrivePolicy") {
    std::string arn;
    if (!value.empty()) {
      MR_ASSIGN_OR_RETURN(arn, dead_letters_of(value));
    }
    redrive_text = value;
    dead_letter_arn = std::move(arn);
    return {};
  }
  if (name == "DeliveryPolicy" || name == "SubscriptionRoleArn" || name == "ReplayPolicy") {
    return invalid(std::string(name) + ": not supported by millrace");
  }
  return invalid("AttributeName");
}

Attributes Subscription::settings() const {
  Attributes all;
  all["RawMessageDelivery"] = raw ? "true" : "false";
  if (!filter.text().empty() || filter.scope() == FilterScope::kMessageBody) {
    all["FilterPolicyScope"] = filter.scope() == FilterScope::kMessageBody ? "MessageBody" : "MessageAttributes";
  }
  if (!filter.text().empty()) all["FilterPolicy"] = filter.text();
  if (!redrive_text.empty()) all["RedrivePolicy"] = redrive_text;
  return all;
}

Result<void> Topic::set(std::string_view attribute, std::string_view value) {
  const auto refused = [&] { return invalid(std::string(attribute) + " Reason: not supported by millrace"); };
  const auto wrong = [&] {
    return invalid("Attributes Reason: Invalid value for attribute: " + std::string(attribute));
  };
  if (attribute == "Policy") {
    if (!value.empty()) {
      const auto policy = codec::parse_json(value);
      if (!policy.ok() || !policy->is_object()) return invalid("Policy Error: null");
    }
  } else if (attribute == "SignatureVersion") {
    if (value != "1" && value != "2") return wrong();
  } else if (attribute == "TracingConfig") {
    if (value == "Active") return refused();
    if (value != "PassThrough") return wrong();
  } else if (attribute == "DisplayName") {
    if (value.size() > kSubjectCharactersMax) return wrong();
  } else if (attribute == "FifoTopic" || attribute == "ContentBasedDeduplication" || attribute == "ArchivePolicy" ||
             attribute == "FifoThroughputScope") {
    if (attribute == "FifoTopic" && value == "false") return {};
    return invalid("Attributes Reason: FIFO topics are not supported by millrace: " + std::string(attribute));
  } else if (attribute == "DeliveryPolicy" || attribute == "KmsMasterKeyId" || attribute == "DataProtectionPolicy" ||
             attribute.find("Feedback") != std::string_view::npos) {
    if (value.empty()) return {};
    return refused();
  } else {
    return invalid("AttributeName");
  }
  if (value.empty()) {
    attributes.erase(std::string(attribute));
  } else {
    attributes[std::string(attribute)] = value;
  }
  return {};
}

Attributes Topic::shown() const {
  Attributes all = attributes;
  all.emplace("DisplayName", "");
  all.emplace("Policy", default_policy(name));
  all["TopicArn"] = topic_arn(name);
  all["Owner"] = name.scope.account;
  all["SubscriptionsConfirmed"] = std::to_string(subscriptions.size());
  all["SubscriptionsPending"] = "0";
  all["SubscriptionsDeleted"] = std::to_string(deleted_subscriptions);
  all["EffectiveDeliveryPolicy"] = kEffectiveDeliveryPolicy;
  return all;
}

}  // namespace millrace::sns
