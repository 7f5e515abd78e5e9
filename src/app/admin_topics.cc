// topics.
#include "app/internal/admin_endpoints.h"
#include "sns/service.h"
#include "storage/group_committer.h"

namespace millrace::app {
namespace {

using codec::Json;

Json subscription_json(const sns::TopicName& topic, const sns::Subscription& subscription) {
  Json json = Json::object({{"protocol", subscription.protocol},
                            {"endpoint", subscription.endpoint},
                            {"raw", subscription.raw},
                            {"filter", subscription.filter.text().empty() ? "-" : subscription.filter.text()}});
  if (!subscription.filter.text().empty())
    json.set("filter_scope", subscription.settings().find("FilterPolicyScope")->second);
  json.set("dead_letter_queue", subscription.dead_letter_arn.empty() ? "-" : subscription.dead_letter_arn);
  return json.set("arn", sns::subscription_arn({topic, subscription.id}));
}

// {"message": text, "subject": text, "attributes": {name: text}}: as Publish with String attributes.
Result<Json> publish(Parts& parts, const sns::TopicName& name, const Json& body) {
  sns::Outgoing message;
  message.body = body.string_or("message", "");
  message.subject = body.string_or("subject", "");
  if (const Json* attributes = body.find("attributes"); attributes != nullptr && attributes->is_object()) {
    for (const auto& [attribute, value] : attributes->as_object()) {
      if (!value.is_string()) return Error(kBadRequest, "attributes must be texts by name");
      message.attributes.push_back({attribute, "String", value.as_string()});
    }
  }
  MR_ASSIGN_OR_RETURN(const std::string id, parts.topics->publish(name, message));
  return Json::object({{"message_id", id}});
}

}  // namespace

void admin_topics(Parts& parts, const AdminRequest& request, AdminReply reply) {
  if (request.path.size() == 1) {
    Json list = Json::array();
    for (const auto& topic : parts.topics->all_topics()) {
      if (topic->name.scope != request.scope) continue;
      list.push(Json::object({{"name", topic->name.name},
                              {"subscriptions", topic->subscriptions.size()},
                              {"created", format_iso_s(topic->created)},
                              {"arn", sns::topic_arn(topic->name)}}));
    }
    return reply(Json::object({{"topics", list}}));
  }
  const sns::TopicName name{request.scope, request.path[1]};
  const auto topic = parts.topics->topic(name);
  if (!topic.ok()) return reply(Error(kNoSuchEndpoint, "there is no topic " + request.path[1]));
  if (request.path.size() > 2 && request.path[2] == "publish") {
    if (request.method != "POST") return reply(Error(kBadRequest, "publish is a POST"));
    auto published = publish(parts, name, request.body);
    if (!published.ok()) return reply(Error(kBadRequest, published.error().message()));
    return parts.committer->when_durable(
        parts.topics->last_commit(), [reply = std::move(reply), answer = *std::move(published)](const Error* error) {
          if (error != nullptr) return reply(*error);
          reply(answer);
        });
  }
  Json subscriptions = Json::array();
  for (const auto& [id, subscription] : (*topic)->subscriptions)
    subscriptions.push(subscription_json(name, subscription));
  Json json = Json::object({{"name", name.name}, {"arn", sns::topic_arn(name)}});
  json.set("created", format_iso_ms((*topic)->created)).set("subscriptions_removed", (*topic)->deleted_subscriptions);
  reply(json.set("subscriptions", subscriptions));
}

}  // namespace millrace::app
