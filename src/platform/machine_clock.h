// A clock that nobody moves: for programs without a control loop (the command line, benchmarks) and tests of sockets.
#pragma once

#include "platform/clock.h"

namespace millrace::platform {

class MachineClock final : public Clock {
 public:
  Time now() const override { return machine_now(); }
  Time machine_now() const override;
  Deadline monotonic_now() const override;
};

}  // namespace millrace::platform
