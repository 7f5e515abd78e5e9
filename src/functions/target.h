// Functions as a destination: the message becomes the payload of an asynchronous invocation.
#pragma once

#include "delivery/delivery.h"
#include "functions/service.h"

namespace millrace::functions {

// Thread-safe. The event runs once the AfterCommit has been called.
class FunctionTarget final : public delivery::Target {
 public:
  explicit FunctionTarget(Functions& functions) : functions_(functions) {}
  // Errors: delivery::kNoSuchTarget when the function does not exist, kUnsupportedTarget for what is no function's ARN.
  Result<void> check(std::string_view arn) override;
  // Also kRequestEntityTooLarge when the message exceeds the limit of asynchronous payloads.
  Result<delivery::AfterCommit> stage(std::string_view arn, const delivery::Message& message,
                                      storage::WriteBatch& batch) override;

 private:
  Functions& functions_;
};

}  // namespace millrace::functions
