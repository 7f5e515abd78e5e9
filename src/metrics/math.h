// CloudWatch's metric math: expressions over time series, parsed once and evaluated as often as wanted. Pure.
//
//   m1 + 2 * m2, (errors / invocations) * 100, IF(m1 > 10, m1, 0), FILL(m1, 0), SUM(METRICS()), MAX([m1, m2])
//
// Operators by precedence: OR ||, AND &&, == != < <= > >=, + -, * /, ^ (to the right), unary -. Between two series only
// times that both have give a value. Served functions: ABS AVG CEIL DATAPOINT_COUNT DIFF DIFF_TIME DATE DAY EPOCH FILL
// FIRST FLOOR HOUR IF LAST LOG LOG10 MAX METRICS METRIC_COUNT MIN MINUTE MONTH PERIOD RATE RUNNING_SUM STDDEV SUM
// TIME_SERIES YEAR. Those of CloudWatch that are not served (SEARCH, ANOMALY_DETECTION_BAND, ...) are refused by name.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace millrace::metrics {

struct TimeSeries {
  std::string id;
  std::string label;
  Seconds period{60};
  std::map<Time, double> points;
};

struct Value {
  enum class Kind { kScalar, kSeries, kArray };
  Kind kind = Kind::kScalar;
  double scalar = 0;
  std::vector<TimeSeries> series;  // one of kSeries, any number of kArray
};

struct Surroundings {
  // The value of an id; nullptr: there is none.
  std::function<const Value*(std::string_view id)> value_of;
  // The series METRICS() means: all metrics of the request, in its order, that have no expression.
  std::function<std::vector<TimeSeries>()> metrics;
  // All full periods of the request: what TIME_SERIES and FILL cover.
  std::vector<Time> times;
  Seconds period{60};
};

class Expression {
 public:
  struct Node;
  // Error: kValidationError with the reason.
  static Result<Expression> parse(std::string_view text);
  // The ids it refers to; METRICS() adds "*".
  std::vector<std::string> references() const;
  Result<Value> evaluate(const Surroundings& surroundings) const;

 private:
  explicit Expression(std::shared_ptr<const Node> root) : root_(std::move(root)) {}
  std::shared_ptr<const Node> root_;
};

}  // namespace millrace::metrics
