// Filter policies: the pattern grammar (patterns/pattern.h) over a message's attributes or its body. A value; pure.
//
// AWS: a message attribute of type String.Array matches by any of its elements; binary attributes are not seen; a body
// that is no JSON object does not pass a policy with the scope MessageBody; {} is no filter.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "patterns/pattern.h"
#include "sns/message.h"

namespace millrace::sns {

enum class FilterScope { kMessageAttributes, kMessageBody };

class Filter {
 public:
  Filter() = default;  // lets everything pass
  // Error: kInvalidParameter with what is wrong.
  static Result<Filter> compile(std::string_view policy, FilterScope scope);
  // The same policy in another scope.
  Result<Filter> with_scope(FilterScope scope) const;
  const std::string& text() const { return text_; }  // "" none
  FilterScope scope() const { return scope_; }
  bool passes(const Outgoing& message) const;

 private:
  std::string text_;
  FilterScope scope_ = FilterScope::kMessageAttributes;
  std::optional<patterns::Pattern> pattern_;
};

}  // namespace millrace::sns
