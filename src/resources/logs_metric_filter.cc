// AWS::Logs::MetricFilter
#include "resources/type_base.h"
#include "resources/types.h"

namespace millrace::resources {
namespace logs_metric_filter {

// AWS: the operation spells the same members with a small first letter, and maps dimensions.
Document transformation(const Document& given) {
  Document out = Document::object();
  for (const auto& [name, value] : given.as_object()) {
    std::string spelled = name;
    spelled.front() = static_cast<char>(spelled.front() | 0x20);
    if (name != "Dimensions") {
      out.set(spelled, value);
      continue;
    }
    Document dimensions = Document::object();
    for (const auto& one : list_of(&value)) dimensions.set(text_of(one, "Key"), text_of(one, "Value"));
    out.set(spelled, std::move(dimensions));
  }
  return out;
}

class Type final : public TypeBase {
 public:
  Type()
      : TypeBase("AWS::Logs::MetricFilter", {recorded("ApplyOnTransformedLogs"),
                                             recorded("EmitSystemFieldDimensions"),
                                             recorded("FieldSelectionCriteria"),
                                             {"FilterName", Update::kReplace},
                                             required("FilterPattern"),
                                             required("LogGroupName", Update::kReplace),
                                             required("MetricTransformations")}) {}

  Result<Resource> create(const Work& work) const override {
    const std::string name = work.name_or_generated("FilterName", 512);
    Document transformations = Document::array();
    for (const auto& one : list_of(work.property("MetricTransformations"))) {
      if (!one.is_object()) return Error(kInvalidRequest, "MetricTransformations: an element is no object.");
      transformations.push(transformation(one));
    }
    MR_RETURN_IF_ERROR(work.call("logs", "PutMetricFilter",
                                 Document::object({{"logGroupName", text_of(work.properties, "LogGroupName")},
                                                   {"filterName", name},
                                                   {"filterPattern", text_of(work.properties, "FilterPattern")},
                                                   {"metricTransformations", std::move(transformations)}})));
    return Resource{name, Document::object(), ""};
  }
  Result<Resource> update(const Work& work) const override { return create(work); }
  Result<void> remove(const Work& work) const override {
    return ignore_gone(work.call("logs", "DeleteMetricFilter",
                                 Document::object({{"logGroupName", text_of(work.properties, "LogGroupName")},
                                                   {"filterName", work.name_or_generated("FilterName", 512)}})));
  }
};

}  // namespace logs_metric_filter

std::unique_ptr<stacks::ResourceType> make_logs_metric_filter() { return std::make_unique<logs_metric_filter::Type>(); }

}  // namespace millrace::resources
