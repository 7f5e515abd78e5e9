// What a runner tells of itself: to people, and to those who move its positions.
#include <algorithm>

#include "triggers/internal/runner.h"
#include "triggers/internal/runner_meters.h"

namespace millrace::triggers::internal {

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
  Status out = internal::status_of(mapping_, last_result_, ledger_, *meters_);
  out.is_blocked = is_blocked();
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
