// Is this text a policy document? Grammar only: nothing is enforced yet. Pure.
#pragma once

#include <string_view>

#include "base/result.h"

namespace millrace::iam {

enum class PolicyKind {
  kTrust,       // of a role: statements have a Principal and no Resource
  kPermission,  // of an identity: statements have a Resource and no Principal
};

// kMalformedPolicyDocument with the first problem. AWS: "Grammar of the IAM JSON policy language".
Result<void> check_policy(std::string_view text, PolicyKind kind);

}  // namespace millrace::iam
