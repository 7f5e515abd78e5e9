#include "api/lambda/internal/queue_mapping.h"

#include <array>
#include <string>
#include <utility>

#include "wire/generated/lambda.h"
#include "wire/generated/lambda_views.h"

namespace millrace::api_lambda {
namespace {

constexpr std::int64_t kQueueBatchSize = 10;         // AWS: the default, and the most without a window
constexpr std::int64_t kFunctionTimeoutDefault = 3;  // seconds

// AWS: members of other kinds of event sources; the text is recorded for DestinationConfig and ScalingConfig.
constexpr std::array kNotForQueues = {"ParallelizationFactor",
                                      "MaximumRecordAgeInSeconds",
                                      "MaximumRetryAttempts",
                                      "BisectBatchOnFunctionError",
                                      "TumblingWindowInSeconds",
                                      "DestinationConfig",
                                      "StartingPositionTimestamp",
                                      "SourceAccessConfigurations",
                                      "Topics",
                                      "Queues",
                                      "SelfManagedEventSource",
                                      "AmazonManagedKafkaEventSourceConfig",
                                      "SelfManagedKafkaEventSourceConfig",
                                      "DocumentDBEventSourceConfig"};
// AWS has them for queues.
constexpr std::array kNotServed = {"ProvisionedPollerConfig", "LoggingConfig"};

Error refused(std::string text) { return Error(wire::lambda::kInvalidParameterValueException, std::move(text)); }

bool is_present(const wire::Document& request, std::string_view name) {
  const wire::Document* member = request.find(name);
  if (member == nullptr || member->is_null()) return false;
  return !member->is_array() || !member->as_array().empty();
}

}  // namespace

Result<void> begin_queue_mapping(const wire::Document& request, triggers::Mapping& mapping) {
  if (is_present(request, "StartingPosition")) return refused("StartingPosition is not valid for SQS event sources.");
  mapping.batch_size = kQueueBatchSize;
  return {};
}

Result<void> apply_queue_settings(const wire::Document& request, triggers::Mapping& mapping) {
  for (const char* name : kNotForQueues) {
    if (is_present(request, name)) {
      return refused("Unsupported " + std::string(name) + " parameter for given event source mapping type.");
    }
  }
  for (const char* name : kNotServed) {
    if (is_present(request, name)) return refused(std::string(name) + " is not supported by millrace.");
  }
  const wire::Document* scaling = request.find("ScalingConfig");
  if (scaling != nullptr && scaling->is_object()) {
    // AWS: an empty configuration takes the limit away.
    mapping.maximum_concurrency = scaling->int_or("MaximumConcurrency", 0);
  }
  return {};
}

Result<void> check_queue_mapping(const MappingLookups& lookups, const triggers::Mapping& mapping) {
  const auto queue = lookups.queue ? lookups.queue(mapping.stream_arn) : std::nullopt;
  if (!queue) {
    return refused(
        "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error "
        "Message: The specified queue does not exist.");
  }
  if (queue->is_fifo && mapping.window_s > 0) return refused("Batching window is not supported for FIFO queues");
  if (queue->is_fifo && mapping.batch_size > kQueueBatchSize) {
    return refused("Batch size must not exceed 10 for FIFO queues");
  }
  if (mapping.batch_size > kQueueBatchSize && mapping.window_s == 0) {
    return refused("Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10");
  }
  const auto known = lookups.function_timeout ? lookups.function_timeout(mapping.function_arn) : std::nullopt;
  const std::int64_t timeout = known.value_or(kFunctionTimeoutDefault);
  if (queue->visibility_seconds < timeout) {
    return refused("Queue visibility timeout: " + std::to_string(queue->visibility_seconds) +
                   " seconds is less than Function timeout: " + std::to_string(timeout) + " seconds");
  }
  return {};
}

wire::Document queue_mapping_document(const triggers::Mapping& mapping, std::string_view state,
                                      ModifiedPrecision precision) {
  using wire::Document;
  Document response_types = Document::array();
  if (mapping.report_failures) response_types.push("ReportBatchItemFailures");
  Document out = Document::object({{"UUID", mapping.uuid},
                                   {"BatchSize", mapping.batch_size},
                                   {"MaximumBatchingWindowInSeconds", mapping.window_s},
                                   {"EventSourceArn", mapping.stream_arn}});
  if (!mapping.filters.empty()) out.set("FilterCriteria", filter_document(mapping));
  out.set("FunctionArn", mapping.function_arn);
  out.set("LastModified", modified_seconds(mapping.last_modified, precision));
  out.set("State", state);
  out.set("StateTransitionReason", "USER_INITIATED");
  out.set("FunctionResponseTypes", std::move(response_types));
  if (mapping.maximum_concurrency > 0) {
    out.set("ScalingConfig", Document::object({{"MaximumConcurrency", mapping.maximum_concurrency}}));
  }
  if (!mapping.metrics.empty()) {
    Document metrics = Document::array();
    for (const auto& metric : mapping.metrics) metrics.push(metric);
    out.set("MetricsConfig", Document::object({{"Metrics", std::move(metrics)}}));
  }
  out.set("EventSourceMappingArn", arn_of(mapping));
  return out;
}

}  // namespace millrace::api_lambda
