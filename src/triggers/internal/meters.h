// The instruments that mappings of both kinds of source have, by the mapping's UUID, and what both tell alike.
#pragma once

#include <string>

#include "telemetry/metrics.h"
#include "triggers/internal/ledger.h"
#include "triggers/status.h"

namespace millrace::triggers::internal {

inline constexpr int kBlockedTries = 2;  // AWS shows nothing; we warn from the second retry on

struct MappingMeters {
  MappingMeters(telemetry::Registry& registry, const std::string& uuid)
      : polled(registry.counter("millrace_trigger_polled_records_total", {{"mapping", uuid}}, "PolledEventCount")),
        filtered(
            registry.counter("millrace_trigger_filtered_records_total", {{"mapping", uuid}}, "FilteredOutEventCount")),
        invoked(registry.counter("millrace_trigger_invoked_records_total", {{"mapping", uuid}}, "InvokedEventCount")),
        failed(
            registry.counter("millrace_trigger_failed_records_total", {{"mapping", uuid}}, "FailedInvokeEventCount")),
        blocked(registry.gauge("millrace_trigger_blocked", {{"mapping", uuid}},
                               "1 while a batch is tried again and again")),
        latency(registry.histogram("millrace_trigger_latency_ms", {{"mapping", uuid}},
                                   "From commit to the call of the function")),
        batch_records(registry.histogram("millrace_trigger_batch_records", {}, "Records per invocation")) {}
  telemetry::Counter &polled, &filtered, &invoked, &failed;
  telemetry::Gauge& blocked;
  telemetry::Histogram &latency, &batch_records;
};

// All of a status but what the runner alone knows: shards, queue, whether it is blocked or busy.
inline Status status_of(const Mapping& mapping, const std::string& last_result, const Ledger& ledger,
                        const MappingMeters& meters) {
  Status out;
  out.mapping = mapping;
  out.last_result = last_result;
  out.last_error = ledger.saved().last_error;
  out.last_error_at = ledger.saved().last_error_at;
  out.totals = ledger.saved().totals;
  out.latency = {meters.latency.count(), meters.latency.quantile(0.5), meters.latency.quantile(0.99)};
  return out;
}

}  // namespace millrace::triggers::internal
