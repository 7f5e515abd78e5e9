// DynamoDB's number: a decimal with up to 38 significant digits, exact, magnitude 1E-130
// to 9.9999999999999999999999999999999999999E+125.
//
// A value: 24 bytes, no allocation. Kept normalized (no trailing zero in the coefficient; zero has exponent 0 and no
// sign), so equal numbers are equal representations. Thread-safety: none needed.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/errors.h"

namespace millrace::model {

inline constexpr int kNumberDigitsMax = 38;
inline constexpr int kNumberExponentMax = 125;   // of the first digit: 9.99E125
inline constexpr int kNumberExponentMin = -130;  // of the first digit: 1E-130

class Number {
 public:
  Number() = default;          // 0
  Number(std::int64_t value);  // NOLINT(google-explicit-constructor)

  // Parses what the JSON member "N" may hold: optional sign, digits with an optional point, optional exponent; leading
  // and trailing blanks are not accepted. Errors, all kValidationException with AWS's texts: not a number, more than 38
  // significant digits, magnitude above or below the range.
  static Result<Number> parse(std::string_view text);

  // The canonical text: plain notation over the whole range, no superfluous zeros ("0.00001", "1000", "-2.5").
  std::string text() const;
  void append_text(std::string& out) const;

  bool is_zero() const { return high_ == 0 && low_ == 0; }
  bool is_negative() const { return negative_; }
  // Number of significant digits; 0 for zero.
  int digits() const;
  // AWS: ceil(digits / 2) + 1, one more when negative.
  std::size_t size() const;

  // The integral part if it fits int64 (fraction dropped toward zero); nullopt if it does not fit.
  std::optional<std::int64_t> to_int64() const;
  bool is_integer() const { return exponent_ >= 0; }
  double to_double() const;

  // Exact results; errors as of parse() when the result has no representation.
  friend Result<Number> add(const Number& a, const Number& b);
  friend Result<Number> subtract(const Number& a, const Number& b);

  friend std::strong_ordering operator<=>(const Number& a, const Number& b);
  friend bool operator==(const Number& a, const Number& b) = default;

  // Appends bytes that compare like the numbers, none a prefix of another: what keys are made of.
  // Grammar: 0x80 = zero; 0xC0 exponent16 pair* 0x00 = positive, exponent biased by 0x8000 of the first digit, pairs of
  // decimal digits plus one (1..100); 0x40 and the complement of the positive form's remaining bytes = negative.
  void append_key(std::string& out) const;
  // Reads one from the front of `in` and removes it; nullopt when malformed.
  static std::optional<Number> read_key(std::string_view& in);

  // Appends a compact form, not ordered: for stored items.
  void append_stored(std::string& out) const;
  static std::optional<Number> read_stored(std::string_view& in);

 private:
  __extension__ using Wide = unsigned __int128;
  Wide coefficient() const { return (static_cast<Wide>(high_) << 64) | low_; }
  void set(Wide coefficient, int exponent, bool negative);  // normalizes
  static Result<Number> checked(Wide coefficient, int exponent, bool negative);

  std::uint64_t high_ = 0;  // value = (-1)^negative * (high * 2^64 + low) * 10^exponent
  std::uint64_t low_ = 0;
  std::int16_t exponent_ = 0;
  bool negative_ = false;
};

Result<Number> add(const Number& a, const Number& b);
Result<Number> subtract(const Number& a, const Number& b);

}  // namespace millrace::model
