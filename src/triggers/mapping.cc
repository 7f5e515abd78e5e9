#include "triggers/mapping.h"

#include <algorithm>

#include "codec/json.h"

namespace millrace::triggers {
namespace {

using codec::Json;

Json strings(const std::vector<std::string>& values) {
  Json out = Json::array();
  for (const std::string& value : values) out.push(value);
  return out;
}

Json tags_json(const Mapping& mapping) {
  Json out = Json::object();
  for (const auto& [name, value] : mapping.tags) out.set(name, value);
  return out;
}

std::vector<std::string> strings_of(const Json& document, std::string_view name) {
  std::vector<std::string> out;
  const Json* values = document.find(name);
  if (values == nullptr || !values->is_array()) return out;
  for (const Json& value : values->as_array()) {
    if (value.is_string()) out.push_back(value.as_string());
  }
  return out;
}

Json skipped_json(const std::vector<SkippedRecord>& skipped) {
  Json out = Json::array();
  for (const SkippedRecord& record : skipped) out.push(Json::array({record.shard, record.sequence}));
  return out;
}

std::vector<SkippedRecord> skipped_of(const Json& document) {
  std::vector<SkippedRecord> out;
  const Json* list = document.find("skipped");
  if (list == nullptr || !list->is_array()) return out;
  for (const Json& pair : list->as_array()) {
    if (!pair.is_array() || pair.as_array().size() != 2) continue;
    const auto number = [&](std::size_t i) {
      return pair.as_array()[i].is_int() ? static_cast<std::uint64_t>(pair.as_array()[i].as_int()) : 0;
    };
    out.push_back({number(0), number(1)});
  }
  return out;
}

// 0 without filters; fits a JSON integer.
std::uint64_t digest_of(const std::vector<std::string>& filters) {
  if (filters.empty()) return 0;
  std::uint64_t digest = 0xcbf29ce484222325;  // FNV-1a, over each text and its end
  for (const std::string& filter : filters) {
    for (const char c : filter + '\0') digest = (digest ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  return std::max<std::uint64_t>(1, digest >> 1);
}

// AWS: the ranges of CreateEventSourceMapping. What is outside was not written by us, and could not be carried out: no
// lane at all, or more than there is memory for.
bool is_possible(const Mapping& mapping) {
  const auto within = [](std::int64_t value, std::int64_t min, std::int64_t max) {
    return value >= min && value <= max;
  };
  return within(mapping.batch_size, 1, 10'000) && within(mapping.window_s, 0, 300) &&
         within(mapping.tumbling_s, 0, 900) && within(mapping.parallelization_factor, 1, 10) &&
         within(mapping.record_age_max_s, -1, 604'800) && within(mapping.retries_max, -1, 10'000) &&
         within(mapping.maximum_concurrency, 0, 1000);
}

}  // namespace

bool is_queue_mapping(const Mapping& mapping) {
  const std::string_view arn = mapping.stream_arn;
  const std::size_t partition = arn.find(':', 4);
  return arn.starts_with("arn:") && partition != std::string_view::npos && arn.substr(partition).starts_with(":sqs:");
}

std::string arn_of(const Mapping& mapping) {
  return "arn:aws:lambda:" + mapping.scope.region + ":" + mapping.scope.account +
         ":event-source-mapping:" + mapping.uuid;
}

std::string encode(const Mapping& mapping) {
  Json out = Json::object({{"v", 1},
                           {"uuid", mapping.uuid},
                           {"account", mapping.scope.account},
                           {"region", mapping.scope.region},
                           {"stream", mapping.stream_arn},
                           {"function", mapping.function_arn},
                           {"startingPosition", mapping.starting_position},
                           {"startAfter", mapping.start_after},
                           {"enabled", mapping.enabled},
                           {"batchSize", mapping.batch_size},
                           {"windowSeconds", mapping.window_s},
                           {"tumblingSeconds", mapping.tumbling_s},
                           {"parallelizationFactor", mapping.parallelization_factor},
                           {"recordAgeSeconds", mapping.record_age_max_s},
                           {"retries", mapping.retries_max},
                           {"bisect", mapping.bisect},
                           {"reportFailures", mapping.report_failures},
                           {"destination", mapping.destination},
                           {"filters", strings(mapping.filters)},
                           {"metrics", strings(mapping.metrics)},
                           {"lastModified", to_unix_ms(mapping.last_modified)}});
  out.set_if(!mapping.tags.empty(), "tags", tags_json(mapping));
  out.set_if(mapping.maximum_concurrency > 0, "maximumConcurrency", mapping.maximum_concurrency);
  out.set_if(mapping.payload_in_failures, "payloadInFailures", true);
  out.set_if(!mapping.skipped.empty(), "skipped", skipped_json(mapping.skipped));
  return out.dump();
}

Result<Mapping> decode_mapping(std::string_view text) {
  MR_ASSIGN_OR_RETURN(const Json json, codec::parse_json(text));
  if (json.int_or("v", 0) != 1) return Error(kInternalError, "an event source mapping was saved by a newer version");
  Mapping out;
  out.uuid = json.string_or("uuid", "");
  out.scope = {std::string(json.string_or("account", "")), std::string(json.string_or("region", ""))};
  out.stream_arn = json.string_or("stream", "");
  out.function_arn = json.string_or("function", "");
  if (out.uuid.empty() || out.stream_arn.empty() || out.function_arn.empty()) {
    return Error(kInternalError, "an event source mapping is damaged");
  }
  out.starting_position = json.string_or("startingPosition", "TRIM_HORIZON");
  out.start_after = static_cast<SequenceNumber>(json.int_or("startAfter", 0));
  out.enabled = json.bool_or("enabled", false);
  out.batch_size = json.int_or("batchSize", 100);
  out.window_s = json.int_or("windowSeconds", 0);
  out.tumbling_s = json.int_or("tumblingSeconds", 0);
  out.parallelization_factor = json.int_or("parallelizationFactor", 1);
  out.record_age_max_s = json.int_or("recordAgeSeconds", -1);
  out.retries_max = json.int_or("retries", -1);
  out.bisect = json.bool_or("bisect", false);
  out.maximum_concurrency = json.int_or("maximumConcurrency", 0);
  out.report_failures = json.bool_or("reportFailures", false);
  out.destination = json.string_or("destination", "");
  out.filters = strings_of(json, "filters");
  out.metrics = strings_of(json, "metrics");
  out.payload_in_failures = json.bool_or("payloadInFailures", false);
  out.skipped = skipped_of(json);
  if (const Json* tags = json.find("tags"); tags != nullptr && tags->is_object()) {
    for (const auto& [name, value] : tags->as_object()) out.tags[name] = value.is_string() ? value.as_string() : "";
  }
  out.last_modified = from_unix_ms(json.int_or("lastModified", 0));
  if (!is_possible(out)) return Error(kInternalError, "an event source mapping is damaged");
  return out;
}

Settings lane_settings(const Mapping& mapping, Milliseconds retention) {
  Settings out;
  out.batch_size = static_cast<std::size_t>(std::max<std::int64_t>(1, mapping.batch_size));
  out.window = Seconds(mapping.window_s);
  out.retries_max = static_cast<int>(mapping.retries_max);
  out.age_max = retention;
  if (mapping.record_age_max_s >= 0) out.age_max = std::min<Milliseconds>(retention, Seconds(mapping.record_age_max_s));
  out.bisect = mapping.bisect;
  out.enabled = mapping.enabled;
  out.tumbling = Seconds(mapping.tumbling_s);
  out.lanes = static_cast<unsigned>(mapping.parallelization_factor);
  out.filters = digest_of(mapping.filters);
  return out;
}

}  // namespace millrace::triggers
