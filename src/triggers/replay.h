// Sends a part of a stream to a function once more, without moving any position: shard after shard in order of lineage,
// batch after batch, as a mapping would with one lane per shard and no window.
//
// A job in memory: it ends with the server, and its `position` tells from where to go on. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "triggers/internal/read_job.h"
#include "triggers/mapping.h"
#include "triggers/sender.h"

namespace millrace::triggers {

struct ReplayRequest {
  Mapping mapping;           // its stream, filters, batch size and response type
  std::string function_arn;  // "": the mapping's
  SequenceNumber after = 0;  // the records of (after, last]
  SequenceNumber last = 0;
  int retries = kSendRetriesDefault;
  bool keep_going = false;  // leave out what fails; false: stop there
};

struct ReplayProgress {
  std::uint64_t records = 0;    // done
  std::uint64_t batches = 0;    // sent, whatever became of them
  std::uint64_t failed = 0;     // records that were left out
  SequenceNumber position = 0;  // of the last record done or left out, in the shard being read
  bool finished = false;
  std::string stopped;     // why it ended before everything was sent
  std::string last_error;  // of the function
};

class Replay : public std::enable_shared_from_this<Replay> {
 public:
  // What `tools` and `source` refer to outlives the scheduler's work.
  Replay(SenderTools tools, EventSource& source, std::shared_ptr<internal::PoolGate> gate, ReplayRequest request);
  void start();
  // After the batch that is being sent.
  void cancel() { cancelled_ = true; }
  ReplayProgress progress() const;

 private:
  void begin();
  void read_on();
  void arrived(internal::ReadJob& job);
  void sent(SequenceNumber last, std::size_t records, const Sent& outcome);
  void next_shard();
  void finish(std::string stopped);

  const SenderTools tools_;
  EventSource& source_;
  const std::shared_ptr<internal::PoolGate> gate_;
  const ReplayRequest request_;
  // Of the control thread.
  std::vector<ShardInfo> shards_;
  std::size_t shard_ = 0;
  SequenceNumber position_ = 0;
  std::shared_ptr<const Filters> filters_;

  std::atomic<bool> cancelled_{false};
  mutable std::mutex mutex_;
  ReplayProgress progress_;  // guarded
};

}  // namespace millrace::triggers
