// KeyConditionExpression: one partition and a range of it. Pure.
#pragma once

#include <optional>

#include "base/result.h"
#include "expressions/ast.h"
#include "model/key.h"

namespace millrace::expressions {

struct KeyCondition {
  enum class Sort { kAll, kEqual, kLess, kLessOrEqual, kGreater, kGreaterOrEqual, kBetween, kBeginsWith };
  model::AttributeValue partition;
  Sort sort = Sort::kAll;
  model::AttributeValue low;   // the operand, or the lower bound of kBetween
  model::AttributeValue high;  // the upper bound of kBetween
};

// Errors: kValidationException with AWS's texts: operators and forms that a key condition cannot have, attributes that
// are no key, a missing partition key, values of another type than the key.
Result<KeyCondition> to_key_condition(const Condition& condition, const model::KeySchema& schema);

}  // namespace millrace::expressions
