// AWS::SSM::Parameter
#include "resources/type_base.h"
#include "resources/types.h"

namespace millrace::resources {
namespace ssm_parameter {

class Type final : public TypeBase {
 public:
  Type()
      : TypeBase("AWS::SSM::Parameter",
                 {{"AllowedPattern"},
                  {"DataType"},
                  {"Description"},
                  {"Name", Update::kReplace},
                  recorded("Policies"),
                  {"Tags"},
                  {"Tier"},
                  {"Type", Update::kInPlace, Effect::kEffective, kRequired},
                  {"Value", Update::kInPlace, Effect::kEffective, kRequired}},
                 {"Type", "Value"}) {}

  Result<Resource> create(const Work& work) const override {
    const std::string name = work.name_or_generated("Name", 512);
    Document input = pick(work.properties, {"AllowedPattern", "DataType", "Description", "Tier", "Type", "Value"});
    input.set("Tags", tag_list(work, work.properties));
    MR_RETURN_IF_ERROR(work.call("ssm", "PutParameter", std::move(input.set("Name", name))));
    return resource(work, name);
  }

  Result<Resource> update(const Work& work) const override {
    const std::string& name = work.physical_id;
    Document input = pick(work.properties, {"AllowedPattern", "DataType", "Description", "Tier", "Type", "Value"});
    input.set("Name", name).set("Overwrite", true);
    MR_RETURN_IF_ERROR(work.call("ssm", "PutParameter", std::move(input)));
    const Document named = Document::object({{"ResourceType", "Parameter"}, {"ResourceId", name}});
    if (tags_differ(work))
      MR_RETURN_IF_ERROR(update_tags(work, {"ssm", "RemoveTagsFromResource", "AddTagsToResource", named},
                                     tag_list(work, work.properties)));
    return resource(work, name);
  }

  Result<void> remove(const Work& work) const override {
    return ignore_gone(
        work.call("ssm", "DeleteParameter", Document::object({{"Name", work.name_or_generated("Name", 512)}})));
  }

 private:
  static Resource resource(const Work& work, const std::string& name) {
    return {
        name,
        Document::object({{"Type", text_of(work.properties, "Type")}, {"Value", text_of(work.properties, "Value")}}),
        ""};
  }
};

}  // namespace ssm_parameter

std::unique_ptr<stacks::ResourceType> make_ssm_parameter() { return std::make_unique<ssm_parameter::Type>(); }

}  // namespace millrace::resources
