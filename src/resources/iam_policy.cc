// AWS::IAM::Policy: an inline policy of roles.
#include <set>

#include "resources/type_base.h"
#include "resources/types.h"

namespace millrace::resources {
namespace iam_policy {

class Type final : public TypeBase {
 public:
  Type()
      : TypeBase("AWS::IAM::Policy",
                 {{"Groups"},
                  {"PolicyDocument", Update::kInPlace, Effect::kEffective, kRequired},
                  {"PolicyName", Update::kInPlace, Effect::kEffective, kRequired},
                  {"Roles"},
                  {"Users"}},
                 {"Id"}) {}

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
    const auto roles = roles_of(work.properties);
    for (const auto& role : roles_of(work.old_properties)) {
      if (renamed || !roles.contains(role)) MR_RETURN_IF_ERROR(drop(work, work.old_properties, role));
    }
    return Resource{work.physical_id, Document::object({{"Id", work.physical_id}}), ""};
  }

  Result<void> remove(const Work& work) const override {
    for (const auto& role : roles_of(work.properties)) MR_RETURN_IF_ERROR(drop(work, work.properties, role));
    return {};
  }

 private:
  static std::set<std::string> roles_of(const Document& properties) {
    std::set<std::string> roles;
    for (const auto& role : list_of(properties.find("Roles"))) roles.insert(text_of(&role));
    return roles;
  }

  static Result<void> check(const Work& work) {
    if (!list_of(work.property("Users")).empty() || !list_of(work.property("Groups")).empty()) {
      return Error(kInvalidRequest, "Users and Groups of AWS::IAM::Policy are not supported by this server.");
    }
    if (roles_of(work.properties).empty()) {
      return Error(kInvalidRequest, "At least one of [Groups,Roles,Users] must be non-empty.");
    }
    return {};
  }

  static Result<void> put(const Work& work) {
    for (const auto& role : roles_of(work.properties)) {
      MR_RETURN_IF_ERROR(work.call("iam", "PutRolePolicy",
                                   Document::object({{"RoleName", role},
                                                     {"PolicyName", text_of(work.properties, "PolicyName")},
                                                     {"PolicyDocument", text_of(work.properties, "PolicyDocument")}})));
    }
    return {};
  }

  static Result<void> drop(const Work& work, const Document& properties, const std::string& role) {
    return ignore_gone(
        work.call("iam", "DeleteRolePolicy",
                  Document::object({{"RoleName", role}, {"PolicyName", text_of(properties, "PolicyName")}})));
  }
};

}  // namespace iam_policy

std::unique_ptr<stacks::ResourceType> make_iam_policy() { return std::make_unique<iam_policy::Type>(); }

}  // namespace millrace::resources
