// One alternative of a filter pattern, and the string rules it is made of. Pure, thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/json.h"

namespace millrace::patterns::internal {

// A rule over a string.
struct TextRule {
  enum class Kind { kEquals, kPrefix, kSuffix, kWildcard };
  Kind kind = Kind::kEquals;
  bool ignore_case = false;
  std::string text;
  bool matches(std::string_view value) const;
};

struct NumberRange {
  double low = 0, high = 0;
  bool has_low = false, has_high = false;
  bool low_included = false, high_included = false;
  bool contains(double value) const;
};

struct Cidr {
  std::array<std::uint8_t, 16> address{};
  int bytes = 4;  // 4 or 16
  int bits = 0;
  bool contains(std::string_view value) const;
};

struct Matcher {
  enum class Kind { kLiteral, kText, kNumeric, kExists, kAbsent, kCidr, kAnythingBut, kAnythingButText };
  Kind kind = Kind::kLiteral;
  std::vector<codec::Json> literals;  // kLiteral: one; kAnythingBut: none of them
  std::vector<TextRule> rules;        // kText: one; kAnythingButText: none of them
  NumberRange range;
  Cidr cidr;

  // `leaf` is a scalar, or nullptr when the event has no leaf at that path.
  bool matches(const codec::Json* leaf) const;
};

// nullopt: no alternative of the grammar.
std::optional<Matcher> compile_matcher(const codec::Json& alternative);

}  // namespace millrace::patterns::internal
