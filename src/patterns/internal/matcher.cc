#include "patterns/internal/matcher.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <arpa/inet.h>

namespace millrace::patterns::internal {
namespace {

using codec::Json;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same(std::string_view a, std::string_view b, bool ignore_case) {
  if (!ignore_case) return a == b;
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

// Tokens of a wildcard: a character, or "any" as nullopt. AWS: no two stars in a row, only \* and \\ are escapes.
std::optional<std::vector<std::optional<char>>> wildcard_tokens(std::string_view text) {
  std::vector<std::optional<char>> tokens;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '*') {
      if (!tokens.empty() && !tokens.back()) return std::nullopt;
      tokens.push_back(std::nullopt);
    } else if (text[i] == '\\') {
      if (++i == text.size() || (text[i] != '*' && text[i] != '\\')) return std::nullopt;
      tokens.push_back(text[i]);
    } else {
      tokens.push_back(text[i]);
    }
  }
  return tokens;
}

// Linear: on a mismatch only the last star is tried again.
bool wildcard_matches(std::string_view pattern, std::string_view value) {
  const auto tokens = wildcard_tokens(pattern);
  if (!tokens) return false;
  std::size_t t = 0, v = 0, star = tokens->size(), star_value = 0;
  while (v < value.size()) {
    if (t < tokens->size() && !(*tokens)[t]) {
      star = t++;
      star_value = v;
    } else if (t < tokens->size() && (*tokens)[t] == value[v]) {
      ++t, ++v;
    } else if (star < tokens->size()) {
      t = star + 1;
      v = ++star_value;
    } else {
      return false;
    }
  }
  while (t < tokens->size() && !(*tokens)[t]) ++t;
  return t == tokens->size();
}

bool equal_scalars(const Json& a, const Json& b) {
  // EventBridge: 300.0 equals 300.
  if (a.is_number() && b.is_number()) return a.as_double() == b.as_double();
  return a == b;
}

std::optional<TextRule> text_rule(std::string_view name, const Json& value) {
  TextRule rule;
  if (name == "prefix" || name == "suffix") {
    rule.kind = name == "prefix" ? TextRule::Kind::kPrefix : TextRule::Kind::kSuffix;
    const Json* text = &value;
    if (value.is_object()) {
      if (value.as_object().size() != 1) return std::nullopt;
      text = value.find("equals-ignore-case");
      rule.ignore_case = true;
    }
    if (text == nullptr || !text->is_string()) return std::nullopt;
    rule.text = text->as_string();
    return rule;
  }
  if (!value.is_string()) return std::nullopt;
  rule.text = value.as_string();
  if (name == "equals-ignore-case") {
    rule.ignore_case = true;
    return rule;
  }
  if (name != "wildcard" || !wildcard_tokens(rule.text)) return std::nullopt;
  rule.kind = TextRule::Kind::kWildcard;
  return rule;
}

std::optional<Matcher> anything_but(const Json& value) {
  Matcher matcher;
  const auto is_allowed = [](const Json& each) { return each.is_string() || each.is_number(); };
  if (value.is_object()) {
    if (value.as_object().size() != 1) return std::nullopt;
    matcher.kind = Matcher::Kind::kAnythingButText;
    const auto& [name, operand] = value.as_object().front();
    const Json::Array one{operand};
    const Json::Array& operands = operand.is_array() ? operand.as_array() : one;
    for (const Json& each : operands) {
      auto rule = text_rule(name, each);
      if (!rule) return std::nullopt;
      matcher.rules.push_back(std::move(*rule));
    }
    if (matcher.rules.empty()) return std::nullopt;
    return matcher;
  }
  matcher.kind = Matcher::Kind::kAnythingBut;
  if (value.is_array()) {
    matcher.literals = value.as_array();
  } else {
    matcher.literals.push_back(value);
  }
  const bool valid =
      !matcher.literals.empty() && std::all_of(matcher.literals.begin(), matcher.literals.end(), is_allowed);
  return valid ? std::optional(std::move(matcher)) : std::nullopt;
}

// [op, n] or [lower bound, n, upper bound, n].
std::optional<Matcher> numeric(const Json& value) {
  if (!value.is_array()) return std::nullopt;
  const Json::Array& parts = value.as_array();
  if (parts.size() != 2 && parts.size() != 4) return std::nullopt;
  Matcher matcher;
  matcher.kind = Matcher::Kind::kNumeric;
  NumberRange& range = matcher.range;
  for (std::size_t i = 0; i < parts.size(); i += 2) {
    if (!parts[i].is_string() || !parts[i + 1].is_number()) return std::nullopt;
    const std::string& op = parts[i].as_string();
    const double bound = parts[i + 1].as_double();
    const bool last = i + 2 == parts.size();
    if (op == "=" && parts.size() == 2) {
      range = {bound, bound, true, true, true, true};
    } else if ((op == ">" || op == ">=") && i == 0) {
      range.low = bound;
      range.has_low = true;
      range.low_included = op == ">=";
    } else if ((op == "<" || op == "<=") && last && (i == 0 || range.has_low)) {
      range.high = bound;
      range.has_high = true;
      range.high_included = op == "<=";
    } else {
      return std::nullopt;
    }
  }
  if (range.has_low && range.has_high && range.low > range.high) return std::nullopt;
  return matcher;
}

bool parse_address(std::string_view text, std::array<std::uint8_t, 16>& address, int& bytes) {
  const std::string terminated(text);
  if (inet_pton(AF_INET, terminated.c_str(), address.data()) == 1) {
    bytes = 4;
    return true;
  }
  bytes = 16;
  return inet_pton(AF_INET6, terminated.c_str(), address.data()) == 1;
}

std::optional<Matcher> cidr(const Json& value) {
  if (!value.is_string()) return std::nullopt;
  const std::string_view text = value.as_string();
  const std::size_t slash = text.find('/');
  Matcher matcher;
  matcher.kind = Matcher::Kind::kCidr;
  if (!parse_address(text.substr(0, slash), matcher.cidr.address, matcher.cidr.bytes)) return std::nullopt;
  matcher.cidr.bits = matcher.cidr.bytes * 8;
  if (slash == std::string_view::npos) return matcher;
  const std::string_view bits = text.substr(slash + 1);
  const auto [end, error] = std::from_chars(bits.data(), bits.data() + bits.size(), matcher.cidr.bits);
  const bool valid = error == std::errc() && end == bits.data() + bits.size() && matcher.cidr.bits >= 0 &&
                     matcher.cidr.bits <= matcher.cidr.bytes * 8;
  return valid ? std::optional(matcher) : std::nullopt;
}

}  // namespace

bool TextRule::matches(std::string_view value) const {
  switch (kind) {
    case Kind::kEquals:
      return same(value, text, ignore_case);
    case Kind::kPrefix:
      return value.size() >= text.size() && same(value.substr(0, text.size()), text, ignore_case);
    case Kind::kSuffix:
      return value.size() >= text.size() && same(value.substr(value.size() - text.size()), text, ignore_case);
    case Kind::kWildcard:
      return wildcard_matches(text, value);
  }
  return false;
}

bool NumberRange::contains(double value) const {
  if (has_low && (low_included ? value < low : value <= low)) return false;
  return !has_high || (high_included ? value <= high : value < high);
}

bool Cidr::contains(std::string_view value) const {
  std::array<std::uint8_t, 16> other{};
  int other_bytes = 0;
  if (!parse_address(value, other, other_bytes) || other_bytes != bytes) return false;
  for (int bit = 0; bit < bits; ++bit) {
    const auto byte = static_cast<std::size_t>(bit / 8);
    const int mask = 0x80 >> (bit % 8);
    if ((address[byte] & mask) != (other[byte] & mask)) return false;
  }
  return true;
}

bool Matcher::matches(const Json* leaf) const {
  if (leaf == nullptr) return kind == Kind::kAbsent;
  switch (kind) {
    case Kind::kLiteral:
      return equal_scalars(*leaf, literals.front());
    case Kind::kText:
      return leaf->is_string() && rules.front().matches(leaf->as_string());
    case Kind::kNumeric:
      return leaf->is_number() && range.contains(leaf->as_double());
    case Kind::kExists:
      return true;
    case Kind::kAbsent:
      return false;
    case Kind::kCidr:
      return leaf->is_string() && cidr.contains(leaf->as_string());
    case Kind::kAnythingBut:
      return std::none_of(literals.begin(), literals.end(),
                          [&](const Json& each) { return equal_scalars(*leaf, each); });
    case Kind::kAnythingButText:
      return !leaf->is_string() || std::none_of(rules.begin(), rules.end(),
                                                [&](const TextRule& rule) { return rule.matches(leaf->as_string()); });
  }
  return false;
}

std::optional<Matcher> compile_matcher(const Json& alternative) {
  Matcher matcher;
  if (alternative.is_array()) return std::nullopt;
  if (!alternative.is_object()) {
    matcher.literals.push_back(alternative);
    return matcher;
  }
  if (alternative.as_object().size() != 1) return std::nullopt;
  const auto& [name, operand] = alternative.as_object().front();
  if (name == "exists") {
    if (!operand.is_bool()) return std::nullopt;
    matcher.kind = operand.as_bool() ? Matcher::Kind::kExists : Matcher::Kind::kAbsent;
    return matcher;
  }
  if (name == "anything-but") return anything_but(operand);
  if (name == "numeric") return numeric(operand);
  if (name == "cidr") return cidr(operand);
  auto rule = text_rule(name, operand);
  if (!rule) return std::nullopt;
  matcher.kind = Matcher::Kind::kText;
  matcher.rules.push_back(std::move(*rule));
  return matcher;
}

}  // namespace millrace::patterns::internal
