#include "triggers/queue_lane.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "base/assert.h"
#include "codec/json.h"
#include "triggers/response.h"

namespace millrace::triggers {
namespace {

std::size_t event_bytes(const QueueMessage& message) { return message.event.size() + 1; }

std::size_t limit_of(const QueueSettings& settings, const QueueLane& lane) {
  return std::min(settings.concurrency_max, lane.concurrency);
}

// Also while a refused batch is being tried again: others would be refused as well.
bool waits_for_concurrency(const QueueLane& lane) {
  return std::ranges::any_of(lane.batches, [](const auto& entry) { return entry.second.refusals > 0; });
}

template <typename Gone>
void drop_from_buffer(QueueLane& lane, Gone gone) {
  std::erase_if(lane.buffer, [&](const QueueMessage& message) {
    if (!gone(message)) return false;
    lane.buffer_bytes -= event_bytes(message);
    return true;
  });
}

void learn(const QueueSettings&, QueueLane& lane, Received& input, QueueEffects&, Time now) {
  MR_ASSERT(lane.receiving);
  lane.receiving = false;
  lane.dry = input.dry && !std::exchange(lane.grew, false);
  if (lane.buffer.empty()) lane.window_opened = now;
  for (QueueMessage& message : input.messages) {
    lane.buffer_bytes += event_bytes(message);
    lane.buffer.push_back(std::move(message));
  }
}

// No concurrency, or no function: the same batch again, as long as its messages are its own.
void learn_refusal(QueueLane& lane, QueueBatch& batch, const Answered& input, Time now) {
  const bool throttled = input.outcome == Outcome::kThrottled;
  // AWS: backs off by asking for less concurrency.
  lane.concurrency = std::max<std::size_t>(1, lane.concurrency / 2);
  batch.is_running = false;
  batch.not_before = now + backoff(++batch.refusals, input.batch, throttled ? kThrottledBackoffMax : kBackoffMax);
}

void learn_failure(const QueueSettings& settings, QueueLane& lane, std::uint64_t batch, Time now) {
  ++lane.failures;
  // AWS: failures scale a mapping down, unless it reports them message by message.
  if (settings.report_failures) return;
  lane.concurrency = std::max<std::size_t>(1, lane.concurrency / 2);
  if (lane.concurrency == 1) lane.not_before = now + backoff(lane.failures, batch, kQueueBackoffMax);
}

void learn(const QueueSettings& settings, QueueLane& lane, Answered& input, QueueEffects& effects, Time now) {
  const auto found = lane.batches.find(input.batch);
  MR_ASSERT(found != lane.batches.end() && found->second.is_running);
  if (input.outcome != Outcome::kAnswered) return learn_refusal(lane, found->second, input, now);
  const QueueBatch batch = std::move(found->second);
  lane.batches.erase(found);
  MR_ASSERT(input.done.size() == batch.messages.size());
  std::set<std::string> stopped;  // groups that must not go on before their failed message does
  for (std::size_t i = 0; i < batch.messages.size(); ++i) {
    if (input.done[i]) {
      effects.remove.push_back(batch.messages[i].receipt);
    } else if (!batch.messages[i].group.empty()) {
      stopped.insert(batch.messages[i].group);
    }
  }
  if (!stopped.empty()) {
    drop_from_buffer(lane, [&](const QueueMessage& message) { return stopped.contains(message.group); });
  }
  if (effects.remove.size() < batch.messages.size()) return learn_failure(settings, lane, input.batch, now);
  lane.failures = 0;
  lane.not_before = {};
  lane.concurrency = std::min(settings.concurrency_max, lane.concurrency + 1);
}

void learn(const QueueSettings&, QueueLane& lane, const Ready&, QueueEffects&, Time) {
  lane.dry = false;
  lane.grew = lane.receiving;
}

void learn(const QueueSettings&, QueueLane&, const TimePassed&, QueueEffects&, Time) {}

// AWS: a disabled mapping finishes what is in flight. What is not, others may have at once.
void let_go(QueueLane& lane, QueueEffects& effects) {
  for (const QueueMessage& message : lane.buffer) effects.release.push_back(message.receipt);
  lane.buffer.clear();
  lane.buffer_bytes = 0;
  std::erase_if(lane.batches, [&](const auto& entry) {
    if (entry.second.is_running) return false;
    for (const QueueMessage& message : entry.second.messages) effects.release.push_back(message.receipt);
    return true;
  });
}

// What may go into the next batch, by index into the buffer. A group waits for the batch that holds one of it.
std::vector<std::size_t> next_batch(const QueueSettings& settings, const QueueLane& lane, bool& is_full) {
  std::set<std::string_view> held;
  for (const auto& [number, batch] : lane.batches) {
    for (const QueueMessage& message : batch.messages) {
      if (!message.group.empty()) held.insert(message.group);
    }
  }
  std::vector<std::size_t> chosen;
  std::size_t bytes = kEnvelopeBytes;
  is_full = false;
  for (std::size_t i = 0; i < lane.buffer.size() && !is_full; ++i) {
    const QueueMessage& message = lane.buffer[i];
    if (!message.group.empty() && held.contains(message.group)) continue;
    bytes += event_bytes(message);
    if (!chosen.empty() && bytes > settings.payload_bytes_max) {
      is_full = true;
      break;
    }
    chosen.push_back(i);
    is_full = chosen.size() >= settings.batch_size;
  }
  return chosen;
}

void form(QueueLane& lane, const std::vector<std::size_t>& chosen, QueueEffects& effects, Time now) {
  QueueBatch batch;
  batch.is_running = true;
  for (const std::size_t i : chosen) {
    lane.buffer_bytes -= event_bytes(lane.buffer[i]);
    batch.messages.push_back(std::move(lane.buffer[i]));
  }
  for (auto i = chosen.rbegin(); i != chosen.rend(); ++i) {
    lane.buffer.erase(lane.buffer.begin() + static_cast<std::ptrdiff_t>(*i));
  }
  lane.window_opened = now;
  effects.invoke.push_back(++lane.last_batch);
  lane.batches.emplace(lane.last_batch, std::move(batch));
}

// Messages whose visibility has ended are in the queue again, perhaps in other hands.
void drop_expired(QueueLane& lane, Time now) {
  const auto is_over = [now](const QueueMessage& message) { return message.visible_from <= now; };
  bool is_dropped = false;
  drop_from_buffer(lane, [&](const QueueMessage& message) { return is_over(message) && (is_dropped = true); });
  for (auto& [number, batch] : lane.batches) {
    if (!batch.is_running) is_dropped = std::erase_if(batch.messages, is_over) > 0 || is_dropped;
  }
  std::erase_if(lane.batches, [](const auto& entry) { return entry.second.messages.empty(); });
  if (is_dropped) lane.dry = false;
}

void try_again(QueueLane& lane, QueueEffects& effects, Time now) {
  for (auto& [number, batch] : lane.batches) {
    if (batch.is_running) continue;
    if (batch.not_before > now) {
      effects.wake = std::min(effects.wake, batch.not_before);
      continue;
    }
    batch.is_running = true;
    effects.invoke.push_back(number);
  }
}

void decide(const QueueSettings& settings, QueueLane& lane, QueueEffects& effects, Time now) {
  if (!settings.enabled) return let_go(lane, effects);
  drop_expired(lane, now);
  try_again(lane, effects, now);
  const std::size_t limit = limit_of(settings, lane);
  while (!lane.buffer.empty() && lane.batches.size() < limit) {
    bool is_full = false;
    const auto chosen = next_batch(settings, lane, is_full);
    if (chosen.empty()) break;
    if (!is_full && now < lane.window_opened + settings.window) {
      effects.wake = std::min(effects.wake, lane.window_opened + settings.window);
      break;
    }
    form(lane, chosen, effects, now);
  }
  if (lane.receiving || lane.dry || lane.batches.size() >= limit || waits_for_concurrency(lane)) return;
  if (lane.buffer.size() >= settings.batch_size || lane.buffer_bytes + kEnvelopeBytes >= settings.payload_bytes_max) {
    return;
  }
  if (lane.not_before > now) {
    effects.wake = std::min(effects.wake, lane.not_before);
    return;
  }
  lane.receiving = true;
  effects.receive = settings.batch_size - lane.buffer.size();
  effects.receive_bytes = settings.payload_bytes_max - kEnvelopeBytes - lane.buffer_bytes;
}

}  // namespace

QueueEffects step(const QueueSettings& settings, QueueLane& lane, QueueInput input, Time now) {
  QueueEffects effects;
  std::visit([&](auto& what) { learn(settings, lane, what, effects, now); }, input);
  decide(settings, lane, effects, now);
  return effects;
}

std::vector<bool> reported_done(std::string_view body, const std::vector<QueueMessage>& messages) {
  const ReportedFailures reported = reported_failures(body);
  std::vector<bool> done(messages.size(), !reported.all);
  for (const std::string& id : reported.identifiers) {
    const auto found = std::ranges::find(messages, id, &QueueMessage::id);
    if (found == messages.end()) return std::vector<bool>(messages.size(), false);
    done[static_cast<std::size_t>(found - messages.begin())] = false;
  }
  return done;
}

std::string filterable(std::string_view event) {
  auto record = codec::parse_json(event);
  if (!record.ok() || !record->is_object()) return std::string(event);
  const codec::Json* body = record->find("body");
  if (body == nullptr || !body->is_string()) return std::string(event);
  auto parsed = codec::parse_json(body->as_string());
  if (!parsed.ok() || (!parsed->is_object() && !parsed->is_array())) return std::string(event);
  record->set("body", std::move(parsed).value());
  return record->dump();
}

}  // namespace millrace::triggers
