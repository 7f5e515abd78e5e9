// What a mapping of a queue does next: receiving, batches, windows, concurrency, what is deleted after an invocation.
//
// The smaller sister of lane.h: a queue has no position and keeps the messages itself. What a function does not finish
// is left alone; when its visibility ends it is in the queue again, and after enough receives in the dead letter queue.
// So there is no retry, no splitting, no age here, and nothing to save. Several invocations run at a time.
//
// `step` is pure: no clock, thread, randomness or I/O; `now` is an argument, jitter a hash. The shell around it
// (internal/queue_runner.h) performs the effects and posts what became of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/time.h"
#include "triggers/lane.h"

namespace millrace::triggers {

// AWS: begins with five invocations at a time and grows while it goes well. Ours: without ScalingConfig no more than
// kQueueConcurrencyMax, since all of them run on one machine.
inline constexpr std::size_t kQueueConcurrencyFirst = 5;
inline constexpr std::size_t kQueueConcurrencyMax = 20;
inline constexpr Milliseconds kQueueBackoffMax{10'000};  // between receives while the function only fails

struct QueueMessage {
  std::string id;  // messageId
  std::string receipt;
  std::string group;    // of a FIFO queue's message
  Time visible_from{};  // when the queue gives it to others
  std::string event;    // rendered: one element of Records[]
  // For traces; decide nothing.
  Time sent = kNever;
  Time received = kNever;
  std::string trace_header = {};  // AWSTraceHeader
};

// The options of a mapping that decide.
struct QueueSettings {
  std::size_t batch_size = 10;
  Milliseconds window{0};
  std::size_t concurrency_max = kQueueConcurrencyMax;  // ScalingConfig.MaximumConcurrency
  bool report_failures = false;
  bool enabled = true;  // false: finishes what is in flight, begins nothing
  std::size_t payload_bytes_max = kPayloadBytesMax;
};

struct QueueBatch {
  std::vector<QueueMessage> messages;
  int refusals = 0;  // throttled, function missing
  Time not_before{};
  bool is_running = false;
};

// Plain data.
struct QueueLane {
  std::deque<QueueMessage> buffer;  // received, in no batch yet
  std::size_t buffer_bytes = 0;
  Time window_opened{};
  std::map<std::uint64_t, QueueBatch> batches;  // in flight, or waiting for concurrency
  std::uint64_t last_batch = 0;
  std::size_t concurrency = kQueueConcurrencyFirst;  // how many batches there may be
  int failures = 0;                                  // invocations in a row that left messages undone
  Time not_before{};                                 // of the next receive
  bool receiving = false;
  bool dry = false;   // the queue had nothing: wait for Ready
  bool grew = false;  // Ready came while receiving
};

// What happened.
struct Received {
  std::deque<QueueMessage> messages;  // in order; those that the filters refuse are out
  bool dry = false;                   // the queue had nothing more to give
};
struct Answered {
  std::uint64_t batch = 0;
  Outcome outcome = Outcome::kAnswered;
  std::vector<bool> done;  // kAnswered: per message
};
struct Ready {};       // messages may have become receivable
struct TimePassed {};  // or settings have changed
using QueueInput = std::variant<Received, Answered, Ready, TimePassed>;

// What to do.
struct QueueEffects {
  std::vector<std::uint64_t> invoke;  // batches, in this order; each stays put until Answered
  std::vector<std::string> remove;    // receipts of messages that are done
  std::vector<std::string> release;   // receipts of messages that somebody else may have now
  std::size_t receive = 0;            // so many messages at most; 0: do not receive
  std::size_t receive_bytes = 0;
  Time wake = kNever;  // TimePassed is due then
};

// REQUIRES: Answered names a batch that was to be invoked, and has a flag for each of its messages if kAnswered;
// Received answers the last `receive`.
QueueEffects step(const QueueSettings& settings, QueueLane& lane, QueueInput input, Time now);

// What the answer of a function with ReportBatchItemFailures says, per message. AWS: an empty answer, null, {}, an
// empty or null list mean that all are done; an identifier that is missing, empty or not of this batch means that none
// is. What is not the documented object is a failure as well: it must not lose messages.
std::vector<bool> reported_done(std::string_view body, const std::vector<QueueMessage>& messages);

// The document that filters see: the record, with its body as JSON where that is an object or a list. AWS: a pattern
// for JSON drops messages of plain text, and the other way round.
std::string filterable(std::string_view event);

}  // namespace millrace::triggers
