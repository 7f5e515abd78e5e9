#include <algorithm>

#include "api/s3/operations.h"
#include "crypto/encoding.h"

namespace millrace::api_s3 {
namespace {

constexpr ErrorType kIllegalLocation{"IllegalLocationConstraintException", 400};
constexpr ErrorType kInvalidLocation{"InvalidLocationConstraint", 400};
constexpr ErrorType kInvalidAclWithOwnership{"InvalidBucketAclWithObjectOwnership", 400};
constexpr std::string_view kHomeRegion = "us-east-1";

// AWS: us-east-1 has no name here, and only its endpoint makes buckets elsewhere.
Result<std::string> region_of_new_bucket(const RequestContext& context, const Document* configuration) {
  const std::string& here = context.caller.scope.region;
  std::string wanted(configuration == nullptr ? "" : text(*configuration, "LocationConstraint"));
  if (wanted == kHomeRegion) {
    return Error(kInvalidLocation, "The specified location-constraint is not valid")
        .with("LocationConstraint", Document(wanted).dump());
  }
  if (wanted == "EU") wanted = "eu-west-1";
  if (wanted.empty() && here == kHomeRegion) return here;
  if (wanted.empty()) wanted = "unspecified";
  if (wanted != here && here != kHomeRegion) {
    return Error(kIllegalLocation, "The " + wanted +
                                       " location constraint is incompatible for the region specific endpoint this "
                                       "request was sent to.");
  }
  return wanted;
}

Result<void> check_new_bucket(const Document& request, const Document* configuration) {
  if (const auto acl = text(request, "ACL"); !acl.empty() && acl != "private") {
    return Error(kInvalidAclWithOwnership,
                 "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting");
  }
  const auto refuse = [](std::string_view member) {
    return Error(kNotImplemented, "The member " + std::string(member) + " is not implemented by millrace.");
  };
  if (request.bool_or("ObjectLockEnabledForBucket", false)) return refuse("ObjectLockEnabledForBucket");
  if (const auto space = text(request, "BucketNamespace"); !space.empty() && space != "global") {
    return refuse("BucketNamespace");
  }
  if (configuration == nullptr) return {};
  for (const char* member : {"Location", "Bucket"}) {
    if (configuration->find(member) != nullptr) return refuse(member);
  }
  return {};
}

Document private_acl(const RequestContext& context) {
  Document grantee = owner_of(context);
  grantee.set("Type", "CanonicalUser");
  return Document::array({Document::object({{"Grantee", std::move(grantee)}, {"Permission", "FULL_CONTROL"}})});
}

}  // namespace

Result<Reply> create_bucket(ObjectStore& objects, const RequestContext& context, const Document& request) {
  MR_RETURN_IF_ERROR(check_body(context));
  const Document* configuration = request.find("CreateBucketConfiguration");
  MR_RETURN_IF_ERROR(check_new_bucket(request, configuration));
  MR_ASSIGN_OR_RETURN(const std::string region, region_of_new_bucket(context, configuration));
  std::optional<store::Tags> tags;
  if (configuration != nullptr && configuration->find("Tags") != nullptr) {
    MR_ASSIGN_OR_RETURN(tags, tags_of(Document::object({{"TagSet", *configuration->find("Tags")}}), 50));
  }
  const std::string name = text_copy(request, "Bucket");
  MR_ASSIGN_OR_RETURN(const store::BucketPointer bucket, objects.create_bucket(account_of(context), region, name));
  Reply reply;
  reply.output.set("Location", "/" + name);
  reply.after = bucket->after;
  if (tags && !tags->empty()) {
    MR_ASSIGN_OR_RETURN(reply.after, objects.set_setting(account_of(context), name, "tagging", to_document(*tags)));
  }
  if (const auto ownership = text(request, "ObjectOwnership"); !ownership.empty()) {
    Document rules = Document::array({Document::object({{"ObjectOwnership", ownership}})});
    MR_ASSIGN_OR_RETURN(reply.after, objects.set_setting(account_of(context), name, "ownershipControls",
                                                         Document::object({{"Rules", std::move(rules)}})));
  }
  return reply;
}

Result<Reply> delete_bucket(ObjectStore& objects, const RequestContext& context, const Document& request) {
  Reply reply;
  MR_ASSIGN_OR_RETURN(reply.after, objects.delete_bucket(account_of(context), text(request, "Bucket")));
  return reply;
}

Result<Reply> head_bucket(ObjectStore& objects, const RequestContext& context, const Document& request) {
  MR_ASSIGN_OR_RETURN(const store::BucketPointer bucket, objects.bucket(account_of(context), text(request, "Bucket")));
  Reply reply;
  reply.output.set("BucketRegion", bucket->region).set("AccessPointAlias", false);
  reply.after = bucket->after;
  return reply;
}

Result<Reply> list_buckets(ObjectStore& objects, const RequestContext& context, const Document& request) {
  const std::string_view prefix = text(request, "Prefix");
  const std::string_view region = text(request, "BucketRegion");
  const std::size_t max =
      static_cast<std::size_t>(std::clamp<std::int64_t>(request.int_or("MaxBuckets", 10'000), 1, 10'000));
  std::string after;
  if (const auto token = text(request, "ContinuationToken"); !token.empty()) {
    const auto decoded = crypto::base64url_decode(token);
    if (!decoded) return Error(store::kInvalidArgument, "The continuation token provided is incorrect");
    after = *decoded;
  }
  Document buckets = Document::array();
  Reply reply;
  const auto all = objects.buckets(account_of(context));
  reply.after = objects.last_removal();
  for (const store::BucketPointer& bucket : all) {
    if (bucket->name <= after || !bucket->name.starts_with(prefix)) continue;
    if (!region.empty() && bucket->region != region) continue;
    if (buckets.as_array().size() == max) {
      reply.output.set("ContinuationToken", crypto::base64url_encode(buckets.as_array().back().string_or("Name", "")));
      break;
    }
    reply.after = std::max(reply.after, bucket->after);
    buckets.push(Document::object(
        {{"Name", bucket->name}, {"CreationDate", timestamp(bucket->created)}, {"BucketRegion", bucket->region}}));
  }
  reply.output.set("Buckets", std::move(buckets)).set("Owner", owner_of(context));
  reply.output.set_if(!prefix.empty(), "Prefix", prefix);
  return reply;
}

Result<Reply> get_bucket_location(ObjectStore& objects, const RequestContext& context, const Document& request) {
  MR_ASSIGN_OR_RETURN(const store::BucketPointer bucket, objects.bucket(account_of(context), text(request, "Bucket")));
  Reply reply;
  reply.output.set_if(bucket->region != kHomeRegion, "LocationConstraint", bucket->region);
  reply.after = bucket->after;
  return reply;
}

Result<Reply> get_bucket_acl(ObjectStore& objects, const RequestContext& context, const Document& request) {
  MR_ASSIGN_OR_RETURN(const store::BucketPointer bucket, objects.bucket(account_of(context), text(request, "Bucket")));
  Reply reply;
  reply.output.set("Owner", owner_of(context)).set("Grants", private_acl(context));
  reply.after = bucket->after;
  return reply;
}

Result<Reply> get_object_acl(ObjectStore& objects, const RequestContext& context, const Document& request) {
  MR_ASSIGN_OR_RETURN(const store::ObjectInfo info,
                      objects.head_object(account_of(context), text(request, "Bucket"), text(request, "Key")));
  Reply reply;
  reply.output.set("Owner", owner_of(context)).set("Grants", private_acl(context));
  reply.after = info.after;
  return reply;
}

// A bucket that never had versions answers an empty document.
Result<Reply> get_bucket_versioning(ObjectStore& objects, const RequestContext& context, const Document& request) {
  MR_ASSIGN_OR_RETURN(const store::BucketPointer bucket, objects.bucket(account_of(context), text(request, "Bucket")));
  Reply reply;
  reply.after = bucket->after;
  return reply;
}

Result<Reply> put_bucket_versioning(ObjectStore& objects, const RequestContext& context, const Document& request) {
  MR_RETURN_IF_ERROR(objects.bucket(account_of(context), text(request, "Bucket")));
  const Document* configuration = request.find("VersioningConfiguration");
  const std::string_view status = configuration == nullptr ? "" : text(*configuration, "Status");
  return Error(kNotImplemented,
               "Versioning of buckets (Status " + std::string(status) + ") is not implemented by millrace.");
}

}  // namespace millrace::api_s3
