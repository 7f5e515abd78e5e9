// The service's own types: included by its .cc files only.
#pragma once

#include <list>
#include <string>
#include <utility>
#include <vector>

#include "sqs/internal/message_index.h"
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
  std::list<Waiter> waiters;  // first come, first served
  platform::Timer timer;
  Time armed_for = kNever;
};

// A message that has passed the checks, not yet numbered.
struct Service::Prepared {
  Message message;
  Time visible_from{};
  Sent sent;
};

}  // namespace millrace::sqs
