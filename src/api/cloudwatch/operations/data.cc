#include <algorithm>
#include <cmath>

#include "api/cloudwatch/operations.h"
#include "metrics/errors.h"

namespace millrace::api_cloudwatch {
namespace {

constexpr double kMagnitudeMax = 2.348542582773833e+108;  // 2^360
constexpr std::size_t kListed = 500;                      // AWS: of a page
constexpr Milliseconds kPastMax = std::chrono::days(14);
constexpr Milliseconds kFutureMax = std::chrono::hours(2);
constexpr std::size_t kDataMax = 1000;
constexpr std::size_t kValuesMax = 150;

struct Datum {
  metrics::MetricId id;
  std::string unit;
  Time at{};
  bool fine = false;
  metrics::Statistics statistics;
};

Result<void> check_number(double value, const std::string& where) {
  if (std::isfinite(value) && std::abs(value) <= kMagnitudeMax) return {};
  return invalid("The value " + std::to_string(value) + " for parameter " + where +
                 " is invalid: special values and magnitudes beyond 2^360 are not supported.");
}

Result<void> add_values(const Document& input, const std::string& where, metrics::Statistics& statistics) {
  const auto& values = input.find("Values")->as_array();
  const Document* counts = input.find("Counts");
  const bool counted = counts != nullptr && counts->is_array() && !counts->as_array().empty();
  if (values.size() > kValuesMax)
    return invalid("The collection " + where + ".Values must not have a size greater than 150.");
  if (counted && counts->as_array().size() != values.size())
    return invalid("The parameters " + where + ".Values and " + where + ".Counts must be of the same size.");
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double count = counted ? counts->as_array()[i].as_double() : 1;
    MR_RETURN_IF_ERROR(check_number(values[i].as_double(), where + ".Values"));
    if (!std::isfinite(count) || count <= 0) return invalid("The parameter " + where + ".Counts must be positive.");
    statistics.add(values[i].as_double(), count);
  }
  return {};
}

Result<void> add_set(const Document& set, const std::string& where, metrics::Statistics& statistics) {
  double numbers[4];
  constexpr std::string_view kNames[] = {"SampleCount", "Sum", "Minimum", "Maximum"};
  for (int i = 0; i < 4; ++i) {
    const Document* value = set.find(kNames[i]);
    if (value == nullptr) return missing(where + ".StatisticValues." + std::string(kNames[i]));
    numbers[i] = value->as_double();
    MR_RETURN_IF_ERROR(check_number(numbers[i], where + ".StatisticValues." + std::string(kNames[i])));
  }
  if (numbers[0] <= 0)
    return invalid("The parameter " + where + ".StatisticValues.SampleCount must be greater than 0.");
  if (numbers[2] > numbers[3])
    return invalid("The parameter " + where + ".StatisticValues.Maximum must be greater than " + where +
                   ".StatisticValues.Minimum.");
  statistics.add_set(numbers[0], numbers[1], numbers[2], numbers[3]);
  return {};
}

Result<Datum> read_datum(const RequestContext& context, const std::string& space, const Document& input,
                         const std::string& where, Time now) {
  Datum out;
  MR_ASSIGN_OR_RETURN(auto dimensions, dimensions_of(input));
  out.id = {context.caller.scope, space, std::string(input.string_or("MetricName", "")), std::move(dimensions)};
  out.unit = input.string_or("Unit", "None");
  MR_RETURN_IF_ERROR(check_unit(out.unit));
  out.at = time_of(input, "Timestamp").value_or(now);
  if (out.at < now - kPastMax)
    return invalid("The parameter " + where + ".Timestamp must specify a time no more than two weeks in the past.");
  if (out.at > now + kFutureMax)
    return invalid("The parameter " + where + ".Timestamp must specify a time no more than two hours in the future.");
  const auto resolution = input.int_or("StorageResolution", 60);
  if (resolution != 1 && resolution != 60)
    return invalid("The parameter " + where + ".StorageResolution must be 1 or 60.");
  out.fine = resolution == 1;
  const Document* value = input.find("Value");
  const Document* values = input.find("Values");
  const Document* set = input.find("StatisticValues");
  if ((value != nullptr) + (values != nullptr) + (set != nullptr) > 1)
    return conflict("The parameters " + where + ".Value, " + where + ".Values and " + where +
                    ".StatisticValues are mutually exclusive and you have specified more than one.");
  if (value != nullptr) {
    MR_RETURN_IF_ERROR(check_number(value->as_double(), where + ".Value"));
    out.statistics.add(value->as_double());
  } else if (values != nullptr) {
    MR_RETURN_IF_ERROR(add_values(input, where, out.statistics));
  } else if (set != nullptr) {
    MR_RETURN_IF_ERROR(add_set(*set, where, out.statistics));
  }
  if (out.statistics.empty())
    return Error(metrics::kMissingParameter, "At least one of the parameters " + where + ".Value, " + where +
                                                 ".Values or " + where + ".StatisticValues must be specified.");
  return out;
}

struct Filter {
  std::string name;
  std::optional<std::string> value;
};

bool fits(const metrics::MetricId& id, const Document& input, const std::vector<Filter>& filters) {
  const auto space = input.string_or("Namespace", "");
  const auto name = input.string_or("MetricName", "");
  if ((!space.empty() && id.space != space) || (!name.empty() && id.name != name)) return false;
  return std::ranges::all_of(filters, [&](const Filter& filter) {
    return std::ranges::any_of(id.dimensions, [&](const auto& each) {
      return each.first == filter.name && (!filter.value || each.second == *filter.value);
    });
  });
}

}  // namespace

Result<Reply> put_metric_data(const Parts& parts, const RequestContext& context, const Document& input) {
  const std::string space(input.string_or("Namespace", ""));
  if (space.starts_with("AWS/")) return invalid("The value AWS/ for parameter Namespace is invalid.");
  if (space.starts_with(':')) return invalid("The value " + space + " for parameter Namespace is invalid.");
  if (input.find("EntityMetricData") != nullptr) return not_supported("EntityMetricData");
  if (input.bool_or("StrictEntityValidation", false)) return not_supported("StrictEntityValidation");
  const Document* list = input.find("MetricData");
  if (list == nullptr || list->as_array().empty()) return missing("MetricData");
  if (list->as_array().size() > kDataMax)
    return invalid("The collection MetricData must not have a size greater than 1000.");
  std::vector<Datum> data;
  const Time now = parts.scheduler.now();
  for (std::size_t i = 0; i < list->as_array().size(); ++i) {
    const std::string where = "MetricData.member." + std::to_string(i + 1);
    MR_ASSIGN_OR_RETURN(Datum datum, read_datum(context, space, list->as_array()[i], where, now));
    data.push_back(std::move(datum));
  }
  for (const auto& datum : data) {
    if (!parts.store.put(datum.id, datum.unit, datum.at, datum.fine, datum.statistics))
      return Error(metrics::kLimitExceeded, "This server keeps no more metrics: its limit is reached.");
  }
  return Reply();
}

Result<Reply> list_metrics(const Parts& parts, const RequestContext& context, const Document& input) {
  if (input.bool_or("IncludeLinkedAccounts", false)) return not_supported("IncludeLinkedAccounts");
  const auto owner = input.string_or("OwningAccount", context.caller.scope.account);
  if (owner != context.caller.scope.account) return not_supported("OwningAccount");
  const auto recently = input.string_or("RecentlyActive", "");
  if (!recently.empty() && recently != "PT3H") return invalid("The parameter RecentlyActive must be PT3H.");
  std::vector<Filter> filters;
  if (const Document* list = input.find("Dimensions"); list != nullptr) {
    for (const auto& each : list->as_array()) {
      Filter filter{std::string(each.string_or("Name", "")), std::nullopt};
      if (const Document* value = each.find("Value"); value != nullptr) filter.value = value->as_string();
      filters.push_back(std::move(filter));
    }
  }
  if (filters.size() > 10) return invalid("The collection Dimensions must not have a size greater than 10.");
  MR_ASSIGN_OR_RETURN(const std::size_t offset, offset_of(input.string_or("NextToken", "")));
  // AWS: what received nothing for two weeks is not listed.
  const Milliseconds age = recently.empty() ? kPastMax : std::chrono::hours(3);
  const auto found = parts.store.list(context.caller.scope, parts.scheduler.now() - age,
                                      [&](const auto& id) { return fits(id, input, filters); });
  Document list = Document::array();
  for (std::size_t i = offset; i < std::min(found.size(), offset + kListed); ++i) {
    list.push(Document::object({{"Namespace", found[i].space},
                                {"MetricName", found[i].name},
                                {"Dimensions", dimensions_document(found[i].dimensions)}}));
  }
  Reply reply;
  reply.output.set("Metrics", std::move(list));
  reply.output.set_if(offset + kListed < found.size(), "NextToken", token_of(offset + kListed));
  return reply;
}

}  // namespace millrace::api_cloudwatch
