// AWS::SQS::Queue. Source of the table: CloudFormation's template reference, "AWS::SQS::Queue".
#include "resources/type_base.h"
#include "resources/types.h"

namespace millrace::resources {
namespace {

// Recorded: the encryption of the disk is the user's.
constexpr Property kQueueProperties[] = {
    {"ContentBasedDeduplication"},
    {"DeduplicationScope"},
    {"DelaySeconds"},
    {"FifoQueue", Update::kReplace},
    {"FifoThroughputLimit"},
    {"KmsDataKeyReusePeriodSeconds", Update::kInPlace, Effect::kRecorded},
    {"KmsMasterKeyId", Update::kInPlace, Effect::kRecorded},
    {"MaximumMessageSize"},
    {"MessageRetentionPeriod"},
    {"QueueName", Update::kReplace},
    {"ReceiveMessageWaitTimeSeconds"},
    {"RedriveAllowPolicy"},
    {"RedrivePolicy"},
    {"SqsManagedSseEnabled", Update::kInPlace, Effect::kRecorded},
    {"Tags"},
    {"VisibilityTimeout"},
};
// What SetQueueAttributes gives back when a property is taken out of the template (AWS's defaults).
constexpr std::pair<std::string_view, std::string_view> kQueueDefaults[] = {
    {"ContentBasedDeduplication", "false"},
    {"DelaySeconds", "0"},
    {"MaximumMessageSize", "1048576"},
    {"MessageRetentionPeriod", "345600"},
    {"RedriveAllowPolicy", ""},
    {"ReceiveMessageWaitTimeSeconds", "0"},
    {"RedrivePolicy", ""},
    {"VisibilityTimeout", "30"},
};

class SqsQueue final : public stacks::ResourceType {
 public:
  std::string_view name() const override { return "AWS::SQS::Queue"; }
  std::span<const Property> properties() const override { return kQueueProperties; }
  std::vector<std::string_view> attributes() const override { return {"Arn", "QueueName", "QueueUrl"}; }

  // CreateQueue of a queue that is there with the same attributes succeeds, so it has to be asked.
  Result<bool> exists(const Work& work) const override {
    return work.call("sqs", "GetQueueUrl", Document::object({{"QueueName", queue_name(work)}})).ok();
  }

  Result<Resource> create(const Work& work) const override {
    Document attributes = Document::object();
    for (const Property& property : kQueueProperties) {
      if (!is_attribute(property.name)) continue;
      const Document* value = work.property(property.name);
      if (value != nullptr) attributes.set(property.name, attribute_text(*value));
    }
    // AWS: a standard queue is one without the attribute.
    if (attributes.string_or("FifoQueue", "") == "false") attributes.erase("FifoQueue");
    Document input = Document::object({{"QueueName", queue_name(work)}, {"Attributes", std::move(attributes)}});
    input.set("tags", tag_map(work, work.properties));
    MR_ASSIGN_OR_RETURN(const Document made, work.call("sqs", "CreateQueue", std::move(input)));
    return described(work, text_of(made, "QueueUrl"));
  }

  Result<Resource> update(const Work& work) const override {
    Document attributes = Document::object();
    for (const Property& property : kQueueProperties) {
      if (!is_attribute(property.name) || !differs(work, property.name)) continue;
      if (const Document* value = work.property(property.name)) {
        attributes.set(property.name, attribute_text(*value));
        continue;
      }
      for (const auto& [name, value] : kQueueDefaults) {
        if (name == property.name) attributes.set(name, value);
      }
    }
    if (!attributes.as_object().empty()) {
      MR_RETURN_IF_ERROR(work.call("sqs", "SetQueueAttributes",
                                   Document::object({{"QueueUrl", work.physical_id}, {"Attributes", attributes}})));
    }
    MR_RETURN_IF_ERROR(
        update_tags(work, {"sqs", "UntagQueue", "TagQueue", Document::object({{"QueueUrl", work.physical_id}})},
                    tag_map(work, work.properties)));
    return described(work, work.physical_id);
  }

  Result<void> remove(const Work& work) const override {
    std::string url = work.physical_id;
    if (url.empty()) {
      auto found = work.call("sqs", "GetQueueUrl", Document::object({{"QueueName", queue_name(work)}}));
      if (!found.ok()) return ignore_gone(std::move(found));
      url = text_of(*found, "QueueUrl");
    }
    return ignore_gone(work.call("sqs", "DeleteQueue", Document::object({{"QueueUrl", url}})));
  }

  Result<Resource> read(const Work& work) const override {
    if (!work.physical_id.empty()) return described(work, work.physical_id);
    MR_ASSIGN_OR_RETURN(const Document found,
                        work.call("sqs", "GetQueueUrl", Document::object({{"QueueName", queue_name(work)}})));
    return described(work, text_of(found, "QueueUrl"));
  }

 private:
  static bool is_attribute(std::string_view property) {
    return property != "QueueName" && property != "Tags" && !property.starts_with("Kms");
  }

  static std::string queue_name(const Work& work) {
    if (const Document* given = work.property("QueueName")) return attribute_text(*given);
    // AWS: the name of a FIFO queue ends in .fifo, the generated one, too.
    const bool fifo = text_of(work.properties, "FifoQueue") == "true";
    return work.generated_name(fifo ? 75 : 80) + (fifo ? ".fifo" : "");
  }

  static Result<Resource> described(const Work& work, const std::string& url) {
    const Document names = Document::array({"QueueArn"});
    MR_ASSIGN_OR_RETURN(
        const Document found,
        work.call("sqs", "GetQueueAttributes", Document::object({{"QueueUrl", url}, {"AttributeNames", names}})));
    const Document* attributes = found.find("Attributes");
    Resource resource;
    resource.physical_id = url;
    resource.attributes.set("Arn", attributes == nullptr ? std::string() : text_of(*attributes, "QueueArn"));
    resource.attributes.set("QueueName", url.substr(url.rfind('/') + 1));
    resource.attributes.set("QueueUrl", url);
    return resource;
  }
};

}  // namespace

std::unique_ptr<stacks::ResourceType> make_sqs_queue() { return std::make_unique<SqsQueue>(); }

}  // namespace millrace::resources
