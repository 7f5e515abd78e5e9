// AWS::ECR::Repository: kept and shown by ECR; there is no registry here.
#include "resources/type_base.h"
#include "resources/types.h"

namespace millrace::resources {
namespace ecr_repository {

Document scanning(const Document* given) {
  const bool on = given != nullptr && text_of(*given, "ScanOnPush") == "true";
  return Document::object({{"scanOnPush", on}});
}

class Type final : public TypeBase {
 public:
  Type()
      : TypeBase("AWS::ECR::Repository",
                 {recorded("EmptyOnDelete"),
                  recorded("EncryptionConfiguration", Update::kReplace),
                  recorded("ImageScanningConfiguration"),
                  recorded("ImageTagMutability"),
                  recorded("ImageTagMutabilityExclusionFilters"),
                  recorded("LifecyclePolicy"),
                  {"RepositoryName", Update::kReplace},
                  recorded("RepositoryPolicyText"),
                  {"Tags"}},
                 {"Arn", "RepositoryUri"}) {}

  Result<Resource> create(const Work& work) const override {
    const std::string name = name_of(work);
    Document input = named(name);
    input.set("tags", tag_list(work, work.properties));
    input.set("imageScanningConfiguration", scanning(work.property("ImageScanningConfiguration")));
    set_mutability(work, input);
    if (const Document* given = work.property("EncryptionConfiguration")) {
      Document encryption = Document::object({{"encryptionType", text_of(*given, "EncryptionType")}});
      if (const Document* key = given->find("KmsKey")) encryption.set("kmsKey", *key);
      input.set("encryptionConfiguration", std::move(encryption));
    }
    MR_RETURN_IF_ERROR(work.call("ecr", "CreateRepository", std::move(input)));
    work.created(name);
    MR_RETURN_IF_ERROR(set_policies(work, name));
    return resource(work, name);
  }

  Result<Resource> update(const Work& work) const override {
    const std::string& name = work.physical_id;
    if (differs(work, "ImageScanningConfiguration")) {
      Document input = named(name);
      input.set("imageScanningConfiguration", scanning(work.property("ImageScanningConfiguration")));
      MR_RETURN_IF_ERROR(work.call("ecr", "PutImageScanningConfiguration", std::move(input)));
    }
    if (any_differs(work, {"ImageTagMutability", "ImageTagMutabilityExclusionFilters"})) {
      Document input = named(name);
      set_mutability(work, input);
      MR_RETURN_IF_ERROR(work.call("ecr", "PutImageTagMutability", std::move(input)));
    }
    MR_RETURN_IF_ERROR(set_policies(work, name));
    const Resource made = resource(work, name);
    MR_RETURN_IF_ERROR(
        update_tags(work,
                    {"ecr", "UntagResource", "TagResource",
                     Document::object({{"resourceArn", text_of(made.attributes, "Arn")}}), "tagKeys", "tags"},
                    tag_list(work, work.properties)));
    return made;
  }

  Result<void> remove(const Work& work) const override {
    return ignore_gone(work.call("ecr", "DeleteRepository", named(name_of(work))));
  }

  Result<Resource> read(const Work& work) const override {
    const std::string name = name_of(work);
    Document input = Document::object({{"repositoryNames", Document::array({name})}});
    MR_RETURN_IF_ERROR(work.call("ecr", "DescribeRepositories", std::move(input)));
    return resource(work, name);
  }

 private:
  static std::string name_of(const Work& work) { return work.name_or_generated("RepositoryName", 256, true); }
  static Document named(const std::string& name) { return Document::object({{"repositoryName", name}}); }

  static void set_mutability(const Work& work, Document& input) {
    const Document* given = work.property("ImageTagMutability");
    input.set("imageTagMutability", given == nullptr ? "MUTABLE" : text_of(given));
    Document filters = Document::array();
    for (const auto& filter : list_of(work.property("ImageTagMutabilityExclusionFilters"))) {
      filters.push(Document::object({{"filterType", text_of(filter, "ImageTagMutabilityExclusionFilterType")},
                                     {"filter", text_of(filter, "ImageTagMutabilityExclusionFilterValue")}}));
    }
    if (!filters.as_array().empty()) input.set("imageTagMutabilityExclusionFilters", std::move(filters));
  }

  static Result<void> set_policies(const Work& work, const std::string& name) {
    if (differs(work, "LifecyclePolicy")) {
      const Document* policy = work.property("LifecyclePolicy");
      const std::string text = policy == nullptr ? "" : text_of(*policy, "LifecyclePolicyText");
      MR_RETURN_IF_ERROR(
          put_or_delete(work, name, text, "PutLifecyclePolicy", "lifecyclePolicyText", "DeleteLifecyclePolicy"));
    }
    if (differs(work, "RepositoryPolicyText")) {
      MR_RETURN_IF_ERROR(put_or_delete(work, name, text_of(work.property("RepositoryPolicyText")),
                                       "SetRepositoryPolicy", "policyText", "DeleteRepositoryPolicy"));
    }
    return {};
  }

  static Result<void> put_or_delete(const Work& work, const std::string& name, const std::string& text,
                                    std::string_view put, std::string_view member, std::string_view removal) {
    if (text.empty()) return ignore_gone(work.call("ecr", removal, named(name)));
    Document input = named(name);
    MR_RETURN_IF_ERROR(work.call("ecr", put, std::move(input.set(member, text))));
    return {};
  }

  static Resource resource(const Work& work, const std::string& name) {
    const Scope& scope = work.caller.scope;
    return {
        name,
        Document::object({{"Arn", "arn:aws:ecr:" + scope.region + ":" + scope.account + ":repository/" + name},
                          {"RepositoryUri", scope.account + ".dkr.ecr." + scope.region + ".amazonaws.com/" + name}}),
        ""};
  }
};

}  // namespace ecr_repository

std::unique_ptr<stacks::ResourceType> make_ecr_repository() { return std::make_unique<ecr_repository::Type>(); }

}  // namespace millrace::resources
