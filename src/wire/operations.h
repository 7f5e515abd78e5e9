// Operations of the served services, called from inside by name: what stacks build their resources with, so that
// validation, order of checks and error texts are those that an SDK gets.
//
//   Operations operations(random, commits, "http://127.0.0.1:4566");
//   operations.add(*queues_service);
//   auto made = operations.call("sqs", "CreateQueue", caller, Document::object({{"QueueName", "q"}}));
#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "platform/random.h"
#include "storage/committer.h"
#include "wire/service.h"
#include "wire/shapes.h"

namespace millrace::wire {

// For tests: what types call.
class Calls {
 public:
  virtual ~Calls() = default;
  // `service` is a model id ("dynamodb", "lambda", "s3"), `input` the members of the input shape in the model's
  // spelling (blobs as base64 text). Values are read leniently, as CloudFormation does: "5" where a number is asked
  // for, 5 where a string is, "true" for a boolean. A member that the shape does not have is an error. Blocks until
  // what the operation changed is durable.
  //
  // Success: the members of the output shape; an output's blob payload is in its member as it came, not base64.
  // Error: the operation's own; kInternalError when nothing of that name is served; kUnavailable when stopping.
  virtual Result<Document> call(std::string_view service, std::string_view operation, const Caller& caller,
                                Document input) = 0;
};

// Thread-safe after the add() calls. call() blocks: REQUIRES a thread of the caller's own, never an I/O thread, the
// control thread or the committer's.
class Operations final : public Calls {
 public:
  Operations(platform::Random& random, storage::Commits& commits) : random_(random), commits_(commits) {}

  void add(const Service& service);
  // For URLs in answers; before the first call.
  void set_service_host(std::string host) { service_host_ = std::move(host); }
  Result<Document> call(std::string_view service, std::string_view operation, const Caller& caller,
                        Document input) override;
  // Ends all waiting calls with kUnavailable, and all later ones. Work that was begun goes on by itself.
  void stop();

 private:
  Result<Document> finish(const ServiceModel& model, const OperationModel& operation, Result<Reply> result);

  platform::Random& random_;
  storage::Commits& commits_;
  std::string service_host_ = "http://127.0.0.1:4566";
  std::map<std::string, const Service*, std::less<>> services_;
  struct Waiting {
    std::mutex mutex;
    std::condition_variable changed;
    bool stopped = false;
  };
  std::shared_ptr<Waiting> waiting_ = std::make_shared<Waiting>();
};

// `value` in the kinds that `shape` asks for; what cannot be read as that kind is left for the validator. Error:
// kValidationError "Encountered unsupported property X" for a member that no structure of `shape` has. Pure.
Result<Document> coerce(const ServiceModel& model, const Shape& shape, const Document& value);

}  // namespace millrace::wire
