// Amazon CloudWatch on the wire: query, JSON 1.0 and CBOR.
#pragma once

#include <memory>

#include "metrics/alarms.h"
#include "metrics/store.h"
#include "platform/clock.h"
#include "wire/service.h"

namespace millrace::api_cloudwatch {

struct Parts {
  metrics::Store& store;
  metrics::Alarms& alarms;
  platform::Scheduler& scheduler;
};

// Everything in `parts` must outlive the result.
std::unique_ptr<wire::Service> make_cloudwatch_service(const Parts& parts);

// The queries of an alarm's definition, checked: for metrics::Alarms::load().
Result<std::vector<metrics::Query>> alarm_queries(const Scope& scope, const wire::Document& definition);

}  // namespace millrace::api_cloudwatch
