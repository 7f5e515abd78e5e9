#include <algorithm>
#include <set>

#include "api/cloudwatch/operations.h"
#include "metrics/errors.h"

namespace millrace::api_cloudwatch {
namespace {

constexpr std::int64_t kDatapointsMax = 100'800;  // AWS: of a GetMetricData call
constexpr std::int64_t kStatisticsMax = 1440;     // AWS: of a GetMetricStatistics call

// AWS: to the minute, further back to five minutes and to the hour; below a minute to the period.
Time round_start(Time start, Time now, Seconds period) {
  Seconds step(60);
  if (period < Seconds(60)) step = period;
  if (now - start > std::chrono::days(15)) step = Seconds(300);
  if (now - start > std::chrono::days(63)) step = Seconds(3600);
  const auto seconds = to_unix_s(start);
  return from_unix_ms((seconds - seconds % step.count()) * 1000);
}

Result<std::pair<Time, Time>> range_of(const Document& input) {
  const auto start = time_of(input, "StartTime");
  const auto end = time_of(input, "EndTime");
  if (!start) return missing("StartTime");
  if (!end) return missing("EndTime");
  if (*start >= *end)
    return Error(metrics::kValidationError, "The parameter StartTime must be less than the parameter EndTime.");
  return std::pair(*start, *end);
}

Document points_document(const metrics::TimeSeries& series, bool descending, std::size_t skip, std::size_t limit,
                         Document& values) {
  Document times = Document::array();
  values = Document::array();
  const auto add = [&](const auto& point) {
    if (skip > 0) {
      --skip;
    } else if (times.as_array().size() < limit) {
      times.push(seconds_of(point.first));
      values.push(point.second);
    }
  };
  if (descending) {
    std::for_each(series.points.rbegin(), series.points.rend(), add);
  } else {
    std::for_each(series.points.begin(), series.points.end(), add);
  }
  return times;
}

}  // namespace

Result<Reply> get_metric_data(const Parts& parts, const RequestContext& context, const Document& input) {
  const Document* list = input.find("MetricDataQueries");
  if (list == nullptr) return missing("MetricDataQueries");
  MR_ASSIGN_OR_RETURN(const auto queries, queries_of(context.caller.scope, *list));
  MR_ASSIGN_OR_RETURN(const auto range, range_of(input));
  const auto scan = input.string_or("ScanBy", "TimestampDescending");
  if (scan != "TimestampDescending" && scan != "TimestampAscending")
    return invalid("The parameter ScanBy must be TimestampDescending or TimestampAscending.");
  if (const Document* options = input.find("LabelOptions"); options != nullptr) {
    // It moves the times in dynamic labels ("${MAX_TIME}"), of which none are served.
    const auto zone = options->string_or("Timezone", "+0000");
    const bool form = zone.size() == 5 && (zone[0] == '+' || zone[0] == '-') &&
                      zone.find_first_not_of("0123456789", 1) == std::string_view::npos;
    if (!form) return invalid("The parameter LabelOptions.Timezone must be of the form +hhmm or -hhmm.");
  }
  for (const auto& query : queries) {
    if (query.label.find("${") != std::string::npos) return not_supported("Label with dynamic values (${...})");
  }
  const auto limit = input.int_or("MaxDatapoints", kDatapointsMax);
  if (limit < 1 || limit > kDatapointsMax) return invalid("The parameter MaxDatapoints must be between 1 and 100800.");
  MR_ASSIGN_OR_RETURN(const std::size_t offset, offset_of(input.string_or("NextToken", "")));
  Seconds shortest(60);
  for (const auto& query : queries) shortest = std::min(shortest, query.period.value_or(Seconds(60)));
  const Time start = round_start(range.first, parts.scheduler.now(), shortest);
  const auto fetch = [&](const metrics::Query& query, Seconds period) {
    std::map<Time, metrics::Statistics> points;
    for (auto& fetched : parts.store.fetch({*query.metric, query.unit, start, range.second, period}))
      for (auto& [at, statistics] : fetched.points) points[at].merge(statistics);
    return points;
  };
  if ((range.second - start) / Milliseconds(shortest) > kDatapointsMax * 10)
    return Error(metrics::kValidationError,
                 "You have requested too many datapoints: shorten the range or take longer periods.");
  MR_ASSIGN_OR_RETURN(const auto results, metrics::evaluate_queries(queries, start, range.second, fetch));
  // Pages count all points in the order of the results.
  Document out = Document::array();
  std::size_t before = 0;
  const std::size_t end = offset + static_cast<std::size_t>(limit);
  for (const auto& result : results) {
    for (const auto& series : result.series) {
      const std::size_t count = series.points.size();
      const bool here = count == 0 ? (before >= offset && before < end) || (offset == 0 && before == 0)
                                   : before < end && before + count > offset;
      if (here) {
        Document values;
        const std::size_t skip = offset > before ? offset - before : 0;
        Document times =
            points_document(series, scan == "TimestampDescending", skip, end - std::max(before, offset), values);
        const bool partial = before + count > end;
        out.push(Document::object({{"Id", result.id},
                                   {"Label", series.label},
                                   {"Timestamps", std::move(times)},
                                   {"Values", std::move(values)},
                                   {"StatusCode", partial ? "PartialData" : "Complete"}}));
      }
      before += count;
    }
  }
  Reply reply;
  reply.output.set("MetricDataResults", std::move(out));
  reply.output.set_if(before > end, "NextToken", token_of(end));
  reply.output.set("Messages", Document::array());
  return reply;
}

Result<Reply> get_metric_statistics(const Parts& parts, const RequestContext& context, const Document& input) {
  MR_ASSIGN_OR_RETURN(auto dimensions, dimensions_of(input));
  MR_ASSIGN_OR_RETURN(const auto range, range_of(input));
  const auto period = input.int_or("Period", 0);
  if (!metrics::is_period(period)) return invalid("The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60.");
  std::vector<std::pair<std::string, metrics::Statistic>> simple;
  std::vector<std::pair<std::string, metrics::Statistic>> extended;
  if (const Document* names = input.find("Statistics"); names != nullptr)
    for (const auto& each : names->as_array()) {
      const auto statistic = metrics::parse_simple_statistic(each.as_string());
      if (!statistic)
        return invalid(
            "The parameter Statistics.member must be a value in the set [ SampleCount, Average, Sum, "
            "Minimum, Maximum ].");
      simple.emplace_back(each.as_string(), *statistic);
    }
  if (const Document* names = input.find("ExtendedStatistics"); names != nullptr)
    for (const auto& each : names->as_array()) {
      const auto statistic = metrics::Statistic::parse(each.as_string());
      if (!statistic || !statistic->is_extended())
        return invalid("The value " + each.as_string() + " for parameter ExtendedStatistics is not supported.");
      extended.emplace_back(each.as_string(), *statistic);
    }
  if (simple.empty() && extended.empty())
    return Error(metrics::kMissingParameter,
                 "At least one of the parameters Statistics and ExtendedStatistics must be specified.");
  std::optional<std::string> unit;
  if (const auto text = input.string_or("Unit", ""); !text.empty()) {
    MR_RETURN_IF_ERROR(check_unit(text));
    unit = text;
  }
  const Time start = round_start(range.first, parts.scheduler.now(), Seconds(period));
  if ((range.second - start) / Seconds(period) > kStatisticsMax)
    return conflict("You have requested up to " + std::to_string((range.second - start) / Seconds(period)) +
                    " datapoints, which exceeds the limit of 1440. You may reduce the datapoints requested by "
                    "increasing Period, or decreasing the time range.");
  const metrics::MetricId id{context.caller.scope, std::string(input.string_or("Namespace", "")),
                             std::string(input.string_or("MetricName", "")), std::move(dimensions)};
  Document points = Document::array();
  for (const auto& fetched : parts.store.fetch({id, unit, start, range.second, Seconds(period)})) {
    for (const auto& [at, statistics] : fetched.points) {
      Document point = Document::object({{"Timestamp", seconds_of(at)}});
      for (const auto& [name, statistic] : simple)
        if (const auto value = statistic.of(statistics)) point.set(name, *value);
      Document more = Document::object();
      for (const auto& [name, statistic] : extended)
        if (const auto value = statistic.of(statistics)) more.set(name, *value);
      if (simple.empty() && more.as_object().empty()) continue;
      point.set("Unit", fetched.unit);
      if (!more.as_object().empty()) point.set("ExtendedStatistics", std::move(more));
      points.push(std::move(point));
    }
  }
  Reply reply;
  reply.output.set("Label", id.name);
  reply.output.set("Datapoints", std::move(points));
  return reply;
}

}  // namespace millrace::api_cloudwatch
