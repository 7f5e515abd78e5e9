#include "api/sqs/operations.h"
#include "api/sqs/queue_url.h"
#include "sqs/errors.h"
#include "wire/generated/sqs_views.h"

namespace millrace::api_sqs {
namespace {

std::map<std::string, std::string, std::less<>> to_map(wire::MapView<std::string_view> view) {
  std::map<std::string, std::string, std::less<>> map;
  for (auto [key, value] : view) map[std::string(key)] = value;
  return map;
}

std::vector<std::string> to_vector(wire::ListView<std::string_view> view) {
  std::vector<std::string> texts;
  for (auto text : view) texts.emplace_back(text);
  return texts;
}

Document from_map(const std::map<std::string, std::string, std::less<>>& map) {
  Document document = Document::object();
  for (const auto& [key, value] : map) document.set(key, value);
  return document;
}

std::optional<int> to_int(std::optional<std::int64_t> value) {
  return value ? std::optional<int>(static_cast<int>(*value)) : std::nullopt;
}

Reply page_reply(const sqs::Service& queues, const RequestContext& context, std::string_view member,
                 const sqs::Page& page) {
  Document urls = Document::array();
  for (const auto& name : page.queues) urls.push(queue_url(context.service_host, name));
  Document output = Document::object();
  // AWS: ListQueues leaves the member out when there are none; queueUrls is required.
  output.set_if(!page.queues.empty() || member == "queueUrls", member, std::move(urls))
      .set_if(!page.next_token.empty(), "NextToken", page.next_token);
  return reply(queues, std::move(output));
}

}  // namespace

Result<Reply> create_queue(sqs::Service& queues, const RequestContext& context, const Document& input) {
  const wire::sqs::CreateQueueRequest request(input);
  const sqs::QueueName name{context.caller.scope, std::string(request.queue_name())};
  MR_RETURN_IF_ERROR(queues.create_queue(name, to_map(request.attributes()), to_map(request.tags())));
  return reply(queues, Document::object({{"QueueUrl", queue_url(context.service_host, name)}}));
}

Result<Reply> delete_queue(sqs::Service& queues, const RequestContext& context, const Document& input) {
  const wire::sqs::DeleteQueueRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto name, queue_of(request.queue_url(), context));
  MR_RETURN_IF_ERROR(queues.delete_queue(name));
  return reply(queues);
}

Result<Reply> get_queue_url(sqs::Service& queues, const RequestContext& context, const Document& input) {
  const wire::sqs::GetQueueUrlRequest request(input);
  sqs::QueueName name{context.caller.scope, std::string(request.queue_name())};
  if (request.queue_owner_aws_account_id()) name.scope.account = *request.queue_owner_aws_account_id();
  MR_RETURN_IF_ERROR(queues.check_exists(name));
  return reply(queues, Document::object({{"QueueUrl", queue_url(context.service_host, name)}}));
}

Result<Reply> list_queues(sqs::Service& queues, const RequestContext& context, const Document& input) {
  const wire::sqs::ListQueuesRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto page,
                      queues.list_queues(context.caller.scope, request.queue_name_prefix().value_or(""),
                                         to_int(request.max_results()), request.next_token().value_or("")));
  return page_reply(queues, context, "QueueUrls", page);
}

Result<Reply> list_dead_letter_source_queues(sqs::Service& queues, const RequestContext& context,
                                             const Document& input) {
  const wire::sqs::ListDeadLetterSourceQueuesRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto name, queue_of(request.queue_url(), context));
  MR_ASSIGN_OR_RETURN(const auto page, queues.dead_letter_sources(name, to_int(request.max_results()),
                                                                  request.next_token().value_or("")));
  return page_reply(queues, context, "queueUrls", page);
}

Result<Reply> get_queue_attributes(sqs::Service& queues, const RequestContext& context, const Document& input) {
  const wire::sqs::GetQueueAttributesRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto name, queue_of(request.queue_url(), context));
  MR_ASSIGN_OR_RETURN(const auto attributes, queues.get_attributes(name, to_vector(request.attribute_names())));
  Document output = Document::object();
  output.set_if(!attributes.empty(), "Attributes", from_map(attributes));
  return reply(queues, std::move(output));
}

Result<Reply> set_queue_attributes(sqs::Service& queues, const RequestContext& context, const Document& input) {
  const wire::sqs::SetQueueAttributesRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto name, queue_of(request.queue_url(), context));
  MR_RETURN_IF_ERROR(queues.set_attributes(name, to_map(request.attributes())));
  return reply(queues);
}

Result<Reply> purge_queue(sqs::Service& queues, const RequestContext& context, const Document& input) {
  const wire::sqs::PurgeQueueRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto name, queue_of(request.queue_url(), context));
  MR_RETURN_IF_ERROR(queues.purge(name));
  return reply(queues);
}

Result<Reply> tag_queue(sqs::Service& queues, const RequestContext& context, const Document& input) {
  const wire::sqs::TagQueueRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto name, queue_of(request.queue_url(), context));
  MR_RETURN_IF_ERROR(queues.tag(name, to_map(request.tags())));
  return reply(queues);
}

Result<Reply> untag_queue(sqs::Service& queues, const RequestContext& context, const Document& input) {
  const wire::sqs::UntagQueueRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto name, queue_of(request.queue_url(), context));
  MR_RETURN_IF_ERROR(queues.untag(name, to_vector(request.tag_keys())));
  return reply(queues);
}

Result<Reply> list_queue_tags(sqs::Service& queues, const RequestContext& context, const Document& input) {
  const wire::sqs::ListQueueTagsRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto name, queue_of(request.queue_url(), context));
  MR_ASSIGN_OR_RETURN(const auto tags, queues.tags(name));
  Document output = Document::object();
  output.set_if(!tags.empty(), "Tags", from_map(tags));
  return reply(queues, std::move(output));
}

}  // namespace millrace::api_sqs
