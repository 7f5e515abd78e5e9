#include "triggers/lane.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/assert.h"

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

void catch_up(Lane& lane) {
  if (!has_outstanding(lane)) lane.settled = std::max(lane.settled, lane.read_to);
}

// Moves the first `count` unbatched records into a new batch in hand.
void take(Lane& lane, std::size_t count, Tries tries) {
  Batch batch{.records = {}, .tries = tries};
  for (std::size_t i = 0; i < count; ++i) {
    lane.unbatched_bytes -= payload_bytes(lane.unbatched.front());
    batch.records.push_back(std::move(lane.unbatched.front()));
    lane.unbatched.pop_front();
  }
  lane.stack.push_back(std::move(batch));
}

// Cuts the batch in hand: the first `count` records stay in hand, the rest is a batch of its own below.
void split(Lane& lane, std::size_t count) {
  Batch first = std::move(lane.stack.back());
  Batch& rest = lane.stack.back();
  const auto cut = first.records.begin() + static_cast<std::ptrdiff_t>(count);
  rest = Batch{};
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
  if (batch.records.empty()) lane.stack.pop_back();
  if (lane.stack.empty()) lane.window_opened = now;  // AWS: the next window starts when the invocation is done
  catch_up(lane);
}

// Forgets what was read beyond the batch in hand; it is read again later.
void drop_ahead(Lane& lane) {
  lane.unbatched.clear();
  lane.unbatched_bytes = 0;
  lane.read_to = lane.stack.empty() ? lane.settled : lane.stack.front().records.back().sequence;
  lane.reread = lane.reading;
  lane.at_tail = false;
  lane.shard_ended = false;
}

// A blocked lane keeps no more than its batch in memory.
void drop_ahead_of_failure(Lane& lane) {
  if (!lane.unbatched.empty() || lane.reading) drop_ahead(lane);
}

void park(Lane& lane) {
  const SavedLane state = saved(lane);
  lane.stack.clear();
  lane.planned = state.planned;
}

void learn(const Settings&, Lane& lane, Arrived& read, Time now) {
  MR_ASSERT(lane.reading);
  lane.reading = false;
  const bool grew = std::exchange(lane.grew, false);
  if (std::exchange(lane.reread, false)) return;
  if (lane.unbatched.empty() && lane.stack.empty()) lane.window_opened = now;
  lane.read_to = std::max(lane.read_to, read.read_to);
  lane.passed_unsaved += read.passed;
  for (Record& record : read.records) {
    lane.unbatched_bytes += payload_bytes(record);
    lane.unbatched.push_back(std::move(record));
  }
  lane.at_tail = read.at_tail && !grew;
  lane.shard_ended = read.shard_ended;
  catch_up(lane);
}

void learn(const Settings& settings, Lane& lane, const Returned& answer, Time now) {
  MR_ASSERT(lane.busy);
  lane.busy = false;
  Batch& batch = lane.stack.back();
  const SequenceNumber first = batch.records.front().sequence;
  const auto note_failing = [&] {
    if (batch.tries.failing_since == Time{}) batch.tries.failing_since = now;
  };
  if (answer.outcome != Outcome::kAnswered) {
    note_failing();
    const bool throttled = answer.outcome == Outcome::kThrottled;
    batch.tries.not_before =
        now + backoff(++batch.tries.refusals, first, throttled ? kThrottledBackoffMax : kBackoffMax);
    return drop_ahead_of_failure(lane);
  }
  ++batch.tries.invocations;
  // AWS: after progress the rest is a new batch with all its attempts, sent at once.
  if (answer.done > 0) return settle(lane, answer.done, now);
  if (settings.bisect && batch.records.size() > 1) {
    // AWS: a failing batch is split before it is retried; halves are new batches, sent at once, the first rounded down.
    batch.tries = {};
    return split(lane, batch.records.size() / 2);
  }
  note_failing();
  batch.tries.not_before = now + backoff(++batch.tries.failures, first, kBackoffMax);
  drop_ahead_of_failure(lane);
}

void learn(const Settings&, Lane& lane, const Discarded&, Time now) {
  MR_ASSERT(lane.busy);
  lane.busy = false;
  settle(lane, lane.stack.back().records.size(), now);
}

void learn(const Settings&, Lane&, const Woken&, Time) {}

void learn(const Settings&, Lane& lane, const Grew&, Time) {
  lane.at_tail = false;
  lane.grew = lane.reading;
}

void learn(const Settings&, Lane& lane, const Forgotten&, Time) {
  if (!lane.busy) park(lane);
  drop_ahead(lane);
}

bool is_full(const Settings& settings, const Lane& lane) {
  if (lane.unbatched.empty()) return false;
  return lane.unbatched.size() >= settings.batch_size ||
         lane.unbatched_bytes + kEnvelopeBytes > settings.payload_bytes_max;
}

// How many of the unbatched records fit into one batch: at least one.
std::size_t fitting(const Settings& settings, const std::deque<Record>& records) {
  std::size_t bytes = kEnvelopeBytes;
  std::size_t count = 0;
  while (count < records.size() && count < settings.batch_size) {
    bytes += payload_bytes(records[count]);
    if (count > 0 && bytes > settings.payload_bytes_max) break;
    ++count;
  }
  return count;
}

// Forms the batch that was in hand before a restart. Its records may be gone by now, or some of them.
void form_planned(const Settings& settings, Lane& lane) {
  const Planned plan = lane.planned.back();
  const bool is_read = lane.read_to >= plan.last || lane.shard_ended || lane.at_tail;
  if (!is_read && !is_full(settings, lane)) return;
  const auto end = std::find_if(lane.unbatched.begin(), lane.unbatched.end(),
                                [&](const Record& record) { return record.sequence > plan.last; });
  const auto planned_count = static_cast<std::size_t>(end - lane.unbatched.begin());
  const std::size_t count = std::min(planned_count, fitting(settings, lane.unbatched));
  if (count > 0) take(lane, count, plan.tries);
  if (is_read && count == planned_count) lane.planned.pop_back();
}

void form_batch(const Settings& settings, Lane& lane, Time now) {
  while (lane.stack.empty() && !lane.planned.empty()) {
    const std::size_t before = lane.planned.size();
    form_planned(settings, lane);
    if (lane.stack.empty() && lane.planned.size() == before) return;
  }
  if (!lane.stack.empty()) {
    // AWS: records that are too old are taken out of the batch; the younger ones are still delivered.
    const Batch& batch = lane.stack.back();
    const std::size_t expired = leading_expired(settings, batch.records, now);
    if (expired > 0 && expired < batch.records.size()) split(lane, expired);
    return;
  }
  if (lane.unbatched.empty()) return;
  if (is_expired(settings, lane.unbatched.front(), now)) {
    const std::size_t expired = leading_expired(settings, lane.unbatched, now);
    return take(lane, std::min(expired, fitting(settings, lane.unbatched)), {});
  }
  if (is_full(settings, lane) || now >= lane.window_opened + settings.window) {
    take(lane, fitting(settings, lane.unbatched), {});
  }
}

Next decide(const Settings& settings, const Lane& lane, Time now) {
  if (lane.busy || !settings.enabled) return Wait{};
  if (lane.stack.empty()) {
    const bool window_runs = !lane.unbatched.empty() && lane.planned.empty();
    return window_runs ? Wait{lane.window_opened + settings.window} : Wait{};
  }
  const Batch& batch = lane.stack.back();
  if (is_expired(settings, batch.records.front(), now)) return Discard{Reason::kRecordAgeExceeded};
  if (settings.retries_max >= 0 && batch.tries.failures > settings.retries_max) {
    return Discard{Reason::kRetryAttemptsExhausted};
  }
  if (now < batch.tries.not_before) return Wait{batch.tries.not_before};
  return Invoke{};
}

// Reads ahead by one batch, but not behind a batch that has failed.
ReadMore wanted(const Settings& settings, const Lane& lane) {
  if (!settings.enabled || lane.reading || lane.shard_ended || lane.at_tail) return {};
  if (is_full(settings, lane)) return {};
  if (!lane.stack.empty() && (lane.stack.back().tries != Tries{} || lane.stack.size() > 1)) return {};
  return {settings.batch_size - lane.unbatched.size(), settings.payload_bytes_max - lane.unbatched_bytes};
}

bool is_worth_saving(Lane& lane, const Input& input, SequenceNumber settled_before, Time now) {
  const auto* returned = std::get_if<Returned>(&input);
  const bool answered = returned != nullptr && returned->outcome == Outcome::kAnswered;
  if (!answered && !std::holds_alternative<Discarded>(input)) {
    const bool moved = lane.settled != settled_before;
    if (!moved || (lane.passed_unsaved < kPassedUnsavedMax && now - lane.saved_at < kSaveInterval)) return false;
  }
  lane.passed_unsaved = 0;
  lane.saved_at = now;
  return true;
}

}  // namespace

Effects step(const Settings& settings, Lane& lane, Input input, Time now) {
  const SequenceNumber settled_before = lane.settled;
  std::visit([&](auto& fact) { learn(settings, lane, fact, now); }, input);
  if (!lane.busy && !settings.enabled && !lane.stack.empty()) {
    park(lane);
    drop_ahead(lane);
  }
  if (!lane.busy && settings.enabled) form_batch(settings, lane, now);
  Effects out{.next = decide(settings, lane, now)};
  out.save = is_worth_saving(lane, input, settled_before, now);
  lane.busy = lane.busy || !std::holds_alternative<Wait>(out.next);
  out.read = wanted(settings, lane);
  lane.reading = lane.reading || out.read.records_max > 0;
  return out;
}

bool has_outstanding(const Lane& lane) { return !lane.stack.empty() || !lane.unbatched.empty(); }

bool is_finished(const Lane& lane) {
  return lane.shard_ended && !lane.busy && lane.planned.empty() && !has_outstanding(lane);
}

SavedLane saved(const Lane& lane) {
  SavedLane out{.settled = lane.settled, .planned = lane.planned};
  for (const Batch& batch : lane.stack) out.planned.push_back({batch.records.back().sequence, batch.tries});
  return out;
}

Lane restored(const SavedLane& saved) {
  Lane lane;
  lane.settled = saved.settled;
  lane.read_to = saved.settled;
  lane.planned = saved.planned;
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
