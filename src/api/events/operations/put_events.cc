#include "api/events/operations.h"
#include "events/errors.h"
#include "wire/generated/events_views.h"

namespace millrace::api_events {
namespace entries {

constexpr ErrorType kInvalidArgument{"InvalidArgument", 400};
constexpr ErrorType kMalformedDetail{"MalformedDetail", 400};
constexpr ErrorType kNotAuthorized{"NotAuthorizedForSourceException", 400};
constexpr ErrorType kTooLarge{"ValidationException", 400};
constexpr std::size_t kRequestBytesMax = 262'144;  // AWS: of all entries

Error missing(std::string_view what) {
  return Error(kInvalidArgument, "Parameter " + std::string(what) + " is not valid. Reason: " + std::string(what) +
                                     " is a required argument.");
}

// The event that an entry becomes. Errors: what its answer says of it.
Result<Json> event_of(const Resources& all, const RequestContext& context,
                      const wire::events::PutEventsRequestEntry& entry) {
  if (entry.source().value_or("").empty()) return missing("Source");
  if (entry.detail_type().value_or("").empty()) return missing("DetailType");
  if (!entry.detail()) return missing("Detail");
  if (entry.source()->starts_with("aws.")) return Error(kNotAuthorized, "Not authorized for the source.");
  if (entry.trace_header()) return Error(kInvalidArgument, "TraceHeader is not supported by this server.");
  if (auto bus = check_bus(context, entry.event_bus_name().value_or("")); !bus.ok()) return std::move(bus).error();
  auto detail = codec::parse_json(*entry.detail());
  if (!detail.ok() || !detail->is_object()) return Error(kMalformedDetail, "Detail is malformed.");
  Json resources = Json::array();
  for (auto resource : entry.resources()) resources.push(resource);
  return Json::object({{"version", "0"},
                       {"id", all.random.uuid()},
                       {"detail-type", *entry.detail_type()},
                       {"source", *entry.source()},
                       {"account", context.caller.scope.account},
                       {"time", format_iso_s(entry.time().value_or(all.clock.now()))},
                       {"region", context.caller.scope.region},
                       {"resources", std::move(resources)},
                       {"detail", *std::move(detail)}});
}

}  // namespace entries

Result<Reply> put_events(const Resources& all, const RequestContext& context, const Document& input) {
  const wire::events::PutEventsRequest request(input);
  if (request.endpoint_id()) return Error(events::kValidation, "EndpointId is not supported by this server.");
  std::vector<Json> events;
  std::size_t bytes = 0;
  std::int64_t failed = 0;
  Document answers = Document::array();
  for (auto entry : request.entries()) {
    bytes += entry.source().value_or("").size() + entry.detail_type().value_or("").size() +
             entry.detail().value_or("").size();
    auto event = entries::event_of(all, context, entry);
    if (event.ok()) {
      answers.push(Document::object({{"EventId", event->string_or("id", "")}}));
      events.push_back(*std::move(event));
    } else {
      ++failed;
      answers.push(
          Document::object({{"ErrorCode", event.error().type().name}, {"ErrorMessage", event.error().message()}}));
    }
  }
  if (bytes > entries::kRequestBytesMax) {
    return Error(events::kValidation, "Total size of the entries in the request is over the limit.");
  }
  all.events.publish(context.caller.scope, events);
  return reply(all, Document::object({{"FailedEntryCount", failed}, {"Entries", std::move(answers)}}));
}

Result<Reply> test_event_pattern(const Resources& all, const RequestContext&, const Document& input) {
  const wire::events::TestEventPatternRequest request(input);
  const auto event = codec::parse_json(request.event());
  if (!event.ok() || !event->is_object()) {
    return Error(events::kValidation, "Parameter Event is not valid. Reason: it is not a JSON object.");
  }
  for (const char* field : {"id", "account", "source", "time", "region", "resources", "detail-type"}) {
    if (event->find(field) == nullptr) {
      return Error(events::kValidation,
                   "Parameter Event is not valid. Reason: " + std::string(field) + " must be provided.");
    }
  }
  const auto pattern = patterns::Pattern::compile(request.event_pattern());
  if (!pattern.ok()) {
    return Error(events::kInvalidEventPattern,
                 "Event pattern is not valid. Reason: " + std::string(request.event_pattern()));
  }
  return reply(all, Document::object({{"Result", pattern->matches(*event)}}));
}

}  // namespace millrace::api_events
