// Amazon EventBridge (CloudWatch Events) on the wire (JSON 1.1): rules with schedules and patterns on the default bus.
#pragma once

#include <memory>

#include "delivery/delivery.h"
#include "events/service.h"
#include "platform/clock.h"
#include "platform/random.h"
#include "wire/service.h"

namespace millrace::api_events {

struct Resources {
  events::Events& events;
  delivery::Delivery& delivery;
  platform::Clock& clock;
  platform::Random& random;
};

// What is passed must outlive the result.
std::unique_ptr<wire::Service> make_events_service(const Resources& resources);

}  // namespace millrace::api_events
