// Limits of expressions (docs/limits.md; AWS: "Quotas, expression parameters").
#pragma once

#include <cstddef>

namespace millrace::expressions {

inline constexpr std::size_t kExpressionBytesMax = 4096;
inline constexpr int kOperatorsMax = 300;
inline constexpr std::size_t kInOperandsMax = 100;
inline constexpr std::size_t kPathStepsMax = 32;
inline constexpr int kExpressionDepthMax = 300;  // nested parentheses, NOTs and functions

}  // namespace millrace::expressions
