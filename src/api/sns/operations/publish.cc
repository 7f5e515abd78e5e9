#include "api/sns/operations.h"
#include "sns/errors.h"
#include "wire/generated/sns_views.h"

namespace millrace::api_sns {
namespace {

Error invalid(std::string_view text) {
  return Error(sns::kInvalidParameter, "Invalid parameter: " + std::string(text));
}

// Publish and an entry of PublishBatch have the same members.
template <typename Request>
Result<sns::Outgoing> message_of(const Request& request) {
  for (const auto& [name, value] : {std::pair{"MessageGroupId", request.message_group_id()},
                                    std::pair{"MessageDeduplicationId", request.message_deduplication_id()}}) {
    if (!value) continue;
    return invalid(std::string(name) + " Reason: The request includes " + name +
                   " parameter that is not valid for this topic type");
  }
  sns::Outgoing message;
  message.body = request.message();
  if (const auto subject = request.subject()) {
    if (subject->empty()) return invalid("Subject");
    message.subject = *subject;
  }
  if (const auto structure = request.message_structure()) {
    if (*structure != "json") return invalid("MessageStructure");
    message.per_protocol = true;
  }
  for (auto [name, value] : request.message_attributes()) {
    const bool binary = value.data_type().starts_with("Binary");
    if (binary ? value.string_value().has_value() : value.binary_value().has_value()) {
      return Error(sns::kParameterValueInvalid, "The message attribute '" + std::string(name) + "' with type '" +
                                                    std::string(value.data_type()) + "' must use field '" +
                                                    (binary ? "Binary" : "String") + "'.");
    }
    message.attributes.push_back(
        {std::string(name), std::string(value.data_type()),
         binary ? value.binary_value().value_or("") : std::string(value.string_value().value_or(""))});
  }
  return message;
}

}  // namespace

Result<Reply> publish(sns::Service& topics, const RequestContext&, const Document& input) {
  const wire::sns::PublishInput request(input);
  if (request.phone_number()) return invalid("PhoneNumber Reason: SMS is not supported by millrace");
  if (request.topic_arn() && request.target_arn()) return invalid("TopicArn or TargetArn Reason: both are given");
  if (!request.topic_arn() && !request.target_arn())
    return invalid("TopicArn or TargetArn Reason: no value for required parameter");
  const bool by_topic = request.topic_arn().has_value();
  MR_ASSIGN_OR_RETURN(const auto topic, topic_of(by_topic ? *request.topic_arn() : *request.target_arn(),
                                                 by_topic ? "TopicArn" : "TargetArn"));
  MR_ASSIGN_OR_RETURN(const auto message, message_of(request));
  MR_ASSIGN_OR_RETURN(const auto id, topics.publish(topic, message));
  return reply(topics, Document::object({{"MessageId", id}}));
}

Result<Reply> publish_batch(sns::Service& topics, const RequestContext&, const Document& input) {
  const wire::sns::PublishBatchInput request(input);
  MR_ASSIGN_OR_RETURN(const auto topic, topic_of(request.topic_arn(), "TopicArn"));
  Document failed = Document::array();
  const auto fail = [&](const std::string& id, const Error& error) {
    failed.push(Document::object(
        {{"Id", id}, {"Code", error.type().name}, {"Message", error.message()}, {"SenderFault", true}}));
  };
  std::vector<sns::PublishEntry> good;
  std::vector<std::pair<std::string, Error>> wrong;
  for (auto entry : request.publish_batch_request_entries()) {
    auto message = message_of(entry);
    std::string id(entry.id());
    if (message.ok()) {
      good.push_back({id, std::move(message).value()});
    } else {
      wrong.emplace_back(id, std::move(message).error());
    }
  }
  Document done = Document::array();
  if (!good.empty() || wrong.empty()) {
    MR_ASSIGN_OR_RETURN(const auto results, topics.publish_batch(topic, good));
    for (const auto& [id, result] : results) {
      if (result.ok()) {
        done.push(Document::object({{"Id", id}, {"MessageId", *result}}));
      } else {
        fail(id, result.error());
      }
    }
  }
  for (const auto& [id, error] : wrong) fail(id, error);
  return reply(topics, Document::object({{"Successful", std::move(done)}, {"Failed", std::move(failed)}}));
}

}  // namespace millrace::api_sns
