#include <algorithm>

#include "api/logs/operations.h"
#include "logs/errors.h"
#include "logs/filter_pattern.h"
#include "wire/generated/logs_views.h"

namespace millrace::api_logs {
namespace {

template <typename Request>
logs::EventQuery to_query(const Request& request) {
  logs::EventQuery query;
  if (request.start_time()) query.start = from_unix_ms(*request.start_time());
  if (request.end_time()) query.end = from_unix_ms(*request.end_time());
  query.limit = static_cast<std::size_t>(request.limit().value_or(10'000));
  query.token = request.next_token().value_or("");
  return query;
}

Document event_document(const logs::Event& event) {
  Document document = Document::object();
  document.set("timestamp", to_unix_ms(event.position.timestamp))
      .set("message", event.message)
      .set("ingestionTime", to_unix_ms(event.ingested));
  return document;
}

}  // namespace

Result<Reply> put_log_events(logs::Service& logs, const RequestContext& context, const Document& input) {
  const wire::logs::PutLogEventsRequest request(input);
  if (request.entity()) return not_supported("entity");
  // AWS: sequenceToken is taken and has no meaning any more.
  std::vector<logs::NewEvent> events;
  for (auto event : request.log_events()) {
    events.push_back({from_unix_ms(event.timestamp()), std::string(event.message())});
  }
  MR_ASSIGN_OR_RETURN(const auto rejected,
                      logs.put_events({context.caller.scope, std::string(request.log_group_name())},
                                      request.log_stream_name(), std::move(events)));
  Document output =
      Document::object({{"nextSequenceToken", "00000000000000000000000000000000000000000000000000000000"}});
  Document info = Document::object();
  const auto add = [&](std::string_view name, const std::optional<std::size_t>& index) {
    if (index) info.set(name, static_cast<std::int64_t>(*index));
  };
  add("tooNewLogEventStartIndex", rejected.too_new_start);
  add("tooOldLogEventEndIndex", rejected.too_old_end);
  add("expiredLogEventEndIndex", rejected.expired_end);
  if (!info.as_object().empty()) output.set("rejectedLogEventsInfo", std::move(info));
  return reply(logs, std::move(output));
}

Result<Reply> get_log_events(logs::Service& logs, const RequestContext& context, const Document& input) {
  const wire::logs::GetLogEventsRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto group, group_of(context, request.log_group_name(), request.log_group_identifier()));
  const auto from = request.start_from_head().value_or(false) ? logs::Service::From::kHead : logs::Service::From::kTail;
  MR_ASSIGN_OR_RETURN(const auto read, logs.stream_events(group, request.log_stream_name(), to_query(request), from));
  Document events = Document::array();
  for (const auto& event : read.events) events.push(event_document(event));
  return reply(logs, Document::object({{"events", std::move(events)},
                                       {"nextForwardToken", read.forward_token},
                                       {"nextBackwardToken", read.backward_token}}));
}

// `interleaved` makes no difference: events always come in order of time over all streams (AWS does so since 2019).
Result<Reply> filter_log_events(logs::Service& logs, const RequestContext& context, const Document& input) {
  const wire::logs::FilterLogEventsRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto group, group_of(context, request.log_group_name(), request.log_group_identifier()));
  const auto prefix = request.log_stream_name_prefix();
  std::vector<std::string_view> names;
  for (auto name : request.log_stream_names()) names.push_back(name);
  if (prefix && !names.empty()) {
    return Error(logs::kInvalidParameter, "logStreamNamePrefix and logStreamNames are mutually exclusive parameters.");
  }
  MR_ASSIGN_OR_RETURN(const auto pattern, logs::FilterPattern::parse(request.filter_pattern().value_or("")));
  const auto wanted_stream = [&](std::string_view stream) {
    if (!names.empty()) return std::ranges::find(names, stream) != names.end();
    return stream.starts_with(prefix.value_or(""));
  };
  logs::EventQuery query = to_query(request);
  // AWS: "Events with a timestamp later than this time are not returned"; GetLogEvents leaves out those of the time.
  if (query.end && *query.end < kNever) *query.end += Milliseconds(1);
  MR_ASSIGN_OR_RETURN(const auto page, logs.filter_events(group, query, wanted_stream, [&](std::string_view message) {
    return pattern.matches(message);
  }));
  Document events = Document::array();
  for (const auto& event : page.items) {
    Document document = Document::object({{"logStreamName", event.stream}});
    document.set("timestamp", to_unix_ms(event.position.timestamp))
        .set("message", event.message)
        .set("ingestionTime", to_unix_ms(event.ingested))
        .set("eventId", event.id());
    events.push(std::move(document));
  }
  // AWS: searchedLogStreams is no longer filled.
  Document output = Document::object({{"events", std::move(events)}, {"searchedLogStreams", Document::array()}});
  output.set_if(!page.next_token.empty(), "nextToken", page.next_token);
  return reply(logs, std::move(output));
}

}  // namespace millrace::api_logs
