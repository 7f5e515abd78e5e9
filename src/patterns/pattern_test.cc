#include "patterns/pattern.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::patterns {
namespace {

constexpr const char* kRecord = R"({"eventID":"1","eventName":"INSERT","awsRegion":"us-east-1",
  "dynamodb":{"ApproximateCreationDateTime":1789651658,"Keys":{"pk":{"S":"a"}},
    "NewImage":{"pk":{"S":"a"},"name":{"S":"Report.PDF"},"count":{"N":"42"},"gone":{"NULL":true},
      "tags":{"L":[{"S":"red"},{"N":"7"}]},"set":{"SS":["x","y"]},"empty":{"S":""},"ip":{"S":"10.0.0.7"}}},
  "nothing":null,"userIdentity":{"type":"Service","principalId":"dynamodb.amazonaws.com"}})";

bool matches(const std::string& pattern) {
  const auto compiled = Pattern::compile(pattern);
  EXPECT_TRUE(compiled.ok()) << pattern;
  return compiled.ok() && compiled->matches(*codec::parse_json(kRecord));
}

std::string image(const std::string& attributes) { return R"({"dynamodb":{"NewImage":)" + attributes + "}}"; }

TEST(Pattern, MatchesAsRecorded) {
  const std::vector<std::pair<std::string, bool>> cases = {
      {R"({"eventName":["INSERT"]})", true},
      {R"({"eventName":["MODIFY","INSERT"]})", true},
      {R"({"eventName":["insert"]})", false},
      {R"({"userIdentity":{"type":["Service"],"principalId":["dynamodb.amazonaws.com"]}})", true},
      {image(R"({"pk":{"S":["a"]}})"), true},
      {image(R"({"pk":["a"]})"), false},
      {image(R"({"pk":{"S":["b"]},"count":{"N":["42"]}})"), false},
      // Numbers of items are strings: numeric never matches them.
      {image(R"({"count":{"N":[{"numeric":["=",42]}]}})"), false},
      {image(R"({"count":{"N":[{"numeric":[">",100]},{"anything-but":"101"}]}})"), true},
      {R"({"dynamodb":{"ApproximateCreationDateTime":[{"numeric":[">",1789651657,"<=",1789651658]}]}})", true},
      {R"({"dynamodb":{"ApproximateCreationDateTime":[{"numeric":["<",1789651658]}]}})", false},
      {R"({"dynamodb":{"ApproximateCreationDateTime":[1789651658.0]}})", true},
      // exists looks at leaves.
      {image(R"({"pk":{"S":[{"exists":true}]}})"), true},
      {image(R"({"pk":[{"exists":false}]})"), true},
      {image(R"({"pk":[{"exists":true}]})"), false},
      {image(R"({"other":{"S":[{"exists":false}]}})"), true},
      {R"({"no":{"such":{"parent":[{"exists":false}]}}})", true},
      {image(R"({"name":{"S":[{"prefix":"Rep"}]}})"), true},
      {image(R"({"name":{"S":[{"prefix":"rep"}]}})"), false},
      {image(R"({"name":{"S":[{"prefix":{"equals-ignore-case":"rep"}}]}})"), true},
      {image(R"({"name":{"S":[{"suffix":{"equals-ignore-case":".pdf"}}]}})"), true},
      {image(R"({"name":{"S":[{"equals-ignore-case":"report.pdf"}]}})"), true},
      {image(R"({"name":{"S":[{"wildcard":"R*t.*F"}]}})"), true},
      {image(R"({"name":{"S":[{"wildcard":"R*x*"}]}})"), false},
      {image(R"({"name":{"S":[{"anything-but":{"suffix":".PDF"}}]}})"), false},
      {image(R"({"name":{"S":[{"anything-but":["a","b"]}]}})"), true},
      {image(R"({"name":{"S":[{"anything-but":{"wildcard":"*.PDF"}}]}})"), false},
      {image(R"({"missing":{"S":[{"anything-but":"a"}]}})"), false},
      {R"({"nothing":[{"anything-but":"a"}]})", true},
      {R"({"nothing":[null]})", true},
      {R"({"missing":[null]})", false},
      {R"({"nothing":[{"numeric":["=",0]}]})", false},
      {image(R"({"empty":{"S":[""]}})"), true},
      {image(R"({"gone":{"NULL":[true]}})"), true},
      {image(R"({"gone":{"NULL":[{"anything-but":{"prefix":"x"}}]}})"), true},
      // A step through an array matches if any element does.
      {image(R"({"tags":{"L":{"S":["red"]}}})"), true},
      {image(R"({"tags":{"L":{"S":["blue"]}}})"), false},
      {image(R"({"set":{"SS":["y"]}})"), true},
      {image(R"({"ip":{"S":[{"cidr":"10.0.0.0/24"}]}})"), true},
      {image(R"({"ip":{"S":[{"cidr":"10.0.1.0/24"}]}})"), false},
      {R"({"$or":[{"eventName":["REMOVE"]},{"awsRegion":["us-east-1"]}]})", true},
      {R"({"$or":[{"eventName":["REMOVE"]},{"awsRegion":["eu"]}]})", false},
      {R"({"eventName":["INSERT"],"dynamodb":{"$or":[{"Keys":{"pk":{"S":["z"]}}},{"NewImage":{"count":{"N":["42"]}}}]}})",
       true},
      // Of two members with one name the last counts.
      {R"({"eventName":["REMOVE"],"eventName":["INSERT"]})", true},
  };
  for (const auto& [pattern, expected] : cases) EXPECT_EQ(matches(pattern), expected) << pattern;
}

TEST(Pattern, RefusesWhatIsNoPatternWithTheOneText) {
  for (const char* text : {"",
                           "x",
                           R"("single-string")",
                           R"([{"eventName": ["INSERT"=123]}])",
                           "[]",
                           "{}",
                           "null",
                           R"({"a":"b"})",
                           R"({"a":1})",
                           R"({"a":[]})",
                           R"({"a":{}})",
                           R"({"a":[["b"]]})",
                           R"({"a":[{"unknown":1}]})",
                           R"({"a":[{"Prefix":"x"}]})",
                           R"({"a":[{"prefix":1}]})",
                           R"({"a":[{"prefix":{"suffix":"x"}}]})",
                           R"({"a":[{"exists":"true"}]})",
                           R"({"a":[{}]})",
                           R"({"a":[{"numeric":[]}]})",
                           R"({"a":[{"numeric":[">"]}]})",
                           R"({"a":[{"numeric":["!",1]}]})",
                           R"({"a":[{"numeric":[">","1"]}]})",
                           R"({"a":[{"numeric":["<",5,">",1]}]})",
                           R"({"a":[{"numeric":[">",5,"<",1]}]})",
                           R"({"a":[{"anything-but":[]}]})",
                           R"({"a":[{"anything-but":true}]})",
                           R"({"a":[{"anything-but":{"exists":true}}]})",
                           R"({"a":[{"cidr":"10.0.0.0/33"}]})",
                           R"({"a":[{"cidr":"x"}]})",
                           R"({"a":[{"wildcard":"a**b"}]})",
                           R"({"a":[{"wildcard":"a\\x"}]})",
                           R"({"a":[{"prefix":"x","suffix":"y"}]})",
                           R"({"$or":[{"a":[1]},{}]})",
                           R"({"$or":[{"a":[1]}]})"}) {
    const auto compiled = Pattern::compile(text);
    ASSERT_FALSE(compiled.ok()) << text;
    EXPECT_TRUE(compiled.error().is(kInvalidPattern));
    EXPECT_EQ(compiled.error().message(), "Invalid filter pattern definition.");
  }
}

TEST(Pattern, WildcardsEscapeStars) {
  const auto pattern = Pattern::compile(R"({"a":[{"wildcard":"x\\*y*"}]})");
  ASSERT_TRUE(pattern.ok());
  EXPECT_TRUE(pattern->matches(*codec::parse_json(R"({"a":"x*yz"})")));
  EXPECT_FALSE(pattern->matches(*codec::parse_json(R"({"a":"xxyz"})")));
}

TEST(Filters, OneOfSeveralIsEnough) {
  const auto filters = Filters::compile({R"({"eventName":["REMOVE"]})", R"({"awsRegion":["us-east-1"]})"});
  ASSERT_TRUE(filters.ok());
  EXPECT_TRUE(filters->pass_text(kRecord));
  EXPECT_FALSE(filters->pass_text(R"({"eventName":"INSERT"})"));
  EXPECT_FALSE(filters->pass_text("no json"));
  EXPECT_TRUE(Filters().pass_text("no json"));
  EXPECT_FALSE(Filters::compile({R"({"eventName":["REMOVE"]})", "nonsense"}).ok());
}

}  // namespace
}  // namespace millrace::patterns
