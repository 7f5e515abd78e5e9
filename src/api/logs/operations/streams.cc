#include "api/logs/operations.h"
#include "logs/errors.h"
#include "wire/generated/logs_views.h"

namespace millrace::api_logs {
namespace {

Document stream_document(const logs::GroupName& group, const logs::StreamInfo& stream) {
  const auto ms = [](const std::optional<Time>& time) { return time ? to_unix_ms(*time) : 0; };
  Document document = Document::object();
  document.set("logStreamName", stream.name)
      .set("creationTime", to_unix_ms(stream.created))
      .set_if(stream.first_event.has_value(), "firstEventTimestamp", ms(stream.first_event))
      .set_if(stream.last_event.has_value(), "lastEventTimestamp", ms(stream.last_event))
      .set_if(stream.last_ingestion.has_value(), "lastIngestionTime", ms(stream.last_ingestion))
      .set("arn", logs::GroupInfo{.name = group}.arn() + ":log-stream:" + stream.name)
      .set("storedBytes", 0);  // AWS: always, since 2019
  return document;
}

}  // namespace

Result<Reply> create_log_stream(logs::Service& logs, const RequestContext& context, const Document& input) {
  const wire::logs::CreateLogStreamRequest request(input);
  MR_RETURN_IF_ERROR(
      logs.create_stream({context.caller.scope, std::string(request.log_group_name())}, request.log_stream_name()));
  return reply(logs);
}

Result<Reply> delete_log_stream(logs::Service& logs, const RequestContext& context, const Document& input) {
  const wire::logs::DeleteLogStreamRequest request(input);
  MR_RETURN_IF_ERROR(
      logs.delete_stream({context.caller.scope, std::string(request.log_group_name())}, request.log_stream_name()));
  return reply(logs);
}

Result<Reply> describe_log_streams(logs::Service& logs, const RequestContext& context, const Document& input) {
  const wire::logs::DescribeLogStreamsRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto group, group_of(context, request.log_group_name(), request.log_group_identifier()));
  logs::StreamQuery query;
  query.prefix = request.log_stream_name_prefix().value_or("");
  if (request.order_by() == "LastEventTime") {
    if (request.log_stream_name_prefix()) {
      return Error(logs::kInvalidParameter, "Cannot order by LastEventTime with a logStreamNamePrefix.");
    }
    query.order = logs::StreamQuery::Order::kLastEventTime;
  }
  if (request.descending().value_or(false)) query.direction = logs::StreamQuery::Direction::kDescending;
  query.limit = static_cast<std::size_t>(request.limit().value_or(50));
  query.token = request.next_token().value_or("");
  MR_ASSIGN_OR_RETURN(const auto page, logs.list_streams(group, query));
  Document streams = Document::array();
  for (const auto& stream : page.items) streams.push(stream_document(group, stream));
  Document output = Document::object({{"logStreams", std::move(streams)}});
  output.set_if(!page.next_token.empty(), "nextToken", page.next_token);
  return reply(logs, std::move(output));
}

}  // namespace millrace::api_logs
