// AWS::Lambda::EventInvokeConfig
#include "resources/type_base.h"
#include "resources/types.h"

namespace millrace::resources {
namespace lambda_event_invoke_config {

class Type final : public TypeBase {
 public:
  Type()
      : TypeBase("AWS::Lambda::EventInvokeConfig", {{"DestinationConfig"},
                                                    required("FunctionName", Update::kReplace),
                                                    {"MaximumEventAgeInSeconds"},
                                                    {"MaximumRetryAttempts"},
                                                    required("Qualifier", Update::kReplace)}) {}

  // PutFunctionEventInvokeConfig replaces what is there, so what left the template goes.
  Result<Resource> create(const Work& work) const override {
    MR_RETURN_IF_ERROR(work.call("lambda", "PutFunctionEventInvokeConfig",
                                 pick(work.properties, {"DestinationConfig", "FunctionName", "MaximumEventAgeInSeconds",
                                                        "MaximumRetryAttempts", "Qualifier"})));
    const std::string id = work.physical_id.empty() ? work.generated_name(128) : work.physical_id;
    return Resource{id, Document::object(), ""};
  }
  Result<Resource> update(const Work& work) const override { return create(work); }
  Result<void> remove(const Work& work) const override {
    if (work.physical_id.empty()) return {};
    return ignore_gone(
        work.call("lambda", "DeleteFunctionEventInvokeConfig", pick(work.properties, {"FunctionName", "Qualifier"})));
  }
};

}  // namespace lambda_event_invoke_config

std::unique_ptr<stacks::ResourceType> make_lambda_event_invoke_config() {
  return std::make_unique<lambda_event_invoke_config::Type>();
}

}  // namespace millrace::resources
