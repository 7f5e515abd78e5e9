#include "codec/json.h"

#include <random>

#include <gtest/gtest.h>

namespace millrace::codec {
namespace {

Json parsed(std::string_view text) {
  auto result = parse_json(text);
  EXPECT_TRUE(result.ok()) << text << ": " << (result.ok() ? "" : result.error().message());
  return result.ok() ? std::move(result).value() : Json();
}

TEST(JsonTest, PrintsWhatItParsedInTheSameOrder) {
  const std::string text =
      R"({"b":1,"a":[true,false,null,"x\ny\u0001\"\\",1.5],"c":{},"d":[],"e":-9223372036854775808})";
  EXPECT_EQ(parsed(text).dump(), text);
}

TEST(JsonTest, KeepsTheLastOfDuplicateMembersAtTheFirstPlace) {
  EXPECT_EQ(parsed(R"({"a":1,"b":2,"a":3})").dump(), R"({"a":3,"b":2})");
  std::string many = "{";
  for (int i = 0; i < 100; ++i) many += "\"m" + std::to_string(i) + "\":0,";
  const Json json = parsed(many + R"("m70":1,"m3":2,"m99":3})");
  EXPECT_EQ(json.as_object().size(), 100u);
  EXPECT_EQ(json.int_or("m70", -1), 1);
  EXPECT_EQ(json.int_or("m3", -1), 2);
  EXPECT_EQ(json.int_or("m99", -1), 3);
}

TEST(JsonTest, CutsNumbersThatNoIntegerHolds) {
  EXPECT_EQ(parsed("5e42").as_int(), INT64_MAX);
  EXPECT_EQ(parsed("9223372036854775808").as_int(), INT64_MAX);
  EXPECT_EQ(parsed("-5e42").as_int(), INT64_MIN);
  EXPECT_EQ(parsed(R"({"n":1e300})").int_or("n", 0), INT64_MAX);
}

TEST(JsonTest, ReadsIntegersBeyondInt64AsDoubles) {
  EXPECT_EQ(parsed("9223372036854775807").as_int(), INT64_MAX);
  EXPECT_DOUBLE_EQ(parsed("18446744073709551615").as_double(), 18446744073709551615.0);
  const Json json = parsed(
      R"({"a":[123456789012345678901234567890,-123456789012345678901234567890],"s":"1\"11111111111111111111111"})");
  EXPECT_DOUBLE_EQ(json.find("a")->as_array()[0].as_double(), 123456789012345678901234567890.0);
  EXPECT_DOUBLE_EQ(json.find("a")->as_array()[1].as_double(), -123456789012345678901234567890.0);
  EXPECT_EQ(json.string_or("s", ""), "1\"11111111111111111111111");
}

TEST(JsonTest, RefusesMalformedText) {
  for (const char* text : {"", " ", "{", "{\"a\":}", "[1,]", "nul", "{\"a\":1} x", "\"\xff\"", "01", "1e999", "'a'"}) {
    const auto result = parse_json(text);
    ASSERT_FALSE(result.ok()) << text;
    EXPECT_EQ(result.error().type().name, "SerializationException");
  }
}

TEST(JsonTest, RefusesDocumentsThatAreNestedTooDeeply) {
  const auto nested = [](int depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(parse_json(nested(kJsonDepthMax)).ok());
  EXPECT_FALSE(parse_json(nested(kJsonDepthMax + 2)).ok());
  EXPECT_FALSE(parse_json(nested(100000)).ok());
}

TEST(JsonTest, ParsesLargeDocuments) {
  Json array = Json::array();
  for (int i = 0; i < 50000; ++i) array.push("element " + std::to_string(i));
  EXPECT_EQ(parsed(array.dump()), array);
  EXPECT_EQ(parsed("[1]").dump(), "[1]");
}

TEST(JsonTest, PrintsDoublesShortestAndWithoutExponent) {
  EXPECT_EQ(Json(1789651658.492).dump(), "1789651658.492");
  EXPECT_EQ(Json(1789651658.0).dump(), "1789651658");
  EXPECT_EQ(Json(0.1).dump(), "0.1");
  EXPECT_EQ(parsed(Json(1e300).dump()).as_double(), 1e300);
  EXPECT_EQ(Json(std::numeric_limits<double>::infinity()).dump(), "null");
}

TEST(JsonTest, EscapesWhatNeedsItAtEveryPlace) {
  constexpr std::pair<char, std::string_view> kEscapes[] = {
      {'"', "\\\""}, {'\\', "\\\\"}, {'\n', "\\n"}, {'\x01', "\\u0001"}, {'\x7f', "\x7f"}};
  for (std::size_t size = 1; size < 50; ++size) {
    for (std::size_t at = 0; at < size; ++at) {
      for (const auto& [special, escaped] : kEscapes) {
        std::string text(size, 'x');
        text[at] = special;
        std::string out;
        append_json_string(out, text);
        const std::string rest(size - at - 1, 'x');
        ASSERT_EQ(out, "\"" + std::string(at, 'x') + std::string(escaped) + rest + "\"");
      }
    }
    const std::string letters = std::string(size, 'x') + "\xc3\xa9";
    std::string out;
    append_json_string(out, letters);
    ASSERT_EQ(out, "\"" + letters + "\"");
  }
}

TEST(JsonTest, EditsMembers) {
  Json json;
  json.set("a", 1).set("b", "x").set_if(false, "c", true).set("a", 2);
  EXPECT_EQ(json.dump(), R"({"a":2,"b":"x"})");
  EXPECT_TRUE(json.erase("a"));
  EXPECT_FALSE(json.erase("a"));
  EXPECT_EQ(json.dump_pretty(), "{\n  \"b\": \"x\"\n}");
  EXPECT_EQ(json.string_or("b", "y"), "x");
  EXPECT_EQ(json.int_or("b", 7), 7);
  EXPECT_EQ(Json("text").find("b"), nullptr);
}

TEST(JsonTest, SurvivesRandomInput) {
  std::mt19937 random(1);
  const std::string_view alphabet = "{}[]\",:0123456789eE+-.\\untrfals \x01\xc3\xa9";
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    for (unsigned n = random() % 40; n > 0; --n) text += alphabet[random() % alphabet.size()];
    if (const auto result = parse_json(text); result.ok()) {
      EXPECT_EQ(parsed(result->dump()).dump(), result->dump());
    }
  }
}

}  // namespace
}  // namespace millrace::codec
