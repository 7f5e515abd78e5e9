// AWS::SNS::TopicPolicy. The policy is kept and shown by the topic, not enforced.
#include "resources/type_base.h"
#include "resources/types.h"

namespace millrace::resources {
namespace sns_topic_policy {

class Type final : public TypeBase {
 public:
  Type()
      : TypeBase("AWS::SNS::TopicPolicy",
                 {{"PolicyDocument", Update::kInPlace, Effect::kRecorded, kRequired}, required("Topics")}, {"Id"}) {}

  Result<Resource> create(const Work& work) const override {
    const std::string id = work.physical_id.empty() ? work.generated_name(128) : work.physical_id;
    for (const auto& topic : texts_of(work.property("Topics"))) {
      MR_RETURN_IF_ERROR(work.call("sns", "SetTopicAttributes",
                                   Document::object({{"TopicArn", topic},
                                                     {"AttributeName", "Policy"},
                                                     {"AttributeValue", text_of(work.properties, "PolicyDocument")}})));
    }
    return Resource{id, Document::object({{"Id", id}}), ""};
  }
  Result<Resource> update(const Work& work) const override { return create(work); }
  // AWS: a topic always has a policy; the one that was set stays.
  Result<void> remove(const Work&) const override { return {}; }
};

}  // namespace sns_topic_policy

std::unique_ptr<stacks::ResourceType> make_sns_topic_policy() { return std::make_unique<sns_topic_policy::Type>(); }

}  // namespace millrace::resources
