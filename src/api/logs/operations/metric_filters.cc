#include <algorithm>

#include "api/logs/operations.h"
#include "logs/errors.h"

namespace millrace::api_logs {
namespace {

constexpr std::size_t kPage = 50;

Document transformation_document(const logs::MetricFilter& filter) {
  Document out = Document::object(
      {{"metricName", filter.metric_name}, {"metricNamespace", filter.metric_space}, {"metricValue", filter.value}});
  if (filter.default_value) out.set("defaultValue", *filter.default_value);
  if (!filter.dimensions.empty()) {
    Document dimensions = Document::object();
    for (const auto& [name, selector] : filter.dimensions) dimensions.set(name, selector);
    out.set("dimensions", std::move(dimensions));
  }
  if (filter.unit != "None") out.set("unit", filter.unit);
  return out;
}

}  // namespace

Result<Reply> put_metric_filter(logs::Service& logs, const RequestContext& context, const Document& input) {
  for (const std::string_view member :
       {"applyOnTransformedLogs", "fieldSelectionCriteria", "emitSystemFieldDimensions"}) {
    const Document* value = input.find(member);
    if (value != nullptr && !(value->is_bool() && !value->as_bool())) return not_supported(member);
  }
  MR_ASSIGN_OR_RETURN(const auto group, group_of(context, input.string_or("logGroupName", ""), std::nullopt));
  const auto& list = input.find("metricTransformations")->as_array();
  if (list.size() != 1) return Error(logs::kInvalidParameter, "Exactly one metric transformation must be given.");
  const Document& given = list.front();
  Document json = Document::object({{"name", input.string_or("filterName", "")},
                                    {"pattern", input.string_or("filterPattern", "")},
                                    {"metric", given.string_or("metricName", "")},
                                    {"space", given.string_or("metricNamespace", "")},
                                    {"value", given.string_or("metricValue", "")},
                                    {"unit", given.string_or("unit", "None")}});
  if (const Document* value = given.find("defaultValue")) json.set("default", *value);
  if (const Document* dimensions = given.find("dimensions")) json.set("dimensions", *dimensions);
  MR_ASSIGN_OR_RETURN(auto filter, logs::metric_filter_from_json(json));
  MR_RETURN_IF_ERROR(logs.put_metric_filter(group, std::move(filter)));
  return reply(logs);
}

Result<Reply> delete_metric_filter(logs::Service& logs, const RequestContext& context, const Document& input) {
  MR_ASSIGN_OR_RETURN(const auto group, group_of(context, input.string_or("logGroupName", ""), std::nullopt));
  MR_RETURN_IF_ERROR(logs.delete_metric_filter(group, input.string_or("filterName", "")));
  return reply(logs);
}

Result<Reply> describe_metric_filters(logs::Service& logs, const RequestContext& context, const Document& input) {
  const auto metric = input.string_or("metricName", "");
  const auto space = input.string_or("metricNamespace", "");
  if (metric.empty() != space.empty())
    return Error(logs::kInvalidParameter, "metricName and metricNamespace must be given together.");
  std::vector<std::pair<std::string, logs::MetricFilter>> found;
  if (const Document* name = input.find("logGroupName"); name != nullptr) {
    MR_ASSIGN_OR_RETURN(const auto group, group_of(context, name->as_string(), std::nullopt));
    MR_ASSIGN_OR_RETURN(auto filters, logs.metric_filters(group));
    for (auto& filter : filters) found.emplace_back(group.name, std::move(filter));
  } else {
    found = logs.all_metric_filters(context.caller.scope);
  }
  const auto prefix = input.string_or("filterNamePrefix", "");
  std::erase_if(found, [&](const auto& each) {
    const bool other = !metric.empty() && (each.second.metric_name != metric || each.second.metric_space != space);
    return other || !each.second.name.starts_with(prefix);
  });
  // Pages go on behind a name.
  const std::string token(input.string_or("nextToken", ""));
  const auto key = [](const auto& each) { return each.first + "\n" + each.second.name; };
  if (!token.empty()) std::erase_if(found, [&](const auto& each) { return key(each) <= token; });
  const std::size_t limit = static_cast<std::size_t>(input.int_or("limit", kPage));
  Document list = Document::array();
  for (const auto& [group, filter] : found) {
    if (list.as_array().size() == limit) break;
    list.push(Document::object({{"filterName", filter.name},
                                {"filterPattern", filter.pattern_text},
                                {"metricTransformations", Document::array({transformation_document(filter)})},
                                {"creationTime", to_unix_ms(filter.created)},
                                {"logGroupName", group},
                                {"applyOnTransformedLogs", false}}));
  }
  Document output = Document::object();
  if (found.size() > limit) output.set("nextToken", key(found[limit - 1]));
  output.set("metricFilters", std::move(list));
  return reply(logs, std::move(output));
}

Result<Reply> test_metric_filter(logs::Service& logs, const RequestContext&, const Document& input) {
  MR_ASSIGN_OR_RETURN(const auto pattern, logs::FilterPattern::parse(input.string_or("filterPattern", "")));
  Document matches = Document::array();
  std::int64_t number = 0;
  for (const auto& message : input.find("logEventMessages")->as_array()) {
    ++number;
    const auto extracted = pattern.match(message.as_string());
    if (!extracted) continue;
    Document values = Document::object();
    for (const auto& [name, value] : *extracted) values.set(name, value);
    matches.push(
        Document::object({{"eventNumber", number}, {"eventMessage", message}, {"extractedValues", std::move(values)}}));
  }
  return reply(logs, Document::object({{"matches", std::move(matches)}}));
}

}  // namespace millrace::api_logs
