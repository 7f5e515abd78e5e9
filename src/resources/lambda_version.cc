// AWS::Lambda::Version
#include <set>

#include "resources/type_base.h"
#include "resources/types.h"

namespace millrace::resources {
namespace lambda_version {

constexpr ErrorType kAlreadyExists{"AlreadyExists", 400};

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

  // AWS: PublishVersion gives the last version again when nothing has changed; CloudFormation refuses that.
  Result<Resource> create(const Work& work) const override {
    MR_ASSIGN_OR_RETURN(const auto before, versions(work));
    MR_ASSIGN_OR_RETURN(
        const Document made,
        work.call("lambda", "PublishVersion", pick(work.properties, {"CodeSha256", "Description", "FunctionName"})));
    if (const std::string version = text_of(made, "Version"); before.contains(version)) {
      return Error(kAlreadyExists, "A version for this Lambda function exists ( " + version +
                                       " ). Modify the function to create a new version.");
    }
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
  static Result<std::set<std::string>> versions(const Work& work) {
    std::set<std::string> found;
    Document input = pick(work.properties, {"FunctionName"});
    while (true) {
      MR_ASSIGN_OR_RETURN(const Document page, work.call("lambda", "ListVersionsByFunction", input));
      for (const auto& version : list_of(page.find("Versions"))) found.insert(text_of(version, "Version"));
      const std::string marker = text_of(page, "NextMarker");
      if (marker.empty()) return found;
      input.set("Marker", marker);
    }
  }
  static Resource resource(const std::string& arn) {
    return {arn, Document::object({{"FunctionArn", arn}, {"Version", arn.substr(arn.rfind(':') + 1)}}), ""};
  }
};

}  // namespace lambda_version

std::unique_ptr<stacks::ResourceType> make_lambda_version() { return std::make_unique<lambda_version::Type>(); }

}  // namespace millrace::resources
