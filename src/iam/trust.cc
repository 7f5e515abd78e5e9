#include "iam/trust.h"

#include <algorithm>
#include <optional>

#include "codec/json.h"
#include "codec/wildcard.h"

namespace millrace::iam {
namespace {

using codec::Json;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool same(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

bool like(std::string_view pattern, std::string_view text) {
  return codec::matches_wildcard(pattern, text, codec::QuestionMark::kAnyCharacter);
}

std::string text_of(const Json& value) { return value.is_string() ? value.as_string() : value.dump(); }

// `value` itself, or its elements.
template <typename Matches>
bool any_of(const Json* value, Matches matches) {
  if (value == nullptr) return false;
  if (!value->is_array()) return matches(text_of(*value));
  return std::ranges::any_of(value->as_array(), [&](const Json& element) { return matches(text_of(element)); });
}

bool names_principal(const Json* principal, const TrustRequest& request) {
  if (principal == nullptr) return false;
  if (principal->is_string()) return principal->as_string() == "*";
  return any_of(principal->find("AWS"), [&](const std::string& named) {
    return named == "*" || named == request.account || named == "arn:aws:iam::" + request.account + ":root" ||
           named == request.principal_arn || (!request.role_arn.empty() && named == request.role_arn);
  });
}

bool names_action(const Json& statement, std::string_view action) {
  const auto matches = [&](std::string pattern) {
    std::ranges::transform(pattern, pattern.begin(), lower);
    std::string wanted(action);
    std::ranges::transform(wanted, wanted.begin(), lower);
    return like(pattern, wanted);
  };
  if (const Json* actions = statement.find("Action")) return any_of(actions, matches);
  return !any_of(statement.find("NotAction"), matches);
}

// nullopt: an operator that is not served.
std::optional<bool> holds(std::string_view op, const std::string* actual, const Json& wanted) {
  if (op == "Null") return any_of(&wanted, [&](const std::string& text) { return (text == "true") == !actual; });
  bool if_exists = false;
  if (op.ends_with("IfExists")) {
    if_exists = true;
    op.remove_suffix(8);
  }
  bool negated = false;
  const auto compare = [&](const std::string& text) -> std::optional<bool> {
    if (op == "StringEquals" || op == "StringNotEquals") return text == *actual;
    if (op == "StringEqualsIgnoreCase" || op == "StringNotEqualsIgnoreCase" || op == "Bool") return same(text, *actual);
    if (op == "StringLike" || op == "StringNotLike" || op == "ArnEquals" || op == "ArnNotEquals" || op == "ArnLike" ||
        op == "ArnNotLike") {
      return like(text, *actual);
    }
    return std::nullopt;
  };
  negated = op.find("Not") != std::string_view::npos;
  if (actual == nullptr) {
    const std::string nothing;
    actual = &nothing;
    if (!compare("")) return std::nullopt;
    return if_exists || negated;
  }
  if (!compare("")) return std::nullopt;
  const bool matched = any_of(&wanted, [&](const std::string& text) { return *compare(text); });
  return matched != negated;
}

// nullopt: it has an operator that is not served.
std::optional<bool> conditions_hold(const Json* conditions, const TrustRequest& request) {
  if (conditions == nullptr || !conditions->is_object()) return true;
  for (const auto& [op, keys] : conditions->as_object()) {
    if (!keys.is_object()) return std::nullopt;
    for (const auto& [key, wanted] : keys.as_object()) {
      const auto it = std::ranges::find_if(request.context, [&](const auto& entry) { return same(entry.first, key); });
      const auto held = holds(op, it == request.context.end() ? nullptr : &it->second, wanted);
      if (!held || !*held) return held;
    }
  }
  return true;
}

}  // namespace

bool trusts(std::string_view policy, std::string_view action, const TrustRequest& request) {
  const auto document = codec::parse_json(policy);
  if (!document.ok()) return false;
  const Json* found = document->find("Statement");
  if (found == nullptr) return false;
  const Json::Array statements = found->is_array() ? found->as_array() : Json::Array{*found};
  bool allowed = false;
  for (const auto& statement : statements) {
    const bool denies = statement.string_or("Effect", "") == "Deny";
    const Json* principal = statement.find("Principal");
    const bool named = principal != nullptr ? names_principal(principal, request)
                                            : !names_principal(statement.find("NotPrincipal"), request);
    if (!named || !names_action(statement, action)) continue;
    if (!conditions_hold(statement.find("Condition"), request).value_or(denies)) continue;
    if (denies) return false;
    allowed = true;
  }
  return allowed;
}

}  // namespace millrace::iam
