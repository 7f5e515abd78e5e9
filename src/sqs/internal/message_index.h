// The messages of one queue in memory: which are ready, which wait for a time, which are the oldest.
//
// Every operation is O(log n). Pure: time is an argument. Message numbers order messages as they were sent; the ready
// one with the lowest number is next (best-effort order, as a standard queue promises). An ordered index (of a FIFO
// queue) gives out the messages of a group in order, and none while one of the group is in flight. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/time.h"

namespace millrace::sqs::internal {

enum class MessageState : std::uint8_t { kReady, kDelayed, kInFlight };

struct Entry {
  MessageState state = MessageState::kReady;
  std::uint32_t received = 0;  // times
  std::uint64_t nonce = 0;     // of the last receipt; 0: none since the server started
  Time sent{};
  Time visible_from{};  // kDelayed, kInFlight: when it becomes ready
  Time first_received{};
  Time last_received{};
  std::string encoded;  // as in the store; "": read it there
  std::string group;    // of an ordered index
};

class MessageIndex {
 public:
  explicit MessageIndex(bool is_ordered = false) : is_ordered_(is_ordered) {}
  // Adds a message that becomes ready at entry.visible_from (kReady if that has passed).
  Entry& add(std::uint64_t number, Entry entry, Time now);
  Entry* find(std::uint64_t number);
  void remove(std::uint64_t number);
  void clear();

  // Makes ready whatever is due.
  void advance(Time now);
  // The next ready message after `after`.
  std::optional<std::uint64_t> next_ready(std::uint64_t after = 0) const;
  // Ordered: the lowest message after `after` that heads its group and may be given out now.
  std::optional<std::uint64_t> next_head(std::uint64_t after = 0) const;
  // Ordered: the message behind `number` in its group if that is ready, whatever is in flight before it.
  std::optional<std::uint64_t> next_in_group(std::uint64_t number) const;
  // Whether something could be given out now.
  bool has_available() const { return is_ordered_ ? !heads_.empty() : !ready_.empty(); }
  // REQUIRES: the message exists. `until` <= now makes it ready.
  void set_visibility(std::uint64_t number, MessageState waiting, Time until, Time now);

  Time next_due() const;     // kNever when nothing waits
  Time oldest_sent() const;  // kNever when empty
  std::optional<std::uint64_t> oldest() const;

  std::size_t count() const { return entries_.size(); }
  std::size_t ready_count() const { return ready_.size(); }
  std::size_t in_flight_count() const { return in_flight_; }
  std::size_t delayed_count() const { return waiting_.size() - in_flight_; }
  const std::unordered_map<std::uint64_t, Entry>& entries() const { return entries_; }

 private:
  struct Group {
    std::set<std::uint64_t> members;
    std::size_t in_flight = 0;
    std::uint64_t head = 0;  // as it stands in heads_; 0: not there
  };
  void link(std::uint64_t number, Entry& entry, MessageState state);
  void unlink(std::uint64_t number, const Entry& entry);
  void count_in_flight(const Entry& entry, int change);
  void settle_group(const std::string& name);

  bool is_ordered_;
  std::unordered_map<std::uint64_t, Entry> entries_;
  std::set<std::uint64_t> ready_;
  std::set<std::pair<Time, std::uint64_t>> waiting_;  // delayed and in flight, by visible_from
  std::set<std::pair<Time, std::uint64_t>> by_age_;
  std::size_t in_flight_ = 0;
  std::map<std::string, Group, std::less<>> groups_;  // of an ordered index
  std::set<std::uint64_t> heads_;                     // the first message of every group that is not blocked
};

}  // namespace millrace::sqs::internal
