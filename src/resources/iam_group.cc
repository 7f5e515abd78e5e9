// AWS::IAM::Group and AWS::IAM::UserToGroupAddition
#include "resources/iam_identity.h"
#include "resources/types.h"

namespace millrace::resources {
namespace iam_group {

class Group final : public TypeBase {
 public:
  Group()
      : TypeBase("AWS::IAM::Group", {{"GroupName", Update::kReplace}, {"ManagedPolicyArns"}, {"Path"}, {"Policies"}},
                 {"Arn"}) {}

  Result<Resource> create(const Work& work) const override {
    const std::string name = name_of(work);
    Document input = pick(work.properties, {"Path"});
    MR_RETURN_IF_ERROR(work.call("iam", "CreateGroup", std::move(input.set("GroupName", name))));
    work.created(name);
    MR_RETURN_IF_ERROR(iam_identity::set_policies(work, "Group", name));
    return read(work);
  }

  Result<Resource> update(const Work& work) const override {
    const std::string& name = work.physical_id;
    MR_RETURN_IF_ERROR(iam_identity::update_path(work, "Group", name));
    MR_RETURN_IF_ERROR(iam_identity::set_policies(work, "Group", name));
    return read(work);
  }

  Result<void> remove(const Work& work) const override {
    const std::string name = name_of(work);
    MR_RETURN_IF_ERROR(iam_identity::drop_policies(work, "Group", name));
    return ignore_gone(work.call("iam", "DeleteGroup", Document::object({{"GroupName", name}})));
  }

  Result<Resource> read(const Work& work) const override {
    const std::string name = name_of(work);
    MR_ASSIGN_OR_RETURN(const Document found, work.call("iam", "GetGroup", Document::object({{"GroupName", name}})));
    const Document* group = found.find("Group");
    return Resource{name, Document::object({{"Arn", group == nullptr ? "" : group->string_or("Arn", "")}}), ""};
  }

 private:
  static std::string name_of(const Work& work) { return work.name_or_generated("GroupName", 128); }
};

class Members final : public TypeBase {
 public:
  Members() : TypeBase("AWS::IAM::UserToGroupAddition", {required("GroupName"), required("Users")}, {"Id"}) {}

  Result<Resource> create(const Work& work) const override {
    const std::string id = work.generated_name(128);
    work.created(id);
    MR_RETURN_IF_ERROR(add(work));
    return Resource{id, Document::object({{"Id", id}}), ""};
  }

  Result<Resource> update(const Work& work) const override {
    MR_RETURN_IF_ERROR(add(work));
    const bool moved = differs(work, "GroupName");
    const auto wanted = texts_of(work.property("Users"));
    for (const auto& user : texts_of(work.old_properties.find("Users"))) {
      if (moved || !wanted.contains(user)) MR_RETURN_IF_ERROR(drop(work, work.old_properties, user));
    }
    return Resource{work.physical_id, Document::object({{"Id", work.physical_id}}), ""};
  }

  Result<void> remove(const Work& work) const override {
    for (const auto& user : texts_of(work.property("Users"))) {
      MR_RETURN_IF_ERROR(drop(work, work.properties, user));
    }
    return {};
  }

 private:
  static Document pair(const Document& properties, const std::string& user) {
    return Document::object({{"UserName", user}, {"GroupName", text_of(properties, "GroupName")}});
  }
  static Result<void> add(const Work& work) {
    for (const auto& user : texts_of(work.property("Users"))) {
      MR_RETURN_IF_ERROR(work.call("iam", "AddUserToGroup", pair(work.properties, user)));
    }
    return {};
  }
  static Result<void> drop(const Work& work, const Document& properties, const std::string& user) {
    return ignore_gone(work.call("iam", "RemoveUserFromGroup", pair(properties, user)));
  }
};

}  // namespace iam_group

std::unique_ptr<stacks::ResourceType> make_iam_group() { return std::make_unique<iam_group::Group>(); }
std::unique_ptr<stacks::ResourceType> make_iam_user_to_group_addition() {
  return std::make_unique<iam_group::Members>();
}

}  // namespace millrace::resources
