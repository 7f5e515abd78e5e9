// Counts and durations per operation, for /metrics and the admin's record. Thread-safe.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "telemetry/metrics.h"
#include "wire/dispatcher.h"
#include "wire/shapes.h"

namespace millrace::wire::internal {

class OperationStatistics {
 public:
  OperationStatistics(telemetry::Registry& registry, std::string service, std::string operation);
  void record(int status, bool throttled, double milliseconds);
  OperationRecord snapshot() const;

 private:
  telemetry::Registry& registry_;
  const std::string service_, operation_;
  telemetry::Histogram& histogram_;
  std::atomic<std::uint64_t> requests_{0}, client_errors_{0}, throttled_{0}, server_errors_{0};
  std::atomic<double> milliseconds_{0};
  telemetry::Counter& counter_of(int status);

  // The statuses there were, newest first: few, hence a list. Read without a lock; only grows.
  struct Answered {
    const int status;
    telemetry::Counter& counter;
    const std::unique_ptr<const Answered> before;
  };
  std::atomic<const Answered*> answered_{nullptr};
  std::mutex mutex_;
  std::unique_ptr<const Answered> newest_;  // guarded by mutex_
};

// One table per service, by the operation's place in the model; made on first use.
class Statistics {
 public:
  explicit Statistics(telemetry::Registry& registry) : registry_(registry) {}
  void add(const ServiceModel& model);  // before use
  // REQUIRES: `operation` is of the service added as `number`-th (from 0).
  OperationStatistics& of(std::size_t number, const OperationModel& operation);
  std::vector<OperationRecord> snapshot() const;

 private:
  struct Table {
    const ServiceModel* model;
    std::vector<std::atomic<OperationStatistics*>> operations;
  };
  telemetry::Registry& registry_;
  std::vector<std::unique_ptr<Table>> tables_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<OperationStatistics>> owned_;  // guarded by mutex_
};

}  // namespace millrace::wire::internal
