#include "triggers/lane.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/assert.h"
#include "triggers/decisions.h"

namespace millrace::triggers {
namespace {

constexpr Seconds kSaveInterval{60};  // of positions that only filtered records moved

std::uint64_t mixed(std::uint64_t value) {
  value ^= value >> 30;
  value *= 0xbf58476d1ce4e5b9ULL;
  value ^= value >> 27;
  value *= 0x94d049bb133111ebULL;
  return value ^ (value >> 31);
}

std::size_t payload_bytes(const Record& record) { return record.event.size() + 1; }

// AWS: age is now minus ApproximateCreationDateTime, looked at before every invocation.
bool is_expired(const Settings& settings, const Record& record, Time now) {
  return settings.age_max != Milliseconds::max() && now - record.created > settings.age_max;
}

std::size_t leading_expired(const Settings& settings, const std::deque<Record>& records, Time now) {
  const auto young = std::find_if(records.begin(), records.end(),
                                  [&](const Record& record) { return !is_expired(settings, record, now); });
  return static_cast<std::size_t>(young - records.begin());
}

bool final_in_hand(const Lane& lane) { return !lane.stack.empty() && lane.stack.back().records.empty(); }

// The tumbling window that `record` belongs to. A record that turns up after its window has ended is of the next.
Window window_of(const Settings& settings, const Lane& lane, const Record& record) {
  if (lane.tumbling && record.created < lane.tumbling->window.end) return lane.tumbling->window;
  return window_at(std::max(record.created, lane.tumbled_to), settings.tumbling);
}

// Bytes of the event around its records.
std::size_t overhead(const Settings& settings, const Lane& lane) {
  if (settings.tumbling == Milliseconds(0)) return kEnvelopeBytes;
  return kEnvelopeBytes + kWindowBytes + (lane.tumbling ? lane.tumbling->state.size() : kEmptyState.size());
}

void catch_up(Lane& lane) {
  if (!has_outstanding(lane)) lane.settled = std::max(lane.settled, lane.read_to);
}

// Moves the first `count` unbatched records into a new batch in hand.
void take(const Settings& settings, Lane& lane, std::size_t count, Tries tries) {
  Batch batch{.records = {}, .tries = tries, .is_rest = false, .filters = settings.filters};
  for (std::size_t i = 0; i < count; ++i) {
    lane.unbatched_bytes -= payload_bytes(lane.unbatched.front());
    batch.records.push_back(std::move(lane.unbatched.front()));
    lane.unbatched.pop_front();
  }
  lane.stack.push_back(std::move(batch));
  lane.window_opened = {};
  lane.window_restored = false;
}

// Cuts the batch in hand: the first `count` records stay in hand, the rest is a batch of its own below.
void split(Lane& lane, std::size_t count) {
  Batch first = std::move(lane.stack.back());
  Batch& rest = lane.stack.back();
  const auto cut = first.records.begin() + static_cast<std::ptrdiff_t>(count);
  rest = Batch{.records = {}, .tries = {}, .is_rest = false, .filters = first.filters};
  rest.records.assign(std::make_move_iterator(cut), std::make_move_iterator(first.records.end()));
  first.records.erase(cut, first.records.end());
  lane.stack.push_back(std::move(first));
}

// The first `count` records of the batch in hand are done; the rest is a new batch.
void settle(Lane& lane, std::size_t count, Time now) {
  Batch& batch = lane.stack.back();
  MR_ASSERT(count > 0 && count <= batch.records.size());
  lane.settled = batch.records[count - 1].sequence;
  batch.records.erase(batch.records.begin(), batch.records.begin() + static_cast<std::ptrdiff_t>(count));
  batch.tries = {};
  batch.is_rest = true;
  if (batch.records.empty()) lane.stack.pop_back();
  // AWS: the next batching window starts when the invocation is done.
  if (lane.stack.empty() && !lane.unbatched.empty()) lane.window_opened = now;
  catch_up(lane);
}

// The final invocation in hand is done with; the next window starts with an empty state.
void close_tumbling(Lane& lane, Time now) {
  lane.stack.pop_back();
  const Window& window = lane.tumbling->window;
  if (!lane.tumbling->early && now >= window.end) lane.tumbled_to = window.end;
  lane.tumbling.reset();
  if (lane.stack.empty() && !lane.unbatched.empty() && lane.window_opened == Time{}) lane.window_opened = now;
  catch_up(lane);
}

// Forgets what was read beyond the batch in hand; it is read again later.
void drop_ahead(Lane& lane) {
  lane.unbatched.clear();
  lane.unbatched_bytes = 0;
  const bool has_batch = !lane.stack.empty() && !lane.stack.front().records.empty();
  lane.read_to = has_batch ? lane.stack.front().records.back().sequence : lane.settled;
  lane.reread = lane.reading;
  lane.at_tail = false;
  lane.shard_ended = false;
}

// A blocked lane keeps no more than its batch in memory.
void drop_ahead_of_failure(Lane& lane) {
  if (lane.unbatched.empty() && !lane.reading) return;
  reached(Decision::kReadAheadDropped);
  drop_ahead(lane);
}

void park(Lane& lane) {
  if (!lane.stack.empty()) reached(Decision::kParked);
  SavedLane state = saved(lane);
  lane.stack.clear();
  lane.planned = std::move(state.planned);
  lane.tumbling = std::move(state.tumbling);
}

void learn(const Settings&, Lane& lane, Arrived& read, Time now) {
  MR_ASSERT(lane.reading);
  lane.reading = false;
  const bool grew = std::exchange(lane.grew, false);
  if (grew) reached(Decision::kGrewWhileReading);
  if (std::exchange(lane.reread, false)) return reached(Decision::kReadOutdated);
  lane.read_to = std::max(lane.read_to, read.read_to);
  lane.passed_unsaved += read.passed;
  for (Record& record : read.records) {
    lane.unbatched_bytes += payload_bytes(record);
    lane.unbatched.push_back(std::move(record));
  }
  lane.at_tail = read.at_tail && !grew;
  lane.shard_ended = read.shard_ended;
  if (lane.unbatched.empty()) {
    if (read.at_tail) lane.window_opened = {};
  } else if (lane.stack.empty() && lane.window_opened == Time{}) {
    lane.window_opened = now;  // a window opens with its first record
  }
  catch_up(lane);
}

void note_answer(const Settings& settings, const Batch& batch, std::size_t done) {
  const bool lanes = settings.lanes > 1;
  if (done == units_of(batch)) return reached(Decision::kSucceeded);
  reached(lanes ? Decision::kPartialWithLanes : Decision::kPartial);
}

void note_bisect(const Settings& settings, const Batch& batch) {
  const bool lanes = settings.lanes > 1;
  if (batch.is_rest) {
    reached(lanes ? Decision::kBisectedAfterProgressWithLanes : Decision::kBisectedAfterProgress);
  } else {
    reached(lanes ? Decision::kBisectedWithLanes : Decision::kBisected);
  }
}

// AWS: the state that a successful invocation returns is given to the next one; over 1 MB it ends the window.
void keep_state(Lane& lane, std::string state) {
  lane.tumbling->state = std::move(state);
  if (lane.tumbling->state.size() <= kStateBytesMax || final_in_hand(lane)) return;
  reached(Decision::kTumblingClosedByState);
  lane.tumbling->closing = lane.tumbling->early = true;
}

void refuse(Lane& lane, Outcome outcome, Time now) {
  Batch& batch = lane.stack.back();
  const bool throttled = outcome == Outcome::kThrottled;
  reached(throttled ? Decision::kThrottled : Decision::kRefused);
  if (batch.tries.failing_since == Time{}) batch.tries.failing_since = now;
  const SequenceNumber first = batch.records.empty() ? lane.settled : batch.records.front().sequence;
  batch.tries.not_before = now + backoff(++batch.tries.refusals, first, throttled ? kThrottledBackoffMax : kBackoffMax);
  drop_ahead_of_failure(lane);
}

void learn(const Settings& settings, Lane& lane, Returned& answer, Time now) {
  MR_ASSERT(lane.busy);
  lane.busy = false;
  if (answer.outcome != Outcome::kAnswered) return refuse(lane, answer.outcome, now);
  Batch& batch = lane.stack.back();
  ++batch.tries.invocations;
  // AWS: without a usable state the invocation has failed, final ones included.
  const bool lacks_state = lane.tumbling && !answer.state;
  if (lacks_state) reached(Decision::kAnswerWithoutState);
  if (answer.done > 0 && !lacks_state) {
    note_answer(settings, batch, answer.done);
    if (lane.tumbling) keep_state(lane, std::move(*answer.state));
    // AWS: after progress the rest is a new batch with all its attempts, sent at once.
    return final_in_hand(lane) ? close_tumbling(lane, now) : settle(lane, answer.done, now);
  }
  if (settings.bisect && batch.records.size() > 1) {
    // AWS: a failing batch is split before it is retried; halves are new batches, sent at once, the first rounded down.
    note_bisect(settings, batch);
    batch.tries = {};
    return split(lane, batch.records.size() / 2);
  }
  reached(batch.records.empty() ? Decision::kFinalFailed
          : settings.lanes > 1  ? Decision::kFailedWithLanes
                                : Decision::kFailed);
  if (batch.tries.failing_since == Time{}) batch.tries.failing_since = now;
  const SequenceNumber first = batch.records.empty() ? lane.settled : batch.records.front().sequence;
  batch.tries.not_before = now + backoff(++batch.tries.failures, first, kBackoffMax);
  drop_ahead_of_failure(lane);
}

void learn(const Settings&, Lane& lane, const Discarded&, Time now) {
  MR_ASSERT(lane.busy);
  lane.busy = false;
  if (final_in_hand(lane)) return close_tumbling(lane, now);
  settle(lane, lane.stack.back().records.size(), now);
}

void learn(const Settings&, Lane&, const Woken&, Time) {}

void learn(const Settings&, Lane& lane, const Grew&, Time) {
  lane.at_tail = false;
  lane.grew = lane.reading;
}

void learn(const Settings&, Lane& lane, const Forgotten&, Time) {
  if (lane.busy) reached(Decision::kForgottenInFlight);
  if (!lane.busy) park(lane);
  drop_ahead(lane);
}

// Records of more than one tumbling window are unbatched.
bool holds_next_window(const Settings& settings, const Lane& lane) {
  return settings.tumbling > Milliseconds(0) && !lane.unbatched.empty() &&
         lane.unbatched.back().created >= window_of(settings, lane, lane.unbatched.front()).end;
}

bool is_full(const Settings& settings, const Lane& lane) {
  if (lane.unbatched.empty()) return false;
  return lane.unbatched.size() >= settings.batch_size ||
         lane.unbatched_bytes + overhead(settings, lane) > settings.payload_bytes_max ||
         holds_next_window(settings, lane);
}

// How many of the records fit into one event: at least one; with tumbling windows, those of one window.
std::size_t fitting(const Settings& settings, const Lane& lane, const std::deque<Record>& records,
                    std::size_t records_max) {
  if (records.empty()) return 0;
  const bool tumbles = settings.tumbling > Milliseconds(0);
  const Time window_end = tumbles ? window_of(settings, lane, records.front()).end : kNever;
  std::size_t bytes = overhead(settings, lane);
  std::size_t count = 0;
  while (count < records.size() && count < records_max && records[count].created < window_end) {
    bytes += payload_bytes(records[count]);
    if (count > 0 && bytes > settings.payload_bytes_max) break;
    ++count;
  }
  return std::max<std::size_t>(count, 1);
}

// Forms the batch that was in hand before a restart. Its records may be gone by now, or some of them.
void form_planned(const Settings& settings, Lane& lane) {
  const Planned plan = lane.planned.back();
  const bool is_read = lane.read_to >= plan.last || lane.shard_ended || lane.at_tail;
  if (!is_read && !is_full(settings, lane)) return;
  const auto end = std::find_if(lane.unbatched.begin(), lane.unbatched.end(),
                                [&](const Record& record) { return record.sequence > plan.last; });
  const auto planned_count = static_cast<std::size_t>(end - lane.unbatched.begin());
  const std::size_t count = std::min(planned_count, fitting(settings, lane, lane.unbatched, settings.batch_size));
  // Its attempts are those of the records that the filters of that time let pass.
  if (count > 0) take(settings, lane, count, plan.filters == settings.filters ? plan.tries : Tries{});
  reached(count == 0              ? Decision::kBatchPlannedGone
          : count < planned_count ? Decision::kBatchPlannedCut
                                  : Decision::kBatchPlanned);
  if (is_read && count == planned_count) lane.planned.pop_back();
}

// AWS: a window is closed by a record or a time beyond its end, by a state over 1 MB, and by the end of its shard. Here
// also by an update of the windows' length. REQUIRES: a window is open.
std::optional<Decision> closes_tumbling(const Settings& settings, const Lane& lane, Time now) {
  const Window& window = lane.tumbling->window;
  if (window.end - window.start != settings.tumbling) return Decision::kTumblingClosedByUpdate;
  const Record* next = !lane.stack.empty()       ? &lane.stack.back().records.front()
                       : !lane.unbatched.empty() ? &lane.unbatched.front()
                                                 : nullptr;
  if (next != nullptr) {
    if (next->created < window.end) return std::nullopt;
    return Decision::kTumblingClosedByRecord;
  }
  if (!lane.planned.empty()) return std::nullopt;
  if (lane.shard_ended) return Decision::kTumblingClosedByShardEnd;
  // What is not read yet may still be of this window.
  if (now >= window.end && lane.at_tail && !lane.reading) return Decision::kTumblingClosedByTime;
  return std::nullopt;
}

// Takes the final invocation in hand, or what is left of it from before a restart, when it is due.
void form_final(const Settings& settings, Lane& lane, Time now) {
  if (!lane.tumbling || final_in_hand(lane)) return;
  if (!lane.tumbling->closing) {
    const auto why = closes_tumbling(settings, lane, now);
    if (!why) return;
    reached(*why);
    lane.tumbling->closing = true;
  }
  lane.stack.push_back(Batch{.records = {}, .tries = std::exchange(lane.tumbling->tries, {})});
}

// Makes the batch in hand one that may be invoked: of one age, of one window, with a state beside it.
void cut_batch(const Settings& settings, Lane& lane, Time now) {
  // AWS: records that are too old are taken out of the batch; the younger ones are still delivered.
  const std::size_t size = lane.stack.back().records.size();
  const std::size_t expired = leading_expired(settings, lane.stack.back().records, now);
  if (expired > 0) {
    if (expired == size) return;
    reached(Decision::kTooOldCutsBatch);
    return split(lane, expired);
  }
  if (settings.tumbling == Milliseconds(0)) return;
  const auto& records = lane.stack.back().records;
  const std::size_t fits = fitting(settings, lane, records, size);
  if (fits == size) return;
  const bool by_window = records[fits].created >= window_of(settings, lane, records.front()).end;
  reached(by_window ? Decision::kTumblingCutsBatch : Decision::kTumblingStateCutsBatch);
  split(lane, fits);
}

// Why the records that have been read are a batch now; none: they wait for more.
std::optional<Decision> completes_batch(const Settings& settings, const Lane& lane, Time now) {
  if (lane.unbatched.size() >= settings.batch_size) return Decision::kBatchFull;
  if (holds_next_window(settings, lane)) return Decision::kBatchTumblingOver;
  if (is_full(settings, lane)) return Decision::kBatchPayloadFull;
  if (settings.window == Milliseconds(0)) return Decision::kBatchAtOnce;
  if (now >= lane.window_opened + settings.window) {
    return lane.window_restored ? Decision::kBatchWindowRestored : Decision::kBatchWindowOver;
  }
  const bool tumbles = settings.tumbling > Milliseconds(0);
  if (tumbles && now >= window_of(settings, lane, lane.unbatched.front()).end) return Decision::kBatchTumblingOver;
  if (lane.shard_ended) reached(Decision::kWindowAtShardEnd);
  return std::nullopt;
}

void form_batch(const Settings& settings, Lane& lane, Time now) {
  form_final(settings, lane, now);
  if (final_in_hand(lane)) return;
  while (lane.stack.empty() && !lane.planned.empty()) {
    const std::size_t before = lane.planned.size();
    form_planned(settings, lane);
    if (lane.stack.empty() && lane.planned.size() == before) return;
  }
  if (!lane.stack.empty()) return cut_batch(settings, lane, now);
  if (lane.unbatched.empty()) return;
  const std::size_t fits = fitting(settings, lane, lane.unbatched, settings.batch_size);
  if (const std::size_t expired = leading_expired(settings, lane.unbatched, now)) {
    return take(settings, lane, std::min(expired, fits), {});
  }
  if (const auto why = completes_batch(settings, lane, now)) {
    reached(*why);
    take(settings, lane, fits, {});
  }
}

// Without a batch in hand: until the next window ends.
Wait until_window_ends(const Settings& settings, const Lane& lane, Time now) {
  if (!lane.planned.empty()) return {};
  if (!lane.unbatched.empty()) {
    const Time batching = lane.window_opened + settings.window;
    if (settings.tumbling == Milliseconds(0)) return {batching};
    return {std::min(batching, window_of(settings, lane, lane.unbatched.front()).end)};
  }
  // After its end a window waits only for a read.
  return lane.tumbling && now < lane.tumbling->window.end ? Wait{lane.tumbling->window.end} : Wait{};
}

// AWS does not tell how old an empty invocation is; here its age counts from its first failure.
bool is_too_old(const Settings& settings, const Batch& batch, Time now) {
  if (!batch.records.empty()) return is_expired(settings, batch.records.front(), now);
  return batch.tries.failing_since != Time{} && settings.age_max != Milliseconds::max() &&
         now - batch.tries.failing_since > settings.age_max;
}

void note_discard(const Settings& settings, const Batch& batch, Reason reason) {
  const bool is_final = batch.records.empty();
  if (reason == Reason::kRetryAttemptsExhausted) {
    return reached(is_final             ? Decision::kFinalExhausted
                   : settings.lanes > 1 ? Decision::kExhaustedWithLanes
                                        : Decision::kExhausted);
  }
  reached(is_final                      ? Decision::kFinalTooOld
          : batch.tries.invocations > 0 ? Decision::kTooOldAfterFailures
                                        : Decision::kTooOldUninvoked);
}

Next decide(const Settings& settings, const Lane& lane, Time now) {
  if (lane.busy || !settings.enabled) return Wait{};
  if (lane.stack.empty()) return until_window_ends(settings, lane, now);
  const Batch& batch = lane.stack.back();
  if (is_too_old(settings, batch, now)) return Discard{Reason::kRecordAgeExceeded};
  if (settings.retries_max >= 0 && batch.tries.failures > settings.retries_max) {
    return Discard{Reason::kRetryAttemptsExhausted};
  }
  if (now < batch.tries.not_before) return Wait{batch.tries.not_before};
  return Invoke{};
}

void open_tumbling(const Settings& settings, Lane& lane) {
  if (settings.tumbling == Milliseconds(0) || lane.tumbling) return;
  const Record& first = lane.stack.back().records.front();
  reached(first.created < lane.tumbled_to ? Decision::kTumblingLateRecord : Decision::kTumblingOpened);
  lane.tumbling = Tumbling{.window = window_of(settings, lane, first)};
}

// Reads ahead by one batch, but not behind a batch that has failed.
ReadMore wanted(const Settings& settings, const Lane& lane) {
  if (!settings.enabled || lane.reading || lane.shard_ended || lane.at_tail) return {};
  if (is_full(settings, lane)) return {};
  if (!lane.stack.empty() && (lane.stack.back().tries != Tries{} || lane.stack.size() > 1)) return {};
  return {settings.batch_size - lane.unbatched.size(), settings.payload_bytes_max - lane.unbatched_bytes};
}

// REQUIRES: `before` is the lane's position and batching window before the step.
bool is_worth_saving(const Settings& settings, Lane& lane, const Input& input, std::pair<SequenceNumber, Time> before,
                     Time now) {
  const auto* returned = std::get_if<Returned>(&input);
  const bool answered = returned != nullptr && returned->outcome == Outcome::kAnswered;
  const bool opened =
      settings.window > Milliseconds(0) && lane.window_opened != Time{} && lane.window_opened != before.second;
  if (!answered && !opened && !std::holds_alternative<Discarded>(input)) {
    const bool moved = lane.settled != before.first;
    if (!moved || (lane.passed_unsaved < kPassedUnsavedMax && now - lane.saved_at < kSaveInterval)) return false;
  }
  lane.passed_unsaved = 0;
  lane.saved_at = now;
  return true;
}

}  // namespace

Effects step(const Settings& settings, Lane& lane, Input input, Time now) {
  const std::pair before(lane.settled, lane.window_opened);
  std::visit([&](auto& fact) { learn(settings, lane, fact, now); }, input);
  if (!lane.busy && !settings.enabled && !lane.stack.empty()) {
    park(lane);
    drop_ahead(lane);
  }
  if (!lane.busy && settings.enabled) form_batch(settings, lane, now);
  Effects out{.next = decide(settings, lane, now)};
  if (const auto* discard = std::get_if<Discard>(&out.next)) note_discard(settings, lane.stack.back(), discard->reason);
  if (std::holds_alternative<Invoke>(out.next)) open_tumbling(settings, lane);
  out.save = is_worth_saving(settings, lane, input, before, now);
  lane.busy = lane.busy || !std::holds_alternative<Wait>(out.next);
  out.read = wanted(settings, lane);
  lane.reading = lane.reading || out.read.records_max > 0;
  return out;
}

bool has_outstanding(const Lane& lane) { return !lane.stack.empty() || !lane.unbatched.empty(); }

bool is_finished(const Lane& lane) {
  return lane.shard_ended && !lane.busy && lane.planned.empty() && !lane.tumbling && !has_outstanding(lane);
}

SavedLane saved(const Lane& lane) {
  SavedLane out{.settled = lane.settled,
                .planned = lane.planned,
                .window_opened = lane.window_opened,
                .tumbling = lane.tumbling,
                .tumbled_to = lane.tumbled_to};
  for (const Batch& batch : lane.stack) {
    if (batch.records.empty()) {
      out.tumbling->tries = batch.tries;
    } else {
      out.planned.push_back({batch.records.back().sequence, batch.tries, batch.filters});
    }
  }
  return out;
}

Lane restored(const SavedLane& saved) {
  Lane lane;
  lane.settled = saved.settled;
  lane.read_to = saved.settled;
  lane.planned = saved.planned;
  lane.window_opened = saved.window_opened;
  lane.window_restored = saved.window_opened != Time{};
  lane.tumbling = saved.tumbling;
  lane.tumbled_to = saved.tumbled_to;
  return lane;
}

Milliseconds backoff(int count, SequenceNumber first, Milliseconds limit) {
  const int doublings = std::min(count - 1, 20);
  const double jitter =
      0.95 + 0.4 * static_cast<double>(mixed(first + static_cast<std::uint64_t>(count)) >> 11) / 9007199254740992.0;
  const double delay = static_cast<double>(kBackoffFirst.count()) * static_cast<double>(1 << doublings) * jitter;
  return std::min(limit, Milliseconds(static_cast<std::int64_t>(delay)));
}

}  // namespace millrace::triggers
