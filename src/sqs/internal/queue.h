// The service's own types: included by its .cc files only.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sqs/internal/message_index.h"
#include "sqs/internal/recent.h"
#include "sqs/service.h"

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
};

// A message that has passed the checks, not yet numbered.
struct Service::Prepared {
  Message message;
  Time visible_from{};
  Sent sent;
  std::string deduplication_key;  // of a FIFO queue's message
};

}  // namespace millrace::sqs
