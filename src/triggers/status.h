// What a person wants to know of a mapping: where it stands, what it waits for, and why nothing arrives. A copy, made
// by Engine::status; no reference into the engine.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "triggers/lane.h"
#include "triggers/mapping.h"

namespace millrace::triggers {

enum class Waiting {
  kRecords,      // idle: everything is delivered
  kReading,      // a read is running
  kWindow,       // for the batching window, until `until`
  kTumbling,     // the same for the tumbling window: everything is delivered, its final invocation is to come
  kInvocation,   // one is running, since `since`
  kBackoff,      // before the next attempt, until `until`
  kConcurrency,  // the same, since the function had no concurrency left
  kParent,       // for the parent shard
  kPaused,       // the mapping is disabled
  kShardEnd,     // nothing any more: the shard has ended and is settled
};

struct LaneStatus {
  SequenceNumber position = 0;  // everything up to here is settled
  Waiting waiting = Waiting::kRecords;
  Time until = kNever;
  Time since = kNever;
  std::size_t batch_records = 0;  // of the batch in hand
  SequenceNumber batch_first = 0;
  SequenceNumber batch_last = 0;
  Tries tries;                  // of that batch
  Time blocked_since = kNever;  // its first failure or refusal; kNever: not blocked
  bool is_blocked = false;      // that batch is being tried for the third time or more
  std::string last_error;       // of this lane since the start, with the function's own message
  Time last_error_at = kNever;
  std::uint64_t backlog_records = 0;  // behind `position`; filled in by app, as are the next two
  bool backlog_is_lower_bound = false;
  Time oldest = kNever;
};

struct ShardStatus {
  std::string id;
  std::uint64_t number = 0;
  std::vector<LaneStatus> lanes;
  std::uint64_t backlog_records = 0;  // behind the lowest position
  bool backlog_is_lower_bound = false;
  Time oldest = kNever;  // of them
};

// Since the mapping was created; saved with every settled batch.
struct Totals {
  std::uint64_t polled = 0;  // records, as are the following
  std::uint64_t filtered = 0;
  std::uint64_t invoked = 0;  // again at every attempt
  std::uint64_t failed = 0;
  std::uint64_t settled = 0;  // that a function has done
  std::uint64_t dropped = 0;
  std::uint64_t sent_to_destination = 0;
  std::uint64_t lost = 0;  // trimmed before they were read
  std::uint64_t invocations = 0;
  std::uint64_t failures = 0;  // invocations that left records undone
  std::uint64_t refusals = 0;  // throttled or function missing
  std::uint64_t destination_failures = 0;
  std::uint64_t batch_records_max = 0;
  Milliseconds duration{0};  // of all invocations
  double gb_seconds = 0;
  std::uint64_t skipped = 0;    // records that a person has let go
  std::uint64_t retries = 0;    // of the invocations: those whose first record had been sent before
  double retry_gb_seconds = 0;  // of gb_seconds
  friend bool operator==(const Totals&, const Totals&) = default;
};

// From a commit to the call of the function, for mappings without a window.
struct Latency {
  std::uint64_t samples = 0;
  double p50_ms = 0;
  double p99_ms = 0;
};

// Of a mapping of a queue, which has no positions. Its one shard is called "queue" and has one lane.
struct QueueStatus {
  std::size_t invocations = 0;  // running
  std::size_t batched = 0;      // messages in batches that run or wait for concurrency
  std::size_t buffered = 0;     // received, waiting for the window or for concurrency
  std::size_t concurrency = 0;  // invocations there may be at present
  bool exists = false;          // the queue; what follows is its own
  std::uint64_t ready = 0, delayed = 0, in_flight = 0;
};

struct Status {
  Mapping mapping;
  std::string last_result;  // LastProcessingResult
  std::string last_error;   // with the function's own message
  Time last_error_at = kNever;
  bool is_blocked = false;  // a batch is being tried for the third time or more
  bool is_busy = false;     // a batch in flight, or records being read
  std::vector<ShardStatus> shards;
  std::optional<QueueStatus> queue;  // of a mapping of a queue
  Totals totals;
  Latency latency;
};

}  // namespace millrace::triggers
