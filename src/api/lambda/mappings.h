// Event source mappings as the Lambda API shows them: validation with AWS's texts, states, and the answers' form. The
// mappings themselves live in triggers::Engine.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/scope.h"
#include "triggers/engine.h"
#include "wire/service.h"

namespace millrace::api_lambda {

// What the operations ask of other services. Thread-safe.
struct MappingLookups {
  // `arn` is a full function ARN, with a qualifier only if the caller gave one (a version, alias or $LATEST).
  std::function<bool(const std::string& arn)> function_exists;
  // A stream that can be read: enabled, or disabled within its retention.
  std::function<bool(const std::string& arn)> stream_exists;
  // Whether failure documents could be delivered to `arn` now (delivery::Delivery::check).
  std::function<Result<void>(const std::string& arn)> check_destination;
  // Absent: there is no such queue.
  struct Queue {
    bool is_fifo = false;
    std::int64_t visibility_seconds = 30;
  };
  std::function<std::optional<Queue>(const std::string& arn)> queue = {};
  // Timeout of a function that exists, in seconds.
  std::function<std::optional<std::int64_t>(const std::string& arn)> function_timeout = {};
  // The last commit of those that the others ask: what they say may rest on it, and a refusal waits for it.
  std::function<storage::CommitNumber()> last_commit = {};
};

// Adds the five operations to the Lambda service, and the tags of mappings to what it has by now. `engine` outlives the
// service.
void register_mapping_operations(wire::Service& service, triggers::Engine& engine, MappingLookups lookups);

// The full ARN that `name` means for a caller in `scope`, keeping a qualifier and adding none: "f", "f:alias",
// "123456789012:function:f", "function:f", "arn:...:function:f:1".
std::string function_arn_of(const Scope& scope, std::string_view name);

}  // namespace millrace::api_lambda
