// AWS::KMS::Key and AWS::KMS::Alias: recorded, as nothing here encrypts with keys.
#include "resources/type_base.h"
#include "resources/types.h"

namespace millrace::resources {
namespace kms {

std::string arn(const Work& work, const std::string& resource) {
  return "arn:aws:kms:" + work.caller.scope.region + ":" + work.caller.scope.account + ":" + resource;
}

class Key final : public TypeBase {
 public:
  Key()
      : TypeBase("AWS::KMS::Key",
                 {recorded("BypassPolicyLockoutSafetyCheck"), recorded("Description"), recorded("EnableKeyRotation"),
                  recorded("Enabled"), recorded("KeyPolicy"), recorded("KeySpec"), recorded("KeyUsage"),
                  recorded("MultiRegion"), recorded("Origin"), recorded("PendingWindowInDays"),
                  recorded("RotationPeriodInDays"), recorded("Tags")},
                 {"Arn", "KeyId"}) {}
  Result<Resource> create(const Work& work) const override {
    // An id of a key's form, the same whenever it is asked for.
    std::string id;
    for (std::size_t i = 0; i < 32; ++i) {
      if (i == 8 || i == 12 || i == 16 || i == 20) id.push_back('-');
      const char c = work.suffix.empty() ? '0' : work.suffix[i % work.suffix.size()];
      id.push_back("0123456789abcdef"[(static_cast<unsigned char>(c) + i) & 15]);
    }
    return resource(work, id);
  }
  Result<Resource> update(const Work& work) const override { return resource(work, work.physical_id); }
  Result<void> remove(const Work&) const override { return {}; }

 private:
  static Resource resource(const Work& work, const std::string& id) {
    return {id, Document::object({{"Arn", arn(work, "key/" + id)}, {"KeyId", id}}), ""};
  }
};

class Alias final : public TypeBase {
 public:
  Alias() : TypeBase("AWS::KMS::Alias", {required("AliasName", Update::kReplace), required("TargetKeyId")}) {}
  Result<Resource> create(const Work& work) const override {
    const std::string name = text_of(work.properties, "AliasName");
    if (!name.starts_with("alias/")) {
      return Error(kInvalidRequest,
                   "Alias must start with the prefix \"alias/\". Please see "
                   "https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html");
    }
    return Resource{name, Document::object(), ""};
  }
  Result<Resource> update(const Work& work) const override { return create(work); }
  Result<void> remove(const Work&) const override { return {}; }
};

}  // namespace kms

std::unique_ptr<stacks::ResourceType> make_kms_key() { return std::make_unique<kms::Key>(); }
std::unique_ptr<stacks::ResourceType> make_kms_alias() { return std::make_unique<kms::Alias>(); }

}  // namespace millrace::resources
