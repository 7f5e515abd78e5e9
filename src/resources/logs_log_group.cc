// AWS::Logs::LogGroup
#include "resources/type_base.h"
#include "resources/types.h"

namespace millrace::resources {
namespace logs_log_group {

class Type final : public TypeBase {
 public:
  Type()
      : TypeBase("AWS::Logs::LogGroup",
                 {recorded("BearerTokenAuthenticationEnabled"),
                  recorded("DataProtectionPolicy"),
                  recorded("DeletionProtectionEnabled"),
                  recorded("FieldIndexPolicies"),
                  recorded("KmsKeyId"),
                  {"LogGroupClass", Update::kReplace},
                  {"LogGroupName", Update::kReplace},
                  recorded("ResourcePolicyDocument"),
                  {"RetentionInDays"},
                  {"Tags"}},
                 {"Arn"}) {}

  Result<Resource> create(const Work& work) const override {
    const std::string name = work.name_or_generated("LogGroupName", 512);
    Document input = Document::object({{"logGroupName", name}});
    if (const Document* log_class = work.property("LogGroupClass")) input.set("logGroupClass", *log_class);
    Document tags = tag_map(work, work.properties);  // at least one, or the member is left out
    if (!tags.as_object().empty()) input.set("tags", std::move(tags));
    MR_RETURN_IF_ERROR(work.call("logs", "CreateLogGroup", std::move(input)));
    work.created(name);
    MR_RETURN_IF_ERROR(set_retention(work, name));
    return resource(work, name);
  }

  Result<Resource> update(const Work& work) const override {
    const std::string& name = work.physical_id;
    if (differs(work, "RetentionInDays")) MR_RETURN_IF_ERROR(set_retention(work, name));
    if (tags_differ(work))
      MR_RETURN_IF_ERROR(update_tags(
          work, {"logs", "UntagLogGroup", "TagLogGroup", Document::object({{"logGroupName", name}}), "tags", "tags"},
          tag_map(work, work.properties)));
    return resource(work, name);
  }

  Result<void> remove(const Work& work) const override {
    return ignore_gone(work.call("logs", "DeleteLogGroup",
                                 Document::object({{"logGroupName", work.name_or_generated("LogGroupName", 512)}})));
  }

  Result<Resource> read(const Work& work) const override {
    const std::string name = work.name_or_generated("LogGroupName", 512);
    MR_ASSIGN_OR_RETURN(const Document found,
                        work.call("logs", "DescribeLogGroups", Document::object({{"logGroupNamePrefix", name}})));
    for (const Document& group : list_of(found.find("logGroups"))) {
      if (text_of(group, "logGroupName") == name) return resource(work, name);
    }
    return TypeBase::read(work);
  }

 private:
  static Result<void> set_retention(const Work& work, const std::string& name) {
    const Document* days = work.property("RetentionInDays");
    if (days == nullptr) {
      if (work.old_properties.find("RetentionInDays") == nullptr) return {};
      return ignore_gone(work.call("logs", "DeleteRetentionPolicy", Document::object({{"logGroupName", name}})));
    }
    MR_RETURN_IF_ERROR(work.call("logs", "PutRetentionPolicy",
                                 Document::object({{"logGroupName", name}, {"retentionInDays", *days}})));
    return {};
  }

  static Resource resource(const Work& work, const std::string& name) {
    const Scope& scope = work.caller.scope;
    return {
        name,
        Document::object({{"Arn", "arn:aws:logs:" + scope.region + ":" + scope.account + ":log-group:" + name + ":*"}}),
        ""};
  }
};

}  // namespace logs_log_group

std::unique_ptr<stacks::ResourceType> make_logs_log_group() { return std::make_unique<logs_log_group::Type>(); }

}  // namespace millrace::resources
