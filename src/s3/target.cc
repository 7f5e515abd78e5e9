#include "s3/target.h"

namespace millrace::s3 {
namespace {

// arn:PARTITION:s3:::BUCKET
Result<std::string_view> bucket_of(std::string_view arn) {
  constexpr std::string_view kMiddle = ":s3:::";
  const auto at = arn.find(kMiddle);
  if (!arn.starts_with("arn:") || at == std::string_view::npos || !is_bucket_name(arn.substr(at + kMiddle.size()))) {
    return Error(delivery::kUnsupportedTarget, "Not the ARN of a bucket: " + std::string(arn));
  }
  return arn.substr(at + kMiddle.size());
}

}  // namespace

Result<void> BucketTarget::check(std::string_view arn) {
  MR_ASSIGN_OR_RETURN(const std::string_view name, bucket_of(arn));
  if (objects_.bucket_of_any(name) != nullptr) return {};
  return Error(delivery::kNoSuchTarget, "The bucket does not exist: " + std::string(arn));
}

Result<delivery::AfterCommit> BucketTarget::stage(std::string_view arn, const delivery::Message& message,
                                                  storage::WriteBatch& batch) {
  MR_ASSIGN_OR_RETURN(const std::string_view name, bucket_of(arn));
  if (message.object_key.empty()) {
    return Error(delivery::kUnsupportedTarget, "This cannot be sent to a bucket: " + std::string(arn));
  }
  return objects_.stage_object(name, message.object_key, message.body, batch);
}

}  // namespace millrace::s3
