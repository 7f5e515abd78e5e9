#include "logs/metric_filter.h"

#include <charconv>
#include <cmath>

#include "logs/errors.h"

namespace millrace::logs {
namespace {

using codec::Json;

std::optional<double> finite_number(std::string_view text) {
  double value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || end.ec != std::errc() || end.ptr != text.data() + text.size() || !std::isfinite(value))
    return std::nullopt;
  return value;
}

}  // namespace

std::optional<MetricDatum> datum_of(const MetricFilter& filter, std::string_view message) {
  if (!filter.pattern.matches(message)) return std::nullopt;
  const auto text = filter.value.starts_with('$') ? filter.pattern.value_of(filter.value, message)
                                                  : std::optional<std::string>(filter.value);
  const auto value = text ? finite_number(*text) : std::nullopt;
  if (!value) return std::nullopt;
  MetricDatum datum{*value, {}};
  for (const auto& [name, selector] : filter.dimensions) {
    auto found = filter.pattern.value_of(selector, message);
    if (!found || found->empty()) return std::nullopt;
    datum.dimensions[name] = *std::move(found);
  }
  return datum;
}

Json to_json(const MetricFilter& filter) {
  Json dimensions = Json::object();
  for (const auto& [name, selector] : filter.dimensions) dimensions.set(name, selector);
  Json out = Json::object({{"name", filter.name},
                           {"pattern", filter.pattern_text},
                           {"created", to_unix_ms(filter.created)},
                           {"metric", filter.metric_name},
                           {"space", filter.metric_space},
                           {"value", filter.value},
                           {"dimensions", std::move(dimensions)},
                           {"unit", filter.unit}});
  if (filter.default_value) out.set("default", *filter.default_value);
  return out;
}

Result<MetricFilter> metric_filter_from_json(const Json& json) {
  MetricFilter out;
  out.name = json.string_or("name", "");
  out.pattern_text = json.string_or("pattern", "");
  MR_ASSIGN_OR_RETURN(out.pattern, FilterPattern::parse(out.pattern_text));
  out.created = from_unix_ms(json.int_or("created", 0));
  out.metric_name = json.string_or("metric", "");
  out.metric_space = json.string_or("space", "");
  out.value = json.string_or("value", "");
  out.unit = json.string_or("unit", "None");
  if (const Json* value = json.find("default"); value != nullptr && value->is_number())
    out.default_value = value->as_double();
  if (const Json* dimensions = json.find("dimensions"); dimensions != nullptr && dimensions->is_object())
    for (const auto& [name, selector] : dimensions->as_object()) out.dimensions[name] = selector.as_string();
  if (!out.value.starts_with('$') && !finite_number(out.value))
    return Error(kInvalidParameter, "metricValue must be a number, or a selector of the pattern that starts with '$'.");
  if (out.dimensions.size() > 3) return Error(kInvalidParameter, "A metric filter takes at most 3 dimensions.");
  if (!out.dimensions.empty() && out.default_value)
    return Error(kInvalidParameter, "A metric filter with dimensions cannot have a default value.");
  const bool selects = out.value.starts_with('$') || !out.dimensions.empty();
  if (selects && !out.pattern.is_structured())
    return Error(kInvalidParameter, "Selectors need a JSON or space-delimited pattern.");
  return out;
}

}  // namespace millrace::logs
