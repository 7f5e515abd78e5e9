#include "api/lambda/internal/mapping_document.h"

#include <chrono>
#include <utility>

#include "api/lambda/internal/queue_mapping.h"

namespace millrace::api_lambda {
namespace {

wire::Document text_list(const std::vector<std::string>& texts) {
  wire::Document out = wire::Document::array();
  for (const std::string& text : texts) out.push(text);
  return out;
}

}  // namespace

double modified_seconds(Time modified, ModifiedPrecision precision) {
  const Time shown = precision == ModifiedPrecision::kMilliseconds
                         ? modified
                         : Time(std::chrono::floor<std::chrono::minutes>(modified.time_since_epoch()));
  return static_cast<double>(to_unix_ms(shown)) / 1000;
}

wire::Document filter_document(const triggers::Mapping& mapping) {
  wire::Document filters = wire::Document::array();
  for (const std::string& pattern : mapping.filters) filters.push(wire::Document::object({{"Pattern", pattern}}));
  return wire::Document::object({{"Filters", std::move(filters)}});
}

std::string_view settled_state(const triggers::Mapping& mapping) { return mapping.enabled ? "Enabled" : "Disabled"; }

wire::Document mapping_document(const triggers::Mapping& mapping, std::string_view state, std::string last_result,
                                ModifiedPrecision precision) {
  if (is_queue_mapping(mapping)) return queue_mapping_document(mapping, state, precision);
  using wire::Document;
  Document on_failure = Document::object();
  on_failure.set_if(!mapping.destination.empty(), "Destination", mapping.destination);
  Document response_types = Document::array();
  if (mapping.report_failures) response_types.push("ReportBatchItemFailures");
  Document out = Document::object({{"UUID", mapping.uuid},
                                   {"StartingPosition", mapping.starting_position},
                                   {"BatchSize", mapping.batch_size},
                                   {"MaximumBatchingWindowInSeconds", mapping.window_s},
                                   {"ParallelizationFactor", mapping.parallelization_factor},
                                   {"EventSourceArn", mapping.stream_arn}});
  if (!mapping.filters.empty()) out.set("FilterCriteria", filter_document(mapping));
  out.set("FunctionArn", mapping.function_arn);
  out.set("LastModified", modified_seconds(mapping.last_modified, precision));
  out.set("LastProcessingResult", std::move(last_result));
  out.set("State", state);
  out.set("StateTransitionReason", "User action");
  out.set("DestinationConfig", Document::object({{"OnFailure", std::move(on_failure)}}));
  out.set("MaximumRecordAgeInSeconds", mapping.record_age_max_s);
  out.set("BisectBatchOnFunctionError", mapping.bisect);
  out.set("MaximumRetryAttempts", mapping.retries_max);
  out.set("TumblingWindowInSeconds", mapping.tumbling_s);
  out.set("FunctionResponseTypes", std::move(response_types));
  if (!mapping.metrics.empty()) {
    out.set("MetricsConfig", Document::object({{"Metrics", text_list(mapping.metrics)}}));
  }
  out.set("EventSourceMappingArn", arn_of(mapping));
  return out;
}

}  // namespace millrace::api_lambda
