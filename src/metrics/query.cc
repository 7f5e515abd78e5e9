#include "metrics/query.h"

#include <algorithm>
#include <set>

#include "metrics/errors.h"

namespace millrace::metrics {
namespace {

bool is_id(std::string_view id) {
  if (id.empty() || id.size() > 255 || id.front() < 'a' || id.front() > 'z') return false;
  return std::ranges::all_of(id, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

Error invalid(std::string text) { return Error(kValidationError, std::move(text)); }

class Evaluation {
 public:
  Evaluation(const std::vector<Query>& queries, Time start, Time end, const Fetch& fetch)
      : queries_(queries), start_(start), end_(end), fetch_(fetch), period_(Seconds(1)) {
    // AWS: the longest period in the request is that of expressions without one.
    bool any = false;
    for (const auto& query : queries) {
      if (!query.period) continue;
      period_ = any ? std::max(period_, *query.period) : *query.period;
      any = true;
    }
    if (!any) period_ = Seconds(60);
    surroundings_.period = period_;
    for (Time at = start; at < end; at += period_) surroundings_.times.push_back(at);
    surroundings_.value_of = [this](std::string_view id) -> const Value* {
      const Query* query = find(id);
      if (query == nullptr) return nullptr;
      auto value = value_of(*query);
      if (!value.ok()) {
        failure_ = value.error();
        return nullptr;
      }
      return *value;
    };
    surroundings_.metrics = [this] {
      std::vector<TimeSeries> all;
      for (const auto& query : queries_) {
        if (!query.metric) continue;
        if (auto value = value_of(query); value.ok()) all.push_back((*value)->series.front());
      }
      return all;
    };
  }

  Result<const Value*> value_of(const Query& query) {
    if (const auto it = values_.find(query.id); it != values_.end()) return &it->second;
    Value value;
    if (query.metric) {
      TimeSeries series;
      series.id = query.id;
      series.label = query.label.empty() ? query.metric->name : query.label;
      series.period = query.period.value_or(period_);
      const auto statistic = Statistic::parse(query.statistic);
      for (const auto& [at, statistics] : fetch_(query, series.period)) {
        if (const auto number = statistic->of(statistics)) series.points[at] = *number;
      }
      value.kind = Value::Kind::kSeries;
      value.series.push_back(std::move(series));
    } else {
      MR_ASSIGN_OR_RETURN(const Expression expression, Expression::parse(query.expression));
      auto result = expression.evaluate(surroundings_);
      if (!result.ok()) return failure_ ? *failure_ : result.error();
      value = std::move(result).value();
      for (auto& series : value.series) {
        const bool many = value.series.size() > 1;
        const std::string own = series.label;
        series.label = query.label.empty() ? query.id : query.label;
        if (many && !own.empty()) series.label += " " + own;
        series.id = query.id;
      }
    }
    return &(values_[query.id] = std::move(value));
  }

 private:
  const Query* find(std::string_view id) const {
    const auto it = std::ranges::find(queries_, id, &Query::id);
    return it == queries_.end() ? nullptr : &*it;
  }

  const std::vector<Query>& queries_;
  const Time start_;
  const Time end_;
  const Fetch& fetch_;
  Seconds period_;
  Surroundings surroundings_;
  std::map<std::string, Value, std::less<>> values_;
  std::optional<Error> failure_;
};

Result<void> check_cycles(const std::map<std::string, std::vector<std::string>>& references) {
  // Each round removes what refers only to what is gone.
  auto left = references;
  for (bool removed = true; removed;) {
    removed = false;
    for (auto it = left.begin(); it != left.end();) {
      const bool waits = std::ranges::any_of(it->second, [&](const auto& id) { return left.contains(id); });
      it = waits ? std::next(it) : left.erase(it);
      removed = removed || !waits;
    }
  }
  if (left.empty()) return {};
  return invalid("Error in expression '" + left.begin()->first + "': Circular dependency");
}

}  // namespace

bool is_period(std::int64_t seconds) {
  for (const int each : {1, 5, 10, 20, 30}) {
    if (seconds == each) return true;
  }
  return seconds > 0 && seconds % 60 == 0;
}

Result<void> check_queries(const std::vector<Query>& queries) {
  if (queries.empty()) return invalid("The collection MetricDataQueries must not be empty.");
  if (queries.size() > kQueriesMax)
    return invalid("The collection MetricDataQueries must not have a size greater than 500.");
  std::set<std::string> ids;
  for (const auto& query : queries) {
    if (!is_id(query.id))
      return invalid("The value '" + query.id +
                     "' for parameter Id is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$.");
    if (!ids.insert(query.id).second)
      return invalid("The values for parameter Id in parameter MetricDataQueries are not unique.");
    if (query.metric.has_value() != query.expression.empty())
      return invalid("The parameters MetricStat and Expression of the query '" + query.id +
                     "' are mutually exclusive and you must specify one.");
    if (query.period && !is_period(query.period->count()))
      return invalid("Invalid period for metric: " + std::to_string(query.period->count()) +
                     ". Period must be 1, 5, 10, 20, 30 or a multiple of 60.");
    if (query.metric && !Statistic::parse(query.statistic))
      return invalid("The value '" + query.statistic + "' for parameter Stat is not a valid statistic.");
  }
  std::map<std::string, std::vector<std::string>> references;
  for (const auto& query : queries) {
    if (query.metric) continue;
    MR_ASSIGN_OR_RETURN(const Expression expression, Expression::parse(query.expression));
    for (const auto& id : expression.references()) {
      if (id != "*" && !ids.contains(id))
        return invalid("Error in expression '" + query.id + "': Undefined variable '" + id + "'");
      references[query.id].push_back(id);
    }
  }
  return check_cycles(references);
}

Result<std::vector<QueryResult>> evaluate_queries(const std::vector<Query>& queries, Time start, Time end,
                                                  const Fetch& fetch) {
  Evaluation evaluation(queries, start, end, fetch);
  std::vector<QueryResult> out;
  for (const auto& query : queries) {
    if (!query.return_data) continue;
    MR_ASSIGN_OR_RETURN(const Value* value, evaluation.value_of(query));
    if (value->kind == Value::Kind::kScalar)
      return invalid("Error in expression '" + query.id +
                     "': the expression must return a time series, it returns a number");
    out.push_back({query.id, value->series, query.expression});
  }
  return out;
}

}  // namespace millrace::metrics
