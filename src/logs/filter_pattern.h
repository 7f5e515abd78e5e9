// Filter patterns for text: terms that must all occur, "?term" for any of them, "-term" for none, quotes around
// phrases. Matching is case-sensitive. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::logs {

class FilterPattern {
 public:
  // An empty pattern matches everything. kInvalidParameter: malformed, or a JSON ("{ $.x = 1 }"), space-delimited
  // ("[ip, user]") or regular expression pattern ("%x%"), which this server does not serve.
  static Result<FilterPattern> parse(std::string_view text);
  bool matches(std::string_view message) const;

 private:
  std::vector<std::string> all_;
  std::vector<std::string> any_;
  std::vector<std::string> none_;
};

}  // namespace millrace::logs
