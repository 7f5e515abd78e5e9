#include <algorithm>
#include <charconv>
#include <cmath>

#include "api/cloudwatch/operations.h"
#include "metrics/errors.h"

namespace millrace::api_cloudwatch {
namespace {

constexpr std::string_view kUnits[] = {
    "Seconds",          "Microseconds",     "Milliseconds", "Bytes",           "Kilobytes",        "Megabytes",
    "Gigabytes",        "Terabytes",        "Bits",         "Kilobits",        "Megabits",         "Gigabits",
    "Terabits",         "Percent",          "Count",        "Bytes/Second",    "Kilobytes/Second", "Megabytes/Second",
    "Gigabytes/Second", "Terabytes/Second", "Bits/Second",  "Kilobits/Second", "Megabits/Second",  "Gigabits/Second",
    "Terabits/Second",  "Count/Second",     "None"};

bool is_text(std::string_view text, std::size_t max) {
  if (text.empty() || text.size() > max) return false;
  const bool printable = std::ranges::all_of(text, [](char c) { return c >= ' ' && c < 0x7f; });
  return printable && text.find_first_not_of(' ') != std::string_view::npos;
}

}  // namespace

Error not_supported(std::string_view member) {
  return Error(metrics::kInvalidParameterValue,
               "The parameter " + std::string(member) + " is not supported by this server.");
}
Error invalid(std::string text) { return Error(metrics::kInvalidParameterValue, std::move(text)); }
Error conflict(std::string text) { return Error(metrics::kInvalidParameterCombination, std::move(text)); }
Error missing(std::string_view member) {
  return Error(metrics::kMissingParameter, "The parameter " + std::string(member) + " is required.");
}

Result<metrics::Dimensions> dimensions_of(const Document& input) {
  metrics::Dimensions out;
  const Document* list = input.find("Dimensions");
  if (list == nullptr || !list->is_array()) return out;
  if (list->as_array().size() > 30) return invalid("The collection Dimensions must not have a size greater than 30.");
  for (const auto& each : list->as_array()) {
    const auto name = each.string_or("Name", "");
    const auto value = each.string_or("Value", "");
    if (!is_text(name, 255) || name.starts_with(':'))
      return invalid(
          "The parameter Dimensions.member.Name must be 1 to 255 ASCII characters and not start with a colon.");
    if (!is_text(value, 1024))
      return invalid("The parameter Dimensions.member.Value must be 1 to 1024 ASCII characters.");
    out.emplace_back(std::string(name), std::string(value));
  }
  std::ranges::sort(out);
  for (std::size_t i = 1; i < out.size(); ++i) {
    if (out[i].first == out[i - 1].first) return invalid("No Metric may specify the same dimension name twice.");
  }
  return out;
}

Document dimensions_document(const metrics::Dimensions& dimensions) {
  Document out = Document::array();
  for (const auto& [name, value] : dimensions) out.push(Document::object({{"Name", name}, {"Value", value}}));
  return out;
}

Result<void> check_unit(std::string_view unit) {
  if (std::ranges::find(kUnits, unit) != std::end(kUnits)) return {};
  return invalid("The parameter Unit must be a value in the set [Seconds, Microseconds, ..., None], it is " +
                 std::string(unit) + ".");
}

std::optional<Time> time_of(const Document& input, std::string_view member) {
  const Document* value = input.find(member);
  if (value == nullptr || !value->is_number()) return std::nullopt;
  return from_unix_ms(std::llround(value->as_double() * 1000));
}

double seconds_of(Time time) { return static_cast<double>(to_unix_ms(time)) / 1000; }

Result<std::vector<metrics::Query>> queries_of(const Scope& scope, const Document& list) {
  std::vector<metrics::Query> queries;
  for (const auto& each : list.as_array()) {
    metrics::Query query;
    query.id = each.string_or("Id", "");
    query.label = each.string_or("Label", "");
    query.return_data = each.bool_or("ReturnData", true);
    query.expression = each.string_or("Expression", "");
    const auto account = each.string_or("AccountId", scope.account);
    if (account != scope.account) return not_supported("AccountId");
    if (each.find("Period") != nullptr) query.period = Seconds(each.int_or("Period", 0));
    if (const Document* stat = each.find("MetricStat"); stat != nullptr) {
      const Document* metric = stat->find("Metric");
      MR_ASSIGN_OR_RETURN(auto dimensions, dimensions_of(*metric));
      query.metric = metrics::MetricId{scope, std::string(metric->string_or("Namespace", "")),
                                       std::string(metric->string_or("MetricName", "")), std::move(dimensions)};
      query.statistic = stat->string_or("Stat", "");
      query.period = Seconds(stat->int_or("Period", 0));
      if (const auto unit = stat->string_or("Unit", ""); !unit.empty()) {
        MR_RETURN_IF_ERROR(check_unit(unit));
        query.unit = unit;
      }
    }
    queries.push_back(std::move(query));
  }
  MR_RETURN_IF_ERROR(metrics::check_queries(queries));
  return queries;
}

Result<std::size_t> offset_of(std::string_view token) {
  if (token.empty()) return std::size_t{0};
  std::size_t offset = 0;
  std::string_view digits = token;
  if (!digits.starts_with("mr1-")) return Error(metrics::kInvalidNextToken, "Invalid nextToken");
  digits.remove_prefix(4);
  const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), offset);
  if (end.ec != std::errc() || end.ptr != digits.data() + digits.size())
    return Error(metrics::kInvalidNextToken, "Invalid nextToken");
  return offset;
}

std::string token_of(std::size_t offset) { return "mr1-" + std::to_string(offset); }

}  // namespace millrace::api_cloudwatch
