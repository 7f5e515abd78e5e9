// AWS::IAM::Policy: an inline policy of roles, users and groups.
#include "resources/iam_identity.h"
#include "resources/types.h"

namespace millrace::resources {
namespace iam_policy {

class Type final : public TypeBase {
 public:
  Type()
      : TypeBase("AWS::IAM::Policy",
                 {{"Groups"}, required("PolicyDocument"), required("PolicyName"), {"Roles"}, {"Users"}}, {"Id"}) {}

  Result<Resource> create(const Work& work) const override {
    const std::string id = work.generated_name(128);
    MR_RETURN_IF_ERROR(check(work));
    work.created(id);
    MR_RETURN_IF_ERROR(put(work));
    return Resource{id, Document::object({{"Id", id}}), ""};
  }

  Result<Resource> update(const Work& work) const override {
    MR_RETURN_IF_ERROR(check(work));
    MR_RETURN_IF_ERROR(put(work));
    const bool renamed = differs(work, "PolicyName");
    for (const auto& [property, word] : iam_identity::kHolders) {
      const auto wanted = texts_of(work.property(property));
      for (const auto& holder : texts_of(work.old_properties.find(property))) {
        if (renamed || !wanted.contains(holder)) MR_RETURN_IF_ERROR(drop(work, work.old_properties, word, holder));
      }
    }
    return Resource{work.physical_id, Document::object({{"Id", work.physical_id}}), ""};
  }

  Result<void> remove(const Work& work) const override {
    for (const auto& [property, word] : iam_identity::kHolders) {
      for (const auto& holder : texts_of(work.property(property))) {
        MR_RETURN_IF_ERROR(drop(work, work.properties, word, holder));
      }
    }
    return {};
  }

 private:
  static Result<void> check(const Work& work) {
    for (const auto& [property, word] : iam_identity::kHolders) {
      if (!list_of(work.property(property)).empty()) return {};
    }
    return Error(kInvalidRequest, "At least one of [Groups,Roles,Users] must be non-empty.");
  }

  static Result<void> put(const Work& work) {
    for (const auto& [property, word] : iam_identity::kHolders) {
      for (const auto& holder : texts_of(work.property(property))) {
        MR_RETURN_IF_ERROR(
            work.call("iam", "Put" + std::string(word) + "Policy",
                      Document::object({{std::string(word) + "Name", holder},
                                        {"PolicyName", text_of(work.properties, "PolicyName")},
                                        {"PolicyDocument", text_of(work.properties, "PolicyDocument")}})));
      }
    }
    return {};
  }

  static Result<void> drop(const Work& work, const Document& properties, const std::string& word,
                           const std::string& holder) {
    return ignore_gone(
        work.call("iam", "Delete" + word + "Policy",
                  Document::object({{word + "Name", holder}, {"PolicyName", text_of(properties, "PolicyName")}})));
  }
};

}  // namespace iam_policy

std::unique_ptr<stacks::ResourceType> make_iam_policy() { return std::make_unique<iam_policy::Type>(); }

}  // namespace millrace::resources
