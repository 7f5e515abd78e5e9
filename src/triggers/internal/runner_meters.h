// The instruments of one mapping, by its UUID. For the files of Runner only.
#pragma once

#include <string>

#include "telemetry/metrics.h"
#include "triggers/internal/runner.h"

namespace millrace::triggers::internal {

inline constexpr int kBlockedTries = 2;  // AWS shows nothing; we warn from the second retry on

struct Runner::Meters {
  Meters(telemetry::Registry& registry, const std::string& uuid)
      : polled(registry.counter("millrace_trigger_polled_records_total", {{"mapping", uuid}}, "PolledEventCount")),
        filtered(
            registry.counter("millrace_trigger_filtered_records_total", {{"mapping", uuid}}, "FilteredOutEventCount")),
        invoked(registry.counter("millrace_trigger_invoked_records_total", {{"mapping", uuid}}, "InvokedEventCount")),
        failed(
            registry.counter("millrace_trigger_failed_records_total", {{"mapping", uuid}}, "FailedInvokeEventCount")),
        dropped(registry.counter("millrace_trigger_dropped_records_total", {{"mapping", uuid}}, "DroppedEventCount")),
        delivered(registry.counter("millrace_trigger_destination_records_total", {{"mapping", uuid}},
                                   "OnFailureDestinationDeliveredEventCount")),
        destination_failures(registry.counter("millrace_trigger_destination_failures_total", {{"mapping", uuid}},
                                              "DestinationDeliveryFailures")),
        lost(registry.counter("millrace_trigger_lost_records_total", {{"mapping", uuid}},
                              "Records trimmed before they were read")),
        blocked(registry.gauge("millrace_trigger_blocked", {{"mapping", uuid}},
                               "1 while a batch is tried again and again")),
        iterator_age(registry.gauge("millrace_trigger_iterator_age_ms", {{"mapping", uuid}},
                                    "IteratorAge: age of the last record of the last batch")),
        latency(registry.histogram("millrace_trigger_latency_ms", {{"mapping", uuid}},
                                   "From commit to the call of the function")),
        batch_records(registry.histogram("millrace_trigger_batch_records", {}, "Records per invocation")) {}
  telemetry::Counter &polled, &filtered, &invoked, &failed, &dropped, &delivered, &destination_failures, &lost;
  telemetry::Gauge &blocked, &iterator_age;
  telemetry::Histogram &latency, &batch_records;
};

}  // namespace millrace::triggers::internal
