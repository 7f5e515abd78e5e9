// Does a trust policy let somebody assume its role? Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace millrace::iam {

struct TrustRequest {
  std::string account;        // of who asks
  std::string principal_arn;  // "arn:aws:iam::123456789012:root", "arn:aws:sts::123456789012:assumed-role/r/s"
  std::string role_arn;       // of a session: the role that it has; else ""
  // What conditions may ask for: "sts:ExternalId", "sts:RoleSessionName", ...; the names compare without case. Absent
  // when the request does not have it.
  std::map<std::string, std::string> context;
};

// `policy` passed check_policy(kTrust). Served: Allow and Deny, actions with wildcards, the principals "*", account,
// ARN of an account's root, of a role and of a session; the condition operators String(Not)Equals(IgnoreCase),
// String(Not)Like, Arn(Not)Equals, Arn(Not)Like, Bool and Null, each with IfExists. A statement with another operator
// does not apply when it allows, and applies when it denies.
bool trusts(std::string_view policy, std::string_view action, const TrustRequest& request);

}  // namespace millrace::iam
