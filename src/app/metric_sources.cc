#include "app/internal/metric_sources.h"

#include <algorithm>

#include "platform/control_loop.h"
#include "sqs/service.h"
#include "triggers/engine.h"
#include "wire/shapes.h"

namespace millrace::app {
namespace {

constexpr std::string_view kCount = "Count";
constexpr std::string_view kMilliseconds = "Milliseconds";
constexpr Milliseconds kQueueActive = std::chrono::hours(6);  // AWS: after its last use a queue's metrics go on

// "orders" of a name, an ARN or a URL.
std::string last_part(std::string_view text) {
  const auto at = text.find_last_of("/:");
  return std::string(at == std::string_view::npos ? text : text.substr(at + 1));
}

// A table's name from what the request gave: "T" or "arn:aws:dynamodb:R:A:table/T/index/I".
std::string table_behind(std::string_view text) {
  if (!text.starts_with("arn:")) return std::string(text);
  const auto at = text.find("table/");
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + 6);
  return std::string(text.substr(0, text.find('/')));
}

// "arn:aws:lambda:R:A:function:NAME[:QUALIFIER]"
struct FunctionArn {
  Scope scope;
  std::string name;
  std::string resource;
};
FunctionArn parse_function_arn(std::string_view arn) {
  FunctionArn out;
  for (int part = 0; !arn.empty(); ++part) {
    const auto piece = arn.substr(0, arn.find(':'));
    arn.remove_prefix(std::min(piece.size() + 1, arn.size()));
    if (part == 3) out.scope.region = piece;
    if (part == 4) out.scope.account = piece;
    if (part == 6) out.name = out.resource = piece;
    if (part == 7) out.resource += ":" + std::string(piece);
  }
  return out;
}

std::size_t count_of(const wire::Document& output, std::string_view member) {
  const wire::Document* list = output.find(member);
  return list != nullptr && list->is_array() ? list->as_array().size() : 0;
}

}  // namespace

metrics::Series* MetricSources::series_of(const Scope& scope, std::string_view space, std::string_view name,
                                          std::string_view unit, const metrics::Dimensions& dimensions) {
  std::string key;
  for (const std::string_view part : {std::string_view(scope.account), std::string_view(scope.region), space, name}) {
    key += part;
    key += '\0';
  }
  for (const auto& [dimension, text] : dimensions) {
    key += dimension;
    key += '\0';
    key += text;
    key += '\0';
  }
  if (const auto known = series_.find(key)) return known->series;
  metrics::Series* const series = store_.series({scope, std::string(space), std::string(name), dimensions}, unit);
  if (series == nullptr) return nullptr;
  series_.set(key, std::make_shared<const Known>(Known{series}));
  return series;
}

void MetricSources::record(const Scope& scope, std::string_view space, std::string_view name, std::string_view unit,
                           const metrics::Dimensions& dimensions, double value, double count) {
  metrics::Series* const series = series_of(scope, space, name, unit, dimensions);
  if (series == nullptr) return;
  series->record(value, count);
  store_.measure_soon();
}

std::shared_ptr<MetricSources::TableSeries> MetricSources::table_series(const Scope& scope, std::string_view table,
                                                                        std::string_view operation) {
  thread_local std::string key;
  key.clear();
  for (const std::string_view part : {std::string_view(scope.account), std::string_view(scope.region), table}) {
    key += part;
    key += '\0';
  }
  key += operation;
  return table_series_.find_or_make(key, [] { return std::make_shared<TableSeries>(); });
}

void MetricSources::start() {
  const auto statuses = parts_.engine->statuses();  // not under mutex_: the engine tells of deliveries under its own
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& status : statuses) totals_[status.mapping.uuid] = status.totals;
  }
  store_.on_minute([this] { return measure(); });
}

// --- AWS/Lambda ---

void MetricSources::observe(const functions::Measurement& measurement) {
  const auto name = functions::metric_name(measurement.metric);
  const auto unit = functions::metric_unit(measurement.metric);
  mappings_due_.store(2);  // this minute and the next, for what is still under way
  const Scope& scope = measurement.function.scope;
  const std::string& function = measurement.function.name;
  const auto add = [&](const metrics::Dimensions& dimensions) {
    record(scope, "AWS/Lambda", name, unit, dimensions, measurement.value);
  };
  if (function.empty()) return add({});
  add({{"FunctionName", function}});
  if (measurement.resource.empty()) return;
  add({{"FunctionName", function}, {"Resource", measurement.resource}});
  // AWS: by executed version only for what was invoked by an alias.
  const bool by_alias = measurement.resource.find(':') != std::string::npos &&
                        !measurement.resource.ends_with(":" + measurement.executed_version);
  if (measurement.executed_version.empty() || !by_alias) return;
  add({{"ExecutedVersion", measurement.executed_version},
       {"FunctionName", function},
       {"Resource", measurement.resource}});
}

void MetricSources::iterator_age(const std::string& function_arn, Milliseconds age) {
  const auto function = parse_function_arn(function_arn);
  const auto value = static_cast<double>(age.count());
  record(function.scope, "AWS/Lambda", "IteratorAge", kMilliseconds, {{"FunctionName", function.name}}, value);
  record(function.scope, "AWS/Lambda", "IteratorAge", kMilliseconds,
         {{"FunctionName", function.name}, {"Resource", function.resource}}, value);
}

void MetricSources::measure_mapping(const triggers::Status& status) {
  const auto& mapping = status.mapping;
  const triggers::Totals& now = status.totals;
  triggers::Totals& before = totals_[mapping.uuid];
  const auto function = parse_function_arn(mapping.function_arn);
  if (const auto failures = now.destination_failures - before.destination_failures; failures > 0)
    record(function.scope, "AWS/Lambda", "DestinationDeliveryFailures", kCount, {{"FunctionName", function.name}}, 1,
           static_cast<double>(failures));
  const bool counted = std::ranges::find(mapping.metrics, "EventCount") != mapping.metrics.end();
  const auto add = [&](std::string_view name, std::uint64_t new_value, std::uint64_t old_value) {
    if (counted && new_value > old_value)
      record(mapping.scope, "AWS/Lambda", name, kCount, {{"EventSourceMappingUUID", mapping.uuid}},
             static_cast<double>(new_value - old_value));
  };
  add("PolledEventCount", now.polled, before.polled);
  if (!mapping.filters.empty()) add("FilteredOutEventCount", now.filtered, before.filtered);
  add("InvokedEventCount", now.invoked, before.invoked);
  add("FailedInvokeEventCount", now.failed, before.failed);
  // As recorded: without a destination nothing is published.
  if (!mapping.destination.empty()) add("DroppedEventCount", now.dropped, before.dropped);
  add("OnFailureDestinationDeliveredEventCount", now.sent_to_destination, before.sent_to_destination);
  before = now;
}

void MetricSources::feed_filter(const Scope& scope, const logs::MetricFilter& filter, const logs::MetricDatum& datum,
                                Time at) {
  metrics::Dimensions dimensions(datum.dimensions.begin(), datum.dimensions.end());
  metrics::Statistics statistics;
  statistics.add(datum.value);
  store_.put({scope, filter.metric_space, filter.metric_name, std::move(dimensions)}, filter.unit, at, false,
             statistics);
}

// --- AWS/DynamoDB, AWS/S3 ---

void MetricSources::observe(const wire::Finished& finished) {
  if (finished.service == "dynamodb") {
    mappings_due_.store(2);
    observe_table(finished);
  }
  if (finished.service == "s3") observe_bucket(finished);
}

void MetricSources::observe_table(const wire::Finished& finished) {
  const std::string table = table_behind(finished.context.resource);
  if (finished.error.empty()) {
    if (!table.empty()) table_succeeded(finished, table);
    return;
  }
  const auto add = [&](std::string_view name, const metrics::Dimensions& dimensions) {
    record(finished.context.caller.scope, "AWS/DynamoDB", name, kCount, dimensions, 1);
  };
  const metrics::Dimensions by_table{{"TableName", table}};
  const metrics::Dimensions by_operation{{"Operation", std::string(finished.context.operation->name)},
                                         {"TableName", table}};
  const bool named = !table.empty();
  if (finished.error == "ConditionalCheckFailedException" && named)
    return add("ConditionalCheckFailedRequests", by_table);
  if (finished.error == "TransactionConflictException" && named) return add("TransactionConflict", by_table);
  if (finished.throttled && named) return add("ThrottledRequests", by_operation);
  if (finished.status >= 500 && named) return add("SystemErrors", by_operation);
  // AWS: of the account in the region; a failed condition or a throttled request is none.
  add("UserErrors", {});
}

void MetricSources::table_succeeded(const wire::Finished& finished, std::string_view table) {
  const Scope& scope = finished.context.caller.scope;
  const std::string_view operation = finished.context.operation->name;
  const std::shared_ptr<TableSeries> known = table_series(scope, table, operation);
  const auto add = [&](std::atomic<metrics::Series*>& slot, std::string_view name, bool by_operation, double value) {
    metrics::Series* series = slot.load(std::memory_order_acquire);
    if (series == nullptr) {
      metrics::Dimensions dimensions{{"TableName", std::string(table)}};
      if (by_operation) dimensions.insert(dimensions.begin(), {"Operation", std::string(operation)});
      series = series_of(scope, "AWS/DynamoDB", name, &slot == &known->latency ? kMilliseconds : kCount, dimensions);
      if (series == nullptr) return;
      slot.store(series, std::memory_order_release);
    }
    series->record(value);
  };
  add(known->latency, "SuccessfulRequestLatency", true, finished.milliseconds);
  const wire::Usage& usage = finished.usage;
  if (usage.items >= 0) add(known->items, "ReturnedItemCount", true, static_cast<double>(usage.items));
  if (usage.read_half_units > 0)
    add(known->reads, "ConsumedReadCapacityUnits", false, static_cast<double>(usage.read_half_units) / 2);
  if (usage.write_half_units > 0)
    add(known->writes, "ConsumedWriteCapacityUnits", false, static_cast<double>(usage.write_half_units) / 2);
  store_.measure_soon();
}

void MetricSources::observe_bucket(const wire::Finished& finished) {
  if (finished.bucket.empty()) return;
  const Scope& scope = finished.context.caller.scope;
  const metrics::Dimensions dimensions{{"BucketName", std::string(finished.bucket)}, {"FilterId", "EntireBucket"}};
  const auto add = [&](std::string_view name, std::string_view unit, double value) {
    record(scope, "AWS/S3", name, unit, dimensions, value);
  };
  add("AllRequests", kCount, 1);
  const std::string_view method = finished.context.operation->method;
  constexpr std::pair<std::string_view, std::string_view> kByMethod[] = {{"GET", "GetRequests"},
                                                                         {"PUT", "PutRequests"},
                                                                         {"DELETE", "DeleteRequests"},
                                                                         {"HEAD", "HeadRequests"},
                                                                         {"POST", "PostRequests"}};
  for (const auto& [each, name] : kByMethod) {
    if (each == method) add(name, kCount, 1);
  }
  add("4xxErrors", kCount, finished.status >= 400 && finished.status < 500 ? 1 : 0);
  add("5xxErrors", kCount, finished.status >= 500 ? 1 : 0);
  add("TotalRequestLatency", kMilliseconds, finished.milliseconds);
}

// --- AWS/SQS ---

void MetricSources::queue_active(const Scope& scope, std::string_view url_or_name) {
  const std::scoped_lock lock(mutex_);
  active_[{scope, last_part(url_or_name)}] = parts_.loop->now();
}

void MetricSources::queue_count(const wire::RequestContext& context, const wire::Document& input,
                                std::string_view metric, double value, double count) {
  if (count <= 0) return;
  const auto url = input.string_or("QueueUrl", "");
  record(context.caller.scope, "AWS/SQS", metric, metric == "SentMessageSize" ? std::string_view("Bytes") : kCount,
         {{"QueueName", last_part(url)}}, value, count);
}

void MetricSources::measure_queues(wire::Service& sqs) {
  for (const auto& operation : sqs.operations()) {
    const wire::Service::Entry entry = *sqs.find(operation);
    if (entry.handler) {
      sqs.on(operation, [this, operation, handler = entry.handler](const wire::RequestContext& context,
                                                                   const wire::Document& input) {
        auto reply = handler(context, input);
        if (!reply.ok()) return reply;
        if (input.find("QueueUrl") != nullptr) queue_active(context.caller.scope, input.string_or("QueueUrl", ""));
        if (operation == "SendMessage") {
          queue_count(context, input, "NumberOfMessagesSent", 1);
          queue_count(context, input, "SentMessageSize",
                      static_cast<double>(input.string_or("MessageBody", "").size()));
        } else if (operation == "SendMessageBatch") {
          queue_count(context, input, "NumberOfMessagesSent", 1,
                      static_cast<double>(count_of(reply->output, "Successful")));
          for (const auto& each : input.find("Entries")->as_array())
            queue_count(context, input, "SentMessageSize",
                        static_cast<double>(each.string_or("MessageBody", "").size()));
        } else if (operation == "DeleteMessage") {
          queue_count(context, input, "NumberOfMessagesDeleted", 1);
        } else if (operation == "DeleteMessageBatch") {
          queue_count(context, input, "NumberOfMessagesDeleted", 1,
                      static_cast<double>(count_of(reply->output, "Successful")));
        }
        return reply;
      });
    }
    if (!entry.async || operation != "ReceiveMessage") continue;
    sqs.on_async(operation, [this, handler = entry.async](const wire::RequestContext& context,
                                                          const wire::Document& input, wire::Conversation talk) {
      talk.done = [this, scope = context.caller.scope, url = std::string(input.string_or("QueueUrl", "")),
                   done = std::move(talk.done)](Result<wire::Reply> reply) {
        if (reply.ok()) {
          const auto count = static_cast<double>(count_of(reply->output, "Messages"));
          queue_active(scope, url);
          record(scope, "AWS/SQS", count > 0 ? "NumberOfMessagesReceived" : "NumberOfEmptyReceives", kCount,
                 {{"QueueName", last_part(url)}}, 1, std::max(1.0, count));
        }
        done(std::move(reply));
      };
      handler(context, input, std::move(talk));
    });
  }
}

void MetricSources::delivered(std::string_view queue_arn, std::size_t bytes) {
  const auto queue = sqs::parse_queue_arn(queue_arn);
  if (!queue) return;
  const metrics::Dimensions dimensions{{"QueueName", queue->name}};
  record(queue->scope, "AWS/SQS", "NumberOfMessagesSent", kCount, dimensions, 1);
  record(queue->scope, "AWS/SQS", "SentMessageSize", "Bytes", dimensions, static_cast<double>(bytes));
  queue_active(queue->scope, queue->name);
}

Result<delivery::AfterCommit> MeasuredQueues::stage(std::string_view arn, const delivery::Message& message,
                                                    storage::WriteBatch& batch) {
  auto staged = queues_.stage(arn, message, batch);
  if (staged.ok()) sources_.delivered(arn, message.body.size());
  return staged;
}

bool MetricSources::measure_queue(const sqs::QueueName& queue) {
  const auto attributes = parts_.queues->get_attributes(queue, {"All"});
  if (!attributes.ok()) return false;
  const metrics::Dimensions dimensions{{"QueueName", queue.name}};
  double all = 0;
  constexpr std::pair<std::string_view, std::string_view> kGauges[] = {
      {"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesVisible"},
      {"ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesNotVisible"},
      {"ApproximateNumberOfMessagesDelayed", "ApproximateNumberOfMessagesDelayed"}};
  std::vector<std::pair<std::string_view, double>> values;
  for (const auto& [attribute, metric] : kGauges) {
    const auto it = attributes->find(std::string(attribute));
    const double value = it == attributes->end() ? 0 : std::stod(it->second);
    values.emplace_back(metric, value);
    all += value;
  }
  bool active = all > 0;
  {
    const std::scoped_lock lock(mutex_);
    const auto it = active_.find(queue);
    active = active || (it != active_.end() && it->second + kQueueActive > parts_.loop->now());
  }
  if (!active) return false;
  for (const auto& [metric, value] : values) record(queue.scope, "AWS/SQS", metric, kCount, dimensions, value);
  double age = 0;
  if (all > 0) {
    const auto oldest = parts_.queues->peek(queue, 1);
    if (oldest.ok() && !oldest->empty())
      age = static_cast<double>((parts_.loop->now() - oldest->front().message.sent).count()) / 1000;
  }
  record(queue.scope, "AWS/SQS", "ApproximateAgeOfOldestMessage", "Seconds", dimensions, age);
  return true;
}

bool MetricSources::measure() {
  bool again = false;
  for (const auto& queue : parts_.queues->all_queues()) again = measure_queue(queue) || again;
  if (mappings_due_.load() == 0) return again;
  again = --mappings_due_ > 0 || again;
  const auto statuses = parts_.engine->statuses();
  const std::scoped_lock lock(mutex_);
  for (const auto& status : statuses) {
    if (status.is_busy) mappings_due_.store(2);
    again = again || status.is_busy;
    measure_mapping(status);
  }
  return again;
}

}  // namespace millrace::app
