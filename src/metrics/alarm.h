// Metric alarms: what they are, and how a state follows from data. Pure.
//
// The recorded rules of missing data (AWS, "Configuring how CloudWatch alarms treat missing data"): more periods are
// looked at than the alarm evaluates; as many of the newest real values as it evaluates decide alone; only when there
// are fewer is the treatment used, as rarely as possible.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/json.h"
#include "metrics/query.h"

namespace millrace::metrics {

enum class AlarmState { kInsufficientData, kOk, kAlarm };
std::string_view state_name(AlarmState state);  // "INSUFFICIENT_DATA"
std::optional<AlarmState> parse_state(std::string_view name);

enum class Comparison { kGreaterOrEqual, kGreater, kLess, kLessOrEqual };
std::optional<Comparison> parse_comparison(std::string_view name);

enum class Missing { kMissing, kIgnore, kBreaching, kNotBreaching };
std::optional<Missing> parse_missing(std::string_view name);

inline constexpr int kExtraPeriods = 2;  // looked at beyond those evaluated

// What decides. REQUIRES: 1 <= datapoints <= periods.
struct AlarmRule {
  int periods = 1;
  int datapoints = 1;
  double threshold = 0;
  Comparison comparison = Comparison::kGreater;
  Missing missing = Missing::kMissing;
  bool breaches(double value) const;
};

// A period that was looked at; without value when it has no data.
struct Datapoint {
  Time at{};
  std::optional<double> value;
  double samples = 0;  // behind it; 0 for expressions
};

struct Verdict {
  AlarmState state = AlarmState::kInsufficientData;
  std::string reason;                // AWS's wording
  std::vector<Datapoint> evaluated;  // newest first, real ones
};

// `points`: newest first, periods + kExtraPeriods of them. nullopt: the state stays as it is.
std::optional<Verdict> judge(const AlarmRule& rule, const std::vector<Datapoint>& points);

// An alarm as it was put: `definition` has the members of PutMetricAlarm but Tags, checked.
struct Alarm {
  Scope scope;
  std::string name;
  codec::Json definition;
  std::map<std::string, std::string> tags;
  Time configured{};

  AlarmState state = AlarmState::kInsufficientData;
  std::string reason = "Unchecked: Initial alarm creation";
  std::string reason_data;
  Time updated{};       // of the state's reason
  Time transitioned{};  // of the state

  // Derived from the definition.
  AlarmRule rule;
  std::vector<Query> queries;  // one for a simple alarm
  Seconds period{60};

  std::string arn() const;
  bool actions_enabled() const { return definition.bool_or("ActionsEnabled", true); }
  std::vector<std::string> actions_of(AlarmState state) const;
  bool watches(const MetricId& id) const;
  // How often it is evaluated while data are in its sight.
  Seconds step() const;
};

// AWS's documents about a change of state.
std::string reason_data(const Alarm& alarm, const Verdict& verdict, Time now);
std::string sns_message(const Alarm& alarm, AlarmState before, Time now);
std::string sns_subject(const Alarm& alarm);  // 'ALARM: "name" in US East (N. Virginia)'
std::string function_event(const Alarm& alarm, AlarmState before, const std::string& before_reason,
                           const std::string& before_data, Time before_at, Time now);
std::string_view region_title(std::string_view region);  // "US East (N. Virginia)"; the region itself when unknown
std::string alarm_time(Time time);                       // "2026-11-22T13:03:00.000+0000"

}  // namespace millrace::metrics
