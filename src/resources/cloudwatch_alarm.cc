// AWS::CloudWatch::Alarm
#include "resources/type_base.h"
#include "resources/types.h"

namespace millrace::resources {
namespace cloudwatch_alarm {

class Type final : public TypeBase {
 public:
  Type()
      : TypeBase("AWS::CloudWatch::Alarm",
                 {{"ActionsEnabled"},
                  {"AlarmActions"},
                  {"AlarmDescription"},
                  {"AlarmName", Update::kReplace},
                  required("ComparisonOperator"),
                  {"DatapointsToAlarm"},
                  {"Dimensions"},
                  {"EvaluateLowSampleCountPercentile"},
                  required("EvaluationPeriods"),
                  {"ExtendedStatistic"},
                  {"InsufficientDataActions"},
                  {"MetricName"},
                  {"Metrics"},
                  {"Namespace"},
                  {"OKActions"},
                  {"Period"},
                  {"Statistic"},
                  {"Tags"},
                  {"Threshold"},
                  {"ThresholdMetricId"},
                  {"TreatMissingData"},
                  {"Unit"}},
                 {"Arn"}) {}

  // Whether there is one, as PutMetricAlarm would overwrite it.
  Result<bool> exists(const Work& work) const override {
    MR_ASSIGN_OR_RETURN(const Document found,
                        work.call("cloudwatch", "DescribeAlarms",
                                  Document::object({{"AlarmNames", Document::array({name_of(work)})}})));
    return !list_of(found.find("MetricAlarms")).empty();
  }
  Result<Resource> create(const Work& work) const override {
    Document input = Document::object();
    for (const Property& property : properties()) {
      if (property.name == "Tags") continue;
      if (const Document* value = work.property(property.name)) input.set(property.name, *value);
    }
    const std::string name = name_of(work);
    const Document tags = tag_list(work, work.properties);
    if (!tags.as_array().empty()) input.set("Tags", tags);
    MR_RETURN_IF_ERROR(work.call("cloudwatch", "PutMetricAlarm", std::move(input.set("AlarmName", name))));
    const Scope& scope = work.caller.scope;
    const std::string arn = "arn:aws:cloudwatch:" + scope.region + ":" + scope.account + ":alarm:" + name;
    return Resource{name, Document::object({{"Arn", arn}}), ""};
  }
  Result<Resource> update(const Work& work) const override { return create(work); }
  Result<void> remove(const Work& work) const override {
    return ignore_gone(
        work.call("cloudwatch", "DeleteAlarms", Document::object({{"AlarmNames", Document::array({name_of(work)})}})));
  }

 private:
  static std::string name_of(const Work& work) { return work.name_or_generated("AlarmName", 255); }
};

}  // namespace cloudwatch_alarm

std::unique_ptr<stacks::ResourceType> make_cloudwatch_alarm() { return std::make_unique<cloudwatch_alarm::Type>(); }

}  // namespace millrace::resources
