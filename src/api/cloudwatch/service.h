// Amazon CloudWatch on the wire: query, JSON 1.0 and CBOR.
#pragma once

#include <memory>

#include "metrics/store.h"
#include "platform/clock.h"
#include "wire/service.h"

namespace millrace::api_cloudwatch {

struct Parts {
  metrics::Store& store;
  platform::Scheduler& scheduler;
};

// Everything in `parts` must outlive the result.
std::unique_ptr<wire::Service> make_cloudwatch_service(const Parts& parts);

}  // namespace millrace::api_cloudwatch
