// What the engine needs of the world, as small as it could be made: a log to read, a function to call, and a place
// where positions and failure documents are saved together. `app` wires the first two to streams and functions; the
// third is ready in settlement.h.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "delivery/delivery.h"
#include "storage/store.h"
#include "triggers/lane.h"

namespace millrace::triggers {

// Which of a shard's lanes takes the records of a key.
constexpr unsigned lane_of(std::uint64_t key_hash, unsigned lanes) { return static_cast<unsigned>(key_hash % lanes); }

struct ShardInfo {
  std::string id;                   // "shardId-00000001789651619772-2a9e5aad"
  std::uint64_t number = 0;         // as in WriteBatch::log; not 0
  std::uint64_t parent = 0;         // 0: none, or no longer listed
  std::uint64_t second_parent = 0;  // of a shard that two were merged into
};

struct StreamInfo {
  std::vector<ShardInfo> shards;
  Milliseconds retention{std::chrono::hours(24)};
};

struct ReadRequest {
  std::string stream_arn;
  std::uint64_t shard = 0;
  SequenceNumber after = 0;
  std::size_t records_max = 1;
  std::size_t bytes_max = 1;  // of rendered events; at least one record is returned all the same
  unsigned lane = 0;
  unsigned lanes = 1;
};

struct SourceRecord {
  Record record;  // rendered as an element of the function's Records[]
  std::uint64_t key_hash = 0;
};

struct Page {
  std::vector<SourceRecord> records;  // only those of the requested lane, in order
  SequenceNumber read_to = 0;         // >= request.after: everything up to here has been looked at
  bool at_tail = false;               // nothing is committed behind read_to
  bool ended = false;                 // at_tail, and the shard is closed: nothing ever will be
  std::uint64_t lost = 0;             // records after request.after that were trimmed unread (at least 1 if any were)
};

struct Backlog {
  std::uint64_t records = 0;
  Time oldest = kNever;
  bool is_lower_bound = false;  // counting stopped early
};

// Unsubscribes when the last owner goes.
using Subscription = std::shared_ptr<void>;

class EventSource {
 public:
  virtual ~EventSource() = default;
  // Error: kNotFound when no such stream exists (any more). Called on the control thread: answers from memory.
  virtual Result<StreamInfo> describe(const std::string& stream_arn) = 0;
  // Called on pool threads, several at once. Errors: of the client's kind when the stream or shard is gone (the lane
  // then idles); any other is tried again after some seconds. May look at a limited number of records and return none
  // of them with at_tail false: it is asked again from read_to.
  virtual Result<Page> read(const ReadRequest& request) = 0;
  // Called from any thread, for people; may stop counting at some limit.
  virtual Backlog backlog(const std::string& stream_arn, std::uint64_t shard, SequenceNumber after) = 0;
  // `grew` is called, from any thread, after records of `shard` have become readable, after a shard has been closed,
  // and with a new shard's number after that has been opened. It does not block. It may come after unsubscribing.
  virtual Subscription subscribe(const std::string& stream_arn, std::function<void(std::uint64_t shard)> grew) = 0;
};

struct InvokeRequest {
  std::string function_arn;  // as the mapping holds it, qualifier included only if it was given
  std::string request_id;    // the same for all attempts of a batch
  std::string mapping;       // UUID, for logs
  std::string payload;
  Time last_record = kNever;  // when the batch's last record was written; kNever: none (a window's end)
  // For traces: where the batch's time went. kNever: unknown.
  std::string source_arn = {};
  std::string trace_header = {};  // of all its messages, when they have the same
  std::size_t records = 0;
  int attempt = 1;             // of this batch
  Time first_record = kNever;  // when its oldest record was written
  Time read = kNever;          // when the first of its records was read
  Time formed = kNever;        // when it was tried first
  bool has_window = false;     // MaximumBatchingWindowInSeconds is set
};

struct InvokeResult {
  Outcome outcome = Outcome::kAnswered;
  std::string request_id;      // as the function saw it; "": that of the request
  std::string payload;         // the function's answer, or its error document
  std::string function_error;  // "Unhandled" when the function failed, else ""
  std::string executed_version = "$LATEST";
  std::string message;       // why it was throttled or refused, for LastProcessingResult
  Milliseconds duration{0};  // billed; 0 when unknown
  double memory_mb = 0;      // configured; 0 when unknown
};

class Invoker {
 public:
  virtual ~Invoker() = default;
  // Runs the function synchronously (RequestResponse). `done` is called exactly once, from any thread, also from inside
  // this call. Called on the control thread: does not block.
  virtual void invoke(InvokeRequest request, std::function<void(InvokeResult)> done) = 0;
};

// A failure document on its way. No destination: only the position is saved.
struct Letter {
  std::string destination;
  delivery::Message message;
  std::string shorter;  // what to send instead when the destination refuses the message; "": nothing
};

class Settlement {
 public:
  virtual ~Settlement() = default;
  // Commits `batch` and, with it, the delivery of `letter`. On an error the delivery was refused; `batch` is committed
  // all the same. Does not wait for the disk. Called on the control thread.
  virtual Result<void> settle(storage::WriteBatch batch, const Letter& letter) = 0;
};

}  // namespace millrace::triggers
