// The port of the X-Ray daemon: segment documents by UDP, as the X-Ray SDKs send them.
//
//   {"format": "json", "version": 1}\n{segment document}
//
// One thread, which blocks on the socket alone. A datagram that is none of the above, or whose document is refused, is
// dropped and counted, as by the daemon. Listens on 127.0.0.1 only: the sender is not asked who he is.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <thread>

#include "base/result.h"
#include "telemetry/metrics.h"
#include "traces/store.h"

namespace millrace::app {

class XRayDaemon {
 public:
  // Both outlive this.
  XRayDaemon(traces::Store& store, telemetry::Registry& registry);
  ~XRayDaemon();  // stop()
  XRayDaemon(const XRayDaemon&) = delete;
  XRayDaemon& operator=(const XRayDaemon&) = delete;

  // Takes `port` (0: any free one) and starts. kUnavailable when it is taken.
  Result<void> start(std::uint16_t port);
  void stop();
  std::uint16_t port() const { return port_; }

 private:
  void run();
  void take(std::string_view datagram);

  traces::Store& store_;
  telemetry::Counter& accepted_;
  telemetry::Counter& refused_;
  int socket_ = -1;
  int wake_ = -1;  // eventfd: written to when it is to stop
  std::uint16_t port_ = 0;
  std::thread thread_;
};

// The document within a datagram, or "" when it has not the daemon's form. Pure.
std::string_view document_of_datagram(std::string_view datagram);

}  // namespace millrace::app
