#include "traces/otlp.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "traces/summary.h"

namespace millrace::traces {
namespace {

constexpr int kInternal = 1, kServer = 2, kClient = 3;  // SpanKind
constexpr int kStatusError = 2;

std::string trace_id_hex(std::string_view id) {
  return id.size() == 35 ? std::string(id.substr(2, 8)) + std::string(id.substr(11)) : std::string(id);
}

std::string nanoseconds(double seconds) {
  // Through microseconds: a double of today's seconds holds no finer time.
  return std::to_string(std::llround(std::clamp(seconds, 0.0, 9e9) * 1e6)) + "000";
}

class Attributes {
 public:
  void text(std::string_view key, std::string_view value) {
    if (!value.empty()) add(key, Json::object({{"stringValue", value}}));
  }
  void value(std::string_view key, const Json* value) {
    if (value == nullptr) return;
    if (value->is_string()) return text(key, value->as_string());
    if (value->is_bool()) return add(key, Json::object({{"boolValue", value->as_bool()}}));
    if (value->is_int()) return add(key, Json::object({{"intValue", std::to_string(value->as_int())}}));
    if (value->is_number()) add(key, Json::object({{"doubleValue", value->as_double()}}));
  }
  Json take() { return std::move(list_); }

 private:
  void add(std::string_view key, Json value) { list_.push(Json::object({{"key", key}, {"value", std::move(value)}})); }
  Json list_ = Json::array();
};

Json attributes_of(const Json& json) {
  Attributes out;
  out.value("http.request.method", member_at(json, {"http", "request", "method"}));
  out.value("url.full", member_at(json, {"http", "request", "url"}));
  out.value("user_agent.original", member_at(json, {"http", "request", "user_agent"}));
  out.value("client.address", member_at(json, {"http", "request", "client_ip"}));
  out.value("http.response.status_code", member_at(json, {"http", "response", "status"}));
  out.value("rpc.method", member_at(json, {"aws", "operation"}));
  if (member_at(json, {"aws", "operation"}) != nullptr) {
    out.text("rpc.system", "aws-api");
    out.text("rpc.service", json.string_or("name", ""));
  }
  out.value("aws.request_id", member_at(json, {"aws", "request_id"}));
  out.value("aws.s3.bucket", member_at(json, {"aws", "bucket_name"}));
  out.value("aws.dynamodb.table_names", member_at(json, {"aws", "table_name"}));
  out.value("faas.invoked_arn", member_at(json, {"aws", "function_arn"}));
  out.value("enduser.id", json.find("user"));
  if (const Json* annotations = json.find("annotations"); annotations != nullptr && annotations->is_object())
    for (const auto& [key, value] : annotations->as_object()) out.value(key, &value);
  return out.take();
}

Json events_of(const Json& json) {
  Json out = Json::array();
  const Json* exceptions = member_at(json, {"cause", "exceptions"});
  if (exceptions == nullptr || !exceptions->is_array()) return out;
  for (const auto& each : exceptions->as_array()) {
    Attributes attributes;
    attributes.value("exception.type", each.find("type"));
    attributes.value("exception.message", each.find("message"));
    out.push(Json::object({{"name", "exception"},
                           {"timeUnixNano", nanoseconds(number_or(json, "end_time", 0))},
                           {"attributes", attributes.take()}}));
  }
  return out;
}

Json span_of(const Json& json, const std::string& trace_id, std::string_view parent, int depth) {
  const Flags flags = flags_of(json);
  const auto space = json.string_or("namespace", "");
  const bool is_client = space == "aws" || space == "remote";
  std::string name(json.string_or("name", ""));
  if (const Json* operation = member_at(json, {"aws", "operation"}); operation != nullptr && operation->is_string())
    name += "." + operation->as_string();
  Json out = Json::object({{"traceId", trace_id},
                           {"spanId", json.string_or("id", "")},
                           {"name", name},
                           {"kind", is_client                                                  ? kClient
                                    : depth == 0 && json.string_or("type", "") != "subsegment" ? kServer
                                                                                               : kInternal},
                           {"startTimeUnixNano", nanoseconds(number_or(json, "start_time", 0))},
                           {"endTimeUnixNano", nanoseconds(number_or(json, "end_time", 0))},
                           {"attributes", attributes_of(json)}});
  out.set_if(!parent.empty(), "parentSpanId", parent);
  if (Json events = events_of(json); !events.as_array().empty()) out.set("events", std::move(events));
  const bool failed = flags.fault || flags.error || flags.throttle;
  out.set("status", failed ? Json::object({{"code", kStatusError}}) : Json::object());
  return out;
}

void collect(const Json& json, const std::string& trace_id, std::string_view parent, int depth,
             std::vector<Json>& out) {
  if (!flags_of(json).in_progress) out.push_back(span_of(json, trace_id, parent, depth));
  const Json* list = json.find("subsegments");
  if (list == nullptr || !list->is_array()) return;
  for (const auto& each : list->as_array()) collect(each, trace_id, json.string_or("id", ""), depth + 1, out);
}

}  // namespace

std::vector<Json> spans_of(const Json& segment) {
  std::vector<Json> out;
  collect(segment, trace_id_hex(segment.string_or("trace_id", "")), segment.string_or("parent_id", ""), 0, out);
  return out;
}

void ExportRequest::add(const Json& segment, std::string_view account, std::string_view region) {
  auto spans = spans_of(segment);
  if (spans.empty()) return;
  // A subsegment by itself is part of a service whose name it does not tell.
  const bool is_part = segment.string_or("type", "") == "subsegment";
  const std::string service(is_part ? std::string_view("millrace") : segment.string_or("name", ""));
  const std::string origin(segment.string_or("origin", ""));
  auto place = std::ranges::find_if(resources_, [&](const Resource& each) {
    return each.service == service && each.account == account && each.region == region && each.origin == origin;
  });
  if (place == resources_.end())
    place = resources_.insert(resources_.end(), {service, std::string(account), std::string(region), origin, {}});
  spans_ += spans.size();
  for (auto& span : spans) place->spans.push_back(std::move(span));
}

Json ExportRequest::take() {
  Json list = Json::array();
  for (auto& resource : resources_) {
    Attributes attributes;
    attributes.text("service.name", resource.service);
    attributes.text("cloud.provider", "aws");
    attributes.text("cloud.account.id", resource.account);
    attributes.text("cloud.region", resource.region);
    attributes.text("cloud.platform", resource.origin.starts_with("AWS::Lambda") ? "aws_lambda" : "");
    list.push(Json::object(
        {{"resource", Json::object({{"attributes", attributes.take()}})},
         {"scopeSpans", Json::array({Json::object({{"scope", Json::object({{"name", "millrace"}})},
                                                   {"spans", Json::array(std::move(resource.spans))}})})}}));
  }
  resources_.clear();
  spans_ = 0;
  return Json::object({{"resourceSpans", std::move(list)}});
}

}  // namespace millrace::traces
