// AWS::KMS::Key and AWS::KMS::Alias: kept and shown by KMS; nothing here encrypts with keys.
#include "resources/type_base.h"
#include "resources/types.h"

namespace millrace::resources {
namespace kms {

Document key_tags(const Work& work) {
  Document tags = Document::array();
  for (const auto& tag : tag_list(work, work.properties).as_array()) {
    tags.push(Document::object({{"TagKey", text_of(tag, "Key")}, {"TagValue", text_of(tag, "Value")}}));
  }
  return tags;
}

bool is_on(const Work& work, std::string_view property, std::string_view otherwise) {
  const Document* value = work.property(property);
  return (value == nullptr ? std::string(otherwise) : text_of(value)) == "true";
}

class Key final : public TypeBase {
 public:
  Key()
      : TypeBase("AWS::KMS::Key",
                 {recorded("BypassPolicyLockoutSafetyCheck"),
                  {"Description"},
                  recorded("EnableKeyRotation"),
                  recorded("Enabled"),
                  recorded("KeyPolicy"),
                  // AWS: a change of these fails, so that nobody loses a key by accident.
                  {"KeySpec", Update::kRefused, Effect::kRecorded},
                  {"KeyUsage", Update::kRefused, Effect::kRecorded},
                  {"MultiRegion", Update::kRefused},
                  {"Origin", Update::kRefused},
                  {"PendingWindowInDays"},
                  recorded("RotationPeriodInDays"),
                  {"Tags"}},
                 {"Arn", "KeyId"}) {}

  Result<Resource> create(const Work& work) const override {
    Document input = pick(work.properties, {"BypassPolicyLockoutSafetyCheck", "Description", "KeySpec", "KeyUsage",
                                            "MultiRegion", "Origin"});
    if (const Document* policy = work.property("KeyPolicy")) input.set("Policy", text_of(policy));
    input.set("Tags", key_tags(work));
    MR_ASSIGN_OR_RETURN(const Document made, work.call("kms", "CreateKey", std::move(input)));
    const Document* metadata = made.find("KeyMetadata");
    const std::string id = metadata == nullptr ? "" : text_of(*metadata, "KeyId");
    work.created(id);
    if (is_on(work, "EnableKeyRotation", "false")) MR_RETURN_IF_ERROR(rotate(work, id));
    if (!is_on(work, "Enabled", "true")) MR_RETURN_IF_ERROR(work.call("kms", "DisableKey", named(id)));
    return resource(work, id);
  }

  Result<Resource> update(const Work& work) const override {
    const std::string& id = work.physical_id;
    if (differs(work, "Description")) {
      Document input = named(id);
      input.set("Description", text_of(work.property("Description")));
      MR_RETURN_IF_ERROR(work.call("kms", "UpdateKeyDescription", std::move(input)));
    }
    if (const Document* policy = work.property("KeyPolicy"); policy != nullptr && differs(work, "KeyPolicy")) {
      Document input = named(id);
      input.set("PolicyName", "default").set("Policy", text_of(policy));
      MR_RETURN_IF_ERROR(work.call("kms", "PutKeyPolicy", std::move(input)));
    }
    // AWS: the rotation of a disabled key cannot be changed.
    if (any_differs(work, {"EnableKeyRotation", "RotationPeriodInDays", "Enabled"})) {
      MR_RETURN_IF_ERROR(work.call("kms", "EnableKey", named(id)));
      if (is_on(work, "EnableKeyRotation", "false")) {
        MR_RETURN_IF_ERROR(rotate(work, id));
      } else if (differs(work, "EnableKeyRotation")) {
        MR_RETURN_IF_ERROR(work.call("kms", "DisableKeyRotation", named(id)));
      }
      if (!is_on(work, "Enabled", "true")) MR_RETURN_IF_ERROR(work.call("kms", "DisableKey", named(id)));
    }
    MR_RETURN_IF_ERROR(update_tags(work, {"kms", "UntagResource", "TagResource", named(id)}, key_tags(work)));
    return resource(work, id);
  }

  // AWS: the key waits for its deletion. One of which not even the id is known stays.
  Result<void> remove(const Work& work) const override {
    if (work.physical_id.empty()) return {};
    Document input = named(work.physical_id);
    copy_members(work.properties, input, {"PendingWindowInDays"});
    auto scheduled = work.call("kms", "ScheduleKeyDeletion", std::move(input));
    if (!scheduled.ok() && scheduled.error().type().name == std::string_view("KMSInvalidStateException")) return {};
    return ignore_gone(std::move(scheduled));
  }

  Result<Resource> read(const Work& work) const override {
    MR_RETURN_IF_ERROR(work.call("kms", "DescribeKey", named(work.physical_id)));
    return resource(work, work.physical_id);
  }

 private:
  static Document named(const std::string& id) { return Document::object({{"KeyId", id}}); }
  static Result<void> rotate(const Work& work, const std::string& id) {
    Document input = named(id);
    copy_members(work.properties, input, {"RotationPeriodInDays"});
    MR_RETURN_IF_ERROR(work.call("kms", "EnableKeyRotation", std::move(input)));
    return {};
  }
  static Resource resource(const Work& work, const std::string& id) {
    const Scope& scope = work.caller.scope;
    return {
        id,
        Document::object({{"Arn", "arn:aws:kms:" + scope.region + ":" + scope.account + ":key/" + id}, {"KeyId", id}}),
        ""};
  }
};

class Alias final : public TypeBase {
 public:
  Alias() : TypeBase("AWS::KMS::Alias", {required("AliasName", Update::kReplace), required("TargetKeyId")}) {}
  Result<Resource> create(const Work& work) const override { return put(work, "CreateAlias"); }
  Result<Resource> update(const Work& work) const override { return put(work, "UpdateAlias"); }
  Result<void> remove(const Work& work) const override {
    return ignore_gone(work.call("kms", "DeleteAlias", pick(work.properties, {"AliasName"})));
  }

 private:
  static Result<Resource> put(const Work& work, std::string_view operation) {
    MR_RETURN_IF_ERROR(work.call("kms", operation, pick(work.properties, {"AliasName", "TargetKeyId"})));
    return Resource{text_of(work.properties, "AliasName"), Document::object(), ""};
  }
};

}  // namespace kms

std::unique_ptr<stacks::ResourceType> make_kms_key() { return std::make_unique<kms::Key>(); }
std::unique_ptr<stacks::ResourceType> make_kms_alias() { return std::make_unique<kms::Alias>(); }

}  // namespace millrace::resources
