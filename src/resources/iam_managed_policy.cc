// AWS::IAM::ManagedPolicy
#include "resources/iam_identity.h"
#include "resources/types.h"

namespace millrace::resources {
namespace iam_managed_policy {

class Type final : public TypeBase {
 public:
  Type()
      : TypeBase("AWS::IAM::ManagedPolicy",
                 {{"Description", Update::kReplace},
                  {"Groups"},
                  {"ManagedPolicyName", Update::kReplace},
                  {"Path", Update::kReplace},
                  required("PolicyDocument"),
                  {"Roles"},
                  {"Tags"},
                  {"Users"}},
                 {"AttachmentCount", "CreateDate", "DefaultVersionId", "IsAttachable", "PermissionsBoundaryUsageCount",
                  "PolicyArn", "PolicyId", "UpdateDate"}) {}

  Result<Resource> create(const Work& work) const override {
    Document input = pick(work.properties, {"Description", "Path"});
    input.set("PolicyName", work.name_or_generated("ManagedPolicyName", 128));
    input.set("PolicyDocument", text_of(work.property("PolicyDocument"))).set("Tags", tag_list(work, work.properties));
    MR_ASSIGN_OR_RETURN(const Document made, work.call("iam", "CreatePolicy", std::move(input)));
    const Document* policy = made.find("Policy");
    const std::string arn = policy == nullptr ? "" : text_of(*policy, "Arn");
    work.created(arn);
    MR_RETURN_IF_ERROR(attach(work, arn));
    return described(work, arn);
  }

  Result<Resource> update(const Work& work) const override {
    const std::string& arn = work.physical_id;
    if (differs(work, "PolicyDocument")) MR_RETURN_IF_ERROR(new_version(work, arn));
    for (const auto& [property, word] : iam_identity::kHolders) {
      const auto wanted = texts_of(work.property(property));
      for (const auto& holder : texts_of(work.old_properties.find(property))) {
        if (!wanted.contains(holder)) MR_RETURN_IF_ERROR(iam_identity::detach(work, word, holder, arn));
      }
    }
    MR_RETURN_IF_ERROR(attach(work, arn));
    MR_RETURN_IF_ERROR(update_tags(work, {"iam", "UntagPolicy", "TagPolicy", Document::object({{"PolicyArn", arn}})},
                                   tag_list(work, work.properties)));
    return described(work, arn);
  }

  Result<void> remove(const Work& work) const override {
    const std::string arn = arn_of(work);
    for (const auto& [property, word] : iam_identity::kHolders) {
      for (const auto& holder : texts_of(work.property(property))) {
        MR_RETURN_IF_ERROR(iam_identity::detach(work, word, holder, arn));
      }
    }
    MR_RETURN_IF_ERROR(delete_old_versions(work, arn));
    return ignore_gone(work.call("iam", "DeletePolicy", Document::object({{"PolicyArn", arn}})));
  }

  Result<Resource> read(const Work& work) const override { return described(work, arn_of(work)); }

 private:
  static std::string arn_of(const Work& work) {
    if (!work.physical_id.empty()) return work.physical_id;
    const Document* path = work.property("Path");
    return "arn:aws:iam::" + work.caller.scope.account + ":policy" + (path == nullptr ? "/" : text_of(path)) +
           work.name_or_generated("ManagedPolicyName", 128);
  }

  // AWS keeps five versions: CloudFormation keeps one.
  static Result<void> new_version(const Work& work, const std::string& arn) {
    MR_RETURN_IF_ERROR(delete_old_versions(work, arn));
    MR_RETURN_IF_ERROR(work.call("iam", "CreatePolicyVersion",
                                 Document::object({{"PolicyArn", arn},
                                                   {"PolicyDocument", text_of(work.property("PolicyDocument"))},
                                                   {"SetAsDefault", true}})));
    return delete_old_versions(work, arn);
  }

  static Result<void> delete_old_versions(const Work& work, const std::string& arn) {
    auto listed = work.call("iam", "ListPolicyVersions", Document::object({{"PolicyArn", arn}}));
    if (!listed.ok()) return ignore_gone(std::move(listed));
    for (const auto& version : list_of(listed->find("Versions"))) {
      if (text_of(version, "IsDefaultVersion") == "true") continue;
      MR_RETURN_IF_ERROR(
          ignore_gone(work.call("iam", "DeletePolicyVersion",
                                Document::object({{"PolicyArn", arn}, {"VersionId", text_of(version, "VersionId")}}))));
    }
    return {};
  }

  static Result<void> attach(const Work& work, const std::string& arn) {
    for (const auto& [property, word] : iam_identity::kHolders) {
      for (const auto& holder : texts_of(work.property(property))) {
        MR_RETURN_IF_ERROR(iam_identity::attach(work, word, holder, arn));
      }
    }
    return {};
  }

  static Result<Resource> described(const Work& work, const std::string& arn) {
    MR_ASSIGN_OR_RETURN(const Document found, work.call("iam", "GetPolicy", Document::object({{"PolicyArn", arn}})));
    Resource resource{arn, Document::object({{"PolicyArn", arn}}), ""};
    if (const Document* policy = found.find("Policy")) {
      copy_members(
          *policy, resource.attributes,
          {"AttachmentCount", "DefaultVersionId", "IsAttachable", "PermissionsBoundaryUsageCount", "PolicyId"});
      for (const char* date : {"CreateDate", "UpdateDate"}) {
        resource.attributes.set(date, format_iso_s(from_unix_ms(policy->int_or(date, 0) * 1000)));
      }
    }
    return resource;
  }
};

}  // namespace iam_managed_policy

std::unique_ptr<stacks::ResourceType> make_iam_managed_policy() { return std::make_unique<iam_managed_policy::Type>(); }

}  // namespace millrace::resources
