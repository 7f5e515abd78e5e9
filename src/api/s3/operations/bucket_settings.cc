#include <map>

#include "api/s3/operations.h"
#include "s3/limits.h"

namespace millrace::api_s3 {
namespace {

constexpr ErrorType kNoPublicAccessBlock{"NoSuchPublicAccessBlockConfiguration", 404};
constexpr ErrorType kNoOwnershipControls{"OwnershipControlsNotFoundError", 404};
constexpr ErrorType kNoTagSet{"NoSuchTagSet", 404};

Error malformed_xml() {
  return Error(store::kMalformedXml,
               "The XML you provided was not well-formed or did not validate against our published schema");
}

Result<store::BucketPointer> bucket_of(const ObjectStore& objects, const RequestContext& context,
                                       const Document& request) {
  return objects.bucket(account_of(context), text(request, "Bucket"));
}

// nullptr: not set.
const Document* setting_of(const store::Bucket& bucket, const std::string& name) {
  const auto at = bucket.settings.find(name);
  return at == bucket.settings.end() ? nullptr : &at->second;
}

Result<Reply> set_setting(ObjectStore& objects, const RequestContext& context, const Document& request,
                          std::string_view name, std::optional<Document> document) {
  Reply reply;
  MR_ASSIGN_OR_RETURN(reply.after,
                      objects.set_setting(account_of(context), text(request, "Bucket"), name, std::move(document)));
  return reply;
}

// What is recorded, the default of new buckets, or, where it has been deleted (a null), that there is none.
Result<Reply> get_recorded(const ObjectStore& objects, const RequestContext& context, const Document& request,
                           const std::string& name, std::string_view member, Document otherwise, const Error& missing) {
  MR_ASSIGN_OR_RETURN(const store::BucketPointer bucket, bucket_of(objects, context, request));
  const Document* setting = setting_of(*bucket, name);
  if (setting != nullptr && setting->is_null()) return Error(missing).hold_until(bucket->after);
  Reply reply;
  reply.output.set(member, setting == nullptr ? std::move(otherwise) : *setting);
  reply.after = bucket->after;
  return reply;
}

Document encryption_default() {
  Document rule =
      Document::object({{"ApplyServerSideEncryptionByDefault", Document::object({{"SSEAlgorithm", "AES256"}})},
                        {"BucketKeyEnabled", false}});
  return Document::object({{"Rules", Document::array({std::move(rule)})}});
}

}  // namespace

Result<Reply> put_bucket_lifecycle(ObjectStore& objects, const RequestContext& context, const Document& request) {
  MR_RETURN_IF_ERROR(check_body(context));
  const Document* sent = request.find("LifecycleConfiguration");
  if (sent == nullptr || !sent->is_object()) return malformed_xml();
  Document document = *sent;
  const std::string_view minimum = text(request, "TransitionDefaultMinimumObjectSize");
  document.set("TransitionDefaultMinimumObjectSize", minimum.empty() ? "all_storage_classes_128K" : minimum);
  MR_ASSIGN_OR_RETURN(store::LifecycleConfiguration rules, store::parse_lifecycle(std::move(document)));
  Reply reply;
  reply.output.set("TransitionDefaultMinimumObjectSize", *rules.document.find("TransitionDefaultMinimumObjectSize"));
  MR_ASSIGN_OR_RETURN(reply.after,
                      objects.set_lifecycle(account_of(context), text(request, "Bucket"), std::move(rules)));
  return reply;
}

Result<Reply> get_bucket_lifecycle(ObjectStore& objects, const RequestContext& context, const Document& request) {
  MR_ASSIGN_OR_RETURN(const store::BucketPointer bucket, bucket_of(objects, context, request));
  if (!bucket->lifecycle) {
    return Error(store::kNoSuchLifecycleConfiguration, "The lifecycle configuration does not exist")
        .with("BucketName", Document(bucket->name).dump())
        .hold_until(bucket->after);
  }
  Reply reply;
  reply.output = bucket->lifecycle->document;
  reply.after = bucket->after;
  return reply;
}

Result<Reply> delete_bucket_lifecycle(ObjectStore& objects, const RequestContext& context, const Document& request) {
  Reply reply;
  MR_ASSIGN_OR_RETURN(reply.after, objects.set_lifecycle(account_of(context), text(request, "Bucket"), std::nullopt));
  return reply;
}

Result<Reply> put_bucket_encryption(ObjectStore& objects, const RequestContext& context, const Document& request) {
  MR_RETURN_IF_ERROR(check_body(context));
  const Document* sent = request.find("ServerSideEncryptionConfiguration");
  const Document* rules = sent == nullptr ? nullptr : sent->find("Rules");
  if (rules == nullptr || !rules->is_array() || rules->as_array().size() != 1) return malformed_xml();
  const Document& rule = rules->as_array().front();
  if (rule.find("BlockedEncryptionTypes") != nullptr) {
    return Error(kNotImplemented, "The member BlockedEncryptionTypes is not implemented by millrace.");
  }
  const Document* by_default = rule.find("ApplyServerSideEncryptionByDefault");
  const std::string_view algorithm = by_default == nullptr ? "AES256" : text(*by_default, "SSEAlgorithm");
  MR_RETURN_IF_ERROR(check_encryption(Document::object({{"ServerSideEncryption", algorithm}})));
  if (by_default != nullptr && by_default->find("KMSMasterKeyID") != nullptr) {
    return Error(store::kInvalidArgument,
                 "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse");
  }
  return set_setting(objects, context, request, "encryption", *sent);
}

Result<Reply> get_bucket_encryption(ObjectStore& objects, const RequestContext& context, const Document& request) {
  return get_recorded(objects, context, request, "encryption", "ServerSideEncryptionConfiguration",
                      encryption_default(), Error(kInternalError, ""));
}

// AWS: back to the encryption that every bucket has.
Result<Reply> delete_bucket_encryption(ObjectStore& objects, const RequestContext& context, const Document& request) {
  return set_setting(objects, context, request, "encryption", std::nullopt);
}

Result<Reply> put_bucket_tagging(ObjectStore& objects, const RequestContext& context, const Document& request) {
  MR_RETURN_IF_ERROR(check_body(context));
  const Document* tagging = request.find("Tagging");
  MR_ASSIGN_OR_RETURN(const store::Tags tags,
                      tags_of(tagging == nullptr ? Document::object() : *tagging, store::kBucketTagsMax));
  MR_ASSIGN_OR_RETURN(Reply reply,
                      set_setting(objects, context, request, "tagging",
                                  tags.empty() ? std::optional<Document>() : std::optional(to_document(tags))));
  reply.status = 204;  // AWS: unlike other settings
  return reply;
}

Result<Reply> get_bucket_tagging(ObjectStore& objects, const RequestContext& context, const Document& request) {
  MR_ASSIGN_OR_RETURN(const store::BucketPointer bucket, bucket_of(objects, context, request));
  const Document* tags = setting_of(*bucket, "tagging");
  if (tags == nullptr) {
    return Error(kNoTagSet, "The TagSet does not exist")
        .with("BucketName", Document(bucket->name).dump())
        .hold_until(bucket->after);
  }
  Reply reply;
  reply.output.set("TagSet", *tags);
  reply.after = bucket->after;
  return reply;
}

Result<Reply> delete_bucket_tagging(ObjectStore& objects, const RequestContext& context, const Document& request) {
  return set_setting(objects, context, request, "tagging", std::nullopt);
}

// Recorded: nothing here is public, whatever it says.
Result<Reply> put_public_access_block(ObjectStore& objects, const RequestContext& context, const Document& request) {
  MR_RETURN_IF_ERROR(check_body(context));
  const Document* sent = request.find("PublicAccessBlockConfiguration");
  if (sent == nullptr) return malformed_xml();
  Document complete = Document::object();
  for (const char* name : {"BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"}) {
    complete.set(name, sent->bool_or(name, false));
  }
  return set_setting(objects, context, request, "publicAccessBlock", std::move(complete));
}

Result<Reply> get_public_access_block(ObjectStore& objects, const RequestContext& context, const Document& request) {
  return get_recorded(objects, context, request, "publicAccessBlock", "PublicAccessBlockConfiguration",
                      Document::object({{"BlockPublicAcls", true},
                                        {"IgnorePublicAcls", true},
                                        {"BlockPublicPolicy", true},
                                        {"RestrictPublicBuckets", true}}),
                      Error(kNoPublicAccessBlock, "The public access block configuration was not found"));
}

Result<Reply> delete_public_access_block(ObjectStore& objects, const RequestContext& context, const Document& request) {
  return set_setting(objects, context, request, "publicAccessBlock", Document());
}

// Recorded: there are no ACLs that it could enable.
Result<Reply> put_ownership_controls(ObjectStore& objects, const RequestContext& context, const Document& request) {
  MR_RETURN_IF_ERROR(check_body(context));
  const Document* sent = request.find("OwnershipControls");
  const Document* rules = sent == nullptr ? nullptr : sent->find("Rules");
  if (rules == nullptr || !rules->is_array() || rules->as_array().size() != 1) return malformed_xml();
  return set_setting(objects, context, request, "ownershipControls", *sent);
}

Result<Reply> get_ownership_controls(ObjectStore& objects, const RequestContext& context, const Document& request) {
  Document rules = Document::array({Document::object({{"ObjectOwnership", "BucketOwnerEnforced"}})});
  return get_recorded(objects, context, request, "ownershipControls", "OwnershipControls",
                      Document::object({{"Rules", std::move(rules)}}),
                      Error(kNoOwnershipControls, "The bucket ownership controls were not found"));
}

Result<Reply> delete_ownership_controls(ObjectStore& objects, const RequestContext& context, const Document& request) {
  return set_setting(objects, context, request, "ownershipControls", Document());
}

}  // namespace millrace::api_s3
