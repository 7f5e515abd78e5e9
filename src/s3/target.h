// Buckets as a destination: failure documents of event source mappings and of asynchronous invocations.
#pragma once

#include "delivery/delivery.h"
#include "s3/object_store.h"

namespace millrace::s3 {

// Thread-safe. The object "KEY-UUID" is there once the sender's batch is durable. KEY: Message::object_key.
class BucketTarget final : public delivery::Target {
 public:
  explicit BucketTarget(ObjectStore& objects) : objects_(objects) {}
  // Errors: delivery::kNoSuchTarget when the bucket does not exist, kUnsupportedTarget for what is no bucket's ARN.
  Result<void> check(std::string_view arn) override;
  // Also kUnsupportedTarget for a message without a key.
  Result<delivery::AfterCommit> stage(std::string_view arn, const delivery::Message& message,
                                      storage::WriteBatch& batch) override;

 private:
  ObjectStore& objects_;
};

}  // namespace millrace::s3
