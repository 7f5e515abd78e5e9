// AWS::CDK::Metadata: what CDK tells AWS about itself; nothing is made of it.
#include "resources/type_base.h"
#include "resources/types.h"

namespace millrace::resources {
namespace cdk_metadata {

class Type final : public TypeBase {
 public:
  Type() : TypeBase("AWS::CDK::Metadata", {{"Analytics"}, {"Modules"}}) {}
  Result<Resource> create(const Work& work) const override {
    return Resource{work.generated_name(128), Document::object(), ""};
  }
  Result<Resource> update(const Work& work) const override {
    return Resource{work.physical_id, Document::object(), ""};
  }
  Result<void> remove(const Work&) const override { return {}; }
};

}  // namespace cdk_metadata

std::unique_ptr<stacks::ResourceType> make_cdk_metadata() { return std::make_unique<cdk_metadata::Type>(); }

}  // namespace millrace::resources
