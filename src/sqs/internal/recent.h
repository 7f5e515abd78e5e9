// What a FIFO queue remembers for five minutes: the messages it was sent, so that the same one is taken once, and the
// answers to receive attempts, so that a lost one can be asked for again. In memory; the service stores the former.
// Not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "sqs/fifo.h"

namespace millrace::sqs::internal {

struct RecentMessage {
  Time sent{};
  std::uint64_t number = 0;
  std::string message_id;
};

class RecentMessages {
 public:
  void add(std::string key, RecentMessage message) {
    by_age_.push_back({message.sent, key});
    by_key_[std::move(key)] = std::move(message);
  }
  // nullptr: none with that key within the interval.
  const RecentMessage* find(const std::string& key, Time now) const {
    const auto it = by_key_.find(key);
    return it == by_key_.end() || it->second.sent + kDeduplicationInterval <= now ? nullptr : &it->second;
  }
  // Forgets what is older than the interval; returns the numbers of those messages.
  std::vector<std::uint64_t> expire(Time now) {
    std::vector<std::uint64_t> gone;
    for (; !by_age_.empty() && by_age_.front().first + kDeduplicationInterval <= now; by_age_.pop_front()) {
      const auto it = by_key_.find(by_age_.front().second);
      if (it == by_key_.end() || it->second.sent != by_age_.front().first) continue;
      gone.push_back(it->second.number);
      by_key_.erase(it);
    }
    return gone;
  }

 private:
  std::map<std::string, RecentMessage> by_key_;
  std::deque<std::pair<Time, std::string>> by_age_;
};

// One ReceiveMessage with a ReceiveRequestAttemptId.
struct Attempt {
  Time at{};
  std::vector<std::pair<std::uint64_t, std::uint64_t>> messages;  // number, nonce
};

}  // namespace millrace::sqs::internal
