// What the services' CloudWatch metrics are made of: functions tell (functions::Observer), finished requests tell
// (wire::Finished), queues and mappings are asked once a minute while something happens.
//
// Thread-safe. Recording looks a series up in a map of its own, which takes no lock, and adds to it; nothing waits.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "app/internal/parts.h"
#include "base/read_mostly_map.h"
#include "delivery/delivery.h"
#include "functions/observer.h"
#include "logs/metric_filter.h"
#include "metrics/store.h"
#include "sqs/attributes.h"
#include "triggers/status.h"
#include "wire/dispatcher.h"

namespace millrace::app {

class MetricSources final : public functions::Observer {
 public:
  // `parts` outlives this; it is read when the first minute ends.
  MetricSources(metrics::Store& store, const Parts& parts) : store_(store), parts_(parts) {}

  // Sums of mappings count from here. Once, when the engine has its catalogue.
  void start();
  void observe(const functions::Measurement& measurement) override;
  void observe(const wire::Finished& finished);
  void iterator_age(const std::string& function_arn, Milliseconds age);
  // Wraps the handlers of SQS, whose metrics count messages.
  void measure_queues(wire::Service& sqs);
  // What a metric filter found in an event.
  void feed_filter(const Scope& scope, const logs::MetricFilter& filter, const logs::MetricDatum& datum, Time at);
  // A message that came from another service of this server.
  void delivered(std::string_view queue_arn, std::size_t bytes);

 private:
  // What a request to a table adds to, found at once: most requests are of few kinds. Filled on first use.
  struct TableSeries {
    std::atomic<metrics::Series*> latency{nullptr}, items{nullptr}, reads{nullptr}, writes{nullptr};
  };
  // nullptr: beyond the limit of series.
  metrics::Series* series_of(const Scope& scope, std::string_view space, std::string_view name, std::string_view unit,
                             const metrics::Dimensions& dimensions);
  std::shared_ptr<TableSeries> table_series(const Scope& scope, std::string_view table, std::string_view operation);
  void record(const Scope& scope, std::string_view space, std::string_view name, std::string_view unit,
              const metrics::Dimensions& dimensions, double value, double count = 1);
  void observe_table(const wire::Finished& finished);
  void table_succeeded(const wire::Finished& finished, std::string_view table);
  void observe_bucket(const wire::Finished& finished);
  bool measure();  // at a full minute: whether to come again
  bool measure_queue(const sqs::QueueName& queue);
  void measure_mapping(const triggers::Status& status);
  void queue_active(const Scope& scope, std::string_view url_or_name);
  void queue_count(const wire::RequestContext& context, const wire::Document& input, std::string_view metric,
                   double value, double count = 1);

  metrics::Store& store_;
  const Parts& parts_;
  struct Known {
    metrics::Series* series;
  };
  ReadMostlyMap<const Known> series_;
  ReadMostlyMap<TableSeries> table_series_;
  std::atomic<int> mappings_due_{0};       // for how many minutes mappings are still asked
  std::mutex mutex_;                       // guards below
  std::map<sqs::QueueName, Time> active_;  // when a queue was last used
  std::map<std::string, triggers::Totals> totals_;
};

// Counts what is delivered to queues by other services.
class MeasuredQueues final : public delivery::Target {
 public:
  MeasuredQueues(delivery::Target& queues, MetricSources& sources) : queues_(queues), sources_(sources) {}
  Result<void> check(std::string_view arn) override { return queues_.check(arn); }
  Result<delivery::AfterCommit> stage(std::string_view arn, const delivery::Message& message,
                                      storage::WriteBatch& batch) override;

 private:
  delivery::Target& queues_;
  MetricSources& sources_;
};

}  // namespace millrace::app
