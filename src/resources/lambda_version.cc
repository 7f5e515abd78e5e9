// AWS::Lambda::Version
#include "resources/type_base.h"
#include "resources/types.h"

namespace millrace::resources {
namespace lambda_version {

class Type final : public TypeBase {
 public:
  Type()
      : TypeBase("AWS::Lambda::Version",
                 {{"CodeSha256", Update::kReplace},
                  {"Description", Update::kReplace},
                  required("FunctionName", Update::kReplace),
                  recorded("FunctionScalingConfig"),
                  recorded("ProvisionedConcurrencyConfig", Update::kReplace),
                  recorded("RuntimePolicy", Update::kReplace)},
                 {"FunctionArn", "Version"}) {}

  Result<Resource> create(const Work& work) const override {
    MR_ASSIGN_OR_RETURN(
        const Document made,
        work.call("lambda", "PublishVersion", pick(work.properties, {"CodeSha256", "Description", "FunctionName"})));
    return resource(text_of(made, "FunctionArn"));
  }
  Result<Resource> update(const Work& work) const override { return resource(work.physical_id); }
  Result<void> remove(const Work& work) const override {
    const std::string& arn = work.physical_id;
    const auto version = arn.rfind(':');
    if (version == std::string::npos) return {};
    return ignore_gone(work.call(
        "lambda", "DeleteFunction",
        Document::object({{"FunctionName", arn.substr(0, version)}, {"Qualifier", arn.substr(version + 1)}})));
  }

 private:
  static Resource resource(const std::string& arn) {
    return {arn, Document::object({{"FunctionArn", arn}, {"Version", arn.substr(arn.rfind(':') + 1)}}), ""};
  }
};

}  // namespace lambda_version

std::unique_ptr<stacks::ResourceType> make_lambda_version() { return std::make_unique<lambda_version::Type>(); }

}  // namespace millrace::resources
