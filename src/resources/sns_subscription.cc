// AWS::SNS::Subscription
#include "resources/type_base.h"
#include "resources/types.h"

namespace millrace::resources {
namespace sns_subscription {

constexpr std::string_view kAttributes[] = {"FilterPolicy", "FilterPolicyScope", "RawMessageDelivery", "RedrivePolicy"};

class Type final : public TypeBase {
 public:
  Type()
      : TypeBase("AWS::SNS::Subscription",
                 {recorded("DeliveryPolicy"),
                  {"Endpoint", Update::kReplace},
                  {"FilterPolicy"},
                  {"FilterPolicyScope"},
                  required("Protocol", Update::kReplace),
                  {"RawMessageDelivery"},
                  {"RedrivePolicy"},
                  recorded("Region"),
                  recorded("ReplayPolicy"),
                  recorded("SubscriptionRoleArn"),
                  required("TopicArn", Update::kReplace)},
                 {"Arn"}) {}

  Result<Resource> create(const Work& work) const override {
    Document input = pick(work.properties, {"Endpoint", "Protocol", "TopicArn"});
    Document attributes = Document::object();
    for (const auto name : kAttributes) {
      if (const Document* value = work.property(name)) attributes.set(name, attribute_text(*value));
    }
    input.set("Attributes", std::move(attributes)).set("ReturnSubscriptionArn", true);
    MR_ASSIGN_OR_RETURN(const Document made, work.call("sns", "Subscribe", std::move(input)));
    return resource(text_of(made, "SubscriptionArn"));
  }
  Result<Resource> update(const Work& work) const override {
    for (const auto name : kAttributes) {
      if (!differs(work, name)) continue;
      std::string value = text_of(work.properties, name);
      if (value.empty() && name == "FilterPolicy") value = "{}";
      if (value.empty() && name == "FilterPolicyScope") value = "MessageAttributes";
      if (value.empty() && name == "RawMessageDelivery") value = "false";
      MR_RETURN_IF_ERROR(
          work.call("sns", "SetSubscriptionAttributes",
                    Document::object(
                        {{"SubscriptionArn", work.physical_id}, {"AttributeName", name}, {"AttributeValue", value}})));
    }
    return resource(work.physical_id);
  }
  Result<void> remove(const Work& work) const override {
    if (work.physical_id.empty()) return {};
    return ignore_gone(work.call("sns", "Unsubscribe", Document::object({{"SubscriptionArn", work.physical_id}})));
  }

 private:
  static Resource resource(const std::string& arn) { return {arn, Document::object({{"Arn", arn}}), ""}; }
};

}  // namespace sns_subscription

std::unique_ptr<stacks::ResourceType> make_sns_subscription() { return std::make_unique<sns_subscription::Type>(); }

}  // namespace millrace::resources
