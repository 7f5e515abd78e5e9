#include "metrics/alarm.h"

#include <algorithm>

namespace millrace::metrics {
namespace {

std::string plural(int count, std::string_view noun) {
  return std::to_string(count) + " " + std::string(noun) + (count == 1 ? "" : "s");
}

std::string number_text(double value) {
  std::string out;
  codec::append_json_number(out, value);
  if (out.find_first_of(".e") == std::string::npos) out += ".0";  // AWS prints Java doubles
  return out;
}

// "22/11/26 13:03:00"
std::string point_time(Time at) {
  const std::string iso = format_iso_s(at);
  return iso.substr(8, 2) + "/" + iso.substr(5, 2) + "/" + iso.substr(2, 2) + " " + iso.substr(11, 8);
}

std::string_view words_of(Comparison comparison) {
  switch (comparison) {
    case Comparison::kGreaterOrEqual:
      return "greater than or equal to";
    case Comparison::kGreater:
      return "greater than";
    case Comparison::kLess:
      return "less than";
    default:
      return "less than or equal to";
  }
}

std::string_view treatment_of(Missing missing) { return missing == Missing::kBreaching ? "Breaching" : "NonBreaching"; }

// The reason when at least one real value was evaluated.
std::string crossed(const AlarmRule& rule, AlarmState state, const std::vector<Datapoint>& real, int missing) {
  std::vector<Datapoint> shown;
  const bool alarm = state == AlarmState::kAlarm;
  for (const auto& point : real) {
    if (rule.breaches(*point.value) == alarm) shown.push_back(point);
  }
  if (shown.empty()) shown = real;
  std::string text = "Threshold Crossed: " + std::to_string(shown.size()) + " out of the last " +
                     plural(rule.periods, "datapoint") + " [";
  for (const auto& point : shown) {
    if (&point != &shown.front()) text += ", ";
    text += number_text(*point.value) + " (" + point_time(point.at) + ")";
  }
  text += std::string("] ") + (shown.size() == 1 ? "was " : "were ") + (alarm ? "" : "not ") +
          std::string(words_of(rule.comparison)) + " the threshold (" + number_text(rule.threshold) + ")";
  const int needed = alarm ? rule.datapoints : rule.periods - rule.datapoints + 1;
  if (missing > 0 && (rule.missing == Missing::kBreaching || rule.missing == Missing::kNotBreaching)) {
    text += " and " + plural(missing, "missing datapoint") + (missing == 1 ? " was" : " were") + " treated as [" +
            std::string(treatment_of(rule.missing)) + "]";
  }
  return text + " (minimum " + plural(needed, "datapoint") + (alarm ? " for OK -> ALARM" : " for ALARM -> OK") +
         " transition).";
}

std::string nothing_received(const AlarmRule& rule) {
  return "Threshold Crossed: no datapoints were received for " + plural(rule.periods, "period") + " and " +
         plural(rule.periods, "missing datapoint") + (rule.periods == 1 ? " was" : " were") + " treated as [" +
         std::string(treatment_of(rule.missing)) + "].";
}

// With fewer real values than periods. nullopt: the state stays.
std::optional<AlarmState> with_missing(const AlarmRule& rule, int breaching, int real, int missing, int oldest_age) {
  const AlarmState by_treatment = breaching + (rule.missing == Missing::kBreaching ? missing : 0) >= rule.datapoints
                                      ? AlarmState::kAlarm
                                      : AlarmState::kOk;
  if (rule.missing == Missing::kBreaching || rule.missing == Missing::kNotBreaching) return by_treatment;
  if (real == 0) return rule.missing == Missing::kMissing ? std::optional(AlarmState::kInsufficientData) : std::nullopt;
  if (breaching >= rule.datapoints) return AlarmState::kAlarm;
  if (breaching < real) return AlarmState::kOk;
  // Only breaching values: an alarm once the oldest is as old as the alarm needs values, so that it is not premature.
  if (rule.missing == Missing::kMissing && oldest_age >= rule.datapoints) return AlarmState::kAlarm;
  return std::nullopt;
}

}  // namespace

std::string_view state_name(AlarmState state) {
  return state == AlarmState::kOk ? "OK" : state == AlarmState::kAlarm ? "ALARM" : "INSUFFICIENT_DATA";
}

std::optional<AlarmState> parse_state(std::string_view name) {
  for (const auto state : {AlarmState::kOk, AlarmState::kAlarm, AlarmState::kInsufficientData}) {
    if (state_name(state) == name) return state;
  }
  return std::nullopt;
}

std::optional<Comparison> parse_comparison(std::string_view name) {
  constexpr std::pair<std::string_view, Comparison> kNames[] = {
      {"GreaterThanOrEqualToThreshold", Comparison::kGreaterOrEqual},
      {"GreaterThanThreshold", Comparison::kGreater},
      {"LessThanThreshold", Comparison::kLess},
      {"LessThanOrEqualToThreshold", Comparison::kLessOrEqual}};
  for (const auto& [text, comparison] : kNames) {
    if (text == name) return comparison;
  }
  return std::nullopt;
}

std::optional<Missing> parse_missing(std::string_view name) {
  constexpr std::pair<std::string_view, Missing> kNames[] = {{"missing", Missing::kMissing},
                                                             {"ignore", Missing::kIgnore},
                                                             {"breaching", Missing::kBreaching},
                                                             {"notBreaching", Missing::kNotBreaching}};
  for (const auto& [text, missing] : kNames) {
    if (text == name) return missing;
  }
  return std::nullopt;
}

bool AlarmRule::breaches(double value) const {
  switch (comparison) {
    case Comparison::kGreaterOrEqual:
      return value >= threshold;
    case Comparison::kGreater:
      return value > threshold;
    case Comparison::kLess:
      return value < threshold;
    default:
      return value <= threshold;
  }
}

std::optional<Verdict> judge(const AlarmRule& rule, const std::vector<Datapoint>& points) {
  Verdict verdict;
  int breaching = 0;
  int oldest_age = 0;
  for (std::size_t i = 0; i < points.size() && static_cast<int>(verdict.evaluated.size()) < rule.periods; ++i) {
    if (!points[i].value) continue;
    verdict.evaluated.push_back(points[i]);
    if (!rule.breaches(*points[i].value)) continue;
    ++breaching;
    oldest_age = static_cast<int>(i) + 1;
  }
  const int real = static_cast<int>(verdict.evaluated.size());
  const int missing = rule.periods - real;
  if (missing == 0) {
    verdict.state = breaching >= rule.datapoints ? AlarmState::kAlarm : AlarmState::kOk;
  } else {
    const auto state = with_missing(rule, breaching, real, missing, oldest_age);
    if (!state) return std::nullopt;
    verdict.state = *state;
  }
  if (verdict.state == AlarmState::kInsufficientData) {
    verdict.reason = "Insufficient Data: " + plural(rule.periods, "datapoint") +
                     (rule.periods == 1 ? " was unknown." : " were unknown.");
  } else {
    verdict.reason = real == 0 ? nothing_received(rule) : crossed(rule, verdict.state, verdict.evaluated, missing);
  }
  return verdict;
}

std::string Alarm::arn() const { return "arn:aws:cloudwatch:" + scope.region + ":" + scope.account + ":alarm:" + name; }

std::vector<std::string> Alarm::actions_of(AlarmState of) const {
  const std::string_view member = of == AlarmState::kAlarm ? "AlarmActions"
                                  : of == AlarmState::kOk  ? "OKActions"
                                                           : "InsufficientDataActions";
  std::vector<std::string> out;
  if (const auto* list = definition.find(member); list != nullptr && list->is_array())
    for (const auto& each : list->as_array()) out.push_back(each.as_string());
  return out;
}

bool Alarm::watches(const MetricId& id) const {
  return std::ranges::any_of(queries, [&](const Query& query) { return query.metric == id; });
}

Seconds Alarm::step() const { return period > Seconds(3600) ? Seconds(3600) : std::min(Seconds(60), period); }

}  // namespace millrace::metrics
