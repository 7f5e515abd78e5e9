// What a runner does with a batch: the invocation, what its answer means, and giving up.
#include <algorithm>
#include <utility>

#include "codec/json.h"
#include "model/change_record.h"
#include "telemetry/log.h"
#include "triggers/event.h"
#include "triggers/internal/runner.h"
#include "triggers/internal/runner_meters.h"
#include "triggers/response.h"

namespace millrace::triggers::internal {
namespace {

constexpr std::size_t kErrorTextMax = 1000;

// Documents in buckets hold what failed (spec 2.8).
bool is_bucket(std::string_view arn) { return arn.find(":s3:::") != std::string_view::npos; }

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

void Runner::invoke(ShardRun& shard, LaneRun& lane) {
  if (put_off(shard, lane, [this](ShardRun& of, LaneRun& to) { invoke(of, to); })) return;
  const Batch& batch = lane.lane.stack.back();
  if (lane.request_id.empty() || batch.tries == Tries{}) {
    lane.request_id = host_.random.uuid();
    lane.response.reset();
  }
  if (batch.tries == Tries{}) {
    lane.batch_read = lane.read_at;
    lane.formed = host_.scheduler.now();
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
  lane.working_since = host_.scheduler.now();
  lane.reports = mapping_.report_failures;
  lane.busy = platform::Busy(host_.scheduler.busy());
  auto result = std::make_shared<InvokeResult>();
  auto deliver = for_lane(shard.info.number, lane,
                          [this, result](ShardRun& of, LaneRun& to) { returned(of, to, std::move(*result)); });
  host_.invoker.invoke({.function_arn = mapping_.function_arn,
                        .request_id = lane.request_id,
                        .mapping = mapping_.uuid,
                        .payload = render_event(batch, lane.lane.tumbling, shard.info.id, mapping_.stream_arn),
                        .last_record = batch.records.empty() ? kNever : batch.records.back().created,
                        .source_arn = mapping_.stream_arn,
                        .records = batch.records.size(),
                        .attempt = batch.tries.invocations + 1,
                        .first_record = batch.records.empty() ? kNever : batch.records.front().created,
                        .read = batch.records.empty() ? kNever : lane.batch_read,
                        .formed = batch.records.empty() ? kNever : lane.formed,
                        .has_window = mapping_.window_s > 0},
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
    if (mapping_.payload_in_failures && document.payload.empty()) {
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

}  // namespace millrace::triggers::internal
