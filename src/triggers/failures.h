// Failure documents read back: what is needed to send their batches to a function again, oldest first and in order per
// key. Pure but for read_failed_batch(), which reads the stream (not on the control thread).
#pragma once

#include <deque>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "triggers/lane.h"
#include "triggers/mapping.h"
#include "triggers/ports.h"

namespace millrace::triggers {

struct Failure {
  std::string stream_arn;
  std::string function_arn;
  std::string shard_id;
  SequenceNumber first = 0;
  SequenceNumber last = 0;
  std::size_t batch_size = 0;
  std::string payload;  // the event, when the document carries it
};

// The document as it is in a queue, an object, or inside an SNS notification. Error: kInvalidParameter, why it is none.
Result<Failure> parse_failure(std::string_view text);

// The records of an event. Error: kInvalidParameter when it is no event of a DynamoDB stream.
Result<std::deque<Record>> records_of(std::string_view event);

// The records that the document tells of, as the mapping would send them: only possible while they are in the stream,
// and while filters and lanes select the same ones. Error: kInvalidParameter says what is different.
Result<std::deque<Record>> read_failed_batch(EventSource& source, const Mapping& mapping, const Failure& failure);

// Keeps the order of each key: once a batch with a key is left, later ones with that key are left as well.
class KeyGate {
 public:
  bool admits(const std::deque<Record>& records) const;
  void close(const std::deque<Record>& records);

 private:
  std::set<std::string, std::less<>> closed_;
};

}  // namespace millrace::triggers
