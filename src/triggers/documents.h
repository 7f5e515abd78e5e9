// What a failure destination is sent about a discarded batch: AWS's members in AWS's order (spec 2.8).
#pragma once

#include <optional>
#include <string>

#include "base/time.h"
#include "triggers/lane.h"

namespace millrace::triggers {

// The answer to the last invocation of the batch.
struct ResponseContext {
  int status_code = 200;
  std::string executed_version = "$LATEST";
  std::string function_error;  // "Unhandled"; "" (JSON null) for reported batch failures
};

// The tumbling window a batch was discarded in.
struct WindowInfo {
  Window window;
  bool is_final = false;
  bool is_early = false;
};

struct FailureDocument {
  std::string request_id;    // of the last invocation
  std::string function_arn;  // exactly as the mapping holds it
  Reason reason = Reason::kRetryAttemptsExhausted;
  int invocations = 0;  // AWS: a batch that was never invoked is reported as 1, without responseContext
  std::optional<ResponseContext> response;
  Time now{};
  std::string stream_arn;
  std::string shard_id;
  SequenceNumber first = 0;
  SequenceNumber last = 0;
  Time first_created{};
  Time last_created{};
  std::size_t batch_size = 0;  // AWS: 0, a final invocation: no sequence numbers, times and size
  std::optional<WindowInfo> window;
  std::string payload;  // the whole event, as a text; "": AWS's document for SQS and SNS, which has none
};

// The body of the message for SQS and SNS. Pure.
std::string render(const FailureDocument& document);

}  // namespace millrace::triggers
