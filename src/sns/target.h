// Topics as a destination: on-failure, asynchronous destinations, dead letters of functions, notifications of buckets,
// alarms.
#pragma once

#include "delivery/delivery.h"
#include "sns/service.h"

namespace millrace::sns {

// Thread-safe.
class TopicTarget final : public delivery::Target {
 public:
  explicit TopicTarget(Service& service) : service_(service) {}
  // Errors: delivery::kNoSuchTarget when the topic does not exist, kUnsupportedTarget for what is no topic's ARN.
  Result<void> check(std::string_view arn) override;
  // Also kInvalidParameter when the topic does not take this message (empty, more than 256 KiB).
  Result<delivery::AfterCommit> stage(std::string_view arn, const delivery::Message& message,
                                      storage::WriteBatch& batch) override;

 private:
  Service& service_;
};

}  // namespace millrace::sns
