#include "triggers/internal/runner.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "codec/json.h"
#include "model/change_record.h"
#include "telemetry/log.h"
#include "triggers/decisions.h"
#include "triggers/event.h"
#include "triggers/response.h"

namespace millrace::triggers::internal {
namespace {

constexpr Seconds kReadAgain{5};  // after a read that failed
constexpr std::size_t kErrorTextMax = 1000;
constexpr int kBlockedTries = 2;  // AWS shows nothing; we warn from the second retry on

std::shared_ptr<const Filters> compiled(const Mapping& mapping) {
  auto filters = Filters::compile(mapping.filters);
  if (!filters.ok()) {
    telemetry::log_error("triggers",
                         "mapping " + mapping.uuid + ": saved filters are damaged; it delivers nothing new");
    filters = Filters::compile({R"({"eventID":[{"exists":false}]})"});
  }
  return std::make_shared<const Filters>(std::move(filters).value());
}

// "Error: boom" from the document that a failing function answers with.
std::string error_text(const InvokeResult& result) {
  const auto json = codec::parse_json(result.payload);
  if (json.ok() && json->is_object() && json->find("errorMessage") != nullptr) {
    const std::string type(json->string_or("errorType", "Error"));
    return (type + ": " + std::string(json->string_or("errorMessage", ""))).substr(0, kErrorTextMax);
  }
  return result.payload.substr(0, kErrorTextMax);
}

std::string range_text(const Batch& batch) {
  if (batch.records.empty()) return "the final invocation of a tumbling window";
  return std::to_string(batch.records.size()) + " records from " +
         model::sequence_number(batch.records.front().sequence) + " to " +
         model::sequence_number(batch.records.back().sequence);
}

}  // namespace

struct Runner::WakeBox {
  std::mutex mutex;
  std::vector<std::uint64_t> shards;
  Deadline since;
  bool posted = false;
};

struct Runner::Meters {
  Meters(telemetry::Registry& registry, const std::string& uuid)
      : polled(registry.counter("millrace_trigger_polled_records_total", {{"mapping", uuid}}, "PolledEventCount")),
        filtered(
            registry.counter("millrace_trigger_filtered_records_total", {{"mapping", uuid}}, "FilteredOutEventCount")),
        invoked(registry.counter("millrace_trigger_invoked_records_total", {{"mapping", uuid}}, "InvokedEventCount")),
        failed(
            registry.counter("millrace_trigger_failed_records_total", {{"mapping", uuid}}, "FailedInvokeEventCount")),
        dropped(registry.counter("millrace_trigger_dropped_records_total", {{"mapping", uuid}}, "DroppedEventCount")),
        delivered(registry.counter("millrace_trigger_destination_records_total", {{"mapping", uuid}},
                                   "OnFailureDestinationDeliveredEventCount")),
        destination_failures(registry.counter("millrace_trigger_destination_failures_total", {{"mapping", uuid}},
                                              "DestinationDeliveryFailures")),
        lost(registry.counter("millrace_trigger_lost_records_total", {{"mapping", uuid}},
                              "Records trimmed before they were read")),
        blocked(registry.gauge("millrace_trigger_blocked", {{"mapping", uuid}},
                               "1 while a batch is tried again and again")),
        iterator_age(registry.gauge("millrace_trigger_iterator_age_ms", {{"mapping", uuid}},
                                    "IteratorAge: age of the last record of the last batch")),
        latency(registry.histogram("millrace_trigger_latency_ms", {{"mapping", uuid}},
                                   "From commit to the call of the function")),
        batch_records(registry.histogram("millrace_trigger_batch_records", {}, "Records per invocation")) {}
  telemetry::Counter &polled, &filtered, &invoked, &failed, &dropped, &delivered, &destination_failures, &lost;
  telemetry::Gauge &blocked, &iterator_age;
  telemetry::Histogram &latency, &batch_records;
};

Runner::Runner(Host& host, std::uint64_t id, Mapping mapping, std::map<std::uint64_t, SavedShard> saved,
               SavedTotals totals)
    : host_(host),
      id_(id),
      mapping_(std::move(mapping)),
      filters_(compiled(mapping_)),
      saved_(std::move(saved)),
      wake_(std::make_shared<WakeBox>()),
      ledger_(mapping_.uuid, std::move(totals)),
      meters_(std::make_shared<Meters>(host.registry, mapping_.uuid)) {
  for (const auto& [number, shard] : saved_) {
    if (!shard.last_result.empty()) last_result_ = shard.last_result;
  }
}

void Runner::start() {
  if (mapping_.enabled) subscribe();
  refresh();
}

void Runner::configure(Mapping mapping) {
  const bool was_enabled = mapping_.enabled;
  const bool reread = mapping.filters != mapping_.filters || (was_enabled && !mapping.enabled);
  const bool rearrange = mapping.parallelization_factor != mapping_.parallelization_factor;
  mapping_ = std::move(mapping);
  if (reread) filters_ = compiled(mapping_);
  if (!mapping_.enabled) subscription_.reset();
  if (mapping_.enabled && !was_enabled) subscribe();
  for (auto& [number, shard] : shards_) {
    if (rearrange) shard.rearranging = !shard.lanes.empty();
    if (reread || rearrange) feed_all(shard, Forgotten{});
    // Without a subscription nothing told it of new records.
    feed_all(shard, mapping_.enabled && !was_enabled ? Input(Grew{}) : Input(Woken{}));
  }
  refresh();
}

void Runner::subscribe() {
  auto post = [scheduler = &host_.scheduler, wake = host_.guarded(id_, [](Runner& self) { self.woken(); })] {
    scheduler->post(wake);
  };
  subscription_ = host_.source.subscribe(
      mapping_.stream_arn, [box = wake_, scheduler = &host_.scheduler, post = std::move(post)](std::uint64_t shard) {
        const std::lock_guard lock(box->mutex);
        if (std::find(box->shards.begin(), box->shards.end(), shard) == box->shards.end()) box->shards.push_back(shard);
        if (std::exchange(box->posted, true)) return;
        box->since = scheduler->monotonic_now();
        post();
      });
}

void Runner::woken() {
  std::vector<std::uint64_t> numbers;
  Deadline since;
  {
    const std::lock_guard lock(wake_->mutex);
    numbers.swap(wake_->shards);
    since = wake_->since;
    wake_->posted = false;
  }
  if (!mapping_.enabled) return;
  for (const std::uint64_t number : numbers) {
    const auto found = shards_.find(number);
    if (found == shards_.end()) {
      refresh();
      continue;
    }
    for (auto& lane : found->second.lanes) {
      if (lane->lane.at_tail && !has_outstanding(lane->lane)) lane->notified_at = since;
    }
    feed_all(found->second, Grew{});
  }
}

// Takes in the shards that are listed now. Positions never outlive their shard.
void Runner::refresh() {
  const auto info = host_.source.describe(mapping_.stream_arn);
  if (!info.ok()) return;  // deleted: what has been read is finished, then nothing more comes
  retention_ = info->retention;
  for (const ShardInfo& listed : info->shards) {
    ShardRun& shard = shards_[listed.number];
    if (shard.info.number != 0) {
      shard.info = listed;
      continue;
    }
    shard.info = listed;
    if (const auto saved = saved_.find(listed.number); saved != saved_.end()) shard.finished = saved->second.finished;
  }
  storage::WriteBatch forgotten;
  std::erase_if(shards_, [&](const auto& entry) {
    const bool is_listed = std::any_of(info->shards.begin(), info->shards.end(),
                                       [&](const ShardInfo& listed) { return listed.number == entry.first; });
    const bool is_busy = std::any_of(entry.second.lanes.begin(), entry.second.lanes.end(),
                                     [](const auto& lane) { return lane->lane.busy; });
    if (is_listed || is_busy) return false;
    reached(Decision::kShardVanished);
    forgotten.erase(storage::Family::kCatalogue, shard_key(mapping_.uuid, entry.first));
    return true;
  });
  if (!forgotten.empty()) (void)host_.settlement.settle(std::move(forgotten), {});
  begin_children();
}

// AWS: a child is not started before its parents are settled to the end; a parent that is no longer listed counts as
// such.
void Runner::begin_children() {
  for (auto& [number, shard] : shards_) {
    if (!shard.lanes.empty() || shard.finished) continue;
    const auto is_over = [&](std::uint64_t parent) {
      const auto found = shards_.find(parent);
      return found == shards_.end() || found->second.finished;
    };
    const bool is_orphan = shards_.count(shard.info.parent) == 0;
    const bool may_start = is_over(shard.info.parent) && is_over(shard.info.second_parent);
    reached(!may_start ? Decision::kChildWaits : is_orphan ? Decision::kOrphanStarts : Decision::kChildStarts);
    if (may_start) begin(shard);
  }
}

void Runner::begin(ShardRun& shard) {
  const auto factor = static_cast<unsigned>(mapping_.parallelization_factor);
  SavedShard saved{.lanes = std::vector<SavedLane>(factor, SavedLane{.settled = mapping_.start_after}),
                   .previous = {},
                   .finished = false,
                   .last_result = {}};
  if (const auto found = saved_.find(shard.info.number); found != saved_.end()) {
    saved = std::move(found->second);
    saved_.erase(found);
    if (saved.lanes.size() != factor) saved = rearranged(saved, factor);
  }
  set_lanes(shard, saved);
  feed_all(shard, Woken{});
}

void Runner::set_lanes(ShardRun& shard, const SavedShard& saved) {
  shard.previous = saved.previous;
  shard.lanes.clear();
  for (const SavedLane& each : saved.lanes) {
    auto lane = std::make_unique<LaneRun>();
    lane->token = ++host_.last_token;
    lane->index = static_cast<unsigned>(shard.lanes.size());
    lane->lane = restored(each);
    lane->lane.saved_at = host_.scheduler.now();
    if (!each.planned.empty() && each.planned.back().tries.failing_since != Time{}) {
      lane->blocked_since = each.planned.back().tries.failing_since;
    }
    shard.lanes.push_back(std::move(lane));
  }
}

SavedShard Runner::saved_form(const ShardRun& shard) const {
  SavedShard out;
  for (const auto& lane : shard.lanes) out.lanes.push_back(saved(lane->lane));
  if (out.lanes.empty()) out.lanes.emplace_back();
  out.previous = shard.previous;
  out.finished = shard.finished;
  out.last_result = last_result_;
  return out;
}

Settings Runner::settings_of(const ShardRun& shard) const {
  Settings settings = lane_settings(mapping_, retention_);
  if (shard.rearranging || held_) settings.enabled = false;
  return settings;
}

void Runner::feed_all(ShardRun& shard, const Input& input) {
  // By token: a step may finish the shard or rearrange its lanes.
  std::vector<std::uint64_t> tokens;
  for (const auto& lane : shard.lanes) tokens.push_back(lane->token);
  for (const std::uint64_t token : tokens) {
    const auto lane =
        std::find_if(shard.lanes.begin(), shard.lanes.end(), [&](const auto& each) { return each->token == token; });
    if (lane != shard.lanes.end()) feed(shard, **lane, input);
  }
}

void Runner::feed(ShardRun& shard, LaneRun& lane, Input input) {
  perform(shard, lane, step(settings_of(shard), lane.lane, std::move(input), host_.scheduler.now()));
  finish_step(shard);
  tell_if_quiet();
}

void Runner::perform(ShardRun& shard, LaneRun& lane, Effects effects) {
  if (effects.read.records_max > 0) start_read(shard, lane, effects.read);
  while (const auto* discarding = std::get_if<Discard>(&effects.next)) {
    effects = discard(shard, lane, discarding->reason);
    if (effects.read.records_max > 0) start_read(shard, lane, effects.read);
    effects.save = false;  // done, together with the document
  }
  if (effects.save) (void)save(shard);
  const auto* wait = std::get_if<Wait>(&effects.next);
  // While something runs the lane waits for that, not for a time.
  set_timer(shard, lane, wait == nullptr ? kNever : wait->until);
  if (wait == nullptr) invoke(shard, lane);
}

// What concerns all lanes: a new factor takes effect once nothing is in flight; a settled shard frees its children.
void Runner::finish_step(ShardRun& shard) {
  if (shard.lanes.empty()) return;
  const auto all = [&](auto predicate) { return std::all_of(shard.lanes.begin(), shard.lanes.end(), predicate); };
  if (shard.rearranging && all([](const auto& lane) { return !lane->lane.busy; })) {
    shard.rearranging = false;
    const auto factor = static_cast<unsigned>(mapping_.parallelization_factor);
    if (factor != shard.lanes.size()) {
      const SequenceNumber position = shard.lanes.front()->lane.settled;
      reached(all([&](const auto& lane) { return lane->lane.settled == position; })
                  ? Decision::kLanesRearranged
                  : Decision::kLanesRearrangedBehindPoison);
      set_lanes(shard, rearranged(saved_form(shard), factor));
      (void)save(shard);
    }
    return feed_all(shard, Woken{});
  }
  if (!all([](const auto& lane) { return is_finished(lane->lane); })) return;
  shard.finished = true;
  (void)save(shard);
  shard.lanes.clear();
  shard.previous.clear();
  // Posted: the caller still holds references into this shard.
  host_.scheduler.post(host_.guarded(id_, [](Runner& self) { self.refresh(); }));
}

std::function<void()> Runner::for_lane(std::uint64_t shard, const LaneRun& lane,
                                       std::function<void(ShardRun&, LaneRun&)> work) {
  return host_.guarded(id_, [shard, index = lane.index, token = lane.token, work = std::move(work)](Runner& self) {
    const auto found = self.shards_.find(shard);
    if (found == self.shards_.end() || index >= found->second.lanes.size()) return;
    LaneRun& current = *found->second.lanes[index];
    if (current.token == token) work(found->second, current);
  });
}

void Runner::set_timer(ShardRun& shard, LaneRun& lane, Time until) {
  if (lane.timer_at == until) return;
  lane.timer_at = until;
  lane.timer.cancel();
  if (until == kNever) return;
  lane.timer = host_.scheduler.at(until, for_lane(shard.info.number, lane, [this](ShardRun& of, LaneRun& due) {
                                    due.timer.release();
                                    due.timer_at = kNever;
                                    feed(of, due, Woken{});
                                  }));
}

void Runner::start_read(ShardRun& shard, LaneRun& lane, const ReadMore& wanted) {
  auto job = std::make_shared<ReadJob>();
  job->gate = host_.gate;
  job->source = &host_.source;
  job->request = {.stream_arn = mapping_.stream_arn,
                  .shard = shard.info.number,
                  .after = lane.lane.read_to,
                  .records_max = wanted.records_max,
                  .bytes_max = wanted.bytes_max,
                  .lane = lane.index,
                  .lanes = static_cast<unsigned>(shard.lanes.size())};
  job->filters = filters_;
  job->previous = shard.previous;
  job->skipped = skipped_in(shard.info.number);
  host_.scheduler.offload(
      [job] { job->run(); },
      for_lane(shard.info.number, lane, [this, job](ShardRun& of, LaneRun& to) { arrived(of, to, *job); }));
}

void Runner::arrived(ShardRun& shard, LaneRun& lane, ReadJob& job) {
  if (job.error) {
    read_failed(*job.error);
    return feed(shard, lane, Arrived{.records = {}, .read_to = lane.lane.read_to, .passed = 0, .at_tail = true});
  }
  if (job.arrived.read_to > lane.counted_to) {
    lane.counted_to = job.arrived.read_to;
    totals_.polled += job.polled;
    totals_.filtered += job.filtered;
    totals_.skipped += job.left_out;
    meters_->polled.add(job.polled);
    meters_->filtered.add(job.filtered);
  }
  note_lost(shard, lane, job);
  feed(shard, lane, std::move(job.arrived));
}

// A position that retention has overtaken. TRIM_HORIZON starts before everything, and loses nothing by that.
void Runner::note_lost(const ShardRun& shard, LaneRun& lane, const ReadJob& job) {
  if (job.lost == 0 || job.request.after == 0 || job.request.after == lane.lost_after) return;
  lane.lost_after = job.request.after;
  totals_.lost += job.lost;
  meters_->lost.add(job.lost);
  telemetry::log_warning("triggers", "mapping " + mapping_.uuid + ": records of shard " + shard.info.id +
                                         " left the stream before they were delivered");
}

void Runner::read_failed(const Error& error) {
  if (error.type().kind == ErrorKind::kClient) {
    // The shard, or its stream, is gone: nothing more comes from it, and its children need not wait.
    return host_.scheduler.post(host_.guarded(id_, [](Runner& self) { self.refresh(); }));
  }
  last_result_ = "PROBLEM: " + error.message();
  ledger_.set_error(error.message(), host_.scheduler.now());
  telemetry::log_warning("triggers", "mapping " + mapping_.uuid + " cannot read its stream: " + error.message());
  read_again_ = host_.scheduler.at(host_.scheduler.now() + kReadAgain, host_.guarded(id_, [](Runner& self) {
    for (auto& [number, shard] : self.shards_) self.feed_all(shard, Grew{});
  }));
}

void Runner::invoke(ShardRun& shard, LaneRun& lane) {
  const Batch& batch = lane.lane.stack.back();
  if (lane.request_id.empty() || batch.tries == Tries{}) {
    lane.request_id = host_.random.uuid();
    lane.response.reset();
  }
  if (lane.notified_at) {
    const std::chrono::duration<double, std::milli> latency = host_.scheduler.monotonic_now() - *lane.notified_at;
    if (mapping_.window_s == 0) meters_->latency.record(latency.count());
    lane.notified_at.reset();
  }
  lane.is_retry = batch.tries.invocations > 0;
  if (!batch.records.empty()) {
    meters_->batch_records.record(static_cast<double>(batch.records.size()));
    lane.is_retry = lane.is_retry || batch.records.front().sequence <= lane.invoked_to;
    lane.invoked_to = std::max(lane.invoked_to, batch.records.back().sequence);
  }
  lane.reports = mapping_.report_failures;
  lane.working_since = host_.scheduler.now();
  lane.busy = platform::Busy(host_.scheduler.busy());
  auto result = std::make_shared<InvokeResult>();
  auto deliver = for_lane(shard.info.number, lane,
                          [this, result](ShardRun& of, LaneRun& to) { returned(of, to, std::move(*result)); });
  host_.invoker.invoke({.function_arn = mapping_.function_arn,
                        .request_id = lane.request_id,
                        .mapping = mapping_.uuid,
                        .payload = render_event(batch, lane.lane.tumbling, shard.info.id, mapping_.stream_arn)},
                       [scheduler = &host_.scheduler, result, deliver = std::move(deliver)](InvokeResult answer) {
                         *result = std::move(answer);
                         scheduler->post(deliver);
                       });
}

void Runner::returned(ShardRun& shard, LaneRun& lane, InvokeResult result) {
  const platform::Busy busy = std::move(lane.busy);  // until what follows is under way
  const Batch& batch = lane.lane.stack.back();
  lane.working_since = kNever;
  if (result.outcome != Outcome::kAnswered) {
    ++totals_.refusals;
    last_result_ = "PROBLEM: " + result.message;
    lane.was_throttled = result.outcome == Outcome::kThrottled;
    note_failure(lane, shard, result.message);
    note_attempt(shard, lane, result, 0);
    feed(shard, lane, Returned{.outcome = result.outcome});
    return meters_->blocked.set(is_blocked() ? 1 : 0);
  }
  Returned answer{.done = units_of(batch)};
  if (!result.function_error.empty()) {
    answer.done = 0;
  } else if (lane.reports && !batch.records.empty()) {
    answer.done = leading_done(result.payload, batch.records);
  }
  const bool tumbles = lane.lane.tumbling.has_value();
  if (tumbles && answer.done > 0) answer.state = returned_state(result.payload);
  if (tumbles && !answer.state) answer.done = 0;
  if (!result.request_id.empty()) lane.request_id = result.request_id;
  lane.response = ResponseContext{200, result.executed_version, result.function_error};
  lane.was_throttled = false;
  count_answer(lane, result, answer.done);
  if (answer.done < units_of(batch)) {
    note_failure(lane, shard,
                 !result.function_error.empty() ? error_text(result)
                 : tumbles && !answer.state     ? "the answer holds no state, which a tumbling window needs"
                                                : "reported batch item failures");
  }
  note_attempt(shard, lane, result, answer.done);
  if (answer.done > 0) lane.blocked_since = kNever;
  feed(shard, lane, std::move(answer));
  meters_->blocked.set(is_blocked() ? 1 : 0);
}

void Runner::count_answer(LaneRun& lane, const InvokeResult& result, std::size_t done) {
  const Batch& batch = lane.lane.stack.back();
  const bool failed = done < units_of(batch);
  const std::size_t settled = std::min(done, batch.records.size());  // a final invocation has no records
  const std::size_t undone = batch.records.size() - settled;
  ++totals_.invocations;
  totals_.invoked += batch.records.size();
  totals_.settled += settled;
  totals_.batch_records_max = std::max<std::uint64_t>(totals_.batch_records_max, batch.records.size());
  totals_.duration += result.duration;
  meters_->invoked.add(batch.records.size());
  totals_.failed += undone;
  meters_->failed.add(undone);
  if (failed) ++totals_.failures;
  const double gb_seconds = static_cast<double>(result.duration.count()) / 1000 * result.memory_mb / 1024;
  totals_.gb_seconds += gb_seconds;
  if (lane.is_retry) {
    ++totals_.retries;
    totals_.retry_gb_seconds += gb_seconds;
  }
  if (!batch.records.empty()) {
    const Milliseconds age = host_.scheduler.now() - batch.records.back().created;
    meters_->iterator_age.set(static_cast<double>(age.count()));
  }
  last_result_ = failed ? "PROBLEM: Function call failed" : "OK";
}

void Runner::note_failure(LaneRun& lane, const ShardRun& shard, std::string text) {
  const Batch& batch = lane.lane.stack.back();
  const Time now = host_.scheduler.now();
  lane.last_error = text;
  lane.last_error_at = now;
  ledger_.set_error(std::move(text), now);
  if (lane.blocked_since == kNever) lane.blocked_since = now;
  if (batch.tries.failures + batch.tries.refusals + 1 == kBlockedTries) {
    telemetry::log_warning("triggers", "mapping " + mapping_.uuid + " is blocked in shard " + shard.info.id + ": " +
                                           range_text(batch) + " fail again and again: " + lane.last_error);
  }
}

HistoryEntry Runner::entry_of(const ShardRun& shard, const LaneRun& lane) const {
  const Batch& batch = lane.lane.stack.back();
  HistoryEntry entry;
  entry.time = host_.scheduler.now();
  entry.shard = shard.info.id;
  entry.lane = lane.index;
  if (!batch.records.empty()) {
    entry.first = batch.records.front().sequence;
    entry.last = batch.records.back().sequence;
  }
  entry.records = batch.records.size();
  entry.attempt = batch.tries.invocations + batch.tries.refusals;
  entry.request_id = lane.request_id;
  return entry;
}

// Into the history. What settled nothing is written at once: no other write would come before the next attempt.
void Runner::note_attempt(const ShardRun& shard, const LaneRun& lane, const InvokeResult& result, std::size_t done) {
  const bool was_invoked = result.outcome == Outcome::kAnswered;
  HistoryEntry entry = entry_of(shard, lane);
  ++entry.attempt;
  entry.done = done;
  const bool failed = !was_invoked || !result.function_error.empty() || done < units_of(lane.lane.stack.back());
  entry.result = result.outcome == Outcome::kThrottled ? "throttled"
                 : !was_invoked                        ? "refused"
                 : !failed                             ? "ok"
                 : done > 0                            ? "partial"
                                                       : "failed";
  entry.duration = result.duration;
  if (failed) entry.text = lane.last_error;
  ledger_.note(std::move(entry));
  if (!was_invoked) save_ledger();
}

void Runner::save_ledger() {
  storage::WriteBatch alone;
  ledger_.stage(alone);
  (void)host_.settlement.settle(std::move(alone), {});
}

// Documents in buckets hold what failed (spec 2.8).
static bool is_bucket(std::string_view arn) { return arn.find(":s3:::") != std::string_view::npos; }

FailureDocument Runner::document_of(const ShardRun& shard, const LaneRun& lane, Reason reason) const {
  const Batch& batch = lane.lane.stack.back();
  const bool was_invoked = batch.tries.invocations > 0;
  FailureDocument out;
  out.request_id = was_invoked && !lane.request_id.empty() ? lane.request_id : host_.random.uuid();
  out.function_arn = mapping_.function_arn;
  out.reason = reason;
  out.invocations = batch.tries.invocations;
  if (was_invoked) out.response = lane.response.value_or(ResponseContext{200, "$LATEST", "Unhandled"});
  out.now = host_.scheduler.now();
  out.stream_arn = mapping_.stream_arn;
  out.shard_id = shard.info.id;
  if (lane.lane.tumbling) {
    const Tumbling& tumbling = *lane.lane.tumbling;
    out.window = WindowInfo{tumbling.window, batch.records.empty(), batch.records.empty() && tumbling.early};
  }
  if (is_bucket(mapping_.destination)) {
    out.payload = render_event(batch, lane.lane.tumbling, shard.info.id, mapping_.stream_arn);
  }
  if (batch.records.empty()) return out;
  out.first = batch.records.front().sequence;
  out.last = batch.records.back().sequence;
  out.first_created = batch.records.front().created;
  out.last_created = batch.records.back().created;
  out.batch_size = batch.records.size();
  return out;
}

// The position moves and the document is staged in one batch; if it cannot be, the records are dropped and counted.
Effects Runner::discard(ShardRun& shard, LaneRun& lane, Reason reason) {
  const std::size_t count = lane.lane.stack.back().records.size();
  const std::string range = range_text(lane.lane.stack.back());
  HistoryEntry entry = entry_of(shard, lane);
  entry.what = "discard";
  Letter letter{.destination = mapping_.destination, .message = {}};
  if (!letter.destination.empty()) {
    FailureDocument document = document_of(shard, lane, reason);
    letter.message.body = render(document);
    if (mapping_.payload_in_failures) {
      letter.shorter = letter.message.body;  // what AWS would send, if the payload is too large for the queue
      document.payload = render_event(lane.lane.stack.back(), lane.lane.tumbling, shard.info.id, mapping_.stream_arn);
      letter.message.body = render(document);
    }
  }
  lane.blocked_since = kNever;
  lane.request_id.clear();
  Effects effects = step(settings_of(shard), lane.lane, Discarded{}, host_.scheduler.now());
  // Counted before it is known, so that the sums are part of the same commit.
  (letter.destination.empty() ? totals_.dropped : totals_.sent_to_destination) += count;
  entry.result = letter.destination.empty() ? "dropped" : "sent";
  ledger_.note(entry);
  letter.message.object_key =
      delivery::document_key("aws/lambda/" + mapping_.uuid + "/" + shard.info.id, host_.scheduler.now());
  const auto sent = save(shard, letter);
  if (sent.ok() && !letter.destination.empty()) {
    meters_->delivered.add(count);
    return effects;
  }
  meters_->dropped.add(count);
  std::string why = "there is no on-failure destination";
  if (!sent.ok()) {
    totals_.sent_to_destination -= count;
    totals_.dropped += count;
    ++totals_.destination_failures;
    meters_->destination_failures.add();
    why = "the on-failure destination refused: " + sent.error().message();
    entry.result = "dropped";
    entry.text = why;
    ledger_.note(std::move(entry));
    save_ledger();
  }
  telemetry::log_warning("triggers", "mapping " + mapping_.uuid + " dropped " + range + ": " + why);
  return effects;
}

std::vector<SequenceNumber> Runner::skipped_in(std::uint64_t shard) const {
  std::vector<SequenceNumber> out;
  for (const SkippedRecord& record : mapping_.skipped) {
    if (record.shard == shard) out.push_back(record.sequence);
  }
  return out;
}

void Runner::hold(std::function<void()> quiet) {
  held_ = true;
  quiet_ = std::move(quiet);
  for (auto& [number, shard] : shards_) feed_all(shard, Woken{});
  tell_if_quiet();
}

void Runner::let_go() {
  held_ = false;
  quiet_ = nullptr;
  for (auto& [number, shard] : shards_) feed_all(shard, Woken{});
}

void Runner::tell_if_quiet() {
  if (!quiet_) return;
  for (const auto& [number, shard] : shards_) {
    for (const auto& lane : shard.lanes) {
      if (lane->lane.busy) return;
    }
  }
  host_.scheduler.post(std::exchange(quiet_, nullptr));
}

Positions Runner::positions() const {
  Positions out = saved_;
  for (const auto& [number, shard] : shards_) {
    if (shard.finished || !shard.lanes.empty()) out[number] = saved_form(shard);
  }
  return out;
}

std::optional<FailingBatch> Runner::failing_batch() const {
  std::optional<FailingBatch> worst;
  for (const auto& [number, shard] : shards_) {
    for (const auto& run : shard.lanes) {
      const SavedLane state = saved(run->lane);
      const bool is_final = state.planned.empty() && state.tumbling && state.tumbling->tries != Tries{};
      if (!is_final && (state.planned.empty() || state.planned.back().tries == Tries{})) continue;
      const Planned plan =
          is_final ? Planned{.last = state.settled, .tries = state.tumbling->tries} : state.planned.back();
      if (worst && worst->tries.failures + worst->tries.refusals >= plan.tries.failures + plan.tries.refusals) continue;
      const bool is_formed = !run->lane.stack.empty() && !run->lane.stack.back().records.empty();
      worst = FailingBatch{.shard = shard.info,
                           .lane = run->index,
                           .lanes = static_cast<unsigned>(shard.lanes.size()),
                           .after = is_formed ? run->lane.stack.back().records.front().sequence - 1 : state.settled,
                           .last = plan.last,
                           .tries = plan.tries,
                           .is_running = run->lane.busy,
                           .previous = shard.previous,
                           .tumbling = state.tumbling};
    }
  }
  return worst;
}

std::shared_ptr<ReadJob> Runner::reader_of(const FailingBatch& batch) const {
  auto job = std::make_shared<ReadJob>();
  job->gate = host_.gate;
  job->source = &host_.source;
  job->request = {.stream_arn = mapping_.stream_arn,
                  .shard = batch.shard.number,
                  .after = batch.after,
                  .records_max = static_cast<std::size_t>(std::max<std::int64_t>(1, mapping_.batch_size)),
                  .bytes_max = kPayloadBytesMax - kEnvelopeBytes,
                  .lane = batch.lane,
                  .lanes = batch.lanes};
  job->filters = filters_;
  job->previous = batch.previous;
  job->skipped = skipped_in(batch.shard.number);
  return job;
}

Result<void> Runner::save(const ShardRun& shard, const Letter& letter) {
  SavedShard form = saved_form(shard);
  drop_passed(form);
  storage::WriteBatch batch;
  batch.put(storage::Family::kCatalogue, shard_key(mapping_.uuid, shard.info.number), encode(form));
  ledger_.stage(batch);
  return host_.settlement.settle(std::move(batch), letter);
}

bool Runner::is_blocked() const {
  return std::any_of(shards_.begin(), shards_.end(), [](const auto& entry) {
    return std::any_of(entry.second.lanes.begin(), entry.second.lanes.end(), [](const auto& lane) {
      if (lane->lane.stack.empty()) return false;
      const Tries& tries = lane->lane.stack.back().tries;
      return tries.failures + tries.refusals >= kBlockedTries;
    });
  });
}

LaneStatus Runner::status_of(const ShardRun& shard, const LaneRun& run) const {
  const Lane& lane = run.lane;
  LaneStatus out;
  out.position = lane.settled;
  out.blocked_since = run.blocked_since;
  if (!lane.stack.empty()) {
    const Batch& batch = lane.stack.back();
    out.batch_records = batch.records.size();
    out.batch_first = batch.records.empty() ? lane.settled : batch.records.front().sequence;
    out.batch_last = batch.records.empty() ? lane.settled : batch.records.back().sequence;
    out.tries = batch.tries;
    out.is_blocked = batch.tries.failures + batch.tries.refusals >= kBlockedTries;
  }
  out.last_error = run.last_error;
  out.last_error_at = run.last_error_at;
  out.since = run.working_since;
  out.until = run.timer_at;
  if (lane.busy) {
    out.waiting = Waiting::kInvocation;
  } else if (!mapping_.enabled || shard.rearranging || held_) {
    out.waiting = Waiting::kPaused;
  } else if (!lane.stack.empty()) {
    out.waiting = run.was_throttled ? Waiting::kConcurrency : Waiting::kBackoff;
  } else if (!lane.unbatched.empty()) {
    out.waiting = Waiting::kWindow;
  } else if (lane.tumbling && !lane.reading) {
    out.waiting = Waiting::kTumbling;
  } else {
    out.waiting = lane.reading ? Waiting::kReading : Waiting::kRecords;
  }
  return out;
}

Status Runner::status() const {
  Status out;
  out.mapping = mapping_;
  out.last_result = last_result_;
  out.last_error = ledger_.saved().last_error;
  out.last_error_at = ledger_.saved().last_error_at;
  out.is_blocked = is_blocked();
  out.totals = totals_;
  out.latency = {meters_->latency.count(), meters_->latency.quantile(0.5), meters_->latency.quantile(0.99)};
  for (const auto& [number, shard] : shards_) {
    ShardStatus each;
    each.id = shard.info.id;
    each.number = number;
    for (const auto& lane : shard.lanes) {
      each.lanes.push_back(status_of(shard, *lane));
      out.is_busy = out.is_busy || lane->lane.busy || lane->lane.reading;
    }
    if (shard.lanes.empty()) {
      LaneStatus lane;
      lane.position = mapping_.start_after;
      lane.waiting = shard.finished ? Waiting::kShardEnd : Waiting::kParent;
      each.lanes.push_back(lane);
    }
    out.shards.push_back(std::move(each));
  }
  return out;
}

}  // namespace millrace::triggers::internal
