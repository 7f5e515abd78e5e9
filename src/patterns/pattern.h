// Filter patterns: EventBridge's grammar over a JSON document: a stream record as the function would receive it, a
// notification's body or attributes.
//
//   pattern     = { field: (pattern | [alternative, ...]), ..., "$or": [pattern, pattern, ...] }
//   alternative = string | number | true | false | null
//               | {"prefix": text} | {"suffix": text}       text: string or {"equals-ignore-case": string}
//               | {"equals-ignore-case": string} | {"wildcard": "a*b"}      \* and \\ are escapes
//               | {"anything-but": scalar or [..] or {"prefix"|"suffix"|"equals-ignore-case"|"wildcard": string or
//               [..]}} | {"numeric": ["=", n] or [">", n, "<=", n] ...} | {"exists": bool} | {"cidr": "10.0.0.0/24"}
//
// Fields are ANDed, alternatives ORed. A step through an array matches if any element does. Values of attributes are
// DynamoDB JSON: the type descriptor is part of the path, and numbers under "N" are strings. Immutable after compile,
// thread-safe.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/json.h"

namespace millrace::patterns {

inline constexpr ErrorType kInvalidPattern{"InvalidParameterValueException", 400, ErrorKind::kClient};

namespace internal {
struct PatternObject;
}

class Pattern {
 public:
  // Error: kInvalidPattern "Invalid filter pattern definition.", whatever is wrong (AWS: the one text).
  static Result<Pattern> compile(std::string_view text);
  bool matches(const codec::Json& record) const;

 private:
  explicit Pattern(std::shared_ptr<const internal::PatternObject> root) : root_(std::move(root)) {}
  std::shared_ptr<const internal::PatternObject> root_;
};

// The filters of a mapping: one of them must match. No filters let everything pass.
class Filters {
 public:
  Filters() = default;
  static Result<Filters> compile(const std::vector<std::string>& patterns);
  bool empty() const { return patterns_.empty(); }
  bool pass(const codec::Json& record) const;
  // The same for a rendered record. A text that is no JSON does not pass.
  bool pass_text(std::string_view record) const;

 private:
  std::vector<Pattern> patterns_;
};

}  // namespace millrace::patterns
