#include "model/number.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace millrace::model {
namespace {

__extension__ using Wide = unsigned __int128;

constexpr std::array<Wide, 39> make_powers() {
  std::array<Wide, 39> powers{};
  powers[0] = 1;
  for (std::size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
  return powers;
}
constexpr std::array<Wide, 39> kPowers = make_powers();

int digit_count(Wide value) {
  if (value < kPowers[19]) {  // the usual case: stay in 64 bits
    int count = 0;
    for (auto rest = static_cast<std::uint64_t>(value); rest != 0; rest /= 10) ++count;
    return count;
  }
  return static_cast<int>(std::upper_bound(kPowers.begin(), kPowers.end(), value) - kPowers.begin());
}

// The decimal digits of `value` without leading zeros, into a buffer of at least 39 bytes. Returns their number.
int write_digits(Wide value, char* out) {
  const int count = digit_count(value);
  for (int i = count - 1; i >= 0; --i) {
    out[i] = static_cast<char>('0' + static_cast<int>(value % 10));
    value /= 10;
  }
  return count;
}

Error not_numeric(std::string_view text) {
  return Error(kValidationException, "The parameter cannot be converted to a numeric value: " + std::string(text));
}
Error too_many_digits() {
  return Error(kValidationException, "Attempting to store more than 38 significant digits in a Number");
}
Error too_large() {
  return Error(kValidationException,
               "Number overflow. Attempting to store a number with magnitude larger than supported range");
}
Error too_small() {
  return Error(kValidationException,
               "Number underflow. Attempting to store a number with magnitude smaller than supported range");
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// What the text of a number says, before its limits are checked.
struct Scanned {
  Wide coefficient = 0;
  std::int64_t exponent = 0;
  bool negative = false;
  bool too_precise = false;
};

// Collects digits: significant ones into the coefficient, zeros only once another digit follows.
class DigitCollector {
 public:
  explicit DigitCollector(Scanned& scanned) : scanned_(scanned) {}
  void take(char digit) {
    if (digit == '0') {
      if (count_ > 0) ++pending_zeros_;
      return;
    }
    count_ += pending_zeros_ + 1;
    if (count_ > kNumberDigitsMax) {
      scanned_.too_precise = true;
    } else {
      scanned_.coefficient = scanned_.coefficient * kPowers[pending_zeros_ + 1] + static_cast<unsigned>(digit - '0');
    }
    pending_zeros_ = 0;
  }
  std::int64_t pending_zeros() const { return pending_zeros_; }

 private:
  Scanned& scanned_;
  std::int64_t count_ = 0;
  std::int64_t pending_zeros_ = 0;
};

// False: not a number.
bool scan(std::string_view text, Scanned& out) {
  std::size_t at = 0;
  if (at < text.size() && (text[at] == '-' || text[at] == '+')) out.negative = text[at++] == '-';
  DigitCollector digits(out);
  bool any = false;
  std::int64_t fraction_digits = 0;
  for (; at < text.size() && is_digit(text[at]); ++at, any = true) digits.take(text[at]);
  if (at < text.size() && text[at] == '.') {
    for (++at; at < text.size() && is_digit(text[at]); ++at, any = true) {
      digits.take(text[at]);
      ++fraction_digits;
    }
  }
  if (!any) return false;
  std::int64_t exponent = 0;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    bool exponent_negative = false;
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) exponent_negative = text[at++] == '-';
    if (at >= text.size()) return false;
    for (; at < text.size() && is_digit(text[at]); ++at) {
      if (exponent < 1'000'000'000) exponent = exponent * 10 + (text[at] - '0');
    }
    if (exponent_negative) exponent = -exponent;
  }
  out.exponent = exponent - fraction_digits + digits.pending_zeros();
  return at == text.size();
}

}  // namespace

Number::Number(std::int64_t value) {
  const bool negative = value < 0;
  const auto magnitude = negative ? ~static_cast<std::uint64_t>(value) + 1 : static_cast<std::uint64_t>(value);
  set(magnitude, 0, negative);
}

void Number::set(Wide coefficient, int exponent, bool negative) {
  if (coefficient == 0) {
    *this = Number();
    return;
  }
  if (coefficient <= UINT64_MAX) {  // 64-bit division is several times faster
    auto small = static_cast<std::uint64_t>(coefficient);
    for (; small % 10 == 0; ++exponent) small /= 10;
    coefficient = small;
  } else {
    for (; coefficient % 10 == 0; ++exponent) coefficient /= 10;
  }
  high_ = static_cast<std::uint64_t>(coefficient >> 64);
  low_ = static_cast<std::uint64_t>(coefficient);
  exponent_ = static_cast<std::int16_t>(exponent);
  negative_ = negative;
}

Result<Number> Number::checked(Wide coefficient, int exponent, bool negative) {
  Number number;
  if (coefficient == 0) return number;
  const int first = exponent + digit_count(coefficient) - 1;
  if (first > kNumberExponentMax) return too_large();
  if (first < kNumberExponentMin) return too_small();
  number.set(coefficient, exponent, negative);
  return number;
}

Result<Number> Number::parse(std::string_view text) {
  Scanned scanned;
  if (!scan(text, scanned)) return not_numeric(text);
  if (scanned.too_precise) return too_many_digits();
  if (scanned.coefficient == 0) return Number();
  // The exponent may be huge in either direction: clamp it where the answer is known anyway.
  const auto exponent = static_cast<int>(std::clamp<std::int64_t>(scanned.exponent, -10'000, 10'000));
  return checked(scanned.coefficient, exponent, scanned.negative);
}

int Number::digits() const { return digit_count(coefficient()); }

std::size_t Number::size() const { return static_cast<std::size_t>((digits() + 1) / 2 + 1 + (negative_ ? 1 : 0)); }

std::string Number::text() const {
  std::string out;
  append_text(out);
  return out;
}

void Number::append_text(std::string& out) const {
  if (is_zero()) {
    out += '0';
    return;
  }
  char digits[40];
  const int count = write_digits(coefficient(), digits);
  const int point = count + exponent_;  // position of the decimal point relative to the first digit
  if (negative_) out += '-';
  // AWS answers always in plain notation, as BigDecimal.toPlainString does, over the whole range.
  if (exponent_ >= 0) {
    out.append(digits, static_cast<std::size_t>(count));
    out.append(static_cast<std::size_t>(exponent_), '0');
  } else if (point > 0) {
    out.append(digits, static_cast<std::size_t>(point));
    out += '.';
    out.append(digits + point, static_cast<std::size_t>(count - point));
  } else {
    out += "0.";
    out.append(static_cast<std::size_t>(-point), '0');
    out.append(digits, static_cast<std::size_t>(count));
  }
}

std::optional<std::int64_t> Number::to_int64() const {
  Wide value = coefficient();
  if (exponent_ < 0) {
    if (exponent_ <= -kNumberDigitsMax) return 0;
    value /= kPowers[static_cast<std::size_t>(-exponent_)];
  } else if (exponent_ > 0) {
    if (exponent_ > 19 || value > static_cast<Wide>(INT64_MAX) + 1) return std::nullopt;
    value *= kPowers[static_cast<std::size_t>(exponent_)];
  }
  const Wide limit = static_cast<Wide>(INT64_MAX) + (negative_ ? 1 : 0);
  if (value > limit) return std::nullopt;
  const auto magnitude = static_cast<std::uint64_t>(value);
  return static_cast<std::int64_t>(negative_ ? ~magnitude + 1 : magnitude);
}

double Number::to_double() const {
  const double value = static_cast<double>(coefficient()) * std::pow(10.0, exponent_);
  return negative_ ? -value : value;
}

std::strong_ordering operator<=>(const Number& a, const Number& b) {
  const int sign_a = a.is_zero() ? 0 : (a.negative_ ? -1 : 1);
  const int sign_b = b.is_zero() ? 0 : (b.negative_ ? -1 : 1);
  if (sign_a != sign_b) return sign_a <=> sign_b;
  if (sign_a == 0) return std::strong_ordering::equal;
  const Number& smaller_if_less = a.negative_ ? b : a;  // compare magnitudes, swapped for negative numbers
  const Number& other = a.negative_ ? a : b;
  const int digits_a = smaller_if_less.digits();
  const int digits_b = other.digits();
  if (const auto order = (smaller_if_less.exponent_ + digits_a) <=> (other.exponent_ + digits_b); order != 0) {
    return order;
  }
  Number::Wide left = smaller_if_less.coefficient();
  Number::Wide right = other.coefficient();
  if (digits_a < digits_b) left *= kPowers[static_cast<std::size_t>(digits_b - digits_a)];
  if (digits_b < digits_a) right *= kPowers[static_cast<std::size_t>(digits_a - digits_b)];
  return left <=> right;
}

Result<Number> add(const Number& a, const Number& b) {
  if (a.is_zero()) return b;
  if (b.is_zero()) return a;
  const Number& upper = a.exponent_ >= b.exponent_ ? a : b;
  const Number& lower = a.exponent_ >= b.exponent_ ? b : a;
  const int shift = upper.exponent_ - lower.exponent_;
  // The sum needs every digit from the upper's first to the lower's last: more than 39 cannot be represented.
  if (upper.digits() + shift > kNumberDigitsMax + (upper.negative_ != lower.negative_ ? 1 : 0))
    return too_many_digits();
  if (shift >= static_cast<int>(kPowers.size())) return too_many_digits();
  if (upper.digits() + shift > kNumberDigitsMax) {
    // 39 digits minus something may be 38: only for the next power of ten. It overflows 128 bits otherwise.
    if (upper.coefficient() > ~Number::Wide{0} / kPowers[static_cast<std::size_t>(shift)]) return too_many_digits();
  }
  const Number::Wide left = upper.coefficient() * kPowers[static_cast<std::size_t>(shift)];
  const Number::Wide right = lower.coefficient();
  Number::Wide sum = 0;
  bool negative = upper.negative_;
  if (upper.negative_ == lower.negative_) {
    sum = left + right;
  } else if (left >= right) {
    sum = left - right;
  } else {
    sum = right - left;
    negative = lower.negative_;
  }
  int exponent = lower.exponent_;
  for (; sum != 0 && sum % 10 == 0; ++exponent) sum /= 10;
  if (digit_count(sum) > kNumberDigitsMax) return too_many_digits();
  return Number::checked(sum, exponent, negative);
}

Result<Number> subtract(const Number& a, const Number& b) {
  Number negated = b;
  if (!negated.is_zero()) negated.negative_ = !negated.negative_;
  return add(a, negated);
}

void Number::append_key(std::string& out) const {
  if (is_zero()) {
    out += '\x80';
    return;
  }
  char digits[40];
  int count = write_digits(coefficient(), digits);
  const unsigned flip = negative_ ? 0xFF : 0x00;
  const auto put = [&](unsigned byte) { out += static_cast<char>((byte ^ flip) & 0xFF); };
  const auto first = static_cast<unsigned>(0x8000 + exponent_ + count - 1);
  if (count % 2 != 0) digits[count++] = '0';
  out += negative_ ? '\x40' : '\xC0';
  put(first >> 8);
  put(first);
  for (int i = 0; i < count; i += 2) put(static_cast<unsigned>((digits[i] - '0') * 10 + (digits[i + 1] - '0') + 1));
  put(0);
}

std::optional<Number> Number::read_key(std::string_view& in) {
  if (in.empty()) return std::nullopt;
  const auto byte_at = [&](std::size_t i) { return static_cast<unsigned>(static_cast<unsigned char>(in[i])); };
  const unsigned head = byte_at(0);
  if (head == 0x80) {
    in.remove_prefix(1);
    return Number();
  }
  if ((head != 0xC0 && head != 0x40) || in.size() < 4) return std::nullopt;
  const unsigned flip = head == 0x40 ? 0xFF : 0x00;
  const int first = static_cast<int>(((byte_at(1) ^ flip) << 8) | (byte_at(2) ^ flip)) - 0x8000;
  Wide coefficient = 0;
  int count = 0;
  for (std::size_t i = 3; i < in.size(); ++i) {
    const unsigned pair = byte_at(i) ^ flip;
    if (pair == 0) {
      if (count == 0 || first < kNumberExponentMin || first > kNumberExponentMax) return std::nullopt;
      in.remove_prefix(i + 1);
      Number number;
      number.set(coefficient, first - count + 1, head == 0x40);
      return number;
    }
    if (pair > 100 || count >= kNumberDigitsMax) return std::nullopt;
    coefficient = coefficient * 100 + (pair - 1);
    count += 2;
  }
  return std::nullopt;
}

// Stored: first byte = bytes of the coefficient (0..16) | 0x20 if an exponent byte pair follows | 0x40 if negative.
void Number::append_stored(std::string& out) const {
  std::uint8_t bytes[16];
  int length = 0;
  for (Wide rest = coefficient(); rest != 0; rest >>= 8) bytes[length++] = static_cast<std::uint8_t>(rest);
  out += static_cast<char>(length | (exponent_ != 0 ? 0x20 : 0) | (negative_ ? 0x40 : 0));
  if (exponent_ != 0) {
    const auto biased = static_cast<std::uint16_t>(exponent_ + 0x4000);
    out += static_cast<char>(biased >> 8);
    out += static_cast<char>(biased & 0xFF);
  }
  while (length > 0) out += static_cast<char>(bytes[--length]);
}

std::optional<Number> Number::read_stored(std::string_view& in) {
  if (in.empty()) return std::nullopt;
  const auto byte_at = [&](std::size_t i) { return static_cast<unsigned>(static_cast<unsigned char>(in[i])); };
  const unsigned head = byte_at(0);
  const std::size_t length = head & 0x1F;
  const bool has_exponent = (head & 0x20) != 0;
  const std::size_t start = has_exponent ? 3 : 1;
  if ((head & 0x80) != 0 || length > 16 || in.size() < start + length) return std::nullopt;
  const int exponent = has_exponent ? static_cast<int>((byte_at(1) << 8) | byte_at(2)) - 0x4000 : 0;
  Wide coefficient = 0;
  for (std::size_t i = 0; i < length; ++i) coefficient = (coefficient << 8) | byte_at(start + i);
  if (coefficient == 0 && head != 0) return std::nullopt;
  if (exponent < -200 || exponent > kNumberExponentMax) return std::nullopt;
  in.remove_prefix(start + length);
  Number number;
  if (coefficient == 0) return number;
  number.high_ = static_cast<std::uint64_t>(coefficient >> 64);
  number.low_ = static_cast<std::uint64_t>(coefficient);
  number.exponent_ = static_cast<std::int16_t>(exponent);
  number.negative_ = (head & 0x40) != 0;
  return number;
}

}  // namespace millrace::model
