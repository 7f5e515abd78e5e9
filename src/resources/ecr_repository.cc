// AWS::ECR::Repository: recorded; there is no registry here.
#include "resources/type_base.h"
#include "resources/types.h"

namespace millrace::resources {
namespace ecr_repository {

class Type final : public TypeBase {
 public:
  Type()
      : TypeBase("AWS::ECR::Repository",
                 {recorded("EmptyOnDelete"),
                  recorded("EncryptionConfiguration", Update::kReplace),
                  recorded("ImageScanningConfiguration"),
                  recorded("ImageTagMutability"),
                  recorded("ImageTagMutabilityExclusionFilters"),
                  recorded("LifecyclePolicy"),
                  {"RepositoryName", Update::kReplace, Effect::kRecorded},
                  recorded("RepositoryPolicyText"),
                  recorded("Tags")},
                 {"Arn", "RepositoryUri"}) {}
  Result<Resource> create(const Work& work) const override {
    const std::string name = work.name_or_generated("RepositoryName", 256, true);
    const Scope& scope = work.caller.scope;
    return Resource{
        name,
        Document::object({{"Arn", "arn:aws:ecr:" + scope.region + ":" + scope.account + ":repository/" + name},
                          {"RepositoryUri", scope.account + ".dkr.ecr." + scope.region + ".amazonaws.com/" + name}}),
        ""};
  }
  Result<Resource> update(const Work& work) const override { return create(work); }
  Result<void> remove(const Work&) const override { return {}; }
};

}  // namespace ecr_repository

std::unique_ptr<stacks::ResourceType> make_ecr_repository() { return std::make_unique<ecr_repository::Type>(); }

}  // namespace millrace::resources
