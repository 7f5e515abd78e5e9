// AWS::SNS::Topic. Source of the table: CloudFormation's template reference, "AWS::SNS::Topic".
#include "resources/type_base.h"
#include "resources/types.h"

namespace millrace::resources {
namespace {

// What SNS here refuses (FIFO, keys, data protection) is not in the table as effective, so CreateTopic's own text says
// so where it is set.
constexpr Property kTopicProperties[] = {
    {"ArchivePolicy"},
    {"ContentBasedDeduplication"},
    {"DataProtectionPolicy"},
    {"DeliveryStatusLogging", Update::kInPlace, Effect::kRecorded},
    {"DisplayName"},
    {"FifoThroughputScope"},
    {"FifoTopic", Update::kReplace},
    {"KmsMasterKeyId", Update::kInPlace, Effect::kRecorded},
    {"SignatureVersion"},
    {"Subscription"},
    {"Tags"},
    {"TopicName", Update::kReplace},
    {"TracingConfig"},
};

class SnsTopic final : public stacks::ResourceType {
 public:
  std::string_view name() const override { return "AWS::SNS::Topic"; }
  std::span<const Property> properties() const override { return kTopicProperties; }
  std::vector<std::string_view> attributes() const override { return {"TopicArn", "TopicName"}; }

  // CreateTopic of a topic that is there succeeds, so it has to be asked.
  Result<bool> exists(const Work& work) const override {
    return work.call("sns", "GetTopicAttributes", Document::object({{"TopicArn", topic_arn(work)}})).ok();
  }

  Result<Resource> create(const Work& work) const override {
    Document attributes = Document::object();
    for (const Property& property : kTopicProperties) {
      const Document* value = is_attribute(property.name) ? work.property(property.name) : nullptr;
      if (value != nullptr) attributes.set(property.name, attribute_text(*value));
    }
    if (text_of(attributes, "FifoTopic") == "false") attributes.erase("FifoTopic");
    Document input = Document::object({{"Name", topic_name(work)}, {"Attributes", std::move(attributes)}});
    input.set("Tags", tag_list(work, work.properties));
    copy_members(work.properties, input, {"DataProtectionPolicy"});
    MR_ASSIGN_OR_RETURN(const Document made, work.call("sns", "CreateTopic", std::move(input)));
    const std::string arn = text_of(made, "TopicArn");
    work.created(arn);
    MR_RETURN_IF_ERROR(subscribe(work, arn));
    return described(arn);
  }

  Result<Resource> update(const Work& work) const override {
    for (const Property& property : kTopicProperties) {
      if (!is_attribute(property.name) || !differs(work, property.name)) continue;
      const std::string value = text_of(work.properties, property.name);
      MR_RETURN_IF_ERROR(work.call(
          "sns", "SetTopicAttributes",
          Document::object(
              {{"TopicArn", work.physical_id}, {"AttributeName", property.name}, {"AttributeValue", value}})));
    }
    if (differs(work, "Subscription")) {
      MR_RETURN_IF_ERROR(unsubscribe_all(work));
      MR_RETURN_IF_ERROR(subscribe(work, work.physical_id));
    }
    MR_RETURN_IF_ERROR(update_tags(
        work, {"sns", "UntagResource", "TagResource", Document::object({{"ResourceArn", work.physical_id}})},
        tag_list(work, work.properties)));
    return described(work.physical_id);
  }

  Result<void> remove(const Work& work) const override {
    const std::string arn = work.physical_id.empty() ? topic_arn(work) : work.physical_id;
    return ignore_gone(work.call("sns", "DeleteTopic", Document::object({{"TopicArn", arn}})));
  }

  Result<Resource> read(const Work& work) const override {
    const std::string arn = work.physical_id.empty() ? topic_arn(work) : work.physical_id;
    MR_RETURN_IF_ERROR(work.call("sns", "GetTopicAttributes", Document::object({{"TopicArn", arn}})));
    return described(arn);
  }

 private:
  static bool is_attribute(std::string_view property) {
    return property != "TopicName" && property != "Tags" && property != "Subscription" &&
           property != "KmsMasterKeyId" && property != "DeliveryStatusLogging" && property != "DataProtectionPolicy";
  }

  static std::string topic_name(const Work& work) { return work.name_or_generated("TopicName", 256); }
  static std::string topic_arn(const Work& work) {
    return "arn:aws:sns:" + work.caller.scope.region + ":" + work.caller.scope.account + ":" + topic_name(work);
  }

  static Result<void> subscribe(const Work& work, const std::string& arn) {
    const Document* subscriptions = work.property("Subscription");
    if (subscriptions == nullptr || !subscriptions->is_array()) return {};
    for (const Document& each : subscriptions->as_array()) {
      Document input = Document::object({{"TopicArn", arn}});
      copy_members(each, input, {"Endpoint", "Protocol"});
      MR_RETURN_IF_ERROR(work.call("sns", "Subscribe", std::move(input)));
    }
    return {};
  }

  // Only those that the template had: others were made by somebody else.
  static Result<void> unsubscribe_all(const Work& work) {
    const Document* before = work.old_properties.find("Subscription");
    if (before == nullptr || !before->is_array()) return {};
    MR_ASSIGN_OR_RETURN(const Document found, work.call("sns", "ListSubscriptionsByTopic",
                                                        Document::object({{"TopicArn", work.physical_id}})));
    const Document* all = found.find("Subscriptions");
    if (all == nullptr) return {};
    for (const Document& subscription : all->as_array()) {
      for (const Document& old : before->as_array()) {
        if (text_of(old, "Endpoint") != text_of(subscription, "Endpoint")) continue;
        MR_RETURN_IF_ERROR(ignore_gone(work.call(
            "sns", "Unsubscribe", Document::object({{"SubscriptionArn", text_of(subscription, "SubscriptionArn")}}))));
      }
    }
    return {};
  }

  static Result<Resource> described(const std::string& arn) {
    Resource resource;
    resource.physical_id = arn;
    resource.attributes.set("TopicArn", arn);
    resource.attributes.set("TopicName", arn.substr(arn.rfind(':') + 1));
    return resource;
  }
};

}  // namespace

std::unique_ptr<stacks::ResourceType> make_sns_topic() { return std::make_unique<SnsTopic>(); }

}  // namespace millrace::resources
