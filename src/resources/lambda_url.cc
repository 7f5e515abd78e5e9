// AWS::Lambda::Url
#include "resources/type_base.h"
#include "resources/types.h"

namespace millrace::resources {
namespace lambda_url {

class Type final : public TypeBase {
 public:
  Type()
      : TypeBase("AWS::Lambda::Url",
                 {required("AuthType"),
                  {"Cors"},
                  {"InvokeMode"},
                  {"Qualifier", Update::kReplace},
                  required("TargetFunctionArn", Update::kReplace)},
                 {"FunctionArn", "FunctionUrl"}) {}

  Result<Resource> create(const Work& work) const override { return set(work, "CreateFunctionUrlConfig"); }
  Result<Resource> update(const Work& work) const override { return set(work, "UpdateFunctionUrlConfig"); }
  Result<void> remove(const Work& work) const override {
    if (work.physical_id.empty()) return {};
    Document input = pick(work.properties, {"Qualifier"});
    input.set("FunctionName", text_of(work.properties, "TargetFunctionArn"));
    return ignore_gone(work.call("lambda", "DeleteFunctionUrlConfig", std::move(input)));
  }

 private:
  static Result<Resource> set(const Work& work, std::string_view operation) {
    Document input = pick(work.properties, {"AuthType", "Cors", "InvokeMode", "Qualifier"});
    if (differs(work, "Cors") && work.property("Cors") == nullptr) input.set("Cors", Document::object());
    input.set("FunctionName", text_of(work.properties, "TargetFunctionArn"));
    MR_ASSIGN_OR_RETURN(const Document made, work.call("lambda", operation, std::move(input)));
    return Resource{text_of(made, "FunctionArn"), pick(made, {"FunctionArn", "FunctionUrl"}), ""};
  }
};

}  // namespace lambda_url

std::unique_ptr<stacks::ResourceType> make_lambda_url() { return std::make_unique<lambda_url::Type>(); }

}  // namespace millrace::resources
