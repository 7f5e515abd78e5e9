#include "api/sns/operations.h"
#include "sns/errors.h"
#include "wire/generated/sns_views.h"

namespace millrace::api_sns {
namespace {

template <typename Tags>
sns::Tags tags_from(const Tags& tags) {
  sns::Tags out;
  for (auto tag : tags) out[std::string(tag.key())] = tag.value();
  return out;
}

}  // namespace

Result<Reply> create_topic(sns::Service& topics, const RequestContext& context, const Document& input) {
  const wire::sns::CreateTopicInput request(input);
  if (request.data_protection_policy()) {
    return Error(sns::kInvalidParameter, "Invalid parameter: DataProtectionPolicy Reason: not supported by millrace");
  }
  sns::Attributes attributes;
  for (auto [name, value] : request.attributes()) attributes[std::string(name)] = value;
  const sns::TopicName name{context.caller.scope, std::string(request.name())};
  MR_RETURN_IF_ERROR(topics.create_topic(name, attributes, tags_from(request.tags())));
  return reply(topics, Document::object({{"TopicArn", sns::topic_arn(name)}}));
}

Result<Reply> delete_topic(sns::Service& topics, const RequestContext&, const Document& input) {
  const wire::sns::DeleteTopicInput request(input);
  MR_ASSIGN_OR_RETURN(const auto name, topic_of(request.topic_arn(), "TopicArn"));
  topics.delete_topic(name);
  return reply(topics);
}

Result<Reply> list_topics(sns::Service& topics, const RequestContext& context, const Document& input) {
  const wire::sns::ListTopicsInput request(input);
  MR_ASSIGN_OR_RETURN(const auto page, topics.list_topics(context.caller.scope, request.next_token().value_or("")));
  Document list = Document::array();
  for (const auto& name : page.items) list.push(Document::object({{"TopicArn", sns::topic_arn(name)}}));
  Document output = Document::object({{"Topics", std::move(list)}});
  output.set_if(!page.next_token.empty(), "NextToken", page.next_token);
  return reply(topics, std::move(output));
}

Result<Reply> get_topic_attributes(sns::Service& topics, const RequestContext&, const Document& input) {
  const wire::sns::GetTopicAttributesInput request(input);
  MR_ASSIGN_OR_RETURN(const auto name, topic_of(request.topic_arn(), "TopicArn"));
  MR_ASSIGN_OR_RETURN(const auto topic, topics.topic(name));
  Document attributes = Document::object();
  for (const auto& [key, value] : topic->shown()) attributes.set(key, value);
  return reply(topics, Document::object({{"Attributes", std::move(attributes)}}));
}

Result<Reply> set_topic_attributes(sns::Service& topics, const RequestContext&, const Document& input) {
  const wire::sns::SetTopicAttributesInput request(input);
  MR_ASSIGN_OR_RETURN(const auto name, topic_of(request.topic_arn(), "TopicArn"));
  MR_RETURN_IF_ERROR(
      topics.set_topic_attribute(name, request.attribute_name(), request.attribute_value().value_or("")));
  return reply(topics);
}

Result<Reply> tag_resource(sns::Service& topics, const RequestContext&, const Document& input) {
  const wire::sns::TagResourceRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto name, topic_of(request.resource_arn(), "ResourceArn"));
  MR_RETURN_IF_ERROR(topics.tag(name, tags_from(request.tags())));
  return reply(topics);
}

Result<Reply> untag_resource(sns::Service& topics, const RequestContext&, const Document& input) {
  const wire::sns::UntagResourceRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto name, topic_of(request.resource_arn(), "ResourceArn"));
  std::vector<std::string> keys;
  for (auto key : request.tag_keys()) keys.emplace_back(key);
  MR_RETURN_IF_ERROR(topics.untag(name, keys));
  return reply(topics);
}

Result<Reply> list_tags_for_resource(sns::Service& topics, const RequestContext&, const Document& input) {
  const wire::sns::ListTagsForResourceRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto name, topic_of(request.resource_arn(), "ResourceArn"));
  const auto topic = topics.topic(name);
  if (!topic.ok()) return Error(sns::kResourceNotFound, "Resource does not exist");
  Document tags = Document::array();
  for (const auto& [key, value] : (*topic)->tags) tags.push(Document::object({{"Key", key}, {"Value", value}}));
  return reply(topics, Document::object({{"Tags", std::move(tags)}}));
}

}  // namespace millrace::api_sns
