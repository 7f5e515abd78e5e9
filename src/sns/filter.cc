#include "sns/filter.h"

#include <utility>

#include "codec/json.h"
#include "sns/errors.h"
#include "sns/limits.h"

namespace millrace::sns {
namespace {

using codec::Json;

Error invalid_policy(std::string_view reason) {
  return Error(kInvalidParameter, "Invalid parameter: FilterPolicy: " + std::string(reason));
}

Json attributes_of(const Outgoing& message) {
  Json json = Json::object();
  for (const auto& attribute : message.attributes) {
    if (attribute.is_binary()) continue;
    if (attribute.type == "String.Array" || attribute.type.starts_with("Number")) {
      auto value = codec::parse_json(attribute.value);
      if (value.ok()) {
        json.set(attribute.name, std::move(value).value());
        continue;
      }
    }
    json.set(attribute.name, attribute.value);
  }
  return json;
}

std::size_t keys_of(const Json& policy) {
  std::size_t keys = 0;
  for (const auto& [name, value] : policy.as_object()) keys += value.is_object() ? keys_of(value) : 1;
  return keys;
}

}  // namespace

Result<Filter> Filter::compile(std::string_view policy, FilterScope scope) {
  Filter filter;
  filter.scope_ = scope;
  filter.text_ = policy;
  if (policy.empty()) return filter;
  const auto json = codec::parse_json(policy);
  if (!json.ok()) return invalid_policy("failed to parse JSON. " + json.error().message());
  if (!json->is_object()) return invalid_policy("Filter policy must be a JSON object");
  if (json->as_object().empty()) {  // AWS: no filter
    filter.text_.clear();
    return filter;
  }
  if (scope == FilterScope::kMessageAttributes) {
    for (const auto& [name, value] : json->as_object()) {
      if (value.is_object()) {
        return invalid_policy("Filter policy scope MessageAttributes does not support nested filter policy");
      }
    }
  }
  if (keys_of(*json) > kFilterKeysMax) return invalid_policy("Filter policy can not have more than 5 keys");
  auto pattern = patterns::Pattern::compile(policy);
  if (!pattern.ok())
    return invalid_policy("the policy has a value or an operator that is none of the filter policy grammar");
  filter.pattern_ = std::move(pattern).value();
  return filter;
}

Result<Filter> Filter::with_scope(FilterScope scope) const { return compile(text_, scope); }

bool Filter::passes(const Outgoing& message) const {
  if (!pattern_) return true;
  if (scope_ == FilterScope::kMessageAttributes) return pattern_->matches(attributes_of(message));
  const auto body = codec::parse_json(message.body);
  return body.ok() && body->is_object() && pattern_->matches(*body);
}

}  // namespace millrace::sns
