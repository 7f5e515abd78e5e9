// The service's own types: included by its .cc files only.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sqs/internal/message_index.h"
#include "sqs/internal/recent.h"
#include "sqs/service.h"
#include "storage/no_blocking.h"

namespace millrace::sqs {

struct Service::Waiter {
  WaitId id = 0;
  ReceiveRequest request;
  Time until{};
  ReceiveDone done;
};

struct Service::Queue {
  std::uint64_t number = 0;
  QueueName name;
  Time created{};
  Time modified{};
  QueueSettings settings;
  Tags tags;
  internal::MessageIndex messages;
  std::list<Waiter> waiters;                          // first come, first served
  internal::RecentMessages recent;                    // of a FIFO queue
  std::map<std::string, internal::Attempt> attempts;  // of a FIFO queue, by ReceiveRequestAttemptId
  // Whether its counts and what is in flight are stored: others only need memory.
  bool stores_counts() const { return settings.fifo || settings.redrive.has_value(); }
  platform::Timer timer;
  Time armed_for = kNever;
  // Bodies that somebody asked for and that are not in memory, until they are fetched.
  std::vector<std::uint64_t> absent;
  bool fetching = false;
  std::optional<Error> unreadable;  // what fetching ended with, for who asks next
};

// A message that has passed the checks, not yet numbered.
struct Service::Prepared {
  Message message;
  Time visible_from{};
  Sent sent;
  std::string deduplication_key;  // of a FIFO queue's message
};

struct Service::Fetched {
  std::uint64_t queue = 0;
  std::vector<std::uint64_t> numbers;
  std::vector<std::pair<std::uint64_t, std::string>> bodies;
  std::optional<Error> error;
  platform::Busy busy;
};

template <typename Attempt>
auto Service::with_bodies(const QueueName& name, const Attempt& attempt) -> decltype(attempt()) {
  for (;;) {
    auto result = attempt();
    if (result.ok() || !result.error().is(storage::kWouldBlock) || storage::NoBlocking::active()) return result;
    Fetched fetched;
    {
      const std::scoped_lock lock(mutex_);
      MR_ASSIGN_OR_RETURN(Queue * queue, find(name));
      fetched.queue = queue->number;
      fetched.numbers = std::exchange(queue->absent, {});
    }
    read_absent(fetched);
    keep_fetched(std::move(fetched));
  }
}

}  // namespace millrace::sqs
