// metrics, alarms: CloudWatch as a person reads it.
#include <cmath>
#include <memory>

#include <CLI/CLI.hpp>

#include "base/time.h"
#include "cli/internal/commands.h"

namespace millrace::cli {
namespace {

using codec::Json;

constexpr std::string_view kTarget = "GraniteServiceVersion20100801.";
constexpr std::size_t kReasonWidth = 80;
constexpr std::size_t kDatapointsMax = 1440;  // AWS: of one call

Result<Json> call(Api& api, std::string_view operation, const Json& body) {
  return api.aws("monitoring", std::string(kTarget) + std::string(operation), body);
}

// All pages of a list.
Result<Json> call_all(Api& api, std::string_view operation, std::string_view member, Json body) {
  Json all = Json::array();
  while (true) {
    MR_ASSIGN_OR_RETURN(Json page, call(api, operation, body));
    if (Json* list = page.find(member); list != nullptr && list->is_array())
      for (auto& each : list->as_array()) all.push(std::move(each));
    const std::string token(page.string_or("NextToken", ""));
    if (token.empty()) return Json::object({{std::string(member), std::move(all)}});
    body.set("NextToken", token);
  }
}

std::string time_text(const Json& document, std::string_view member) {
  const Json* value = document.find(member);
  if (value == nullptr || !value->is_number()) return "-";
  return format_iso_s(from_unix_ms(std::llround(value->as_double() * 1000)));
}

std::string dimensions_text(const Json& document) {
  std::string out;
  if (const Json* list = document.find("Dimensions"); list != nullptr && list->is_array())
    for (const auto& each : list->as_array())
      out += (out.empty() ? "" : " ") + std::string(each.string_or("Name", "")) + "=" +
             std::string(each.string_or("Value", ""));
  return out.empty() ? "-" : out;
}

Result<Json> dimensions_of(const std::vector<std::string>& texts) {
  Json out = Json::array();
  for (const auto& text : texts) {
    const auto equals = text.find('=');
    if (equals == std::string::npos || equals == 0)
      return Error(kInvalidArgument, "a dimension is NAME=VALUE, not " + text);
    out.push(Json::object({{"Name", text.substr(0, equals)}, {"Value", text.substr(equals + 1)}}));
  }
  return out;
}

std::string metric_text(const Json& alarm) {
  if (alarm.find("Metrics") != nullptr) return "expression";
  return std::string(alarm.string_or("Namespace", "")) + " " + std::string(alarm.string_or("MetricName", ""));
}

Result<int> list_alarms(Api& api, Output& output) {
  MR_ASSIGN_OR_RETURN(const Json found, call_all(api, "DescribeAlarms", "MetricAlarms", Json::object()));
  if (output.json()) {
    output.document(found);
    return 0;
  }
  Json rows = Json::array();
  for (const auto& alarm : found.find("MetricAlarms")->as_array()) {
    rows.push(Json::object({{"name", alarm.string_or("AlarmName", "")},
                            {"state", alarm.string_or("StateValue", "")},
                            {"since", time_text(alarm, "StateTransitionedTimestamp")},
                            {"metric", metric_text(alarm)},
                            {"reason", alarm.string_or("StateReason", "")}}));
  }
  output.table(Json::object({{"alarms", std::move(rows)}}), "alarms",
               {{"ALARM", "name"},
                {"STATE", "state"},
                {"SINCE", "since"},
                {"METRIC", "metric"},
                {"REASON", "reason", false, Form::kText, kReasonWidth}},
               "No alarms.");
  return 0;
}

Result<int> show_alarm(Api& api, Output& output, const std::string& name) {
  MR_ASSIGN_OR_RETURN(Json found, call(api, "DescribeAlarms", Json::object({{"AlarmNames", Json::array({name})}})));
  const auto& alarms = found.find("MetricAlarms")->as_array();
  if (alarms.empty()) return Error(kNotFound, "there is no alarm " + name);
  MR_ASSIGN_OR_RETURN(Json history, call(api, "DescribeAlarmHistory", Json::object({{"AlarmName", name}})));
  Json alarm = alarms.front();
  Json entries = *history.find("AlarmHistoryItems");
  if (output.json()) {
    output.document(alarm.set("History", std::move(entries)));
    return 0;
  }
  for (const std::string_view member :
       {"AlarmConfigurationUpdatedTimestamp", "StateUpdatedTimestamp", "StateTransitionedTimestamp"})
    alarm.set(member, time_text(alarm, member));
  output.details(alarm);
  output.line("");
  Json rows = Json::array();
  for (const auto& entry : entries.as_array())
    rows.push(Json::object({{"time", time_text(entry, "Timestamp")}, {"what", entry.string_or("HistorySummary", "")}}));
  output.table(Json::object({{"history", std::move(rows)}}), "history", {{"TIME", "time"}, {"WHAT", "what"}},
               "No history.");
  return 0;
}

Result<int> list_metrics(Api& api, Output& output, const std::string& space) {
  Json body = Json::object();
  if (!space.empty()) body.set("Namespace", space);
  MR_ASSIGN_OR_RETURN(const Json found, call_all(api, "ListMetrics", "Metrics", body));
  if (output.json()) {
    output.document(found);
    return 0;
  }
  Json rows = Json::array();
  for (const auto& metric : found.find("Metrics")->as_array()) {
    rows.push(Json::object({{"space", metric.string_or("Namespace", "")},
                            {"name", metric.string_or("MetricName", "")},
                            {"dimensions", dimensions_text(metric)}}));
  }
  output.table(Json::object({{"metrics", std::move(rows)}}), "metrics",
               {{"NAMESPACE", "space"}, {"METRIC", "name"}, {"DIMENSIONS", "dimensions"}}, "No metrics.");
  return 0;
}

struct Wanted {
  std::string space;
  std::string name;
  std::vector<std::string> dimensions;
  std::string statistic = "Sum";
  std::string period = "1m";
  std::string since = "1h";
};

Result<int> get_metric(Api& api, Output& output, const Wanted& wanted) {
  const auto period = parse_duration(wanted.period);
  const auto since = parse_duration(wanted.since);
  if (!period || period->count() < 1000) return Error(kInvalidArgument, "the period is no duration: " + wanted.period);
  if (!since) return Error(kInvalidArgument, "--since is no duration: " + wanted.since);
  if (*since / *period > static_cast<std::int64_t>(kDatapointsMax))
    return Error(kInvalidArgument, "that is more than 1440 values: take a longer --period");
  MR_ASSIGN_OR_RETURN(Json dimensions, dimensions_of(wanted.dimensions));
  MR_ASSIGN_OR_RETURN(const Json clock, api.get("clock"));
  const double now = static_cast<double>(clock.int_or("now_ms", 0)) / 1000;
  bool simple = false;
  for (const std::string_view each : {"SampleCount", "Average", "Sum", "Minimum", "Maximum"})
    simple = simple || each == wanted.statistic;
  Json body = Json::object({{"Namespace", wanted.space},
                            {"MetricName", wanted.name},
                            {"Dimensions", std::move(dimensions)},
                            {"StartTime", now - static_cast<double>(since->count()) / 1000},
                            {"EndTime", now + 60},
                            {"Period", std::int64_t{period->count() / 1000}}});
  body.set(simple ? "Statistics" : "ExtendedStatistics", Json::array({wanted.statistic}));
  MR_ASSIGN_OR_RETURN(const Json found, call(api, "GetMetricStatistics", body));
  if (output.json()) {
    output.document(found);
    return 0;
  }
  Json rows = Json::array();
  for (const auto& point : found.find("Datapoints")->as_array()) {
    const Json* holder = simple ? &point : point.find("ExtendedStatistics");
    const Json* value = holder == nullptr ? nullptr : holder->find(wanted.statistic);
    rows.push(Json::object({{"time", time_text(point, "Timestamp")},
                            {"value", value == nullptr ? Json("-") : *value},
                            {"unit", point.string_or("Unit", "")}}));
  }
  output.table(Json::object({{"values", std::move(rows)}}), "values",
               {{"TIME", "time"}, {wanted.statistic, "value", true}, {"UNIT", "unit"}}, "No values.");
  return 0;
}

}  // namespace

void add_metric_commands(CLI::App& app, Session& session) {
  CLI::App* metrics = add_noun(app, "metrics", "CloudWatch metrics");
  auto space = std::make_shared<std::string>();
  CLI::App* ls = add_command(*metrics, session, "ls", "metrics with data of the last two weeks",
                             "  millrace metrics ls --namespace AWS/Lambda\n",
                             [space](Api& api, Output& output) { return list_metrics(api, output, *space); });
  ls->add_option("--namespace", *space, "only of this namespace");
  auto wanted = std::make_shared<Wanted>();
  CLI::App* get = add_command(*metrics, session, "get", "values of one metric",
                              "  millrace metrics get AWS/Lambda Errors --dimension FunctionName=indexer\n"
                              "  millrace metrics get AWS/Lambda Duration --dimension FunctionName=indexer "
                              "--statistic p99 --period 5m --since 1d\n",
                              [wanted](Api& api, Output& output) { return get_metric(api, output, *wanted); });
  get->add_option("namespace", wanted->space)->required();
  get->add_option("metric", wanted->name)->required();
  get->add_option("--dimension", wanted->dimensions, "NAME=VALUE; all that the metric has");
  get->add_option("--statistic", wanted->statistic, "Sum, Average, Minimum, Maximum, SampleCount, p99, tm90, ...");
  get->add_option("--period", wanted->period, "of one value: 1m, 5m, 1h");
  get->add_option("--since", wanted->since, "how far back: 1h, 3d");

  CLI::App* alarms = add_noun(app, "alarms", "CloudWatch alarms");
  add_command(*alarms, session, "ls", "all alarms and their states", "  millrace alarms ls\n", list_alarms);
  auto name = std::make_shared<std::string>();
  CLI::App* show =
      add_command(*alarms, session, "show", "one alarm with its history", "  millrace alarms show errors\n",
                  [name](Api& api, Output& output) { return show_alarm(api, output, *name); });
  show->add_option("alarm", *name)->required();
}

}  // namespace millrace::cli
