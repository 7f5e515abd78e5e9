// The instruments of one mapping of a stream. For the files of Runner only.
#pragma once

#include <string>

#include "triggers/internal/meters.h"
#include "triggers/internal/runner.h"

namespace millrace::triggers::internal {

struct Runner::Meters : MappingMeters {
  Meters(telemetry::Registry& registry, const std::string& uuid)
      : MappingMeters(registry, uuid),
        dropped(registry.counter("millrace_trigger_dropped_records_total", {{"mapping", uuid}}, "DroppedEventCount")),
        delivered(registry.counter("millrace_trigger_destination_records_total", {{"mapping", uuid}},
                                   "OnFailureDestinationDeliveredEventCount")),
        destination_failures(registry.counter("millrace_trigger_destination_failures_total", {{"mapping", uuid}},
                                              "DestinationDeliveryFailures")),
        lost(registry.counter("millrace_trigger_lost_records_total", {{"mapping", uuid}},
                              "Records trimmed before they were read")),
        iterator_age(registry.gauge("millrace_trigger_iterator_age_ms", {{"mapping", uuid}},
                                    "IteratorAge: age of the last record of the last batch")) {}
  telemetry::Counter &dropped, &delivered, &destination_failures, &lost;
  telemetry::Gauge& iterator_age;
};

}  // namespace millrace::triggers::internal
