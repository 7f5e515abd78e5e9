#include <algorithm>

#include "api/cloudwatch/operations.h"
#include "metrics/errors.h"

namespace millrace::api_cloudwatch {
namespace {

using metrics::Alarm;

constexpr std::string_view kMetricMembers[] = {"MetricName", "Namespace", "Dimensions",       "Period",
                                               "Unit",       "Statistic", "ExtendedStatistic"};
constexpr std::string_view kActionMembers[] = {"OKActions", "AlarmActions", "InsufficientDataActions"};
constexpr std::int64_t kRecordsMax = 100;  // AWS: of a page
constexpr std::int64_t kRecords = 50;

Error validation(std::string text) { return Error(metrics::kValidationError, std::move(text)); }

Reply reply(const Parts& parts, Document output = Document::object()) {
  Reply out;
  out.output = std::move(output);
  out.after = parts.alarms.last_commit();
  return out;
}

std::vector<std::string> strings(const Document& input, std::string_view member) {
  std::vector<std::string> out;
  if (const Document* list = input.find(member); list != nullptr && list->is_array())
    for (const auto& each : list->as_array()) out.push_back(each.as_string());
  return out;
}

// The metric of a simple alarm as a query.
Result<metrics::Query> simple_query(const Scope& scope, const Document& definition) {
  for (const std::string_view name : {"MetricName", "Namespace", "Period"}) {
    if (definition.find(name) == nullptr)
      return validation("The parameter " + std::string(name) + " is required unless Metrics is given.");
  }
  const auto simple = definition.string_or("Statistic", "");
  const auto extended = definition.string_or("ExtendedStatistic", "");
  if (simple.empty() == extended.empty())
    return conflict("Exactly one of the parameters Statistic and ExtendedStatistic must be specified.");
  const auto statistic = metrics::Statistic::parse(extended);
  if (!extended.empty() && (!statistic || !statistic->is_extended()))
    return validation("The value " + std::string(extended) + " for parameter ExtendedStatistic is not supported.");
  metrics::Query query;
  query.id = "m1";
  MR_ASSIGN_OR_RETURN(auto dimensions, dimensions_of(definition));
  query.metric = metrics::MetricId{scope, std::string(definition.string_or("Namespace", "")),
                                   std::string(definition.string_or("MetricName", "")), std::move(dimensions)};
  query.statistic = simple.empty() ? extended : simple;
  query.period = Seconds(definition.int_or("Period", 60));
  if (const auto unit = definition.string_or("Unit", ""); !unit.empty()) {
    MR_RETURN_IF_ERROR(check_unit(unit));
    query.unit = unit;
  }
  return query;
}

Result<void> check_actions(const Document& input) {
  for (const std::string_view member : kActionMembers) {
    const auto actions = strings(input, member);
    if (actions.size() > 5) return validation("The parameter " + std::string(member) + " takes at most 5 actions.");
    for (const auto& arn : actions) {
      if (!arn.starts_with("arn:")) return validation("Invalid arn syntax: " + arn);
      if (!arn.starts_with("arn:aws:sns:") && !arn.starts_with("arn:aws:lambda:"))
        return validation("The action " + arn + " is not supported by this server: topics and functions are.");
    }
  }
  return {};
}

// What PutMetricAlarm has and this server does not.
Result<void> check_members(const Document& input) {
  for (const std::string_view member : {"ThresholdMetricId", "EvaluationWindow", "WarmUpConfiguration",
                                        "EvaluationCriteria", "EvaluationInterval", "ActionConfiguration"}) {
    if (input.find(member) != nullptr) return not_supported(member);
  }
  const auto few_samples = input.string_or("EvaluateLowSampleCountPercentile", "evaluate");
  if (few_samples == "ignore") return not_supported("EvaluateLowSampleCountPercentile with the value ignore");
  if (few_samples != "evaluate") return validation("EvaluateLowSampleCountPercentile must be evaluate or ignore.");
  for (const std::string_view member : {"EvaluationPeriods", "ComparisonOperator"}) {
    if (input.find(member) == nullptr) return missing(member);
  }
  if (input.find("Metrics") == nullptr) return {};
  for (const std::string_view member : kMetricMembers) {
    if (input.find(member) != nullptr)
      return conflict("The parameters Metrics and " + std::string(member) + " are mutually exclusive.");
  }
  return {};
}

Result<std::map<std::string, std::string>> tags_of(const Document& input) {
  std::map<std::string, std::string> tags;
  if (const Document* list = input.find("Tags"); list != nullptr && list->is_array())
    for (const auto& each : list->as_array())
      tags[std::string(each.string_or("Key", ""))] = each.string_or("Value", "");
  if (tags.size() > 50) return validation("A resource can have at most 50 tags.");
  return tags;
}

Document alarm_document(const Alarm& alarm) {
  Document out = Document::object({{"AlarmName", alarm.name}, {"AlarmArn", alarm.arn()}});
  for (const auto& [name, value] : alarm.definition.as_object()) {
    if (name != "AlarmName") out.set(name, value);
  }
  out.set("ActionsEnabled", alarm.actions_enabled());
  for (const std::string_view member : kActionMembers) {
    if (out.find(member) == nullptr) out.set(member, Document::array());
  }
  const bool is_math = alarm.definition.find("Metrics") != nullptr;
  if (!is_math && out.find("Dimensions") == nullptr) out.set("Dimensions", Document::array());
  out.set("AlarmConfigurationUpdatedTimestamp", seconds_of(alarm.configured));
  out.set("StateValue", metrics::state_name(alarm.state));
  out.set("StateReason", alarm.reason);
  if (!alarm.reason_data.empty()) out.set("StateReasonData", alarm.reason_data);
  out.set("StateUpdatedTimestamp", seconds_of(alarm.updated));
  out.set("StateTransitionedTimestamp", seconds_of(alarm.transitioned));
  return out;
}

// The page that the input asks for: its bounds, and the token of the next one.
struct PageBounds {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::string next;
};
Result<PageBounds> page_of(const Document& input, std::size_t count, std::int64_t usual) {
  const auto limit = input.int_or("MaxRecords", usual);
  if (limit < 1 || limit > kRecordsMax) return invalid("The parameter MaxRecords must be between 1 and 100.");
  PageBounds page;
  MR_ASSIGN_OR_RETURN(page.begin, offset_of(input.string_or("NextToken", "")));
  page.begin = std::min(page.begin, count);
  page.end = std::min(count, page.begin + static_cast<std::size_t>(limit));
  if (page.end < count) page.next = token_of(page.end);
  return page;
}

bool wants_metric_alarms(const Document& input) {
  const auto types = strings(input, "AlarmTypes");
  return types.empty() || std::ranges::find(types, "MetricAlarm") != types.end();
}

bool has_action(const Alarm& alarm, std::string_view prefix) {
  for (const std::string_view member : kActionMembers)
    for (const auto& arn : strings(alarm.definition, member))
      if (arn.starts_with(prefix)) return true;
  return prefix.empty();
}

Result<std::string> name_in_arn(const RequestContext& context, const Document& input) {
  const auto arn = input.string_or("ResourceARN", "");
  const Scope& scope = context.caller.scope;
  const std::string prefix = "arn:aws:cloudwatch:" + scope.region + ":" + scope.account + ":alarm:";
  if (!arn.starts_with(prefix))
    return Error(metrics::kResourceNotFoundException, "There is no alarm with the ARN " + std::string(arn) + ".");
  return std::string(arn.substr(prefix.size()));
}

}  // namespace

Result<std::vector<metrics::Query>> alarm_queries(const Scope& scope, const Document& definition) {
  if (const Document* list = definition.find("Metrics"); list != nullptr) return queries_of(scope, *list);
  MR_ASSIGN_OR_RETURN(metrics::Query query, simple_query(scope, definition));
  std::vector<metrics::Query> queries;
  queries.push_back(std::move(query));
  MR_RETURN_IF_ERROR(metrics::check_queries(queries));
  return queries;
}

Result<Reply> put_metric_alarm(const Parts& parts, const RequestContext& context, const Document& input) {
  MR_RETURN_IF_ERROR(check_members(input));
  MR_RETURN_IF_ERROR(check_actions(input));
  Alarm alarm;
  alarm.scope = context.caller.scope;
  alarm.name = input.string_or("AlarmName", "");
  alarm.definition = input;
  alarm.definition.erase("Tags");
  MR_ASSIGN_OR_RETURN(alarm.tags, tags_of(input));
  MR_ASSIGN_OR_RETURN(auto queries, alarm_queries(alarm.scope, input));
  MR_RETURN_IF_ERROR(metrics::derive(alarm, std::move(queries)));
  MR_RETURN_IF_ERROR(parts.alarms.put(std::move(alarm)));
  return reply(parts);
}

Result<Reply> delete_alarms(const Parts& parts, const RequestContext& context, const Document& input) {
  parts.alarms.remove(context.caller.scope, strings(input, "AlarmNames"));
  return reply(parts);
}

Result<Reply> describe_alarms(const Parts& parts, const RequestContext& context, const Document& input) {
  for (const std::string_view member : {"ChildrenOfAlarmName", "ParentsOfAlarmName"}) {
    if (input.find(member) != nullptr) return not_supported(member);
  }
  const auto names = strings(input, "AlarmNames");
  const auto prefix = input.string_or("AlarmNamePrefix", "");
  if (!names.empty() && !prefix.empty())
    return conflict("The parameters AlarmNames and AlarmNamePrefix are mutually exclusive.");
  const auto state = input.string_or("StateValue", "");
  std::vector<Alarm> found;
  if (wants_metric_alarms(input)) found = parts.alarms.list(context.caller.scope);
  std::erase_if(found, [&](const Alarm& alarm) {
    if (!names.empty() && std::ranges::find(names, alarm.name) == names.end()) return true;
    if (!state.empty() && metrics::state_name(alarm.state) != state) return true;
    return !alarm.name.starts_with(prefix) || !has_action(alarm, input.string_or("ActionPrefix", ""));
  });
  MR_ASSIGN_OR_RETURN(const auto page, page_of(input, found.size(), kRecords));
  Document list = Document::array();
  for (std::size_t i = page.begin; i < page.end; ++i) list.push(alarm_document(found[i]));
  Reply out = reply(parts);
  out.output.set("MetricAlarms", std::move(list));
  out.output.set("CompositeAlarms", Document::array());
  if (!page.next.empty()) out.output.set("NextToken", page.next);
  return out;
}

Result<Reply> describe_alarms_for_metric(const Parts& parts, const RequestContext& context, const Document& input) {
  MR_ASSIGN_OR_RETURN(auto dimensions, dimensions_of(input));
  const metrics::MetricId id{context.caller.scope, std::string(input.string_or("Namespace", "")),
                             std::string(input.string_or("MetricName", "")), std::move(dimensions)};
  Document list = Document::array();
  for (const auto& alarm : parts.alarms.list(context.caller.scope)) {
    if (alarm.definition.find("Metrics") != nullptr || !alarm.watches(id)) continue;
    bool fits = input.int_or("Period", alarm.period.count()) == alarm.period.count();
    for (const std::string_view member : {"Statistic", "ExtendedStatistic", "Unit"}) {
      const auto wanted = input.string_or(member, "");
      fits = fits && (wanted.empty() || alarm.definition.string_or(member, "") == wanted);
    }
    if (fits) list.push(alarm_document(alarm));
  }
  return reply(parts, Document::object({{"MetricAlarms", std::move(list)}}));
}

Result<Reply> describe_alarm_history(const Parts& parts, const RequestContext& context, const Document& input) {
  if (input.find("AlarmContributorId") != nullptr) return not_supported("AlarmContributorId");
  std::optional<std::string_view> name;
  if (input.find("AlarmName") != nullptr) name = input.string_or("AlarmName", "");
  auto found = parts.alarms.history(context.caller.scope, name);
  const auto type = input.string_or("HistoryItemType", "");
  const auto from = time_of(input, "StartDate");
  const auto to = time_of(input, "EndDate");
  std::erase_if(found, [&](const metrics::AlarmHistory& entry) {
    return (!type.empty() && entry.type != type) || (from && entry.at < *from) || (to && entry.at > *to) ||
           !wants_metric_alarms(input);
  });
  if (input.string_or("ScanBy", "TimestampDescending") == "TimestampDescending") std::ranges::reverse(found);
  MR_ASSIGN_OR_RETURN(const auto page, page_of(input, found.size(), kRecordsMax));
  Document list = Document::array();
  for (std::size_t i = page.begin; i < page.end; ++i) {
    list.push(Document::object({{"AlarmName", found[i].alarm},
                                {"AlarmType", "MetricAlarm"},
                                {"Timestamp", seconds_of(found[i].at)},
                                {"HistoryItemType", found[i].type},
                                {"HistorySummary", found[i].summary},
                                {"HistoryData", found[i].data}}));
  }
  Reply out = reply(parts);
  out.output.set("AlarmHistoryItems", std::move(list));
  if (!page.next.empty()) out.output.set("NextToken", page.next);
  return out;
}

Result<Reply> set_alarm_state(const Parts& parts, const RequestContext& context, const Document& input) {
  const auto state = metrics::parse_state(input.string_or("StateValue", ""));
  if (!state) return invalid("The parameter StateValue must be OK, ALARM or INSUFFICIENT_DATA.");
  const std::string data(input.string_or("StateReasonData", ""));
  if (!data.empty() && !codec::parse_json(data).ok())
    return Error(metrics::kInvalidFormat, "The parameter StateReasonData must be JSON.");
  MR_RETURN_IF_ERROR(parts.alarms.set_state(context.caller.scope, input.string_or("AlarmName", ""), *state,
                                            std::string(input.string_or("StateReason", "")), data));
  return reply(parts);
}

Result<Reply> enable_alarm_actions(const Parts& parts, const RequestContext& context, const Document& input) {
  parts.alarms.enable_actions(context.caller.scope, strings(input, "AlarmNames"), true);
  return reply(parts);
}

Result<Reply> disable_alarm_actions(const Parts& parts, const RequestContext& context, const Document& input) {
  parts.alarms.enable_actions(context.caller.scope, strings(input, "AlarmNames"), false);
  return reply(parts);
}

Result<Reply> tag_resource(const Parts& parts, const RequestContext& context, const Document& input) {
  MR_ASSIGN_OR_RETURN(const std::string name, name_in_arn(context, input));
  MR_ASSIGN_OR_RETURN(const auto added, tags_of(input));
  MR_RETURN_IF_ERROR(parts.alarms.change_tags(context.caller.scope, name, [&](auto& tags) -> Result<void> {
    for (const auto& [key, value] : added) tags[key] = value;
    if (tags.size() > 50) return validation("A resource can have at most 50 tags.");
    return {};
  }));
  return reply(parts);
}

Result<Reply> untag_resource(const Parts& parts, const RequestContext& context, const Document& input) {
  MR_ASSIGN_OR_RETURN(const std::string name, name_in_arn(context, input));
  MR_RETURN_IF_ERROR(parts.alarms.change_tags(context.caller.scope, name, [&](auto& tags) -> Result<void> {
    for (const auto& key : strings(input, "TagKeys")) tags.erase(key);
    return {};
  }));
  return reply(parts);
}

Result<Reply> list_tags_for_resource(const Parts& parts, const RequestContext& context, const Document& input) {
  MR_ASSIGN_OR_RETURN(const std::string name, name_in_arn(context, input));
  const auto alarm = parts.alarms.find(context.caller.scope, name);
  if (!alarm) return Error(metrics::kResourceNotFoundException, "The alarm " + name + " does not exist.");
  Document list = Document::array();
  for (const auto& [key, value] : alarm->tags) list.push(Document::object({{"Key", key}, {"Value", value}}));
  return reply(parts, Document::object({{"Tags", std::move(list)}}));
}

}  // namespace millrace::api_cloudwatch
