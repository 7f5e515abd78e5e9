// AWS::Lambda::LayerVersion
#include "resources/type_base.h"
#include "resources/types.h"

namespace millrace::resources {
namespace lambda_layer_version {

class Type final : public TypeBase {
 public:
  Type()
      : TypeBase("AWS::Lambda::LayerVersion",
                 {{"CompatibleArchitectures", Update::kReplace},
                  {"CompatibleRuntimes", Update::kReplace},
                  required("Content", Update::kReplace),
                  {"Description", Update::kReplace},
                  {"LayerName", Update::kReplace},
                  {"LicenseInfo", Update::kReplace}},
                 {"LayerVersionArn"}) {}

  Result<Resource> create(const Work& work) const override {
    Document input = pick(work.properties, {"CompatibleArchitectures", "CompatibleRuntimes", "Content", "Description",
                                            "LayerName", "LicenseInfo"});
    if (input.find("LayerName") == nullptr) input.set("LayerName", work.generated_name(140));
    MR_ASSIGN_OR_RETURN(const Document made, work.call("lambda", "PublishLayerVersion", std::move(input)));
    return resource(text_of(made, "LayerVersionArn"));
  }
  Result<Resource> update(const Work& work) const override { return resource(work.physical_id); }
  Result<void> remove(const Work& work) const override {
    // arn:aws:lambda:REGION:ACCOUNT:layer:NAME:VERSION
    const std::string& arn = work.physical_id;
    const auto version = arn.rfind(':');
    if (arn.empty() || version == std::string::npos) return {};
    return ignore_gone(work.call(
        "lambda", "DeleteLayerVersion",
        Document::object({{"LayerName", arn.substr(0, version)}, {"VersionNumber", arn.substr(version + 1)}})));
  }

 private:
  static Resource resource(const std::string& arn) { return {arn, Document::object({{"LayerVersionArn", arn}}), ""}; }
};

}  // namespace lambda_layer_version

std::unique_ptr<stacks::ResourceType> make_lambda_layer_version() {
  return std::make_unique<lambda_layer_version::Type>();
}

}  // namespace millrace::resources
