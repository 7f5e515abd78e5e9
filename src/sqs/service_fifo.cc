// What is different about FIFO queues: deduplication, receive attempts, a delay that belongs to the queue.
#include <algorithm>

#include "sqs/internal/queue.h"
#include "sqs/internal/records.h"
#include "sqs/service.h"
#include "storage/no_blocking.h"

namespace millrace::sqs {

using internal::MessageState;
using storage::Family;
using storage::WriteBatch;

// AWS: the answer is that of the message that was sent first; digests are of what was sent now, as SDKs check them.
std::optional<Sent> Service::find_duplicate(const Queue& queue, const Prepared& prepared) const {
  if (!queue.settings.fifo) return std::nullopt;
  const auto* first = queue.recent.find(prepared.deduplication_key, scheduler_.now());
  if (first == nullptr) return std::nullopt;
  Sent sent = prepared.sent;
  sent.message_id = first->message_id;
  sent.sequence_number = sequence_number_of(first->number);
  return sent;
}

void Service::remember(Queue& queue, const Prepared& prepared, std::uint64_t number, WriteBatch& batch) {
  if (!queue.settings.fifo) return;
  const internal::RecentRecord record{prepared.message.sent, prepared.deduplication_key, prepared.message.id};
  batch.put(Family::kQueue, internal::numbered_key(internal::kRecentPrefix, queue.number, number),
            internal::encode_recent(record));
  queue.recent.add(record.key, {record.sent, number, record.message_id});
}

void Service::forget_recent(Queue& queue, Time now, WriteBatch& batch) {
  if (!queue.settings.fifo) return;
  for (const auto number : queue.recent.expire(now)) {
    batch.erase(Family::kQueue, internal::numbered_key(internal::kRecentPrefix, queue.number, number));
  }
}

// AWS: the same messages with the same receipts as long as all of them are still in flight under these; their
// visibility starts again.
Result<std::optional<std::vector<Received>>> Service::repeat_attempt(Queue& queue, const ReceiveRequest& request) {
  const Time now = scheduler_.now();
  queue.messages.advance(now);
  std::erase_if(queue.attempts, [&](const auto& entry) { return entry.second.at + kDeduplicationInterval <= now; });
  const auto found = queue.attempts.find(*request.attempt_id);
  if (found == queue.attempts.end()) return std::optional<std::vector<Received>>();
  const auto holds = [&](const std::pair<std::uint64_t, std::uint64_t>& given) {
    const internal::Entry* entry = queue.messages.find(given.first);
    return entry != nullptr && entry->state == MessageState::kInFlight && entry->nonce == given.second;
  };
  if (!std::ranges::all_of(found->second.messages, holds)) {
    queue.attempts.erase(found);
    return std::optional<std::vector<Received>>();
  }
  std::vector<Message> messages;
  for (const auto& given : found->second.messages) {
    auto message = read_message(queue, given.first);
    if (message.ok()) messages.push_back(std::move(message).value());
    if (!message.ok() && !message.error().is(storage::kWouldBlock)) return std::optional<std::vector<Received>>();
  }
  if (messages.size() < found->second.messages.size()) return Error(storage::kWouldBlock, "not in memory");
  const Seconds visibility(request.visibility_seconds.value_or(queue.settings.visibility_seconds));
  std::vector<Received> again;
  WriteBatch counts;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const auto& [number, nonce] = found->second.messages[i];
    queue.messages.set_visibility(number, MessageState::kInFlight, now + visibility, now);
    const internal::Entry& entry = *queue.messages.find(number);
    counts.put(Family::kQueue, internal::numbered_key(internal::kCountPrefix, queue.number, number), counts_of(entry));
    again.push_back({std::move(messages[i]), internal::encode_receipt({queue.number, number, nonce}), entry.received,
                     entry.first_received, entry.visible_from});
  }
  commits_.commits().submit(std::move(counts));
  return std::optional(std::move(again));
}

void Service::remember_attempt(Queue& queue, const std::string& id, const std::vector<Received>& taken) {
  internal::Attempt attempt{scheduler_.now(), {}};
  for (const auto& received : taken) {
    const auto receipt = internal::decode_receipt(received.receipt_handle);
    attempt.messages.emplace_back(receipt->message, receipt->nonce);
  }
  queue.attempts[id] = std::move(attempt);
}

// Whether move_delays() finds all that it needs in memory.
Result<void> Service::find_delayed(Queue& queue) {
  queue.messages.advance(scheduler_.now());
  for (const auto& [number, entry] : queue.messages.entries()) {
    if (entry.state == MessageState::kDelayed && entry.encoded.empty()) queue.absent.push_back(number);
  }
  if (queue.absent.empty()) return {};
  if (!queue.unreadable) return Error(storage::kWouldBlock, "not in memory");
  Error error = *std::move(queue.unreadable);
  queue.unreadable.reset();
  return error;
}

// AWS: a changed DelaySeconds of a FIFO queue also counts for the messages that wait.
void Service::move_delays(Queue& queue, WriteBatch& batch) {
  const Time now = scheduler_.now();
  queue.messages.advance(now);
  std::vector<std::uint64_t> delayed;
  for (const auto& [number, entry] : queue.messages.entries()) {
    if (entry.state == MessageState::kDelayed) delayed.push_back(number);
  }
  for (const auto number : delayed) {
    auto message = read_message(queue, number);
    if (!message.ok()) continue;
    const Time visible_from = message->sent + Seconds(queue.settings.delay_seconds);
    std::string encoded = internal::encode_message(*message, visible_from);
    batch.put(Family::kQueue, internal::numbered_key(internal::kMessagePrefix, queue.number, number), encoded);
    internal::Entry& entry = *queue.messages.find(number);
    if (!entry.encoded.empty()) entry.encoded = std::move(encoded);
    queue.messages.set_visibility(number, MessageState::kDelayed, visible_from, now);
  }
}

}  // namespace millrace::sqs
