// AWS X-Ray on the wire (REST-JSON): segments in, traces and summaries out, and the sampling rule that SDKs ask for.
#pragma once

#include <memory>

#include "platform/clock.h"
#include "traces/sampler.h"
#include "traces/store.h"
#include "wire/service.h"

namespace millrace::api_xray {

// All outlive the service.
struct Parts {
  traces::Store& store;
  traces::Sampler& sampler;
  platform::Clock& clock;
};
std::unique_ptr<wire::Service> make_xray_service(const Parts& parts);

}  // namespace millrace::api_xray
