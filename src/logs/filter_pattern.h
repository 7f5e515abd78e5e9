// Filter patterns. For text: terms that must all occur, "?term" for any of them, "-term" for none, quotes around
// phrases; for JSON and space-delimited events: logs/structured_pattern.h. Matching is case-sensitive. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "logs/structured_pattern.h"

namespace millrace::logs {

class FilterPattern {
 public:
  // An empty pattern matches everything. kInvalidParameter: malformed, or with a regular expression ("%x%"), which
  // this server does not serve.
  static Result<FilterPattern> parse(std::string_view text);
  bool matches(std::string_view message) const;
  // What the pattern's selectors found, nothing for text; nullopt: does not match.
  std::optional<Extracted> match(std::string_view message) const;
  // The value of a selector in a message that matches; nullopt: it has none.
  std::optional<std::string> value_of(std::string_view selector, std::string_view message) const;
  bool is_structured() const { return structured_.has_value(); }

 private:
  std::optional<StructuredPattern> structured_;
  std::vector<std::string> all_;
  std::vector<std::string> any_;
  std::vector<std::string> none_;
};

}  // namespace millrace::logs
