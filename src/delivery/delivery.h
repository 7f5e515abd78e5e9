// The one door for "send this to that ARN": on-failure destinations, asynchronous destinations, dead letter queues.
//
// A local target stages its part into the caller's WriteBatch, so that the sender's position and the delivery commit
// together: exactly once. Services register a `Target` for the service part of the ARN ("sqs", "sns", "s3", "lambda").
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "storage/committer.h"
#include "storage/store.h"

namespace millrace::delivery {

struct Attribute {
  std::string name;
  std::string type;  // "String", "Number", "Binary" (the value is the bytes)
  std::string value;
};

// AWS: 1 to 256 letters, digits, "_", "-" and single periods, neither first nor last. Of SQS and SNS alike.
bool is_attribute_name(std::string_view name);

struct Message {
  std::string body;
  std::vector<Attribute> attributes;
  std::string subject;     // for sns targets; "" none
  std::string object_key;  // for s3 targets, see document_key()
};

// AWS: where a bucket keeps a failure document: "PREFIX/2026/09/17/2026-09-17T13.29.12" of the document's timestamp;
// the target adds "-" and a random UUID. PREFIX is "aws/lambda/MAPPING/SHARD" or "aws/lambda/async/FUNCTION".
std::string document_key(std::string_view prefix, Time timestamp);

inline constexpr ErrorType kNoSuchTarget{"ResourceNotFoundException", 404, ErrorKind::kClient};
inline constexpr ErrorType kUnsupportedTarget{"InvalidParameterValueException", 400, ErrorKind::kClient};

// To be called once the batch is durable (wakes long polls and the like). May be empty.
using AfterCommit = std::function<void()>;
// For Commits::submit(): calls them, in order, once the batch is durable.
std::function<void(const storage::Committed&)> call_when_durable(std::vector<AfterCommit> after);

// Thread-safe.
class Target {
 public:
  virtual ~Target() = default;
  // Whether a delivery to `arn` could work now: it exists and has the right kind.
  virtual Result<void> check(std::string_view arn) = 0;
  // Adds the delivery to `batch`. Errors: kNoSuchTarget, or why this message cannot go there (too large).
  virtual Result<AfterCommit> stage(std::string_view arn, const Message& message, storage::WriteBatch& batch) = 0;
};

class Delivery {
 public:
  void add(std::string service, Target& target) { targets_[std::move(service)] = &target; }
  Result<void> check(std::string_view arn);
  Result<AfterCommit> stage(std::string_view arn, const Message& message, storage::WriteBatch& batch);

 private:
  Result<Target*> find(std::string_view arn);
  std::map<std::string, Target*, std::less<>> targets_;  // constant after start
};

}  // namespace millrace::delivery
