#include "functions/internal/event_records.h"

#include "codec/json.h"
#include "codec/key.h"
#include "functions/limits.h"

namespace millrace::functions::internal {
namespace {

using codec::Json;

// The first line as JSON and the rest.
std::optional<std::pair<Json, std::string_view>> split_line(std::string_view text) {
  const auto end = text.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  auto json = codec::parse_json(text.substr(0, end));
  if (!json.ok() || json->int_or("v", 0) != 1) return std::nullopt;
  return std::pair{std::move(json).value(), text.substr(end + 1)};
}

std::string as_json(const std::string& payload) {
  if (codec::parse_json(payload).ok()) return payload;
  std::string quoted;
  codec::append_json_string(quoted, payload);
  return quoted;
}

}  // namespace

std::string lanes_key(std::string_view prefix, const FunctionName& function) {
  return codec::KeyWriter(prefix).text(function.scope.account).text(function.scope.region).text(function.name).str();
}

std::string lane_key(std::string_view prefix, const FunctionReference& function) {
  return codec::KeyWriter(lanes_key(prefix, function.function)).text(function.qualifier).str();
}

std::string event_key(std::string_view prefix, const FunctionReference& function, std::uint64_t number) {
  return codec::KeyWriter(lane_key(prefix, function)).be64(number).str();
}

std::optional<std::pair<FunctionReference, std::uint64_t>> parse_event_key(std::string_view key) {
  codec::KeyReader reader(key);
  if (!reader.skip(kEventPrefix)) return std::nullopt;
  auto account = reader.text();
  auto region = reader.text();
  auto name = reader.text();
  auto qualifier = reader.text();
  const auto number = reader.be64();
  if (!account || !region || !name || !qualifier || !number) return std::nullopt;
  const FunctionName function{{std::string(*account), std::string(*region)}, std::string(*name)};
  return std::pair{FunctionReference{function, std::string(*qualifier)}, *number};
}

std::string encode_event(const Event& event) {
  Json head = Json::object({{"v", 1}, {"id", event.request_id}, {"t", to_unix_ms(event.received)}});
  head.set_if(!event.client_context.empty(), "context", event.client_context);
  head.set_if(!event.trace_id.empty(), "trace", event.trace_id);
  return head.dump() + "\n" + event.payload;
}

std::optional<Event> decode_event(const FunctionReference& function, std::string_view text) {
  const auto parts = split_line(text);
  if (!parts) return std::nullopt;
  const Json& head = parts->first;
  return Event{.function = function,
               .request_id = std::string(head.string_or("id", "")),
               .payload = std::string(parts->second),
               .client_context = std::string(head.string_or("context", "")),
               .trace_id = std::string(head.string_or("trace", "")),
               .received = from_unix_ms(head.int_or("t", 0))};
}

std::string encode_state(const EventState& state) {
  return Json::object({{"v", 1},
                       {"n", state.invocations},
                       {"next", to_unix_ms(state.next_try)},
                       {"version", state.executed_version}})
             .dump() +
         "\n" + state.response;
}

std::optional<EventState> decode_state(std::string_view text) {
  const auto parts = split_line(text);
  if (!parts) return std::nullopt;
  return EventState{.invocations = static_cast<int>(parts->first.int_or("n", 0)),
                    .next_try = from_unix_ms(parts->first.int_or("next", 0)),
                    .response = std::string(parts->second),
                    .executed_version = std::string(parts->first.string_or("version", kLatest))};
}

std::string result_document(const Event& event, const ResultDocument& result) {
  // AWS: always qualified.
  FunctionReference invoked = event.function;
  if (invoked.qualifier.empty()) invoked.qualifier = kLatest;
  const Json context = Json::object({{"requestId", event.request_id},
                                     {"functionArn", invoked.arn()},
                                     {"condition", result.condition},
                                     {"approximateInvokeCount", result.invocations}});
  // Payloads are put in as they are, so that their numbers keep their text.
  std::string text =
      R"({"version":"1.0","timestamp":")" + format_iso_ms(result.now) + R"(","requestContext":)" + context.dump();
  if (result.has_payloads) text += R"(,"requestPayload":)" + as_json(event.payload);
  if (result.response != nullptr) {
    Json response = Json::object({{"statusCode", 200}, {"executedVersion", result.executed_version}});
    if (result.condition != "Success") response.set("functionError", "Unhandled");
    text += R"(,"responseContext":)" + response.dump();
    if (result.has_payloads) text += R"(,"responsePayload":)" + as_json(*result.response);
  }
  return text + "}";
}

delivery::Message dead_letter(const Event& event, std::string_view response) {
  std::string message;
  if (const auto document = codec::parse_json(response); document.ok()) {
    message = document->string_or("errorMessage", "");
  }
  if (message.size() > kDeadLetterMessageBytesMax) message.resize(kDeadLetterMessageBytesMax);
  delivery::Message letter{.body = event.payload};
  letter.attributes.push_back({"RequestID", "String", event.request_id});
  letter.attributes.push_back({"ErrorCode", "Number", "200"});
  if (!message.empty()) letter.attributes.push_back({"ErrorMessage", "String", message});
  return letter;
}

}  // namespace millrace::functions::internal
