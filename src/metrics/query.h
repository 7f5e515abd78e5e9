// GetMetricData's queries: metrics and expressions by id, evaluated over a range of time. Used by the API and by
// alarms.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "metrics/math.h"
#include "metrics/store.h"

namespace millrace::metrics {

inline constexpr std::size_t kQueriesMax = 500;  // AWS

struct Query {
  std::string id;
  std::string label;  // "": AWS's default
  bool return_data = true;
  // A metric:
  std::optional<MetricId> metric;
  std::string statistic;
  std::optional<std::string> unit;
  std::optional<Seconds> period;  // of a metric, or of an expression
  // Or an expression:
  std::string expression;
};

// Ids are distinct, well-formed and defined, expressions parse and have no cycle, statistics exist, periods are
// allowed. Error: kValidationError.
Result<void> check_queries(const std::vector<Query>& queries);
// 1, 5, 10, 20, 30 or a multiple of 60.
bool is_period(std::int64_t seconds);

struct QueryResult {
  std::string id;
  std::vector<TimeSeries> series;  // several when an expression returns several
  std::string expression;
};

// Of those that return data, in order. `fetch` gives the data of a metric over the range in its period. REQUIRES:
// check_queries() was ok. Errors: kValidationError, when an expression cannot be evaluated or is only a number.
using Fetch = std::function<std::map<Time, Statistics>(const Query& query, Seconds period)>;
Result<std::vector<QueryResult>> evaluate_queries(const std::vector<Query>& queries, Time start, Time end,
                                                  const Fetch& fetch);

}  // namespace millrace::metrics
