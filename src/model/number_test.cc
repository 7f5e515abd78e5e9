#include "model/number.h"

#include <algorithm>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::model {
namespace {

Number n(std::string_view text) {
  Result<Number> number = Number::parse(text);
  EXPECT_TRUE(number.ok()) << text;
  return number.ok() ? *number : Number();
}

std::string error_of(std::string_view text) {
  const Result<Number> number = Number::parse(text);
  return number.ok() ? "" : number.error().message();
}

TEST(Number, ReadsEveryFormAndPrintsOneCanonicalText) {
  const std::pair<const char*, const char*> cases[] = {
      {"0", "0"},
      {"-0", "0"},
      {"000.000", "0"},
      {"1", "1"},
      {"+1", "1"},
      {"-1.50", "-1.5"},
      {"007", "7"},
      {"1e3", "1000"},
      {"1E+3", "1000"},
      {"12e-1", "1.2"},
      {"0.00001", "0.00001"},
      {".5", "0.5"},
      {"5.", "5"},
      {"100", "100"},
      {"1234567890.0987654321", "1234567890.0987654321"},
      {"0e999999999999", "0"},
      {"0.10e1", "1"},
      {"99999999999999999999999999999999999999", "99999999999999999999999999999999999999"},
      {"1000000000000000000000000000000000000000000", "1000000000000000000000000000000000000000000"}};
  for (const auto& [in, out] : cases) EXPECT_EQ(n(in).text(), out) << in;
}

TEST(Number, RefusesWhatIsNoNumber) {
  for (const char* text :
       {"", "-", "+", ".", "e5", "1e", "1e+", "abc", " 1", "1 ", "1.2.3", "0x10", "NaN", "Infinity", "1,5", "--1"}) {
    EXPECT_EQ(error_of(text), "The parameter cannot be converted to a numeric value: " + std::string(text)) << text;
  }
}

TEST(Number, KeepsTheLimitsOfDynamoDb) {
  EXPECT_EQ(error_of("9.9999999999999999999999999999999999999E125"), "");
  EXPECT_EQ(error_of("-1E-130"), "");
  EXPECT_EQ(error_of("1E126"),
            "Number overflow. Attempting to store a number with magnitude larger than supported range");
  EXPECT_EQ(error_of("-1E99999999999999999999"),
            "Number overflow. Attempting to store a number with magnitude larger than supported range");
  EXPECT_EQ(error_of("9.9E-131"),
            "Number underflow. Attempting to store a number with magnitude smaller than supported range");
  EXPECT_EQ(error_of("1E-99999999999999999999"),
            "Number underflow. Attempting to store a number with magnitude smaller than supported range");
  EXPECT_EQ(error_of("123456789012345678901234567890123456789"),
            "Attempting to store more than 38 significant digits in a Number");
  EXPECT_EQ(error_of("1.00000000000000000000000000000000000001"),
            "Attempting to store more than 38 significant digits in a Number");
}

TEST(Number, AddsExactly) {
  EXPECT_EQ(add(n("0.1"), n("0.2"))->text(), "0.3");
  EXPECT_EQ(add(n("99999999999999999999999999999999999999"), n("1"))->text(),
            "100000000000000000000000000000000000000");
  EXPECT_EQ(subtract(n("1"), n("1"))->text(), "0");
  EXPECT_EQ(subtract(n("0"), n("5"))->text(), "-5");
  EXPECT_EQ(subtract(n("100000000000000000000000000000000000000"), n("1"))->text(),
            "99999999999999999999999999999999999999");
  EXPECT_EQ(add(n("-3"), n("5"))->text(), "2");
  EXPECT_EQ(add(n("3"), n("-5"))->text(), "-2");
  EXPECT_FALSE(add(n("1E100"), n("1")).ok());
  EXPECT_FALSE(add(n("99999999999999999999999999999999999999"), n("0.1")).ok());
  EXPECT_FALSE(add(n("9.9999999999999999999999999999999999999E125"), n("9E125")).ok());
  EXPECT_TRUE(add(n("1E125"), n("-1E125"))->is_zero());
}

TEST(Number, CountsBytesAsDynamoDbDoes) {
  EXPECT_EQ(n("1").size(), 2u);
  EXPECT_EQ(n("42").size(), 2u);
  EXPECT_EQ(n("-42").size(), 3u);
  EXPECT_EQ(n("0").size(), 1u);
  EXPECT_EQ(n("100000").size(), 2u);
  EXPECT_EQ(n("123").size(), 3u);
}

TEST(Number, ConvertsToIntegers) {
  EXPECT_EQ(n("9223372036854775807").to_int64(), INT64_MAX);
  EXPECT_EQ(n("-9223372036854775808").to_int64(), INT64_MIN);
  EXPECT_EQ(n("9223372036854775808").to_int64(), std::nullopt);
  EXPECT_EQ(n("1E100").to_int64(), std::nullopt);
  EXPECT_EQ(n("1.9").to_int64(), 1);
  EXPECT_EQ(n("-1.9").to_int64(), -1);
  EXPECT_EQ(n("1E-100").to_int64(), 0);
  EXPECT_EQ(Number(INT64_MIN).text(), "-9223372036854775808");
  EXPECT_EQ(Number(1200), n("1.2e3"));
}

Number random_number(std::mt19937_64& random) {
  std::string text = random() % 2 == 0 ? "-" : "";
  const int digits = 1 + static_cast<int>(random() % 38);
  for (int i = 0; i < digits; ++i) text += static_cast<char>('0' + random() % 10);
  const int exponent = static_cast<int>(random() % (random() % 4 == 0 ? 160 : 8)) - 80;
  return n(text + "E" + std::to_string(exponent));
}

TEST(Number, RandomNumbersSurviveEveryFormAndSortAlike) {
  std::mt19937_64 random(7);
  std::vector<std::pair<std::string, Number>> keys;
  for (int i = 0; i < 3000; ++i) {
    const Number number = random_number(random);
    EXPECT_EQ(n(number.text()), number);
    std::string stored;
    number.append_stored(stored);
    std::string_view stored_view = stored;
    EXPECT_EQ(Number::read_stored(stored_view), number);
    EXPECT_TRUE(stored_view.empty());
    std::string key;
    number.append_key(key);
    std::string_view key_view = key;
    EXPECT_EQ(Number::read_key(key_view), number);
    EXPECT_TRUE(key_view.empty());
    keys.emplace_back(key, number);
  }
  for (int i = 0; i < 5; ++i) keys.emplace_back(std::string(1, '\x80'), Number());
  std::sort(keys.begin(), keys.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (std::size_t i = 1; i < keys.size(); ++i) EXPECT_LE(keys[i - 1].second, keys[i].second);
}

TEST(Number, SubtractionUndoesAdditionWheneverBothAreRepresentable) {
  std::mt19937_64 random(11);
  int checked = 0;
  for (int i = 0; i < 5000; ++i) {
    const Number a = random_number(random);
    const Number b = random_number(random);
    const Result<Number> sum = add(a, b);
    if (!sum.ok()) continue;
    const Result<Number> back = subtract(*sum, b);
    if (!back.ok()) continue;
    EXPECT_EQ(*back, a) << a.text() << " + " << b.text();
    ++checked;
  }
  EXPECT_GT(checked, 50);
}

TEST(Number, DamagedBytesAreRefused) {
  for (const std::string_view bytes : {std::string_view("\xC0", 1), std::string_view("\xC0\x80\x00\x00", 4),
                                       std::string_view("\x11", 1), std::string_view("\x25\x40", 2)}) {
    std::string_view in = bytes;
    EXPECT_EQ(Number::read_key(in), std::nullopt);
    in = bytes;
    EXPECT_EQ(Number::read_stored(in), std::nullopt);
  }
}

}  // namespace
}  // namespace millrace::model
