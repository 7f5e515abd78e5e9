// What mappings of queues need of the world beside an Invoker: a queue that hands out messages and takes them back.
// `app` wires it to sqs.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "storage/committer.h"
#include "triggers/ports.h"
#include "triggers/queue_lane.h"

namespace millrace::triggers {

struct QueueFacts {
  bool is_fifo = false;
  std::uint64_t ready = 0, delayed = 0, in_flight = 0;  // messages
  Time oldest = kNever;                                 // when the oldest was sent
};

struct ReceivedBatch {
  std::deque<QueueMessage> messages;  // rendered
  storage::CommitNumber after = 0;    // they may be delivered once this is durable
};

class QueueSource {
 public:
  virtual ~QueueSource() = default;
  // Takes up to `count` messages of together about `bytes_max` bytes, at least one if there is any; they are in flight
  // then. Called on pool threads. Errors: of the client's kind when there is no such queue.
  virtual Result<ReceivedBatch> receive(const std::string& arn, std::size_t count, std::size_t bytes_max) = 0;
  // Deletes, or gives back, what the receipts still name. Called on the control thread.
  virtual void remove(const std::string& arn, const std::vector<std::string>& receipts) = 0;
  virtual void release(const std::string& arn, const std::vector<std::string>& receipts) = 0;
  // `ready` is called, from any thread, whenever messages may have become receivable, also in a queue of that name that
  // is made later. It does not block, and may come once more after unsubscribing.
  virtual Subscription watch(const std::string& arn, std::function<void()> ready) = 0;
  virtual std::optional<QueueFacts> facts(const std::string& arn) = 0;  // absent: there is no such queue
};

}  // namespace millrace::triggers
