// Where resources live: one namespace per account and region (S3 and IAM: per account, `region` empty).
#pragma once

#include <compare>
#include <string>

namespace millrace {

struct Scope {
  std::string account = "000000000000";
  std::string region = "us-east-1";
  friend auto operator<=>(const Scope&, const Scope&) = default;
};

}  // namespace millrace
