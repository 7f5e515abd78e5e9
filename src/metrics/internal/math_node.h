// The tree of a metric math expression, between its parser and its evaluation.
#pragma once

#include "metrics/math.h"

namespace millrace::metrics {

inline constexpr int kExpressionDepthMax = 64;

struct Expression::Node {
  enum class Kind { kNumber, kText, kId, kCall, kOperator, kArray };
  Kind kind = Kind::kNumber;
  double number = 0;
  std::string text;  // of kText, kId; the name of a function or an operator
  std::vector<std::shared_ptr<const Node>> parts;
};

namespace internal {

// Whether the function is served, and with how many arguments.
struct Function {
  std::string_view name;
  std::size_t arguments_min;
  std::size_t arguments_max;
};
const Function* find_function(std::string_view name);

}  // namespace internal
}  // namespace millrace::metrics
