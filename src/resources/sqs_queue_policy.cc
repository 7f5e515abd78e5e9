// AWS::SQS::QueuePolicy. The policy is kept and shown by the queue, not enforced.
#include "resources/type_base.h"
#include "resources/types.h"

namespace millrace::resources {
namespace sqs_queue_policy {

class Type final : public TypeBase {
 public:
  Type()
      : TypeBase("AWS::SQS::QueuePolicy",
                 {{"PolicyDocument", Update::kInPlace, Effect::kRecorded, kRequired}, required("Queues")}, {"Id"}) {}

  Result<Resource> create(const Work& work) const override {
    const std::string id = work.physical_id.empty() ? work.generated_name(128) : work.physical_id;
    for (const auto& queue : texts_of(work.property("Queues"))) {
      MR_RETURN_IF_ERROR(set(work, queue, text_of(work.properties, "PolicyDocument")));
    }
    return Resource{id, Document::object({{"Id", id}}), ""};
  }
  Result<Resource> update(const Work& work) const override {
    const auto queues = texts_of(work.property("Queues"));
    for (const auto& queue : texts_of(work.old_properties.find("Queues"))) {
      if (!queues.contains(queue)) MR_RETURN_IF_ERROR(ignore_gone(set(work, queue, "")));
    }
    return create(work);
  }
  Result<void> remove(const Work& work) const override {
    for (const auto& queue : texts_of(work.property("Queues"))) MR_RETURN_IF_ERROR(ignore_gone(set(work, queue, "")));
    return {};
  }

 private:
  static Result<Document> set(const Work& work, const std::string& url, const std::string& policy) {
    return work.call("sqs", "SetQueueAttributes",
                     Document::object({{"QueueUrl", url}, {"Attributes", Document::object({{"Policy", policy}})}}));
  }
};

}  // namespace sqs_queue_policy

std::unique_ptr<stacks::ResourceType> make_sqs_queue_policy() { return std::make_unique<sqs_queue_policy::Type>(); }

}  // namespace millrace::resources
