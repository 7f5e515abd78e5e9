// Metric filters: which events of a group become data of which metric. Pure.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "codec/json.h"
#include "logs/filter_pattern.h"

namespace millrace::logs {

inline constexpr std::size_t kMetricFiltersMax = 100;  // AWS: of a group

struct MetricFilter {
  std::string name;
  std::string pattern_text;
  FilterPattern pattern;
  Time created{};
  // The transformation (AWS takes exactly one).
  std::string metric_name;
  std::string metric_space;
  std::string value;  // a number, or "$.selector" or "$field"
  std::optional<double> default_value;
  std::map<std::string, std::string> dimensions;  // name -> selector
  std::string unit = "None";
};

// One datum for a metric.
struct MetricDatum {
  double value = 0;
  std::map<std::string, std::string> dimensions;
};

// What an event gives; nullopt: it does not match, or has no number or no dimension where the filter looks for them.
std::optional<MetricDatum> datum_of(const MetricFilter& filter, std::string_view message);

codec::Json to_json(const MetricFilter& filter);
// Errors: those of FilterPattern::parse(), kInvalidParameter.
Result<MetricFilter> metric_filter_from_json(const codec::Json& json);

}  // namespace millrace::logs
