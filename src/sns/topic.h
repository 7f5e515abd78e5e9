// Topics and subscriptions as values: names, ARNs, what can be set on them. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/scope.h"
#include "base/time.h"
#include "sns/filter.h"

namespace millrace::sns {

using Attributes = std::map<std::string, std::string, std::less<>>;
using Tags = std::map<std::string, std::string, std::less<>>;

struct TopicName {
  Scope scope;
  std::string name;
  friend auto operator<=>(const TopicName&, const TopicName&) = default;
};

std::string topic_arn(const TopicName& topic);                   // arn:aws:sns:us-east-1:000000000000:orders
std::optional<TopicName> parse_topic_arn(std::string_view arn);  // any partition

struct SubscriptionName {
  TopicName topic;
  std::string id;  // UUID
};
std::string subscription_arn(const SubscriptionName& subscription);  // the topic's, ':' and the id
std::optional<SubscriptionName> parse_subscription_arn(std::string_view arn);

// kInvalidParameter; FIFO names are refused by name.
Result<void> check_topic_name(std::string_view name);

struct Subscription {
  std::string id;
  std::string protocol;  // "sqs" or "lambda"
  std::string endpoint;  // ARN
  std::string owner;     // account
  bool raw = false;      // RawMessageDelivery; sqs only
  Filter filter;
  std::string redrive_text;     // RedrivePolicy as given; "" none
  std::string dead_letter_arn;  // of it

  // Sets one of RawMessageDelivery, FilterPolicy, FilterPolicyScope, RedrivePolicy. kInvalidParameter, also for what
  // this server does not serve (DeliveryPolicy and the attributes of other protocols).
  Result<void> set(std::string_view name, std::string_view value);
  // As set, for comparison and storage.
  Attributes settings() const;
};

// A snapshot: never changes once shared.
struct Topic {
  TopicName name;
  Time created{};
  Attributes attributes;  // as set: DisplayName, Policy, SignatureVersion, TracingConfig
  Tags tags;
  std::uint64_t deleted_subscriptions = 0;
  std::map<std::string, Subscription, std::less<>> subscriptions;  // by id

  // kInvalidParameter, also for what this server does not serve.
  Result<void> set(std::string_view attribute, std::string_view value);
  // As GetTopicAttributes shows it.
  Attributes shown() const;
};
using TopicPointer = std::shared_ptr<const Topic>;

// kInvalidParameter for protocols other than sqs and lambda, and for endpoints that are not of the protocol.
Result<void> check_endpoint(std::string_view protocol, std::string_view endpoint);

}  // namespace millrace::sns
