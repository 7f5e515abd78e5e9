#include "api/s3/internal/bucket_policy.h"

#include "api/s3/operations.h"

namespace millrace::api_s3 {
namespace {

constexpr ErrorType kNoSuchBucketPolicy{"NoSuchBucketPolicy", 404};
constexpr const char* kPolicySetting = "policy";

// Its text. Error: NoSuchBucketPolicy.
Result<std::string> policy_of(const store::Bucket& bucket) {
  const auto at = bucket.settings.find(kPolicySetting);
  if (at == bucket.settings.end() || !at->second.is_string()) {
    return Error(kNoSuchBucketPolicy, "The bucket policy does not exist")
        .with("BucketName", Document(bucket.name).dump())
        .hold_until(bucket.after);
  }
  return at->second.as_string();
}

}  // namespace

// Recorded as it was given. As nothing is enforced, a policy that denies everything (or what came without TLS) locks
// nobody out.
Result<Reply> put_bucket_policy(ObjectStore& objects, const RequestContext& context, const Document& request) {
  MR_RETURN_IF_ERROR(check_body(context));
  MR_RETURN_IF_ERROR(objects.bucket(account_of(context), text(request, "Bucket")));
  const std::string_view policy = text(request, "Policy");
  MR_RETURN_IF_ERROR(check_bucket_policy(policy, text(request, "Bucket")));
  Reply reply;
  MR_ASSIGN_OR_RETURN(
      reply.after, objects.set_setting(account_of(context), text(request, "Bucket"), kPolicySetting, Document(policy)));
  reply.status = 204;  // AWS
  return reply;
}

Result<Reply> get_bucket_policy(ObjectStore& objects, const RequestContext& context, const Document& request) {
  MR_ASSIGN_OR_RETURN(const store::BucketPointer bucket, objects.bucket(account_of(context), text(request, "Bucket")));
  MR_ASSIGN_OR_RETURN(std::string policy, policy_of(*bucket));
  Reply reply;
  reply.output.set("Policy", std::move(policy));
  reply.fields.set("Content-Type", "application/json");
  reply.after = bucket->after;
  return reply;
}

Result<Reply> delete_bucket_policy(ObjectStore& objects, const RequestContext& context, const Document& request) {
  Reply reply;
  MR_ASSIGN_OR_RETURN(reply.after,
                      objects.set_setting(account_of(context), text(request, "Bucket"), kPolicySetting, std::nullopt));
  return reply;
}

Result<Reply> get_bucket_policy_status(ObjectStore& objects, const RequestContext& context, const Document& request) {
  MR_ASSIGN_OR_RETURN(const store::BucketPointer bucket, objects.bucket(account_of(context), text(request, "Bucket")));
  MR_ASSIGN_OR_RETURN(const std::string policy, policy_of(*bucket));
  Reply reply;
  reply.output.set("PolicyStatus", Document::object({{"IsPublic", is_public(policy)}}));
  reply.after = bucket->after;
  return reply;
}

}  // namespace millrace::api_s3
