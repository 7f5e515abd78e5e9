// An event source mapping as it is configured, and the form in which it is kept: JSON under `mappings/<UUID>` in
// kCatalogue. Positions are kept beside it, see internal/shard.h.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/scope.h"
#include "base/time.h"
#include "triggers/lane.h"

namespace millrace::triggers {

inline constexpr std::string_view kMappingPrefix = "mappings/";

// A record that a person has let go: it is never delivered.
struct SkippedRecord {
  std::uint64_t shard = 0;
  SequenceNumber sequence = 0;
  friend auto operator<=>(const SkippedRecord&, const SkippedRecord&) = default;
};

struct Mapping {
  std::string uuid;
  Scope scope;
  std::string stream_arn;
  std::string function_arn;       // exactly as given: no qualifier, or the one of the request
  std::string starting_position;  // "TRIM_HORIZON", "LATEST"
  SequenceNumber start_after = 0;
  bool enabled = true;
  std::int64_t batch_size = 100;
  std::int64_t window_s = 0;
  std::int64_t tumbling_s = 0;
  std::int64_t parallelization_factor = 1;
  std::int64_t record_age_max_s = -1;
  std::int64_t retries_max = -1;
  bool bisect = false;
  std::int64_t maximum_concurrency = 0;  // ScalingConfig.MaximumConcurrency, of queues; 0: none
  bool report_failures = false;          // FunctionResponseTypes: ReportBatchItemFailures
  std::string destination;               // DestinationConfig.OnFailure.Destination
  std::vector<std::string> filters;
  std::vector<std::string> metrics;    // MetricsConfig.Metrics
  bool payload_in_failures = false;    // ours: documents on SQS and SNS hold the event, as those on S3 do
  std::vector<SkippedRecord> skipped;  // ours, in order; those that are passed go with the next intervention
  std::map<std::string, std::string> tags;
  Time last_modified{};

  friend bool operator==(const Mapping&, const Mapping&) = default;
};

// Whether its event source is an SQS queue; stream_arn is the queue's then.
bool is_queue_mapping(const Mapping& mapping);
std::string arn_of(const Mapping& mapping);  // arn:aws:lambda:REGION:ACCOUNT:event-source-mapping:UUID
std::string encode(const Mapping& mapping);
// Error: the text is damaged or of a newer version.
Result<Mapping> decode_mapping(std::string_view text);

// The settings of its lanes. `retention` bounds retries: a record that has left the stream cannot be delivered.
Settings lane_settings(const Mapping& mapping, Milliseconds retention);

}  // namespace millrace::triggers
