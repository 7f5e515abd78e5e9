#include <algorithm>
#include <cmath>
#include <optional>

#include "metrics/errors.h"
#include "metrics/internal/math_node.h"

namespace millrace::metrics {
namespace {

using Node = Expression::Node;
using ByTime = std::map<Time, double>;

Value scalar(double number) {
  Value value;
  value.scalar = number;
  return value;
}

Value one(TimeSeries series) {
  Value value;
  value.kind = Value::Kind::kSeries;
  value.series.push_back(std::move(series));
  return value;
}

// nullopt: no value at that time (division by zero, as CloudWatch leaves such points out).
std::optional<double> combine(std::string_view name, double a, double b) {
  double out = 0;
  if (name == "+") out = a + b;
  if (name == "-") out = a - b;
  if (name == "*") out = a * b;
  if (name == "^") out = std::pow(a, b);
  if (name == "/") {
    if (b == 0) return std::nullopt;
    out = a / b;
  }
  if (name == "==") out = a == b;
  if (name == "!=") out = a != b;
  if (name == "<") out = a < b;
  if (name == "<=") out = a <= b;
  if (name == ">") out = a > b;
  if (name == ">=") out = a >= b;
  if (name == "AND") out = a != 0 && b != 0;
  if (name == "OR") out = a != 0 || b != 0;
  return std::isfinite(out) ? std::optional(out) : std::nullopt;
}

TimeSeries join(std::string_view name, const TimeSeries& a, const TimeSeries& b) {
  TimeSeries out = a;
  out.points.clear();
  for (const auto& [at, left] : a.points) {
    const auto right = b.points.find(at);
    if (right == b.points.end()) continue;
    if (const auto value = combine(name, left, right->second)) out.points[at] = *value;
  }
  return out;
}

template <typename F>
Value each_point(Value value, const F& f) {
  if (value.kind == Value::Kind::kScalar) {
    value.scalar = f(value.scalar);
    return value;
  }
  for (auto& series : value.series) {
    for (auto& [at, point] : series.points) point = f(point);
    std::erase_if(series.points, [](const auto& each) { return !std::isfinite(each.second); });
  }
  return value;
}

Value combine(std::string_view name, const Value& a, const Value& b) {
  using Kind = Value::Kind;
  if (a.kind == Kind::kScalar && b.kind == Kind::kScalar)
    return scalar(combine(name, a.scalar, b.scalar).value_or(NAN));
  if (a.kind == Kind::kScalar)
    return each_point(b, [&](double each) { return combine(name, a.scalar, each).value_or(NAN); });
  if (b.kind == Kind::kScalar)
    return each_point(a, [&](double each) { return combine(name, each, b.scalar).value_or(NAN); });
  const bool left_many = a.kind == Kind::kArray;
  Value out;
  out.kind = left_many || b.kind == Kind::kArray ? Kind::kArray : Kind::kSeries;
  if (left_many && b.kind == Kind::kArray) {
    for (std::size_t i = 0; i < std::min(a.series.size(), b.series.size()); ++i)
      out.series.push_back(join(name, a.series[i], b.series[i]));
  } else if (left_many) {
    for (const auto& each : a.series) out.series.push_back(join(name, each, b.series.front()));
  } else {
    for (const auto& each : b.series) out.series.push_back(join(name, a.series.front(), each));
  }
  return out;
}

double fold(std::string_view name, const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  const auto count = static_cast<double>(values.size());
  if (name == "SUM") return sum;
  if (name == "AVG") return sum / count;
  if (name == "MAX") return *std::ranges::max_element(values);
  if (name == "MIN") return *std::ranges::min_element(values);
  double squares = 0;  // STDDEV
  for (const double value : values) squares += (value - sum / count) * (value - sum / count);
  return std::sqrt(squares / count);
}

// A series folds into a scalar, several series into one, time by time.
Value folded(std::string_view name, const Value& value) {
  if (value.kind == Value::Kind::kScalar) return name == "STDDEV" ? scalar(0) : value;
  if (value.kind == Value::Kind::kSeries) {
    std::vector<double> values;
    for (const auto& [at, point] : value.series.front().points) values.push_back(point);
    if (values.empty()) return scalar(name == "SUM" ? 0 : NAN);
    return scalar(fold(name, values));
  }
  std::map<Time, std::vector<double>> by_time;
  for (const auto& series : value.series)
    for (const auto& [at, point] : series.points) by_time[at].push_back(point);
  TimeSeries out;
  if (!value.series.empty()) out.period = value.series.front().period;
  for (const auto& [at, values] : by_time) out.points[at] = fold(name, values);
  return one(std::move(out));
}

ByTime fill_series(const TimeSeries& series, const std::vector<Time>& times, const Node& how, const Value* filler) {
  ByTime out = series.points;
  for (const Time at : times) {
    if (out.contains(at)) continue;
    const auto next = series.points.lower_bound(at);
    const auto previous = next == series.points.begin() ? series.points.end() : std::prev(next);
    if (how.kind == Node::Kind::kText && how.text == "REPEAT") {
      if (previous != series.points.end()) out[at] = previous->second;
    } else if (how.kind == Node::Kind::kText) {  // LINEAR
      if (previous == series.points.end() || next == series.points.end()) continue;
      const double share = static_cast<double>((at - previous->first).count()) /
                           static_cast<double>((next->first - previous->first).count());
      out[at] = previous->second + (next->second - previous->second) * share;
    } else if (filler != nullptr && filler->kind == Value::Kind::kScalar) {
      out[at] = filler->scalar;
    } else if (filler != nullptr && !filler->series.empty()) {
      const auto other = filler->series.front().points.find(at);
      if (other != filler->series.front().points.end()) out[at] = other->second;
    }
  }
  return out;
}

double part_of_time(std::string_view name, Time at) {
  const auto days = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date(days);
  const auto minutes = std::chrono::floor<std::chrono::minutes>(at - days).count();
  if (name == "MINUTE") return static_cast<double>(minutes % 60);
  if (name == "HOUR") return static_cast<double>(minutes / 60);
  if (name == "DAY") return static_cast<double>(std::chrono::weekday(days).iso_encoding());  // AWS: Monday is 1
  if (name == "DATE") return static_cast<double>(static_cast<unsigned>(date.day()));
  if (name == "MONTH") return static_cast<double>(static_cast<unsigned>(date.month()));
  if (name == "YEAR") return static_cast<double>(static_cast<int>(date.year()));
  return static_cast<double>(to_unix_s(at));
}

TimeSeries changes(std::string_view name, const TimeSeries& series) {
  TimeSeries out = series;
  out.points.clear();
  double sum = 0;
  for (auto it = series.points.begin(); it != series.points.end(); ++it) {
    sum += it->second;
    if (name == "RUNNING_SUM") out.points[it->first] = sum;
    if (name == "RUNNING_SUM" || it == series.points.begin()) continue;
    const auto before = std::prev(it);
    const double seconds = static_cast<double>((it->first - before->first).count()) / 1000;
    const double difference = it->second - before->second;
    out.points[it->first] = name == "DIFF_TIME" ? seconds : name == "RATE" ? difference / seconds : difference;
  }
  return out;
}

class Evaluator {
 public:
  explicit Evaluator(const Surroundings& around) : around_(around) {}

  Result<Value> evaluate(const Node& node) {
    switch (node.kind) {
      case Node::Kind::kNumber:
        return scalar(node.number);
      case Node::Kind::kText:
        return Error(kValidationError, "Unexpected text '" + node.text + "' in an expression");
      case Node::Kind::kId: {
        const Value* value = around_.value_of(node.text);
        if (value == nullptr) return Error(kValidationError, "Undefined id '" + node.text + "' in an expression");
        return *value;
      }
      case Node::Kind::kArray:
        return array(node);
      case Node::Kind::kOperator:
        return operation(node);
      default:
        return call(node);
    }
  }

 private:
  Result<Value> array(const Node& node) {
    Value out;
    out.kind = Value::Kind::kArray;
    for (const auto& part : node.parts) {
      MR_ASSIGN_OR_RETURN(Value value, evaluate(*part));
      if (value.kind == Value::Kind::kScalar) value = spread(value.scalar);
      for (auto& series : value.series) out.series.push_back(std::move(series));
    }
    return out;
  }

  Value spread(double number) const {
    TimeSeries series;
    series.period = around_.period;
    for (const Time at : around_.times) series.points[at] = number;
    return one(std::move(series));
  }

  Result<Value> operation(const Node& node) {
    MR_ASSIGN_OR_RETURN(Value left, evaluate(*node.parts[0]));
    if (node.text == "neg") return each_point(std::move(left), [](double each) { return -each; });
    MR_ASSIGN_OR_RETURN(const Value right, evaluate(*node.parts[1]));
    return combine(node.text, left, right);
  }

  Value metrics(const Node& node) {
    Value out;
    out.kind = Value::Kind::kArray;
    const std::string part = node.parts.empty() ? "" : node.parts[0]->text;
    for (auto& series : around_.metrics()) {
      if (series.id.find(part) != std::string::npos) out.series.push_back(std::move(series));
    }
    return out;
  }

  Result<Value> choice(const Node& node) {
    MR_ASSIGN_OR_RETURN(const Value condition, evaluate(*node.parts[0]));
    MR_ASSIGN_OR_RETURN(const Value yes, evaluate(*node.parts[1]));
    std::optional<Value> no;
    if (node.parts.size() == 3) {
      MR_ASSIGN_OR_RETURN(no, evaluate(*node.parts[2]));
    }
    if (condition.kind == Value::Kind::kArray || yes.kind == Value::Kind::kArray ||
        (no && no->kind == Value::Kind::kArray))
      return Error(kValidationError, "IF takes single time series and numbers");
    if (condition.kind == Value::Kind::kScalar) {
      if (condition.scalar != 0) return yes;
      TimeSeries nothing;
      nothing.period = around_.period;
      return no ? *no : one(std::move(nothing));
    }
    TimeSeries out = condition.series.front();
    out.points.clear();
    for (const auto& [at, point] : condition.series.front().points) {
      const Value* source = point != 0 ? &yes : no ? &*no : nullptr;
      if (source == nullptr) continue;
      if (source->kind == Value::Kind::kScalar) {
        out.points[at] = source->scalar;
      } else if (const auto it = source->series.front().points.find(at); it != source->series.front().points.end()) {
        out.points[at] = it->second;
      }
    }
    return one(std::move(out));
  }

  Result<Value> fill(const Node& node) {
    MR_ASSIGN_OR_RETURN(Value value, evaluate(*node.parts[0]));
    const Node& how = *node.parts[1];
    std::optional<Value> filler;
    if (how.kind == Node::Kind::kText && how.text != "REPEAT" && how.text != "LINEAR")
      return Error(kValidationError, "FILL takes a number, a time series, REPEAT or LINEAR");
    if (how.kind != Node::Kind::kText) {
      MR_ASSIGN_OR_RETURN(filler, evaluate(how));
    }
    for (auto& series : value.series)
      series.points = fill_series(series, around_.times, how, filler ? &*filler : nullptr);
    return value;
  }

  Result<Value> call(const Node& node) {
    const std::string_view name = node.text;
    if (name == "METRICS") return metrics(node);
    if (name == "IF") return choice(node);
    if (name == "FILL") return fill(node);
    MR_ASSIGN_OR_RETURN(Value value, evaluate(*node.parts[0]));
    for (const std::string_view each : {"SUM", "AVG", "MAX", "MIN", "STDDEV"}) {
      if (name == each) return folded(name, value);
    }
    if (name == "METRIC_COUNT") return scalar(static_cast<double>(value.series.size()));
    if (name == "PERIOD")
      return scalar(static_cast<double>((value.series.empty() ? around_.period : value.series.front().period).count()));
    if (name == "TIME_SERIES") {
      if (value.kind != Value::Kind::kScalar) return Error(kValidationError, "TIME_SERIES takes a number");
      return spread(value.scalar);
    }
    if (auto simple = arithmetic(name, value)) return *std::move(simple);
    return of_series(name, std::move(value));
  }

  static std::optional<Value> arithmetic(std::string_view name, const Value& value) {
    double (*f)(double) = nullptr;
    if (name == "ABS") f = [](double x) { return std::abs(x); };
    if (name == "CEIL") f = [](double x) { return std::ceil(x); };
    if (name == "FLOOR") f = [](double x) { return std::floor(x); };
    if (name == "LOG") f = [](double x) { return std::log(x); };
    if (name == "LOG10") f = [](double x) { return std::log10(x); };
    return f == nullptr ? std::nullopt : std::optional(each_point(value, f));
  }

  static Result<Value> of_series(std::string_view name, Value value) {
    if (value.kind == Value::Kind::kScalar) return Error(kValidationError, std::string(name) + " takes a time series");
    if (name == "FIRST" || name == "LAST") {
      if (value.kind == Value::Kind::kArray) {  // of the array: one of its series
        if (value.series.empty()) return one(TimeSeries{});
        return one(name == "FIRST" ? value.series.front() : value.series.back());
      }
      const ByTime& points = value.series.front().points;
      if (points.empty()) return scalar(NAN);
      return scalar(name == "FIRST" ? points.begin()->second : points.rbegin()->second);
    }
    if (name == "DATAPOINT_COUNT" && value.kind == Value::Kind::kSeries)
      return scalar(static_cast<double>(value.series.front().points.size()));
    for (auto& series : value.series) {
      if (name == "DIFF" || name == "DIFF_TIME" || name == "RATE" || name == "RUNNING_SUM") {
        series = changes(name, series);
      } else if (name == "DATAPOINT_COUNT") {
        for (auto& [at, point] : series.points) point = 1;
      } else {
        for (auto& [at, point] : series.points) point = part_of_time(name, at);
      }
    }
    return name == "DATAPOINT_COUNT" ? folded("SUM", value) : std::move(value);
  }

  const Surroundings& around_;
};

}  // namespace

Result<Value> Expression::evaluate(const Surroundings& surroundings) const {
  return Evaluator(surroundings).evaluate(*root_);
}

}  // namespace millrace::metrics
