// AWS::S3::Bucket
#include "resources/type_base.h"
#include "resources/types.h"

namespace millrace::resources {
namespace s3_bucket {

Document renamed(const Document& from, std::initializer_list<std::pair<std::string_view, std::string_view>> names) {
  Document out = Document::object();
  for (const auto& [before, after] : names) {
    if (const Document* value = from.find(before)) out.set(after, *value);
  }
  return out;
}

Document transition(const Document& given) {
  return renamed(given, {{"StorageClass", "StorageClass"}, {"TransitionInDays", "Days"}, {"TransitionDate", "Date"}});
}

Document noncurrent_transition(const Document& given) {
  return renamed(given, {{"StorageClass", "StorageClass"},
                         {"TransitionInDays", "NoncurrentDays"},
                         {"NewerNoncurrentVersions", "NewerNoncurrentVersions"}});
}

// The filter of a rule: its conditions one by one, or below And when there are several.
Document rule_filter(const Document& rule) {
  Document conditions = pick(rule, {"Prefix", "ObjectSizeGreaterThan", "ObjectSizeLessThan"});
  const auto& tags = list_of(rule.find("TagFilters"));
  if (conditions.as_object().size() + tags.size() <= 1) {
    if (!tags.empty()) conditions.set("Tag", tags.front());
    if (conditions.as_object().empty()) conditions.set("Prefix", "");
    return conditions;
  }
  if (!tags.empty()) conditions.set("Tags", Document(tags));
  return Document::object({{"And", std::move(conditions)}});
}

// AWS: CloudFormation's rules name some members differently.
Document lifecycle_rule(const Document& rule) {
  Document out = renamed(rule, {{"Id", "ID"},
                                {"Status", "Status"},
                                {"AbortIncompleteMultipartUpload", "AbortIncompleteMultipartUpload"},
                                {"NoncurrentVersionExpiration", "NoncurrentVersionExpiration"}});
  out.set("Filter", rule_filter(rule));
  const Document expiration = renamed(rule, {{"ExpirationInDays", "Days"},
                                             {"ExpirationDate", "Date"},
                                             {"ExpiredObjectDeleteMarker", "ExpiredObjectDeleteMarker"}});
  if (!expiration.as_object().empty()) out.set("Expiration", expiration);
  if (const Document* days = rule.find("NoncurrentVersionExpirationInDays")) {
    out.set("NoncurrentVersionExpiration", Document::object({{"NoncurrentDays", *days}}));
  }
  Document transitions = Document::array();
  if (const Document* one = rule.find("Transition")) transitions.push(transition(*one));
  for (const auto& one : list_of(rule.find("Transitions"))) transitions.push(transition(one));
  if (!transitions.as_array().empty()) out.set("Transitions", std::move(transitions));
  Document noncurrent = Document::array();
  if (const Document* one = rule.find("NoncurrentVersionTransition")) noncurrent.push(noncurrent_transition(*one));
  for (const auto& one : list_of(rule.find("NoncurrentVersionTransitions"))) {
    noncurrent.push(noncurrent_transition(one));
  }
  if (!noncurrent.as_array().empty()) out.set("NoncurrentVersionTransitions", std::move(noncurrent));
  return out;
}

Document notifications(const Document& given, std::string_view list, std::string_view target, std::string_view arn) {
  Document out = Document::array();
  for (const auto& one : list_of(given.find(list))) {
    Document configuration = Document::object();
    configuration.set(arn, text_of(one, target)).set("Events", Document::array({text_of(one, "Event")}));
    const Document* filter = one.find("Filter");
    const Document* key = filter == nullptr ? nullptr : filter->find("S3Key");
    if (key != nullptr) {
      const Document rules = Document(list_of(key->find("Rules")));
      configuration.set("Filter", Document::object({{"Key", Document::object({{"FilterRules", rules}})}}));
    }
    out.push(std::move(configuration));
  }
  return out;
}

Document notification_configuration(const Document* given) {
  Document out = Document::object();
  if (given == nullptr) return out;
  out.set("LambdaFunctionConfigurations",
          notifications(*given, "LambdaConfigurations", "Function", "LambdaFunctionArn"));
  out.set("QueueConfigurations", notifications(*given, "QueueConfigurations", "Queue", "QueueArn"));
  out.set("TopicConfigurations", notifications(*given, "TopicConfigurations", "Topic", "TopicArn"));
  if (const Document* bridge = given->find("EventBridgeConfiguration")) {
    // Enabled by being there, unless it says otherwise.
    if (text_of(*bridge, "EventBridgeEnabled") != "false") out.set("EventBridgeConfiguration", Document::object());
  }
  return out;
}

// Rules with AES256 as the operation takes them; empty when a key of KMS is asked for, which is recorded.
Document encryption_rules(const Document* given) {
  Document rules = Document::array();
  const Document* configuration = given == nullptr ? nullptr : given->find("ServerSideEncryptionConfiguration");
  for (const auto& rule : list_of(configuration)) {
    const Document* by_default = rule.find("ServerSideEncryptionByDefault");
    if (by_default == nullptr || text_of(*by_default, "SSEAlgorithm") != "AES256") continue;
    const Document algorithm = Document::object({{"SSEAlgorithm", "AES256"}});
    rules.push(Document::object({{"ApplyServerSideEncryptionByDefault", algorithm}}));
  }
  return rules;
}

class Type final : public TypeBase {
 public:
  Type()
      : TypeBase("AWS::S3::Bucket",
                 {recorded("AbacStatus"),
                  recorded("AccelerateConfiguration"),
                  recorded("AccessControl"),
                  recorded("AnalyticsConfigurations"),
                  {"BucketEncryption"},
                  {"BucketName", Update::kReplace},
                  recorded("CorsConfiguration"),
                  recorded("IntelligentTieringConfigurations"),
                  recorded("InventoryConfigurations"),
                  {"LifecycleConfiguration"},
                  recorded("LoggingConfiguration"),
                  recorded("MetadataConfiguration"),
                  recorded("MetadataTableConfiguration"),
                  recorded("MetricsConfigurations"),
                  {"NotificationConfiguration"},
                  recorded("ObjectLockConfiguration"),
                  recorded("ObjectLockEnabled"),
                  {"OwnershipControls"},
                  {"PublicAccessBlockConfiguration"},
                  recorded("ReplicationConfiguration"),
                  {"Tags"},
                  recorded("VersioningConfiguration"),
                  recorded("WebsiteConfiguration")},
                 {"Arn", "DomainName", "DualStackDomainName", "RegionalDomainName", "WebsiteURL"}) {}

  // In us-east-1 CreateBucket succeeds for a bucket that one has.
  Result<bool> exists(const Work& work) const override {
    return work.call("s3", "HeadBucket", Document::object({{"Bucket", name_of(work)}})).ok();
  }

  Result<Resource> create(const Work& work) const override {
    const std::string name = name_of(work);
    Document input = Document::object({{"Bucket", name}});
    if (const std::string& region = work.caller.scope.region; region != "us-east-1") {
      input.set("CreateBucketConfiguration", Document::object({{"LocationConstraint", region}}));
    }
    MR_RETURN_IF_ERROR(work.call("s3", "CreateBucket", std::move(input)));
    work.created(name);
    MR_RETURN_IF_ERROR(configure(work, name));
    return resource(work, name);
  }

  Result<Resource> update(const Work& work) const override {
    MR_RETURN_IF_ERROR(configure(work, work.physical_id));
    return resource(work, work.physical_id);
  }

  Result<void> remove(const Work& work) const override {
    return ignore_gone(work.call("s3", "DeleteBucket", Document::object({{"Bucket", name_of(work)}})));
  }

  Result<Resource> read(const Work& work) const override {
    const std::string name = name_of(work);
    MR_RETURN_IF_ERROR(work.call("s3", "HeadBucket", Document::object({{"Bucket", name}})));
    return resource(work, name);
  }

 private:
  static std::string name_of(const Work& work) { return work.name_or_generated("BucketName", 63, true); }

  // Puts or takes away one part of the configuration, if it differs from what was there.
  static Result<void> part(const Work& work, const std::string& name, std::string_view property,
                           std::string_view operation, std::string_view member, const Document& value,
                           std::string_view removal) {
    if (!differs(work, property)) return {};
    Document input = Document::object({{"Bucket", name}});
    if (!value.is_null()) {
      input.set(member, value);
      MR_RETURN_IF_ERROR(work.call("s3", operation, std::move(input)));
    } else if (work.old_properties.find(property) != nullptr) {
      return ignore_gone(work.call("s3", removal, std::move(input)));
    }
    return {};
  }

  static Result<void> configure(const Work& work, const std::string& name) {
    const Document encryption = encryption_rules(work.property("BucketEncryption"));
    MR_RETURN_IF_ERROR(part(work, name, "BucketEncryption", "PutBucketEncryption", "ServerSideEncryptionConfiguration",
                            encryption.as_array().empty() ? Document() : Document::object({{"Rules", encryption}}),
                            "DeleteBucketEncryption"));
    Document rules = Document::array();
    if (const Document* lifecycle = work.property("LifecycleConfiguration")) {
      for (const auto& rule : list_of(lifecycle->find("Rules"))) rules.push(lifecycle_rule(rule));
    }
    MR_RETURN_IF_ERROR(
        part(work, name, "LifecycleConfiguration", "PutBucketLifecycleConfiguration", "LifecycleConfiguration",
             rules.as_array().empty() ? Document() : Document::object({{"Rules", rules}}), "DeleteBucketLifecycle"));
    const Document* ownership = work.property("OwnershipControls");
    MR_RETURN_IF_ERROR(part(work, name, "OwnershipControls", "PutBucketOwnershipControls", "OwnershipControls",
                            ownership == nullptr ? Document() : *ownership, "DeleteBucketOwnershipControls"));
    const Document* access = work.property("PublicAccessBlockConfiguration");
    MR_RETURN_IF_ERROR(part(work, name, "PublicAccessBlockConfiguration", "PutPublicAccessBlock",
                            "PublicAccessBlockConfiguration", access == nullptr ? Document() : *access,
                            "DeletePublicAccessBlock"));
    const Document tags = tag_list(work, work.properties);
    if (tags_differ(work) || work.old_properties.as_object().empty()) {
      Document input = Document::object({{"Bucket", name}});
      if (!tags.as_array().empty()) {
        input.set("Tagging", Document::object({{"TagSet", tags}}));
        MR_RETURN_IF_ERROR(work.call("s3", "PutBucketTagging", std::move(input)));
      } else if (!tag_list(work, work.old_properties).as_array().empty()) {
        MR_RETURN_IF_ERROR(ignore_gone(work.call("s3", "DeleteBucketTagging", std::move(input))));
      }
    }
    if (differs(work, "NotificationConfiguration")) {
      MR_RETURN_IF_ERROR(
          work.call("s3", "PutBucketNotificationConfiguration",
                    Document::object({{"Bucket", name},
                                      {"NotificationConfiguration",
                                       notification_configuration(work.property("NotificationConfiguration"))}})));
    }
    return {};
  }

  static Resource resource(const Work& work, const std::string& name) {
    const std::string& region = work.caller.scope.region;
    return {name,
            Document::object({{"Arn", "arn:aws:s3:::" + name},
                              {"DomainName", name + ".s3.amazonaws.com"},
                              {"DualStackDomainName", name + ".s3.dualstack." + region + ".amazonaws.com"},
                              {"RegionalDomainName", name + ".s3." + region + ".amazonaws.com"},
                              {"WebsiteURL", "http://" + name + ".s3-website-" + region + ".amazonaws.com"}}),
            ""};
  }
};

}  // namespace s3_bucket

std::unique_ptr<stacks::ResourceType> make_s3_bucket() { return std::make_unique<s3_bucket::Type>(); }

}  // namespace millrace::resources
