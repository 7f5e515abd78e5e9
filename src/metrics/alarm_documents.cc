// What AWS sends and shows about a change of an alarm's state.
#include <algorithm>

#include "metrics/alarm.h"

namespace millrace::metrics {
namespace {

using codec::Json;

Json dimensions_of(const Json* list) {
  Json out = Json::array();
  if (list == nullptr || !list->is_array()) return out;
  // AWS: in this order, in small letters.
  for (const auto& each : list->as_array())
    out.push(Json::object({{"value", each.string_or("Value", "")}, {"name", each.string_or("Name", "")}}));
  return out;
}

Json member_or(const Json& definition, std::string_view name, Json otherwise) {
  const Json* value = definition.find(name);
  return value == nullptr ? std::move(otherwise) : *value;
}

std::string upper(std::string_view text) {
  // "SampleCount" is SAMPLE_COUNT.
  std::string out;
  for (const char c : text) {
    if (c >= 'A' && c <= 'Z' && !out.empty()) out += '_';
    out += c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  }
  return out;
}

Json trigger_metrics(const Json& metrics) {
  Json out = Json::array();
  for (const auto& each : metrics.as_array()) {
    Json entry = Json::object();
    for (const std::string_view name : {"Expression", "Id", "Label", "Period"})
      if (const Json* value = each.find(name)) entry.set(name, *value);
    if (const Json* stat = each.find("MetricStat")) {
      const Json* metric = stat->find("Metric");
      Json inner = Json::object({{"Dimensions", dimensions_of(metric->find("Dimensions"))},
                                 {"MetricName", metric->string_or("MetricName", "")},
                                 {"Namespace", metric->string_or("Namespace", "")}});
      Json out_stat = Json::object({{"Metric", std::move(inner)},
                                    {"Period", stat->int_or("Period", 60)},
                                    {"Stat", stat->string_or("Stat", "")}});
      if (const Json* unit = stat->find("Unit")) out_stat.set("Unit", *unit);
      entry.set("MetricStat", std::move(out_stat));
    }
    entry.set("ReturnData", each.bool_or("ReturnData", true));
    out.push(std::move(entry));
  }
  return out;
}

Json trigger_of(const Alarm& alarm) {
  const Json& definition = alarm.definition;
  Json trigger = Json::object();
  const Json* metrics = definition.find("Metrics");
  if (metrics == nullptr) {
    const auto extended = definition.string_or("ExtendedStatistic", "");
    trigger.set("MetricName", definition.string_or("MetricName", ""));
    trigger.set("Namespace", definition.string_or("Namespace", ""));
    trigger.set("StatisticType", extended.empty() ? "Statistic" : "ExtendedStatistic");
    if (extended.empty()) {
      trigger.set("Statistic", upper(definition.string_or("Statistic", "")));
    } else {
      trigger.set("ExtendedStatistic", extended);
    }
    trigger.set("Unit", member_or(definition, "Unit", Json()));
    trigger.set("Dimensions", dimensions_of(definition.find("Dimensions")));
  }
  trigger.set("Period", alarm.period.count());
  trigger.set("EvaluationPeriods", alarm.rule.periods);
  if (definition.find("DatapointsToAlarm") != nullptr) trigger.set("DatapointsToAlarm", alarm.rule.datapoints);
  trigger.set("ComparisonOperator", definition.string_or("ComparisonOperator", ""));
  trigger.set("Threshold", alarm.rule.threshold);
  trigger.set("TreatMissingData", definition.string_or("TreatMissingData", ""));
  trigger.set("EvaluateLowSampleCountPercentile", definition.string_or("EvaluateLowSampleCountPercentile", ""));
  if (metrics != nullptr) trigger.set("Metrics", trigger_metrics(*metrics));
  return trigger;
}

// AWS: the configuration in an event names the metric as a query.
Json configuration_of(const Alarm& alarm) {
  Json out = Json::object();
  if (const auto text = alarm.definition.string_or("AlarmDescription", ""); !text.empty()) out.set("description", text);
  Json metrics = Json::array();
  for (const auto& query : alarm.queries) {
    Json each = Json::object({{"id", query.id}});
    if (query.metric) {
      Json dimensions = Json::object();
      for (const auto& [name, value] : query.metric->dimensions) dimensions.set(name, value);
      Json metric = Json::object(
          {{"namespace", query.metric->space}, {"name", query.metric->name}, {"dimensions", std::move(dimensions)}});
      each.set("metricStat", Json::object({{"metric", std::move(metric)},
                                           {"period", query.period.value_or(Seconds(60)).count()},
                                           {"stat", query.statistic}}));
    } else {
      each.set("expression", query.expression);
    }
    each.set("returnData", query.return_data);
    metrics.push(std::move(each));
  }
  out.set("metrics", std::move(metrics));
  return out;
}

Json state_document(AlarmState state, const std::string& reason, const std::string& data, Time at) {
  Json out = Json::object({{"value", state_name(state)}, {"reason", reason}});
  if (!data.empty()) out.set("reasonData", data);
  out.set("timestamp", alarm_time(at));
  return out;
}

}  // namespace

std::string alarm_time(Time time) {
  std::string text = format_iso_ms(time);
  text.back() = '+';
  return text + "0000";
}

std::string_view region_title(std::string_view region) {
  static constexpr std::pair<std::string_view, std::string_view> kTitles[] = {
      {"us-east-1", "US East (N. Virginia)"},
      {"us-east-2", "US East (Ohio)"},
      {"us-west-1", "US West (N. California)"},
      {"us-west-2", "US West (Oregon)"},
      {"ca-central-1", "Canada (Central)"},
      {"eu-west-1", "EU (Ireland)"},
      {"eu-west-2", "EU (London)"},
      {"eu-west-3", "EU (Paris)"},
      {"eu-central-1", "EU (Frankfurt)"},
      {"eu-north-1", "EU (Stockholm)"},
      {"eu-south-1", "EU (Milan)"},
      {"ap-south-1", "Asia Pacific (Mumbai)"},
      {"ap-southeast-1", "Asia Pacific (Singapore)"},
      {"ap-southeast-2", "Asia Pacific (Sydney)"},
      {"ap-northeast-1", "Asia Pacific (Tokyo)"},
      {"ap-northeast-2", "Asia Pacific (Seoul)"},
      {"ap-northeast-3", "Asia Pacific (Osaka)"},
      {"sa-east-1", "South America (Sao Paulo)"}};
  for (const auto& [name, title] : kTitles) {
    if (name == region) return title;
  }
  return region;
}

std::string reason_data(const Alarm& alarm, const Verdict& verdict, Time now) {
  Json recent = Json::array();
  Json evaluated = Json::array();
  // AWS: recent ones oldest first, evaluated ones newest first.
  for (auto it = verdict.evaluated.rbegin(); it != verdict.evaluated.rend(); ++it) recent.push(*it->value);
  for (const auto& point : verdict.evaluated) {
    Json each = Json::object({{"timestamp", alarm_time(point.at)}});
    if (point.samples > 0) each.set("sampleCount", point.samples);
    each.set("value", *point.value);
    evaluated.push(std::move(each));
  }
  Json out = Json::object({{"version", "1.0"}, {"queryDate", alarm_time(now)}});
  if (!verdict.evaluated.empty()) out.set("startDate", alarm_time(verdict.evaluated.back().at));
  const auto unit = alarm.definition.string_or("Unit", "");
  if (!unit.empty()) out.set("unit", unit);
  const auto statistic = alarm.definition.string_or("Statistic", alarm.definition.string_or("ExtendedStatistic", ""));
  if (!statistic.empty()) out.set("statistic", statistic);
  out.set("period", alarm.period.count());
  out.set("recentDatapoints", std::move(recent));
  out.set("threshold", alarm.rule.threshold);
  out.set("evaluatedDatapoints", std::move(evaluated));
  return out.dump();
}

std::string sns_subject(const Alarm& alarm) {
  return std::string(state_name(alarm.state)) + ": \"" + alarm.name + "\" in " +
         std::string(region_title(alarm.scope.region));
}

std::string sns_message(const Alarm& alarm, AlarmState before, Time now) {
  const Json& definition = alarm.definition;
  return Json::object({{"AlarmName", alarm.name},
                       {"AlarmDescription", member_or(definition, "AlarmDescription", Json())},
                       {"AWSAccountId", alarm.scope.account},
                       {"AlarmConfigurationUpdatedTimestamp", alarm_time(alarm.configured)},
                       {"NewStateValue", state_name(alarm.state)},
                       {"NewStateReason", alarm.reason},
                       {"StateChangeTime", alarm_time(now)},
                       {"Region", region_title(alarm.scope.region)},
                       {"AlarmArn", alarm.arn()},
                       {"OldStateValue", state_name(before)},
                       {"OKActions", member_or(definition, "OKActions", Json::array())},
                       {"AlarmActions", member_or(definition, "AlarmActions", Json::array())},
                       {"InsufficientDataActions", member_or(definition, "InsufficientDataActions", Json::array())},
                       {"Trigger", trigger_of(alarm)}})
      .dump();
}

std::string function_event(const Alarm& alarm, AlarmState before, const std::string& before_reason,
                           const std::string& before_data, Time before_at, Time now) {
  Json data = Json::object({{"alarmName", alarm.name},
                            {"state", state_document(alarm.state, alarm.reason, alarm.reason_data, now)},
                            {"previousState", state_document(before, before_reason, before_data, before_at)},
                            {"configuration", configuration_of(alarm)}});
  return Json::object({{"source", "aws.cloudwatch"},
                       {"alarmArn", alarm.arn()},
                       {"accountId", alarm.scope.account},
                       {"time", alarm_time(now)},
                       {"region", alarm.scope.region},
                       {"alarmData", std::move(data)}})
      .dump();
}

}  // namespace millrace::metrics
