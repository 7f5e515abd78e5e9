#include "logs/structured_pattern.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "logs/metric_filter.h"

namespace millrace::logs {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

constexpr const char* kEvent =
    R"({"status":404,"path":"/api/items","user":{"name":"ann","roles":["a","b"]},"ok":false,"gone":null,"a b":1.5})";

bool matches(const char* pattern, const char* message) {
  const auto parsed = FilterPattern::parse(pattern);
  EXPECT_TRUE(parsed.ok()) << pattern << ": " << parsed.error().message();
  return parsed.ok() && parsed->matches(message);
}

TEST(StructuredPatternTest, JsonConditions) {
  const std::pair<const char*, bool> kTable[] = {
      {"{ $.status = 404 }", true},
      {"{ $.status = 404.0 }", true},
      {"{ $.status = 4* }", true},
      {"{ $.status != 404 }", false},
      {"{ $.status > 400 }", true},
      {"{ $.status <= 404 && $.status >= 404 }", true},
      {"{ $.status < 404 }", false},
      {"{ $.path = \"/api/*\" }", true},
      {"{ $.path = \"/api\" }", false},
      {"{ $.path = *items }", true},
      {"{ $.user.name = ann }", true},
      {"{ $.user.name != ann }", false},
      {"{ $.user.roles[1] = \"b\" }", true},
      {"{ $.user.roles[2] = \"b\" }", false},
      {"{ $.['a b'] = 1.5 }", true},
      {"{ $.ok IS FALSE }", true},
      {"{ $.ok IS TRUE }", false},
      {"{ $.gone IS NULL }", true},
      {"{ $.missing NOT EXISTS }", true},
      {"{ $.status NOT EXISTS }", false},
      {"{ $.missing = 1 }", false},
      {"{ $.missing != 1 }", false},
      {"{ $.status = 500 || $.user.name = \"a*\" }", true},
      {"{ ($.status = 500 || $.status = 404) && $.ok IS FALSE }", true},
      {"{($.status=404)&&($.ok IS TRUE)}", false},
  };
  for (const auto& [pattern, expected] : kTable) EXPECT_EQ(matches(pattern, kEvent), expected) << pattern;
  EXPECT_FALSE(matches("{ $.status = 404 }", "no json"));
  EXPECT_FALSE(matches("{ $.status = 404 }", "[404]"));
}

TEST(StructuredPatternTest, SpaceDelimitedFields) {
  constexpr const char* kLine =
      R"(127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /apache_pb.gif HTTP/1.0" 404 1534)";
  const std::pair<const char*, bool> kTable[] = {
      {"[ip, user, username, timestamp, request, status_code, bytes]", true},
      {"[ip, user, username, timestamp, request, status_code = 4*, bytes > 1000]", true},
      {"[ip, user, username, timestamp, request, status_code = 4* && status_code != 404, bytes]", false},
      {"[ip, user, username, timestamp, request =*apache_pb*, status_code, bytes]", true},
      {"[..., status_code = 404 || status_code = 500, bytes]", true},
      {"[ip = 127.*, ...]", true},
      {"[ip = 10.*, ...]", false},
      {"[ip, ..., bytes < 100]", false},
      {"[ip, user]", false},
  };
  for (const auto& [pattern, expected] : kTable) EXPECT_EQ(matches(pattern, kLine), expected) << pattern;
  const auto pattern = FilterPattern::parse("[..., code, size]").value();
  EXPECT_THAT(pattern.match("a b 404 12").value(), ElementsAre(Pair("$code", "404"), Pair("$size", "12")));
  EXPECT_EQ(pattern.value_of("$size", "a b 404 12"), "12");
  EXPECT_EQ(pattern.value_of("$other", "a b 404 12"), std::nullopt);
}

TEST(StructuredPatternTest, MalformedPatternsAreRefused) {
  for (const char* text : {"{",
                           "{ }",
                           "{ $.a }",
                           "{ $.a = }",
                           "{ a = 1 }",
                           "{ $.a = 1",
                           "{ $.a = 1 } x",
                           "{ $.a IS 3 }",
                           "{ $.a NOT 3 }",
                           "{ $.a > b }",
                           "{ ($.a = 1 }",
                           "{ $.a = %x% }",
                           "{ $.a = \"x }",
                           "{ $.a[1 = 2 }",
                           "[",
                           "[a",
                           "[a,]",
                           "[..., b, ...]",
                           "[a = 1 && b = 2]",
                           "[a =]"})
    EXPECT_FALSE(FilterPattern::parse(text).ok()) << text;
  EXPECT_FALSE(FilterPattern::parse("{" + std::string(10'000, '(')).ok());
}

TEST(MetricFilterTest, AnEventGivesItsNumberAndItsDimensions) {
  auto filter = metric_filter_from_json(codec::parse_json(R"({"name":"f","pattern":"{ $.status = 404 }","metric":"m",
      "space":"s","value":"$.ms","dimensions":{"user":"$.user"}})")
                                            .value());
  ASSERT_TRUE(filter.ok()) << filter.error().message();
  const auto datum = datum_of(*filter, R"({"status":404,"ms":12.5,"user":"ann"})");
  ASSERT_TRUE(datum);
  EXPECT_EQ(datum->value, 12.5);
  EXPECT_THAT(datum->dimensions, ElementsAre(Pair("user", "ann")));
  EXPECT_FALSE(datum_of(*filter, R"({"status":404,"ms":"slow","user":"ann"})"));
  EXPECT_FALSE(datum_of(*filter, R"({"status":404,"ms":1})"));
  EXPECT_FALSE(datum_of(*filter, R"({"status":200,"ms":1,"user":"ann"})"));
  EXPECT_EQ(to_json(*metric_filter_from_json(to_json(*filter))).dump(), to_json(*filter).dump());
}

TEST(MetricFilterTest, MistakesAreRefused) {
  for (const char* text : {R"({"pattern":"ERROR","value":"x"})", R"({"pattern":"ERROR","value":"$.x"})",
                           R"({"pattern":"{ $.a = 1 }","value":"1","default":0,"dimensions":{"a":"$.a"}})",
                           R"({"pattern":"{ $.a","value":"1"})",
                           R"({"pattern":"[a,b,c,d]","value":"1","dimensions":{"a":"$a","b":"$b","c":"$c","d":"$d"}})"})
    EXPECT_FALSE(metric_filter_from_json(codec::parse_json(text).value()).ok()) << text;
}

}  // namespace
}  // namespace millrace::logs
