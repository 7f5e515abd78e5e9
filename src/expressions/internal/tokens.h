// The tokens of all expression kinds, and the parts of parsing they share. Used inside this folder only.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "expressions/ast.h"
#include "expressions/limits.h"
#include "expressions/substitutions.h"

namespace millrace::expressions::internal {

struct Token {
  enum class Kind { kEnd, kWord, kName, kValue, kInteger, kSymbol, kUnknown };
  Kind kind = Kind::kEnd;
  std::size_t begin = 0;
  std::size_t end = 0;
};

bool equals_ignore_case(std::string_view a, std::string_view upper);

// Walks over the tokens of one expression. Syntax errors are returned; errors of meaning (undefined names, operand
// types) are noted and win only if the whole text is well-formed, the lower priority number first.
class Cursor {
 public:
  enum class Priority { kNames, kOperands, kDistinct };

  Cursor(std::string_view text, std::string_view member, Substitutions& substitutions);
  // Errors of the whole text: empty, too long.
  Result<void> check_text() const;
  // The noted error, if any; too many operators.
  Result<void> check_meaning();

  const Token& peek(std::size_t ahead = 0) const;
  std::string_view text(const Token& token) const { return text_.substr(token.begin, token.end - token.begin); }
  bool at_end() const { return peek().kind == Token::Kind::kEnd; }
  bool at_symbol(std::string_view symbol) const;
  bool at_keyword(std::string_view upper) const;
  // Takes the token if it is next.
  bool take_symbol(std::string_view symbol);
  bool take_keyword(std::string_view upper);
  Token take();

  Error syntax_error() const;  // at the next token
  Error invalid(std::string message) const;
  void note(Priority priority, std::string message);
  void count_operator() { ++operators_; }
  // False (and the error is noted) when nesting is too deep; every enter() needs a leave().
  Result<void> enter();
  void leave() { --depth_; }

  // A document path. `is_keyword` tells which words cannot start one.
  Result<Path> parse_path(bool (*is_keyword)(std::string_view));
  // REQUIRES: the next token is a value placeholder. nullptr (noted) when it is not defined.
  const model::AttributeValue* take_value();

 private:
  Result<std::string> parse_name(bool (*is_keyword)(std::string_view));

  std::string_view text_;
  std::string_view member_;
  Substitutions& substitutions_;
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int operators_ = 0;
  int depth_ = 0;
  std::array<std::optional<Error>, 3> noted_;
};

}  // namespace millrace::expressions::internal
