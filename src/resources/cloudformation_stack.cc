// AWS::CloudFormation::Stack. Source of the table: CloudFormation's template reference.
#include "resources/type_base.h"
#include "resources/types.h"

namespace millrace::resources {
namespace cloudformation_stack {

class Type final : public TypeBase {
 public:
  Type()
      : TypeBase(
            "AWS::CloudFormation::Stack",
            {recorded("NotificationARNs"), {"Parameters"}, {"Tags"}, required("TemplateURL"), {"TimeoutInMinutes"}}) {}
  // AWS: the template behind the URL may have changed.
  bool always_updates() const override { return true; }

  Result<Resource> create(const Work& work) const override { return work.nested->create(work); }
  Result<Resource> update(const Work& work) const override { return work.nested->update(work); }
  Result<void> remove(const Work& work) const override { return work.nested->remove(work); }
};

}  // namespace cloudformation_stack

std::unique_ptr<stacks::ResourceType> make_cloudformation_stack() {
  return std::make_unique<cloudformation_stack::Type>();
}

}  // namespace millrace::resources
