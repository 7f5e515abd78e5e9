// AWS::IAM::AccessKey
#include "resources/type_base.h"
#include "resources/types.h"

namespace millrace::resources {
namespace iam_access_key {

class Type final : public TypeBase {
 public:
  Type()
      : TypeBase("AWS::IAM::AccessKey",
                 {{"Serial", Update::kReplace}, {"Status"}, required("UserName", Update::kReplace)},
                 {"SecretAccessKey"}) {}

  Result<Resource> create(const Work& work) const override {
    MR_ASSIGN_OR_RETURN(const Document made, work.call("iam", "CreateAccessKey", pick(work.properties, {"UserName"})));
    const Document* key = made.find("AccessKey");
    if (key == nullptr) return Error(kInvalidRequest, "CreateAccessKey gave no key.");
    const std::string id = text_of(*key, "AccessKeyId");
    work.created(id);
    if (work.property("Status") != nullptr) MR_RETURN_IF_ERROR(set_status(work, id));
    return Resource{id, Document::object({{"SecretAccessKey", text_of(*key, "SecretAccessKey")}}), ""};
  }

  // The secret is known to who made it only; the engine keeps the attributes that an update does not give.
  Result<Resource> update(const Work& work) const override {
    MR_RETURN_IF_ERROR(set_status(work, work.physical_id));
    return Resource{work.physical_id, Document::object(), ""};
  }

  Result<void> remove(const Work& work) const override {
    if (work.physical_id.empty()) return {};
    Document input = pick(work.properties, {"UserName"});
    return ignore_gone(work.call("iam", "DeleteAccessKey", std::move(input.set("AccessKeyId", work.physical_id))));
  }

 private:
  static Result<void> set_status(const Work& work, const std::string& id) {
    const Document* status = work.property("Status");
    Document input = pick(work.properties, {"UserName"});
    input.set("AccessKeyId", id).set("Status", status == nullptr ? "Active" : text_of(status));
    MR_RETURN_IF_ERROR(work.call("iam", "UpdateAccessKey", std::move(input)));
    return {};
  }
};

}  // namespace iam_access_key

std::unique_ptr<stacks::ResourceType> make_iam_access_key() { return std::make_unique<iam_access_key::Type>(); }

}  // namespace millrace::resources
