// Bucket policies as texts: what is a policy of this bucket, and is it public. Nothing is enforced. Pure.
#pragma once

#include <string_view>

#include "base/result.h"

namespace millrace::api_s3 {

inline constexpr std::size_t kBucketPolicyBytesMax = 20'480;  // AWS

// Error: MalformedPolicy with the first problem, PolicyTooLarge.
Result<void> check_bucket_policy(std::string_view policy, std::string_view bucket);
// AWS: "The meaning of public". An Allow for everybody without a condition that names fixed values.
// REQUIRES: `policy` passed check_bucket_policy.
bool is_public(std::string_view policy);

}  // namespace millrace::api_s3
