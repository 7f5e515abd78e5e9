#include "sqs/internal/message_index.h"

#include <utility>

#include "base/assert.h"

namespace millrace::sqs::internal {

Entry& MessageIndex::add(std::uint64_t number, Entry entry, Time now) {
  const auto [it, added] = entries_.emplace(number, std::move(entry));
  MR_ASSERT(added);
  Entry& stored = it->second;
  by_age_.emplace(stored.sent, number);
  link(number, stored, stored.visible_from > now ? MessageState::kDelayed : MessageState::kReady);
  if (is_ordered_) {
    groups_[stored.group].members.insert(number);
    settle_group(stored.group);
  }
  return stored;
}

Entry* MessageIndex::find(std::uint64_t number) {
  const auto it = entries_.find(number);
  return it == entries_.end() ? nullptr : &it->second;
}

void MessageIndex::count_in_flight(const Entry& entry, int change) {
  in_flight_ += static_cast<std::size_t>(change);
  if (is_ordered_) groups_[entry.group].in_flight += static_cast<std::size_t>(change);
}

void MessageIndex::link(std::uint64_t number, Entry& entry, MessageState state) {
  entry.state = state;
  if (state == MessageState::kReady) {
    ready_.insert(number);
    return;
  }
  waiting_.emplace(entry.visible_from, number);
  if (state == MessageState::kInFlight) count_in_flight(entry, 1);
}

void MessageIndex::unlink(std::uint64_t number, const Entry& entry) {
  if (entry.state == MessageState::kReady) {
    ready_.erase(number);
  } else {
    waiting_.erase({entry.visible_from, number});
    if (entry.state == MessageState::kInFlight) count_in_flight(entry, -1);
  }
}

// Brings heads_ in line with a group that has changed.
void MessageIndex::settle_group(const std::string& name) {
  if (!is_ordered_) return;
  const auto it = groups_.find(name);
  Group& group = it->second;
  if (group.head != 0) heads_.erase(std::exchange(group.head, 0));
  if (group.members.empty()) {
    groups_.erase(it);
    return;
  }
  const std::uint64_t first = *group.members.begin();
  if (group.in_flight > 0 || entries_.at(first).state != MessageState::kReady) return;
  group.head = first;
  heads_.insert(first);
}

void MessageIndex::remove(std::uint64_t number) {
  const auto it = entries_.find(number);
  if (it == entries_.end()) return;
  unlink(number, it->second);
  by_age_.erase({it->second.sent, number});
  const std::string group = std::move(it->second.group);
  entries_.erase(it);
  if (!is_ordered_) return;
  groups_[group].members.erase(number);
  settle_group(group);
}

void MessageIndex::clear() { *this = MessageIndex(is_ordered_); }

void MessageIndex::advance(Time now) {
  while (!waiting_.empty() && waiting_.begin()->first <= now) {
    const std::uint64_t number = waiting_.begin()->second;
    Entry& entry = entries_.at(number);
    unlink(number, entry);
    link(number, entry, MessageState::kReady);
    settle_group(entry.group);
  }
}

std::optional<std::uint64_t> MessageIndex::next_head(std::uint64_t after) const {
  const auto it = heads_.upper_bound(after);
  return it == heads_.end() ? std::nullopt : std::optional(*it);
}

std::optional<std::uint64_t> MessageIndex::next_in_group(std::uint64_t number) const {
  const auto entry = entries_.find(number);
  if (entry == entries_.end()) return std::nullopt;
  const auto& members = groups_.find(entry->second.group)->second.members;
  const auto next = members.upper_bound(number);
  if (next == members.end() || entries_.at(*next).state != MessageState::kReady) return std::nullopt;
  return *next;
}

std::optional<std::uint64_t> MessageIndex::next_ready(std::uint64_t after) const {
  const auto it = ready_.upper_bound(after);
  return it == ready_.end() ? std::nullopt : std::optional(*it);
}

void MessageIndex::set_visibility(std::uint64_t number, MessageState waiting, Time until, Time now) {
  Entry& entry = entries_.at(number);
  unlink(number, entry);
  entry.visible_from = until;
  link(number, entry, until <= now ? MessageState::kReady : waiting);
  settle_group(entry.group);
}

Time MessageIndex::next_due() const { return waiting_.empty() ? kNever : waiting_.begin()->first; }
Time MessageIndex::oldest_sent() const { return by_age_.empty() ? kNever : by_age_.begin()->first; }
std::optional<std::uint64_t> MessageIndex::oldest() const {
  return by_age_.empty() ? std::nullopt : std::optional(by_age_.begin()->second);
}

}  // namespace millrace::sqs::internal
