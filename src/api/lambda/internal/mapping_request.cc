#include "api/lambda/internal/mapping_request.h"

#include <array>
#include <string>
#include <utility>

#include "api/lambda/internal/queue_mapping.h"
#include "triggers/pattern.h"
#include "wire/arn.h"
#include "wire/generated/lambda.h"
#include "wire/generated/lambda_views.h"

namespace millrace::api_lambda {
namespace {

constexpr std::size_t kFiltersMax = 10;  // AWS: 5, and 10 on request

// AWS: members of other kinds of event sources. The text is recorded for ScalingConfig.
constexpr std::array kForeignMembers = {"ScalingConfig",
                                        "SourceAccessConfigurations",
                                        "Topics",
                                        "Queues",
                                        "SelfManagedEventSource",
                                        "AmazonManagedKafkaEventSourceConfig",
                                        "SelfManagedKafkaEventSourceConfig",
                                        "DocumentDBEventSourceConfig",
                                        "ProvisionedPollerConfig",
                                        "LoggingConfig"};

Error invalid_mapping(std::string message) {
  return Error(wire::lambda::kInvalidParameterValueException, std::move(message));
}

bool is_given(const wire::Document& request, std::string_view name) {
  const wire::Document* member = request.find(name);
  if (member == nullptr || member->is_null()) return false;
  return !member->is_array() || !member->as_array().empty();
}

Result<void> refuse_foreign_members(const wire::Document& request) {
  for (const char* name : kForeignMembers) {
    if (is_given(request, name)) {
      return invalid_mapping("Unsupported " + std::string(name) + " parameter for given event source mapping type.");
    }
  }
  return {};
}

Result<void> check_source(const std::string& arn, const MappingLookups& lookups) {
  const auto parsed = wire::parse_arn(arn);
  if (!parsed) return invalid_mapping("Unrecognized event source.");
  if (parsed->service == "dynamodb" && parsed->resource.find("/stream/") != std::string::npos) {
    if (!lookups.stream_exists(arn)) return invalid_mapping("Stream not found: " + arn);
    return {};
  }
  if (parsed->service == "kinesis" || parsed->service == "kafka" || parsed->service == "mq") {
    return invalid_mapping("EventSourceArn: event sources of " + parsed->service +
                           " are not supported by millrace; DynamoDB streams and SQS queues are.");
  }
  return invalid_mapping("Unrecognized event source.");
}

Result<void> check_starting_position(const wire::lambda::CreateEventSourceMappingRequest& request,
                                     const std::string& source) {
  const auto position = request.starting_position();
  if (!position) {
    return invalid_mapping(
        "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not "
        "be "
        "null.");
  }
  if (*position == "AT_TIMESTAMP") return invalid_mapping("Unsupported starting position for arn type: " + source);
  if (request.starting_position_timestamp()) {
    return invalid_mapping("Timestamp only valid with StartingPosition AT_TIMESTAMP");
  }
  return {};
}

Result<void> apply_filters(const wire::lambda::FilterCriteria& criteria, triggers::Mapping& mapping) {
  std::vector<std::string> filters;
  for (const auto& filter : criteria.filters()) filters.emplace_back(filter.pattern().value_or(""));
  if (filters.size() > kFiltersMax) {
    return invalid_mapping("FilterCriteria: at most " + std::to_string(kFiltersMax) + " filters are allowed.");
  }
  const auto compiled = triggers::Filters::compile(filters);
  if (!compiled.ok()) return invalid_mapping(compiled.error().message());
  mapping.filters = std::move(filters);
  return {};
}

Result<void> apply_destination(const wire::lambda::DestinationConfig& config, const MappingLookups& lookups,
                               triggers::Mapping& mapping) {
  const auto success = config.on_success();
  if (success && !success->destination().value_or("").empty()) {
    return invalid_mapping("OnSuccess configuration is not supported for event source mappings.");
  }
  const auto failure = config.on_failure();
  const std::string arn(failure ? failure->destination().value_or("") : "");
  if (!arn.empty()) {
    const auto parsed = wire::parse_arn(arn);
    if (!parsed) return invalid_mapping("The destination ARN " + arn + " is invalid.");
    if (parsed->service != "sqs" && parsed->service != "sns" && parsed->service != "s3") {
      return invalid_mapping("DestinationConfig.OnFailure.Destination: destinations of " + parsed->service +
                             " are not supported by millrace; standard SQS queues, standard SNS topics and S3 buckets "
                             "are.");
    }
    // AWS: standard queues and topics only.
    if (arn.ends_with(".fifo") || !lookups.check_destination(arn).ok()) {
      return invalid_mapping("The destination ARN " + arn + " is invalid.");
    }
  }
  mapping.destination = arn;
  return {};
}

Result<void> apply_metrics(const wire::lambda::EventSourceMappingMetricsConfig& config, triggers::Mapping& mapping) {
  std::vector<std::string> metrics;
  for (const std::string_view metric : config.metrics()) {
    if (metric != "EventCount") {
      return invalid_mapping("MetricsConfig.Metrics: " + std::string(metric) +
                             " is not supported for this event source; EventCount is.");
    }
    metrics = {"EventCount"};
  }
  mapping.metrics = std::move(metrics);
  return {};
}

// Rules over several members, on the settings as they would be.
Result<void> check_combinations(const wire::Document& request, const triggers::Mapping& mapping) {
  const wire::lambda::UpdateEventSourceMappingRequest view(request);
  if (mapping.tumbling_s > 0) {
    if (mapping.parallelization_factor > 1) {
      return invalid_mapping("Parallelization factor must be equal to 1 when tumbling window period is configured");
    }
    if (!mapping.filters.empty()) {
      return invalid_mapping("Tumbling window period should be zero when FilterCriteria is configured");
    }
  }
  if (mapping.record_age_max_s != -1 && mapping.record_age_max_s < 60) {
    return invalid_mapping(
        "MaximumRecordAgeInSeconds must be either -1 (forever) or between 60 and 604800 (inclusive)");
  }
  if (!view.kms_key_arn().value_or("").empty()) {
    return invalid_mapping("KMSKeyArn: encrypted filter criteria are not supported by millrace.");
  }
  return {};
}

}  // namespace

std::string function_arn_of(const Scope& scope, std::string_view name) {
  if (name.starts_with("arn:")) return std::string(name);
  const std::string prefix = "arn:aws:lambda:" + scope.region + ":";
  if (const std::size_t at = name.find(":function:"); at != std::string_view::npos) return prefix + std::string(name);
  if (name.starts_with("function:")) return prefix + scope.account + ":" + std::string(name);
  return prefix + scope.account + ":function:" + std::string(name);
}

Result<void> apply_function(std::string_view name, const MappingLookups& lookups, triggers::Mapping& mapping) {
  const std::string arn = function_arn_of(mapping.scope, name);
  const auto parsed = wire::parse_arn(arn);
  const bool is_ours = parsed && parsed->service == "lambda" && parsed->account == mapping.scope.account &&
                       parsed->region == mapping.scope.region && parsed->resource.starts_with("function:");
  if (!is_ours || !lookups.function_exists(arn)) return invalid_mapping("Function does not exist");
  mapping.function_arn = arn;
  return {};
}

Result<void> apply_settings(const wire::Document& request, const MappingLookups& lookups, triggers::Mapping& mapping) {
  // The settings have the same names in create and update requests.
  const wire::lambda::UpdateEventSourceMappingRequest view(request);
  const bool is_queue = is_queue_mapping(mapping);
  MR_RETURN_IF_ERROR(is_queue ? apply_queue_settings(request, mapping) : refuse_foreign_members(request));
  mapping.enabled = view.enabled().value_or(mapping.enabled);
  mapping.batch_size = view.batch_size().value_or(mapping.batch_size);
  mapping.window_s = view.maximum_batching_window_in_seconds().value_or(mapping.window_s);
  mapping.tumbling_s = view.tumbling_window_in_seconds().value_or(mapping.tumbling_s);
  mapping.parallelization_factor = view.parallelization_factor().value_or(mapping.parallelization_factor);
  mapping.record_age_max_s = view.maximum_record_age_in_seconds().value_or(mapping.record_age_max_s);
  mapping.retries_max = view.maximum_retry_attempts().value_or(mapping.retries_max);
  mapping.bisect = view.bisect_batch_on_function_error().value_or(mapping.bisect);
  if (view.function_response_types().present()) mapping.report_failures = !view.function_response_types().empty();
  if (const auto criteria = view.filter_criteria()) MR_RETURN_IF_ERROR(apply_filters(*criteria, mapping));
  if (const auto config = view.destination_config()) MR_RETURN_IF_ERROR(apply_destination(*config, lookups, mapping));
  if (const auto config = view.metrics_config()) MR_RETURN_IF_ERROR(apply_metrics(*config, mapping));
  return check_combinations(request, mapping);
}

Result<triggers::Mapping> parse_create(const Scope& scope, const wire::Document& request,
                                       const MappingLookups& lookups) {
  const wire::lambda::CreateEventSourceMappingRequest view(request);
  triggers::Mapping mapping;
  mapping.scope = scope;
  mapping.stream_arn = view.event_source_arn().value_or("");
  if (mapping.stream_arn.empty()) return invalid_mapping("Unrecognized event source.");
  for (const auto& [key, value] : view.tags()) mapping.tags[std::string(key)] = value;
  if (is_queue_mapping(mapping)) {
    MR_RETURN_IF_ERROR(begin_queue_mapping(request, mapping));
    MR_RETURN_IF_ERROR(apply_settings(request, lookups, mapping));
    MR_RETURN_IF_ERROR(apply_function(view.function_name(), lookups, mapping));
    MR_RETURN_IF_ERROR(check_queue_mapping(lookups, mapping));
    return mapping;
  }
  MR_RETURN_IF_ERROR(check_starting_position(view, mapping.stream_arn));
  mapping.starting_position = view.starting_position().value_or("");
  MR_RETURN_IF_ERROR(apply_settings(request, lookups, mapping));
  MR_RETURN_IF_ERROR(apply_function(view.function_name(), lookups, mapping));
  MR_RETURN_IF_ERROR(check_source(mapping.stream_arn, lookups));
  return mapping;
}

}  // namespace millrace::api_lambda
