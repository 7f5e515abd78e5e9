// Queues as a destination: on-failure, asynchronous destinations, dead letter queues of functions.
#pragma once

#include "delivery/delivery.h"
#include "sqs/service.h"

namespace millrace::sqs {

// Thread-safe. The message appears in the queue when the AfterCommit is called; the queue's delay counts from stage().
class QueueTarget final : public delivery::Target {
 public:
  explicit QueueTarget(Service& service) : service_(service) {}
  // Errors: delivery::kNoSuchTarget when the queue does not exist, kUnsupportedTarget for what is no queue's ARN
  // and for FIFO queues (AWS: standard queues only).
  Result<void> check(std::string_view arn) override;
  // Also: kInvalidParameterValue and the like when the queue does not take this message (too large).
  Result<delivery::AfterCommit> stage(std::string_view arn, const delivery::Message& message,
                                      storage::WriteBatch& batch) override;

 private:
  Service& service_;
};

}  // namespace millrace::sqs
