// Sends one batch to a function until all of it is done or its attempts are used up: what replay and redrive do with a
// batch. The lanes do not use it; they have positions to keep.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "platform/clock.h"
#include "platform/random.h"
#include "triggers/history.h"
#include "triggers/lane.h"
#include "triggers/ports.h"

namespace millrace::triggers {

inline constexpr int kSendRetriesDefault = 2;
inline constexpr int kSendRetriesMax = 100;

struct Sending {
  std::string mapping;  // UUID, for logs
  std::string function_arn;
  std::string what;                   // of the history's entries: "replay", "redrive"
  std::string shard;                  // the same
  bool reports = false;               // the function reports batch item failures
  int retries = kSendRetriesDefault;  // of what has not progressed
  std::deque<Record> records;
  std::string event;  // what to send first, instead of the event of `records`; "": that
};

struct Sent {
  std::size_t done = 0;  // leading records
  bool complete = false;
  std::string error;  // of the last attempt, when not complete
};

struct SenderTools {
  platform::Scheduler& scheduler;
  platform::Random& random;
  Invoker& invoker;
  std::function<void(HistoryEntry)> note;  // every attempt; called on the control thread
};

// `done` is called once, on the control thread; not at all when the scheduler stops. Counts as busy while the function
// runs, not while it waits for the next attempt. Call it on the control thread.
void send(const SenderTools& tools, Sending sending, std::function<void(Sent)> done);

}  // namespace millrace::triggers
