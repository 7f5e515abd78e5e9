#include "triggers/internal/runner.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "telemetry/log.h"
#include "triggers/decisions.h"
#include "triggers/internal/runner_meters.h"

namespace millrace::triggers::internal {
namespace {

constexpr Seconds kReadAgain{5};  // after a read that failed

std::shared_ptr<const Filters> compiled(const Mapping& mapping) {
  auto filters = Filters::compile(mapping.filters);
  if (!filters.ok()) {
    telemetry::log_error("triggers",
                         "mapping " + mapping.uuid + ": saved filters are damaged; it delivers nothing new");
    filters = Filters::compile({R"({"eventID":[{"exists":false}]})"});
  }
  return std::make_shared<const Filters>(std::move(filters).value());
}

}  // namespace

struct Runner::WakeBox {
  std::mutex mutex;
  std::vector<std::uint64_t> shards;
  Deadline since;
  bool posted = false;
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
  if (retired_) return;
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
    if (!entry.second.finished) note_vanished(entry.second);
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
  if (retired_) return;
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

bool Runner::put_off(const ShardRun& shard, const LaneRun& lane, std::function<void(ShardRun&, LaneRun&)> work) {
  if (host_.may_write()) return false;
  put_off_.push_back(for_lane(shard.info.number, lane, std::move(work)));
  return true;
}

void Runner::resume() {
  for (auto& work : std::exchange(put_off_, {})) host_.scheduler.post(std::move(work));
}

void Runner::start_read(ShardRun& shard, LaneRun& lane, const ReadMore& wanted) {
  if (put_off(shard, lane, [this, wanted](ShardRun& of, LaneRun& to) { start_read(of, to, wanted); })) return;
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
  if (lane.lane.unbatched.empty() && !job.arrived.records.empty()) lane.read_at = host_.scheduler.now();
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

// A shard that retention took away before it was settled to its end. How many records that were nobody knows any more.
void Runner::note_vanished(const ShardRun& shard) {
  const bool began = std::any_of(shard.lanes.begin(), shard.lanes.end(),
                                 [](const auto& lane) { return !lane->lane.at_tail || has_outstanding(lane->lane); });
  if (!began) return;
  ++totals_.lost;
  meters_->lost.add(1);
  telemetry::log_warning("triggers", "mapping " + mapping_.uuid + ": shard " + shard.info.id +
                                         " left the stream before its records were delivered");
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

Result<void> Runner::save(const ShardRun& shard, const Letter& letter) {
  SavedShard form = saved_form(shard);
  drop_passed(form);
  storage::WriteBatch batch;
  batch.put(storage::Family::kCatalogue, shard_key(mapping_.uuid, shard.info.number), encode(form));
  ledger_.stage(batch);
  return host_.settlement.settle(std::move(batch), letter);
}

}  // namespace millrace::triggers::internal
