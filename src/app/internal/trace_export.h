// Sends every segment that is kept to an OpenTelemetry collector (OTLP over HTTP, JSON), when one is configured.
//
// A thread of its own takes what has gathered, sends it, and tries again after a second what a collector did not take
// for a reason that may pass (no answer, 408, 429, 5xx). The queue is bounded: beyond kQueueMax the oldest are dropped
// and counted, so that a collector which is away holds up nothing.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "base/result.h"
#include "base/scope.h"
#include "base/time.h"
#include "telemetry/metrics.h"
#include "traces/segment.h"

namespace millrace::app {

class TraceExport {
 public:
  static constexpr std::size_t kQueueMax = 10'000;  // segments

  // `url`: "http://127.0.0.1:4318" or with a path; without one /v1/traces is meant. kBadConfiguration: it is none.
  static Result<std::unique_ptr<TraceExport>> start(const std::string& url, telemetry::Registry& registry);
  ~TraceExport();  // stop()

  // Thread-safe; does not wait.
  void add(const Scope& scope, const traces::Segment& segment);
  // Sends what is left, for at most `limit`.
  void stop(Milliseconds limit = Milliseconds(2000));

  struct Collector {
    std::string host;
    std::uint16_t port = 4318;
    std::string path = "/v1/traces";
  };
  // Pure; nullopt: not such a URL.
  static std::optional<Collector> parse(std::string_view url);

 private:
  struct Item {
    Scope scope;
    std::string document;
  };
  TraceExport(Collector collector, telemetry::Registry& registry);
  void run();
  enum class Sent { kTaken, kRefused, kTryAgain };
  Sent send(const std::string& body);

  const Collector collector_;
  telemetry::Counter& sent_;
  telemetry::Counter& dropped_;
  std::mutex mutex_;  // guards below
  std::condition_variable changed_;
  std::deque<Item> queue_;
  bool stopping_ = false;
  bool silent_ = false;  // the collector's absence has been told
  std::thread thread_;
};

}  // namespace millrace::app
