// Amazon Resource Names: arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE. Values; thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/scope.h"

namespace millrace::wire {

struct Arn {
  std::string partition = "aws";
  std::string service;
  std::string region;    // "" for IAM and S3
  std::string account;   // "" for S3
  std::string resource;  // "table/T/stream/2026-...", "function:f:1": everything after the fifth colon

  std::string text() const;
  friend bool operator==(const Arn&, const Arn&) = default;
};

// nullopt: not of the form (six parts, "arn" first, non-empty partition, service and resource).
std::optional<Arn> parse_arn(std::string_view text);
// "arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE" in the scope.
std::string format_arn(std::string_view service, const Scope& scope, std::string_view resource);

}  // namespace millrace::wire
