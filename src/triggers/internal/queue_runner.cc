#include "triggers/internal/queue_runner.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "telemetry/log.h"
#include "triggers/internal/meters.h"
#include "triggers/internal/sending.h"

namespace millrace::triggers::internal {
namespace {

constexpr Seconds kReceiveAgain{5};         // after one that failed
constexpr std::size_t kReceivedMax = 1000;  // messages at a time, so that a huge batch holds no lock for long

std::shared_ptr<const Filters> compiled_filters(const Mapping& mapping) {
  auto filters = Filters::compile(mapping.filters);
  if (filters.ok()) return std::make_shared<const Filters>(std::move(filters).value());
  telemetry::log_error("triggers", "mapping " + mapping.uuid + ": saved filters are damaged; none of them counts");
  return std::make_shared<const Filters>();
}

std::string event_of(const QueueBatch& batch) {
  std::string out = "{\"Records\":[";
  for (const QueueMessage& message : batch.messages) {
    if (out.back() != '[') out += ',';
    out += message.event;
  }
  return out += "]}";
}

Time earliest(const QueueBatch& batch, Time QueueMessage::*which) {
  Time out = kNever;
  for (const QueueMessage& message : batch.messages) out = std::min(out, message.*which);
  return out;
}

// A trace goes on through a queue when the whole batch is of it.
std::string common_header(const QueueBatch& batch) {
  const std::string& first = batch.messages.front().trace_header;
  const bool is_common =
      std::ranges::all_of(batch.messages, [&](const QueueMessage& message) { return message.trace_header == first; });
  return is_common ? first : std::string();
}

}  // namespace

struct QueueRunner::WakeBox {
  std::mutex mutex;
  Deadline since;
  bool posted = false;
};

struct QueueRunner::Meters : MappingMeters {
  Meters(telemetry::Registry& registry, const std::string& uuid)
      : MappingMeters(registry, uuid),
        deleted(registry.counter("millrace_trigger_deleted_records_total", {{"mapping", uuid}}, "DeletedEventCount")) {}
  telemetry::Counter& deleted;
};

// One receive, done on a pool thread.
struct QueueRunner::Job {
  std::shared_ptr<PoolGate> gate;
  QueueSource* source = nullptr;
  std::string arn;
  std::size_t count = 0;
  std::size_t bytes_max = 0;
  std::shared_ptr<const Filters> filters;
  platform::Busy busy;
  Time now = kNever;

  std::deque<QueueMessage> messages;
  std::vector<std::string> filtered;  // receipts
  std::size_t polled = 0;
  storage::CommitNumber after = 0;
  std::optional<Error> error;

  void run() {
    if (!gate->enter()) return;
    auto batch = source->receive(arn, count, bytes_max);
    if (!batch.ok()) {
      error = batch.error();
    } else {
      after = batch->after;
      polled = batch->messages.size();
      for (QueueMessage& message : batch->messages) {
        message.received = now;
        if (filters->empty() || filters->pass_text(filterable(message.event))) {
          messages.push_back(std::move(message));
        } else {
          filtered.push_back(std::move(message.receipt));
        }
      }
    }
    gate->leave();
  }
};

QueueRunner::QueueRunner(QueueHost& host, std::uint64_t id, Mapping mapping, SavedTotals totals)
    : host_(host),
      id_(id),
      mapping_(std::move(mapping)),
      filters_(compiled_filters(mapping_)),
      ledger_(mapping_.uuid, std::move(totals)),
      totals_(ledger_.totals()),
      wake_(std::make_shared<WakeBox>()),
      meters_(std::make_shared<Meters>(host.registry, mapping_.uuid)) {}

QueueRunner::~QueueRunner() {
  subscription_.reset();
  QueueSettings off = settings();
  off.enabled = false;
  const QueueEffects last = step(off, lane_, TimePassed{}, host_.scheduler.now());
  if (host_.source != nullptr && !last.release.empty()) host_.source->release(mapping_.stream_arn, last.release);
}

QueueSettings QueueRunner::settings() const {
  QueueSettings out;
  out.batch_size = static_cast<std::size_t>(std::max<std::int64_t>(1, mapping_.batch_size));
  out.window = Seconds(mapping_.window_s);
  if (mapping_.maximum_concurrency > 0) out.concurrency_max = static_cast<std::size_t>(mapping_.maximum_concurrency);
  out.report_failures = mapping_.report_failures;
  out.enabled = mapping_.enabled && host_.source != nullptr;
  return out;
}

void QueueRunner::start() {
  if (mapping_.enabled) subscribe();
  feed(Ready{});
}

void QueueRunner::configure(Mapping mapping) {
  const bool was_enabled = mapping_.enabled;
  if (mapping.filters != mapping_.filters) filters_ = compiled_filters(mapping);
  mapping_ = std::move(mapping);
  if (!mapping_.enabled) subscription_.reset();
  if (mapping_.enabled && !was_enabled) subscribe();
  feed(mapping_.enabled && !was_enabled ? QueueInput(Ready{}) : QueueInput(TimePassed{}));
}

void QueueRunner::subscribe() {
  if (host_.source == nullptr) return;
  auto post = [scheduler = &host_.scheduler, wake = host_.guarded(id_, [](QueueRunner& self) { self.woken(); })] {
    scheduler->post(wake);
  };
  subscription_ =
      host_.source->watch(mapping_.stream_arn, [box = wake_, scheduler = &host_.scheduler, post = std::move(post)] {
        const std::lock_guard lock(box->mutex);
        if (std::exchange(box->posted, true)) return;
        box->since = scheduler->monotonic_now();
        post();
      });
}

void QueueRunner::woken() {
  {
    const std::lock_guard lock(wake_->mutex);
    wake_->posted = false;
    if (lane_.dry && lane_.batches.empty() && lane_.buffer.empty()) notified_at_ = wake_->since;
  }
  if (mapping_.enabled) feed(Ready{});
}

void QueueRunner::feed(QueueInput input) { perform(step(settings(), lane_, std::move(input), host_.scheduler.now())); }

void QueueRunner::perform(QueueEffects effects) {
  if (!effects.remove.empty()) {
    host_.source->remove(mapping_.stream_arn, effects.remove);
    meters_->deleted.add(effects.remove.size());
  }
  if (!effects.release.empty()) host_.source->release(mapping_.stream_arn, effects.release);
  for (const std::uint64_t batch : effects.invoke) invoke(batch);
  if (effects.receive > 0) receive(effects.receive, effects.receive_bytes);
  if (effects.wake == timer_at_) return;
  timer_at_ = effects.wake;
  timer_ = {};
  if (effects.wake == kNever) return;
  timer_ = host_.scheduler.at(effects.wake, host_.guarded(id_, [](QueueRunner& self) {
    self.timer_at_ = kNever;
    self.feed(TimePassed{});
  }));
}

void QueueRunner::resume() {
  if (const auto wanted = std::exchange(put_off_, std::nullopt)) receive(wanted->first, wanted->second);
}

void QueueRunner::receive(std::size_t count, std::size_t bytes_max) {
  if (!host_.may_write()) {
    put_off_.emplace(count, bytes_max);
    return;
  }
  auto job = std::make_shared<Job>();
  job->gate = host_.gate;
  job->source = host_.source;
  job->arn = mapping_.stream_arn;
  job->count = std::min(count, kReceivedMax);
  job->bytes_max = bytes_max;
  job->filters = filters_;
  job->now = host_.scheduler.now();
  job->busy = platform::Busy(host_.scheduler.busy());
  auto arrived = host_.guarded(id_, [job](QueueRunner& self) { self.received(*job); });
  host_.scheduler.offload([job] { job->run(); },
                          [job, arrived, scheduler = &host_.scheduler, commits = &host_.commits] {
                            // No function sees a message that a power cut could take back.
                            commits->when_durable(job->after, [scheduler, arrived](const Error* error) {
                              if (error == nullptr) scheduler->post(arrived);
                            });
                          });
}

void QueueRunner::received(Job& job) {
  const platform::Busy busy = std::move(job.busy);  // until what follows is under way
  totals_.polled += job.polled;
  totals_.filtered += job.filtered.size();
  meters_->polled.add(job.polled);
  meters_->filtered.add(job.filtered.size());
  // AWS: what the filters refuse is deleted.
  if (!job.filtered.empty()) {
    host_.source->remove(mapping_.stream_arn, job.filtered);
    meters_->deleted.add(job.filtered.size());
  }
  if (job.error && job.error->type().kind != ErrorKind::kClient) {
    last_result_ = "PROBLEM: " + job.error->message();
    ledger_.set_error(job.error->message(), host_.scheduler.now());
    telemetry::log_warning("triggers", "mapping " + mapping_.uuid + " cannot read its queue: " + job.error->message());
    again_ = host_.scheduler.at(host_.scheduler.now() + kReceiveAgain,
                                host_.guarded(id_, [](QueueRunner& self) { self.feed(Ready{}); }));
  }
  feed(Received{std::move(job.messages), job.polled == 0});
}

void QueueRunner::invoke(std::uint64_t number) {
  const QueueBatch& batch = lane_.batches.at(number);
  Run& run = runs_[number];
  if (run.request_id.empty()) run.request_id = host_.random.uuid();
  run.busy = platform::Busy(host_.scheduler.busy());
  run.since = host_.scheduler.now();
  if (run.formed == kNever) run.formed = run.since;
  run.reports = mapping_.report_failures;
  if (notified_at_) {
    const std::chrono::duration<double, std::milli> latency = host_.scheduler.monotonic_now() - *notified_at_;
    if (mapping_.window_s == 0) meters_->latency.record(latency.count());
    notified_at_.reset();
  }
  meters_->batch_records.record(static_cast<double>(batch.messages.size()));
  auto result = std::make_shared<InvokeResult>();
  auto deliver = host_.guarded(id_, [number, result](QueueRunner& self) { self.returned(number, std::move(*result)); });
  host_.invoker.invoke({.function_arn = mapping_.function_arn,
                        .request_id = run.request_id,
                        .mapping = mapping_.uuid,
                        .payload = event_of(batch),
                        .source_arn = mapping_.stream_arn,
                        .trace_header = common_header(batch),
                        .records = batch.messages.size(),
                        .first_record = earliest(batch, &QueueMessage::sent),
                        .read = earliest(batch, &QueueMessage::received),
                        .formed = run.formed,
                        .has_window = mapping_.window_s > 0},
                       [scheduler = &host_.scheduler, result, deliver = std::move(deliver)](InvokeResult answer) {
                         *result = std::move(answer);
                         scheduler->post(deliver);
                       });
}

void QueueRunner::returned(std::uint64_t number, InvokeResult result) {
  const platform::Busy busy = std::move(runs_.at(number).busy);  // until what follows is under way
  const QueueBatch& batch = lane_.batches.at(number);
  if (!result.request_id.empty()) runs_.at(number).request_id = result.request_id;
  Answered answer{.batch = number, .outcome = result.outcome, .done = {}};
  std::size_t done = 0;
  if (result.outcome != Outcome::kAnswered) {
    ++totals_.refusals;
    last_result_ = "PROBLEM: " + result.message;
  } else {
    answer.done.assign(batch.messages.size(), result.function_error.empty());
    if (result.function_error.empty() && runs_.at(number).reports) {
      answer.done = reported_done(result.payload, batch.messages);
    }
    done = static_cast<std::size_t>(std::ranges::count(answer.done, true));
    count_answer(batch, result, done);
  }
  std::string error = failure_text(result, done == batch.messages.size());
  if (!error.empty()) ledger_.set_error(error, host_.scheduler.now());
  note_attempt(number, result, done, std::move(error));
  if (result.outcome == Outcome::kAnswered) runs_.erase(number);
  feed(std::move(answer));
  std::erase_if(runs_, [&](const auto& run) { return !lane_.batches.contains(run.first); });
  meters_->blocked.set(is_blocked() ? 1 : 0);
}

void QueueRunner::count_answer(const QueueBatch& batch, const InvokeResult& result, std::size_t done) {
  const std::size_t undone = batch.messages.size() - done;
  ++totals_.invocations;
  totals_.invoked += batch.messages.size();
  totals_.settled += done;
  totals_.failed += undone;
  if (undone > 0) ++totals_.failures;
  totals_.batch_records_max = std::max<std::uint64_t>(totals_.batch_records_max, batch.messages.size());
  totals_.duration += result.duration;
  totals_.gb_seconds += static_cast<double>(result.duration.count()) / 1000 * result.memory_mb / 1024;
  meters_->invoked.add(batch.messages.size());
  meters_->failed.add(undone);
  last_result_ = undone == 0 ? "OK" : "PROBLEM: Function call failed";
}

void QueueRunner::note_attempt(std::uint64_t number, const InvokeResult& result, std::size_t done, std::string error) {
  const QueueBatch& batch = lane_.batches.at(number);
  HistoryEntry entry;
  entry.time = host_.scheduler.now();
  entry.records = batch.messages.size();
  entry.done = done;
  entry.attempt = batch.refusals + 1;
  entry.duration = result.duration;
  entry.request_id = runs_.at(number).request_id;
  entry.result = result.outcome == Outcome::kThrottled ? "throttled"
                 : result.outcome == Outcome::kRefused ? "refused"
                 : done == batch.messages.size()       ? "ok"
                 : done > 0                            ? "partial"
                                                       : "failed";
  entry.text = std::move(error);
  ledger_.note(std::move(entry));
  save_ledger();
}

void QueueRunner::save_ledger() {
  storage::WriteBatch batch;
  ledger_.stage(batch);
  (void)host_.settlement.settle(std::move(batch), {});
}

bool QueueRunner::is_blocked() const {
  return lane_.failures >= kBlockedTries ||
         std::ranges::any_of(lane_.batches, [](const auto& entry) { return entry.second.refusals >= kBlockedTries; });
}

QueueStatus QueueRunner::queue_status() const {
  QueueStatus queue;
  queue.concurrency = std::min(settings().concurrency_max, lane_.concurrency);
  queue.buffered = lane_.buffer.size();
  for (const auto& [number, batch] : lane_.batches) {
    queue.batched += batch.messages.size();
    if (batch.is_running) ++queue.invocations;
  }
  return queue;
}

// One lane, so that whoever looks at lanes finds it.
LaneStatus QueueRunner::lane_status(const QueueStatus& queue) const {
  LaneStatus lane;
  lane.until = timer_at_;
  lane.batch_records = queue.batched;
  lane.tries.failures = lane_.failures;
  for (const auto& [number, batch] : lane_.batches) lane.tries.refusals = std::max(lane.tries.refusals, batch.refusals);
  for (const auto& [number, run] : runs_) {
    const auto batch = lane_.batches.find(number);
    if (batch != lane_.batches.end() && batch->second.is_running) lane.since = std::min(lane.since, run.since);
  }
  lane.last_error = ledger_.saved().last_error;
  lane.last_error_at = ledger_.saved().last_error_at;
  const bool waits_for_concurrency = queue.invocations < lane_.batches.size();
  lane.waiting = !mapping_.enabled       ? Waiting::kPaused
                 : queue.invocations > 0 ? Waiting::kInvocation
                 : waits_for_concurrency ? Waiting::kConcurrency
                 : lane_.receiving       ? Waiting::kReading
                 : !lane_.buffer.empty() ? Waiting::kWindow
                 : timer_at_ != kNever   ? Waiting::kBackoff
                                         : Waiting::kRecords;
  return lane;
}

Status QueueRunner::status() const {
  Status out = internal::status_of(mapping_, last_result_, ledger_, *meters_);
  out.is_blocked = is_blocked();
  out.queue = queue_status();
  out.is_busy = out.queue->invocations > 0 || lane_.receiving;
  ShardStatus shard;
  shard.id = "queue";
  shard.lanes.push_back(lane_status(*out.queue));
  out.shards.push_back(std::move(shard));
  return out;
}

}  // namespace millrace::triggers::internal
