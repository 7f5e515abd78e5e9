// AWS::IAM::Role
#include "resources/iam_identity.h"
#include "resources/types.h"

namespace millrace::resources {
namespace iam_role {

class Type final : public TypeBase {
 public:
  Type()
      : TypeBase("AWS::IAM::Role",
                 {{"AssumeRolePolicyDocument", Update::kInPlace, Effect::kEffective, kRequired},
                  {"Description"},
                  {"ManagedPolicyArns"},
                  {"MaxSessionDuration"},
                  {"Path", Update::kReplace},
                  recorded("PermissionsBoundary"),
                  {"Policies"},
                  {"RoleName", Update::kReplace},
                  {"Tags"}},
                 {"Arn", "RoleId"}) {}

  Result<Resource> create(const Work& work) const override {
    const std::string name = work.name_or_generated("RoleName", 64);
    Document input = pick(work.properties, {"Description", "MaxSessionDuration", "Path"});
    input.set("RoleName", name).set("AssumeRolePolicyDocument", text_of(work.properties, "AssumeRolePolicyDocument"));
    input.set("Tags", tag_list(work, work.properties));
    MR_ASSIGN_OR_RETURN(const Document made, work.call("iam", "CreateRole", std::move(input)));
    work.created(name);
    MR_RETURN_IF_ERROR(iam_identity::set_policies(work, "Role", name));
    return resource(name, made);
  }

  Result<Resource> update(const Work& work) const override {
    const std::string& name = work.physical_id;
    if (differs(work, "AssumeRolePolicyDocument")) {
      MR_RETURN_IF_ERROR(
          work.call("iam", "UpdateAssumeRolePolicy",
                    Document::object({{"RoleName", name},
                                      {"PolicyDocument", text_of(work.properties, "AssumeRolePolicyDocument")}})));
    }
    if (any_differs(work, {"Description", "MaxSessionDuration"})) {
      Document input = Document::object({{"Description", ""}, {"MaxSessionDuration", 3600}});
      copy_members(work.properties, input, {"Description", "MaxSessionDuration"});
      MR_RETURN_IF_ERROR(work.call("iam", "UpdateRole", std::move(input.set("RoleName", name))));
    }
    MR_RETURN_IF_ERROR(iam_identity::set_policies(work, "Role", name));
    if (tags_differ(work))
      MR_RETURN_IF_ERROR(update_tags(work, {"iam", "UntagRole", "TagRole", Document::object({{"RoleName", name}})},
                                     tag_list(work, work.properties)));
    return read(work);
  }

  // Also takes away what the template gave it; what others attached makes the deletion fail, as on AWS.
  Result<void> remove(const Work& work) const override {
    const std::string name = work.name_or_generated("RoleName", 64);
    MR_RETURN_IF_ERROR(iam_identity::drop_policies(work, "Role", name));
    return ignore_gone(work.call("iam", "DeleteRole", Document::object({{"RoleName", name}})));
  }

  Result<Resource> read(const Work& work) const override {
    const std::string name = work.name_or_generated("RoleName", 64);
    MR_ASSIGN_OR_RETURN(const Document found, work.call("iam", "GetRole", Document::object({{"RoleName", name}})));
    return resource(name, found);
  }

 private:
  static Resource resource(const std::string& name, const Document& answer) {
    const Document* role = answer.find("Role");
    if (role == nullptr) return {name, Document::object(), ""};
    return {name, Document::object({{"Arn", role->string_or("Arn", "")}, {"RoleId", role->string_or("RoleId", "")}}),
            ""};
  }
};

}  // namespace iam_role

std::unique_ptr<stacks::ResourceType> make_iam_role() { return std::make_unique<iam_role::Type>(); }

}  // namespace millrace::resources
