// AWS::Lambda::EventSourceMapping
#include "resources/type_base.h"
#include "resources/types.h"

namespace millrace::resources {
namespace lambda_event_source_mapping {

// A literal ARN in a template often names the stream of another account or of an earlier table: what AWS answers, and
// beside it the stream that the table has.
Error with_existing_label(const Work& work, const Error& error) {
  const std::string arn = text_of(work.properties, "EventSourceArn");
  const auto label = arn.find("/stream/");
  if (!error.message().starts_with("Stream not found") || label == std::string::npos) return error;
  const auto found = work.call("dynamodb", "DescribeTable", Document::object({{"TableName", arn.substr(0, label)}}));
  const Document* table = found.ok() ? found->find("Table") : nullptr;
  std::string there = "The table does not exist here.";
  if (table != nullptr) {
    const std::string latest = text_of(*table, "LatestStreamArn");
    there = latest.empty() ? "The table has no stream." : "The stream of the table is " + latest + ".";
  }
  return Error(error.type(), error.message() + ". " + there);
}

class Type final : public TypeBase {
 public:
  Type()
      : TypeBase("AWS::Lambda::EventSourceMapping",
                 {recorded("AmazonManagedKafkaEventSourceConfig", Update::kReplace),
                  {"BatchSize"},
                  {"BisectBatchOnFunctionError"},
                  {"DestinationConfig"},
                  recorded("DocumentDBEventSourceConfig"),
                  {"Enabled"},
                  {"EventSourceArn", Update::kReplace},
                  {"FilterCriteria"},
                  {"FunctionName", Update::kInPlace, Effect::kEffective, kRequired},
                  {"FunctionResponseTypes"},
                  recorded("KmsKeyArn"),
                  recorded("LoggingConfig"),
                  {"MaximumBatchingWindowInSeconds"},
                  {"MaximumRecordAgeInSeconds"},
                  {"MaximumRetryAttempts"},
                  {"MetricsConfig"},
                  {"ParallelizationFactor"},
                  recorded("ProvisionedPollerConfig"),
                  {"Queues"},
                  {"ScalingConfig"},
                  {"SelfManagedEventSource", Update::kReplace},
                  recorded("SelfManagedKafkaEventSourceConfig", Update::kReplace),
                  {"SourceAccessConfigurations"},
                  {"StartingPosition", Update::kReplace},
                  {"StartingPositionTimestamp", Update::kReplace},
                  recorded("Tags"),
                  {"Topics"},
                  {"TumblingWindowInSeconds"}},
                 {"EventSourceMappingArn", "Id"}) {}

  Result<Resource> create(const Work& work) const override {
    Document input = pick(work.properties, {"BatchSize",
                                            "BisectBatchOnFunctionError",
                                            "DestinationConfig",
                                            "Enabled",
                                            "EventSourceArn",
                                            "FilterCriteria",
                                            "FunctionName",
                                            "FunctionResponseTypes",
                                            "MaximumBatchingWindowInSeconds",
                                            "MaximumRecordAgeInSeconds",
                                            "MaximumRetryAttempts",
                                            "MetricsConfig",
                                            "ParallelizationFactor",
                                            "Queues",
                                            "ScalingConfig",
                                            "SelfManagedEventSource",
                                            "SourceAccessConfigurations",
                                            "StartingPosition",
                                            "StartingPositionTimestamp",
                                            "Topics",
                                            "TumblingWindowInSeconds"});
    const auto made = work.call("lambda", "CreateEventSourceMapping", std::move(input));
    if (!made.ok()) return with_existing_label(work, made.error());
    return resource(work, std::string(made->string_or("UUID", "")));
  }

  Result<Resource> update(const Work& work) const override {
    Document input = Document::object();
    for (const Property& property : properties()) {
      if (property.effect == Effect::kRecorded || property.update != Update::kInPlace) continue;
      if (!differs(work, property.name)) continue;
      const Document* value = work.property(property.name);
      input.set(property.name, value != nullptr ? *value : otherwise(property.name));
    }
    input.set("UUID", work.physical_id);
    MR_RETURN_IF_ERROR(work.call("lambda", "UpdateEventSourceMapping", std::move(input)));
    return resource(work, work.physical_id);
  }

  Result<void> remove(const Work& work) const override {
    if (work.physical_id.empty()) return {};
    return ignore_gone(work.call("lambda", "DeleteEventSourceMapping", Document::object({{"UUID", work.physical_id}})));
  }

 private:
  // What takes an option away again.
  static Document otherwise(std::string_view name) {
    if (name == "Enabled") return true;
    if (name == "BisectBatchOnFunctionError") return false;
    if (name == "ParallelizationFactor") return 1;
    if (name == "MaximumRetryAttempts" || name == "MaximumRecordAgeInSeconds") return -1;
    if (name == "MaximumBatchingWindowInSeconds" || name == "TumblingWindowInSeconds") return 0;
    if (name == "FunctionResponseTypes") return Document::array();
    if (name == "BatchSize") return 100;
    return Document::object();
  }

  static Resource resource(const Work& work, const std::string& id) {
    const Scope& scope = work.caller.scope;
    return {id,
            Document::object({{"Id", id},
                              {"EventSourceMappingArn", "arn:aws:lambda:" + scope.region + ":" + scope.account +
                                                            ":event-source-mapping:" + id}}),
            ""};
  }
};

}  // namespace lambda_event_source_mapping

std::unique_ptr<stacks::ResourceType> make_lambda_event_source_mapping() {
  return std::make_unique<lambda_event_source_mapping::Type>();
}

}  // namespace millrace::resources
