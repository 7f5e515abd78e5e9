#include "sqs/internal/message_index.h"

#include "base/assert.h"

namespace millrace::sqs::internal {

Entry& MessageIndex::add(std::uint64_t number, Entry entry, Time now) {
  by_age_.emplace(entry.sent, number);
  const bool delayed = entry.visible_from > now;
  entry.state = delayed ? MessageState::kDelayed : MessageState::kReady;
  if (delayed) {
    waiting_.emplace(entry.visible_from, number);
  } else {
    ready_.insert(number);
  }
  const auto [it, added] = entries_.emplace(number, std::move(entry));
  MR_ASSERT(added);
  return it->second;
}

Entry* MessageIndex::find(std::uint64_t number) {
  const auto it = entries_.find(number);
  return it == entries_.end() ? nullptr : &it->second;
}

void MessageIndex::unlink(std::uint64_t number, const Entry& entry) {
  if (entry.state == MessageState::kReady) {
    ready_.erase(number);
  } else {
    waiting_.erase({entry.visible_from, number});
    if (entry.state == MessageState::kInFlight) --in_flight_;
  }
}

void MessageIndex::remove(std::uint64_t number) {
  const auto it = entries_.find(number);
  if (it == entries_.end()) return;
  unlink(number, it->second);
  by_age_.erase({it->second.sent, number});
  entries_.erase(it);
}

void MessageIndex::clear() { *this = MessageIndex(); }

void MessageIndex::advance(Time now) {
  while (!waiting_.empty() && waiting_.begin()->first <= now) {
    const std::uint64_t number = waiting_.begin()->second;
    Entry& entry = entries_.at(number);
    unlink(number, entry);
    entry.state = MessageState::kReady;
    ready_.insert(number);
  }
}

std::optional<std::uint64_t> MessageIndex::next_ready(std::uint64_t after) const {
  const auto it = ready_.upper_bound(after);
  return it == ready_.end() ? std::nullopt : std::optional(*it);
}

void MessageIndex::set_visibility(std::uint64_t number, MessageState waiting, Time until, Time now) {
  Entry& entry = entries_.at(number);
  unlink(number, entry);
  entry.visible_from = until;
  if (until <= now) {
    entry.state = MessageState::kReady;
    ready_.insert(number);
    return;
  }
  entry.state = waiting;
  waiting_.emplace(until, number);
  if (waiting == MessageState::kInFlight) ++in_flight_;
}

Time MessageIndex::next_due() const { return waiting_.empty() ? kNever : waiting_.begin()->first; }
Time MessageIndex::oldest_sent() const { return by_age_.empty() ? kNever : by_age_.begin()->first; }
std::optional<std::uint64_t> MessageIndex::oldest() const {
  return by_age_.empty() ? std::nullopt : std::optional(by_age_.begin()->second);
}

}  // namespace millrace::sqs::internal
