#include "wire/internal/statistics.h"

#include <algorithm>

namespace millrace::wire::internal {

OperationStatistics::OperationStatistics(telemetry::Registry& registry, std::string service, std::string operation)
    : registry_(registry),
      service_(std::move(service)),
      operation_(std::move(operation)),
      histogram_(registry.histogram("millrace_request_milliseconds", {{"service", service_}, {"operation", operation_}},
                                    "Time from the decoded request to its encoded answer")) {}

void OperationStatistics::record(int status, bool throttled, double milliseconds) {
  requests_.fetch_add(1, std::memory_order_relaxed);
  if (throttled) {
    throttled_.fetch_add(1, std::memory_order_relaxed);
  } else if (status >= 500) {
    server_errors_.fetch_add(1, std::memory_order_relaxed);
  } else if (status >= 300) {
    client_errors_.fetch_add(1, std::memory_order_relaxed);
  }
  milliseconds_.fetch_add(milliseconds, std::memory_order_relaxed);
  histogram_.record(milliseconds);
  counter_of(status).add();
}

telemetry::Counter& OperationStatistics::counter_of(int status) {
  const auto known = [&]() -> telemetry::Counter* {
    for (const Answered* each = answered_.load(std::memory_order_acquire); each != nullptr; each = each->before.get())
      if (each->status == status) return &each->counter;
    return nullptr;
  };
  if (auto* const found = known()) return *found;
  const std::scoped_lock lock(mutex_);
  if (auto* const found = known()) return *found;
  telemetry::Counter& counter = registry_.counter(
      "millrace_requests_total", {{"service", service_}, {"operation", operation_}, {"status", std::to_string(status)}},
      "Requests answered");
  newest_.reset(new Answered{status, counter, std::move(newest_)});
  answered_.store(newest_.get(), std::memory_order_release);
  return counter;
}

OperationRecord OperationStatistics::snapshot() const {
  OperationRecord record;
  record.service = service_;
  record.operation = operation_;
  record.requests = requests_.load(std::memory_order_relaxed);
  record.client_errors = client_errors_.load(std::memory_order_relaxed);
  record.throttled = throttled_.load(std::memory_order_relaxed);
  record.server_errors = server_errors_.load(std::memory_order_relaxed);
  record.milliseconds = milliseconds_.load(std::memory_order_relaxed);
  return record;
}

void Statistics::add(const ServiceModel& model) {
  auto table = std::make_unique<Table>();
  table->model = &model;
  table->operations = std::vector<std::atomic<OperationStatistics*>>(model.operations.size());
  tables_.push_back(std::move(table));
}

OperationStatistics& Statistics::of(std::size_t number, const OperationModel& operation) {
  Table& table = *tables_[number];
  auto& slot = table.operations[static_cast<std::size_t>(&operation - table.model->operations.data())];
  if (OperationStatistics* known = slot.load(std::memory_order_acquire)) return *known;
  const std::scoped_lock lock(mutex_);
  if (OperationStatistics* known = slot.load(std::memory_order_acquire)) return *known;
  owned_.push_back(
      std::make_unique<OperationStatistics>(registry_, std::string(table.model->id), std::string(operation.name)));
  slot.store(owned_.back().get(), std::memory_order_release);
  return *owned_.back();
}

std::vector<OperationRecord> Statistics::snapshot() const {
  std::vector<OperationRecord> records;
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& each : owned_) records.push_back(each->snapshot());
  }
  std::ranges::sort(records, [](const OperationRecord& a, const OperationRecord& b) {
    return std::tie(a.service, a.operation) < std::tie(b.service, b.operation);
  });
  return records;
}

}  // namespace millrace::wire::internal
