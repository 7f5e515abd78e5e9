#include "api/sns/service.h"

#include <algorithm>

#include "api/sns/operations.h"
#include "sns/errors.h"
#include "wire/generated/sns.h"
#include "wire/refusals.h"

namespace millrace::api_sns {
namespace {

Error invalid_arn(std::string_view arn, std::string_view member) {
  const auto elements = std::ranges::count(arn, ':') + 1;
  std::string text = "Invalid parameter: " + std::string(member);
  if (elements < 6) text += " Reason: An ARN must have at least 6 elements, not " + std::to_string(elements);
  return Error(sns::kInvalidParameter, std::move(text));
}

}  // namespace

Reply reply(const sns::Service& topics, Document output) {
  Reply answer;
  answer.output = std::move(output);
  answer.after = topics.last_commit();
  return answer;
}

Result<sns::TopicName> topic_of(std::string_view arn, std::string_view member) {
  auto name = sns::parse_topic_arn(arn);
  if (!name) return invalid_arn(arn, member);
  return *std::move(name);
}

Result<sns::SubscriptionName> subscription_of(std::string_view arn) {
  auto name = sns::parse_subscription_arn(arn);
  if (!name) return invalid_arn(arn, "SubscriptionArn");
  return *std::move(name);
}

std::unique_ptr<wire::Service> make_sns_service(sns::Service& topics) {
  auto service = std::make_unique<wire::Service>(wire::sns::kModel);
  using Operation = Result<Reply> (*)(sns::Service&, const RequestContext&, const Document&);
  const auto serve = [&](std::string_view name, Operation operation) {
    service->on(name, [&topics, operation](const RequestContext& context, const Document& input) {
      return operation(topics, context, input);
    });
  };
  serve("CreateTopic", create_topic);
  serve("DeleteTopic", delete_topic);
  serve("ListTopics", list_topics);
  serve("GetTopicAttributes", get_topic_attributes);
  serve("SetTopicAttributes", set_topic_attributes);
  serve("TagResource", tag_resource);
  serve("UntagResource", untag_resource);
  serve("ListTagsForResource", list_tags_for_resource);
  serve("Subscribe", subscribe);
  serve("Unsubscribe", unsubscribe);
  serve("ListSubscriptions", list_subscriptions);
  serve("ListSubscriptionsByTopic", list_subscriptions_by_topic);
  serve("GetSubscriptionAttributes", get_subscription_attributes);
  serve("SetSubscriptionAttributes", set_subscription_attributes);
  serve("Publish", publish);
  serve("PublishBatch", publish_batch);
  wire::hold_refusals(*service, [&topics] { return topics.last_commit(); });
  return service;
}

}  // namespace millrace::api_sns
