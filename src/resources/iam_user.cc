// AWS::IAM::User
#include "resources/iam_identity.h"
#include "resources/types.h"

namespace millrace::resources {
namespace iam_user {

class Type final : public TypeBase {
 public:
  Type()
      : TypeBase("AWS::IAM::User",
                 {{"Groups"},
                  recorded("LoginProfile"),
                  {"ManagedPolicyArns"},
                  {"Path"},
                  recorded("PermissionsBoundary"),
                  {"Policies"},
                  {"Tags"},
                  {"UserName", Update::kReplace}},
                 {"Arn"}) {}

  Result<Resource> create(const Work& work) const override {
    const std::string name = name_of(work);
    Document input = pick(work.properties, {"Path"});
    input.set("UserName", name).set("Tags", tag_list(work, work.properties));
    MR_RETURN_IF_ERROR(work.call("iam", "CreateUser", std::move(input)));
    work.created(name);
    MR_RETURN_IF_ERROR(iam_identity::set_policies(work, "User", name));
    MR_RETURN_IF_ERROR(set_groups(work, name));
    return read(work);
  }

  Result<Resource> update(const Work& work) const override {
    const std::string& name = work.physical_id;
    MR_RETURN_IF_ERROR(iam_identity::update_path(work, "User", name));
    MR_RETURN_IF_ERROR(iam_identity::set_policies(work, "User", name));
    MR_RETURN_IF_ERROR(set_groups(work, name));
    MR_RETURN_IF_ERROR(update_tags(work, {"iam", "UntagUser", "TagUser", Document::object({{"UserName", name}})},
                                   tag_list(work, work.properties)));
    return read(work);
  }

  Result<void> remove(const Work& work) const override {
    const std::string name = name_of(work);
    MR_RETURN_IF_ERROR(iam_identity::drop_policies(work, "User", name));
    for (const auto& group : texts_of(work.property("Groups"))) MR_RETURN_IF_ERROR(leave(work, name, group));
    return ignore_gone(work.call("iam", "DeleteUser", Document::object({{"UserName", name}})));
  }

  Result<Resource> read(const Work& work) const override {
    const std::string name = name_of(work);
    MR_ASSIGN_OR_RETURN(const Document found, work.call("iam", "GetUser", Document::object({{"UserName", name}})));
    const Document* user = found.find("User");
    return Resource{name, Document::object({{"Arn", user == nullptr ? "" : user->string_or("Arn", "")}}), ""};
  }

 private:
  static std::string name_of(const Work& work) { return work.name_or_generated("UserName", 64); }
  static Result<void> leave(const Work& work, const std::string& name, const std::string& group) {
    return ignore_gone(
        work.call("iam", "RemoveUserFromGroup", Document::object({{"UserName", name}, {"GroupName", group}})));
  }
  static Result<void> set_groups(const Work& work, const std::string& name) {
    const auto wanted = texts_of(work.property("Groups"));
    for (const auto& group : texts_of(work.old_properties.find("Groups"))) {
      if (!wanted.contains(group)) MR_RETURN_IF_ERROR(leave(work, name, group));
    }
    for (const auto& group : wanted) {
      MR_RETURN_IF_ERROR(
          work.call("iam", "AddUserToGroup", Document::object({{"UserName", name}, {"GroupName", group}})));
    }
    return {};
  }
};

}  // namespace iam_user

std::unique_ptr<stacks::ResourceType> make_iam_user() { return std::make_unique<iam_user::Type>(); }

}  // namespace millrace::resources
