// AWS::Lambda::Alias
#include "resources/type_base.h"
#include "resources/types.h"

namespace millrace::resources {
namespace lambda_alias {

class Type final : public TypeBase {
 public:
  Type()
      : TypeBase("AWS::Lambda::Alias",
                 {{"Description"},
                  required("FunctionName", Update::kReplace),
                  required("FunctionVersion"),
                  required("Name", Update::kReplace),
                  recorded("ProvisionedConcurrencyConfig"),
                  {"RoutingConfig"}},
                 {"AliasArn"}) {}

  Result<Resource> create(const Work& work) const override {
    MR_ASSIGN_OR_RETURN(const Document made, work.call("lambda", "CreateAlias", input_of(work)));
    return resource(text_of(made, "AliasArn"));
  }
  Result<Resource> update(const Work& work) const override {
    MR_RETURN_IF_ERROR(work.call("lambda", "UpdateAlias", input_of(work)));
    return resource(work.physical_id);
  }
  Result<void> remove(const Work& work) const override {
    if (work.physical_id.empty()) return {};
    return ignore_gone(work.call("lambda", "DeleteAlias", pick(work.properties, {"FunctionName", "Name"})));
  }

 private:
  // AWS: CloudFormation lists the weights, the operation maps them.
  static Document input_of(const Work& work) {
    Document input = pick(work.properties, {"Description", "FunctionName", "FunctionVersion", "Name"});
    Document weights = Document::object();
    const Document* routing = work.property("RoutingConfig");
    for (const auto& weight : list_of(routing == nullptr ? nullptr : routing->find("AdditionalVersionWeights"))) {
      if (const Document* value = weight.find("FunctionWeight"))
        weights.set(text_of(weight, "FunctionVersion"), *value);
    }
    if (routing != nullptr || work.old_properties.find("RoutingConfig") != nullptr) {
      input.set("RoutingConfig", Document::object({{"AdditionalVersionWeights", std::move(weights)}}));
    }
    return input;
  }
  static Resource resource(const std::string& arn) { return {arn, Document::object({{"AliasArn", arn}}), ""}; }
};

}  // namespace lambda_alias

std::unique_ptr<stacks::ResourceType> make_lambda_alias() { return std::make_unique<lambda_alias::Type>(); }

}  // namespace millrace::resources
