// Filter patterns for JSON and for space-delimited events. Pure.
//
//   { $.status = 404 && ($.path = "/api/*" || $.user.name NOT EXISTS) }     = != < <= > >=, IS NULL, IS TRUE, IS FALSE,
//                                                                           NOT EXISTS, &&, ||, parentheses, *
//   [ip, user, ..., status = 4* && status != 404, bytes > 1000]             "..." stands for any number of fields
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "codec/json.h"

namespace millrace::logs {

inline constexpr int kPatternDepthMax = 32;

// What a selector found, by its name: {"$.status", "404"}.
using Extracted = std::vector<std::pair<std::string, std::string>>;

class StructuredPattern {
 public:
  struct Node;
  // `text` starts with '{' or '['. Error: kInvalidParameter.
  static Result<StructuredPattern> parse(std::string_view text);
  // nullopt: does not match.
  std::optional<Extracted> match(std::string_view message) const;
  // The value of "$.a.b" or "$field" in a message that matched; nullopt: it has none.
  std::optional<std::string> value_of(std::string_view selector, std::string_view message) const;

 private:
  struct Field {
    std::string name;  // "..." an ellipsis
    std::shared_ptr<const Node> condition;
  };
  std::optional<std::vector<std::string>> assign(std::string_view message) const;

  bool is_json_ = false;
  std::shared_ptr<const Node> condition_;
  std::vector<Field> fields_;
};

// The value at "$.a.b[0]"; nullptr: there is none.
const codec::Json* select(const codec::Json& document, std::string_view selector);

}  // namespace millrace::logs
