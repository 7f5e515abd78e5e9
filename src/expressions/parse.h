// Text to trees. All errors are kValidationException and begin with "Invalid <member>: ", e.g. "Invalid
// UpdateExpression: Syntax error; token: \"=\", near: \"SET =\"". Syntax is checked before names, names before operand
// types. Pure.
#pragma once

#include <string_view>

#include "base/result.h"
#include "expressions/ast.h"
#include "expressions/substitutions.h"

namespace millrace::expressions {

// `member` names the request's member in error texts: "ConditionExpression", "FilterExpression",
// "KeyConditionExpression".
Result<Condition> parse_condition(std::string_view text, std::string_view member, Substitutions& substitutions);
Result<Update> parse_update(std::string_view text, Substitutions& substitutions);
Result<Projection> parse_projection(std::string_view text, Substitutions& substitutions);

// Two paths where one contains the other, or where one treats as a list what the other treats as a map.
Result<void> check_paths_distinct(const std::vector<const Path*>& paths, std::string_view member);

// AWS's list of about 570 words that cannot be attribute names in expressions; any case.
bool is_reserved_word(std::string_view word);

}  // namespace millrace::expressions
