#include "api/sns/operations.h"
#include "wire/generated/sns_views.h"

namespace millrace::api_sns {
namespace {

Document list_document(const sns::Page<sns::SubscriptionInfo>& page) {
  Document list = Document::array();
  for (const auto& [name, subscription] : page.items) {
    list.push(Document::object({{"SubscriptionArn", sns::subscription_arn(name)},
                                {"Owner", subscription.owner},
                                {"Protocol", subscription.protocol},
                                {"Endpoint", subscription.endpoint},
                                {"TopicArn", sns::topic_arn(name.topic)}}));
  }
  Document output = Document::object({{"Subscriptions", std::move(list)}});
  output.set_if(!page.next_token.empty(), "NextToken", page.next_token);
  return output;
}

}  // namespace

// Queues and functions need no confirmation.
Result<Reply> subscribe(sns::Service& topics, const RequestContext& context, const Document& input) {
  const wire::sns::SubscribeInput request(input);
  MR_ASSIGN_OR_RETURN(const auto topic, topic_of(request.topic_arn(), "TopicArn"));
  sns::Attributes attributes;
  for (auto [name, value] : request.attributes()) attributes[std::string(name)] = value;
  MR_ASSIGN_OR_RETURN(const auto arn, topics.subscribe(topic, request.protocol(), request.endpoint().value_or(""),
                                                       attributes, context.caller.scope.account));
  return reply(topics, Document::object({{"SubscriptionArn", arn}}));
}

Result<Reply> unsubscribe(sns::Service& topics, const RequestContext&, const Document& input) {
  const wire::sns::UnsubscribeInput request(input);
  MR_ASSIGN_OR_RETURN(const auto name, subscription_of(request.subscription_arn()));
  MR_RETURN_IF_ERROR(topics.unsubscribe(name));
  return reply(topics);
}

Result<Reply> list_subscriptions(sns::Service& topics, const RequestContext& context, const Document& input) {
  const wire::sns::ListSubscriptionsInput request(input);
  MR_ASSIGN_OR_RETURN(const auto page,
                      topics.list_subscriptions(context.caller.scope, request.next_token().value_or("")));
  return reply(topics, list_document(page));
}

Result<Reply> list_subscriptions_by_topic(sns::Service& topics, const RequestContext&, const Document& input) {
  const wire::sns::ListSubscriptionsByTopicInput request(input);
  MR_ASSIGN_OR_RETURN(const auto topic, topic_of(request.topic_arn(), "TopicArn"));
  MR_ASSIGN_OR_RETURN(const auto page, topics.list_subscriptions_of(topic, request.next_token().value_or("")));
  return reply(topics, list_document(page));
}

Result<Reply> get_subscription_attributes(sns::Service& topics, const RequestContext&, const Document& input) {
  const wire::sns::GetSubscriptionAttributesInput request(input);
  MR_ASSIGN_OR_RETURN(const auto name, subscription_of(request.subscription_arn()));
  MR_ASSIGN_OR_RETURN(const auto found, topics.subscription(name));
  Document attributes =
      Document::object({{"SubscriptionArn", sns::subscription_arn(name)},
                        {"TopicArn", sns::topic_arn(name.topic)},
                        {"Owner", found.subscription.owner},
                        {"Protocol", found.subscription.protocol},
                        {"Endpoint", found.subscription.endpoint},
                        {"ConfirmationWasAuthenticated", "true"},
                        {"PendingConfirmation", "false"},
                        {"SubscriptionPrincipal", "arn:aws:iam::" + found.subscription.owner + ":root"}});
  for (const auto& [key, value] : found.subscription.settings()) attributes.set(key, value);
  return reply(topics, Document::object({{"Attributes", std::move(attributes)}}));
}

Result<Reply> set_subscription_attributes(sns::Service& topics, const RequestContext&, const Document& input) {
  const wire::sns::SetSubscriptionAttributesInput request(input);
  MR_ASSIGN_OR_RETURN(const auto name, subscription_of(request.subscription_arn()));
  MR_RETURN_IF_ERROR(
      topics.set_subscription_attribute(name, request.attribute_name(), request.attribute_value().value_or("")));
  return reply(topics);
}

}  // namespace millrace::api_sns
