#include "api/dynamodb/internal/legacy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "expressions/evaluate.h"

namespace millrace::api_dynamodb {
namespace {

using codec::Json;
using ::testing::HasSubstr;

Json parse_text(std::string_view text) { return codec::parse_json(text).value(); }

class LegacyTest : public ::testing::Test {
 protected:
  Parsed translate(std::string_view request) {
    document = parse_text(request);
    ItemCall call = read_call(document).value();
    auto parsed = parse_expressions(call, "");
    EXPECT_TRUE(parsed.ok()) << parsed.error().message();
    return parsed.ok() ? *std::move(parsed) : Parsed();
  }
  std::string refusal(std::string_view request) {
    document = parse_text(request);
    ItemCall call = read_call(document).value();
    const auto parsed = parse_expressions(call, "");
    return parsed.ok() ? "" : parsed.error().message();
  }
  bool expects(std::string_view expected, std::string_view more = "") {
    const Parsed parsed = translate(R"({"Expected":)" + std::string(expected) + std::string(more) + "}");
    return parsed.condition && expressions::matches(*parsed.condition, item);
  }

  Json document;
  model::Item item = model::read_item(parse_text(
                                          R"({"s":{"S":"abc"},"n":{"N":"5"},"set":{"SS":["x","y"]},
                                              "old":{"BOOL":true}})"))
                         .value();
};

TEST_F(LegacyTest, ComparesAsItsOperatorsSay) {
  const std::pair<std::string_view, bool> cases[] = {
      {R"({"n":{"Value":{"N":"5.0"}}})", true},
      {R"({"n":{"Exists":false}})", false},
      {R"({"missing":{"Exists":false}})", true},
      {R"({"n":{"ComparisonOperator":"LT","AttributeValueList":[{"N":"5"}]}})", false},
      {R"({"n":{"ComparisonOperator":"LE","AttributeValueList":[{"N":"5"}]}})", true},
      {R"({"n":{"ComparisonOperator":"BETWEEN","AttributeValueList":[{"N":"1"},{"N":"9"}]}})", true},
      {R"({"n":{"ComparisonOperator":"IN","AttributeValueList":[{"N":"1"},{"N":"9"}]}})", false},
      {R"({"s":{"ComparisonOperator":"BEGINS_WITH","AttributeValueList":[{"S":"ab"}]}})", true},
      {R"({"set":{"ComparisonOperator":"CONTAINS","AttributeValueList":[{"S":"y"}]}})", true},
      {R"({"set":{"ComparisonOperator":"NOT_CONTAINS","AttributeValueList":[{"S":"y"}]}})", false},
      {R"({"missing":{"ComparisonOperator":"NE","AttributeValueList":[{"S":"y"}]}})", true},
      {R"({"s":{"ComparisonOperator":"NOT_NULL"}})", true},
      {R"({"s":{"ComparisonOperator":"NULL"}})", false}};
  for (const auto& [expected, holds] : cases) EXPECT_EQ(expects(expected), holds) << expected;
}

TEST_F(LegacyTest, JoinsByAndUnlessToldOtherwise) {
  constexpr std::string_view kBoth = R"({"s":{"Value":{"S":"abc"}},"n":{"Value":{"N":"6"}}})";
  EXPECT_FALSE(expects(kBoth));
  EXPECT_TRUE(expects(kBoth, R"(,"ConditionalOperator":"OR")"));
  EXPECT_FALSE(expects(kBoth, R"(,"ConditionalOperator":"AND")"));
}

TEST_F(LegacyTest, UpdatesByActions) {
  const Parsed parsed =
      translate(R"({"AttributeUpdates":{"s":{"Value":{"S":"new"}},"n":{"Action":"ADD","Value":{"N":"2"}},
    "set":{"Action":"DELETE","Value":{"SS":["x"]}},"old":{"Action":"DELETE"}}})");
  const auto updated = expressions::apply(*parsed.update, item);
  ASSERT_TRUE(updated.ok());
  EXPECT_EQ(model::to_json(*updated), R"({"n":{"N":"7"},"s":{"S":"new"},"set":{"SS":["y"]}})");
}

TEST_F(LegacyTest, ProjectsAndSelectsRanges) {
  const Parsed parsed = translate(R"({"AttributesToGet":["s","n"],"KeyConditions":{
    "s":{"ComparisonOperator":"EQ","AttributeValueList":[{"S":"abc"}]},
    "n":{"ComparisonOperator":"GT","AttributeValueList":[{"N":"1"}]}},
    "QueryFilter":{"old":{"ComparisonOperator":"NOT_NULL"}}})");
  EXPECT_EQ(parsed.projection->size(), 2U);
  EXPECT_TRUE(expressions::matches(*parsed.key_condition, item));
  EXPECT_TRUE(expressions::matches(*parsed.filter, item));
}

TEST_F(LegacyTest, RefusesInAwssWords) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {R"({"Expected":{"a":{}}})", "Value must be provided when Exists is null for Attribute: a"},
      {R"({"Expected":{"a":{"Exists":true}}})", "Value must be provided when Exists is true for Attribute: a"},
      {R"({"Expected":{"a":{"Exists":false,"Value":{"S":"x"}}}})", "Value cannot be used when Exists is false"},
      {R"({"Expected":{"a":{"Exists":false,"ComparisonOperator":"NULL"}}})", "cannot be used together"},
      {R"({"Expected":{"a":{"AttributeValueList":[]}}})", "can only be used with a ComparisonOperator"},
      {R"({"Expected":{"a":{"ComparisonOperator":"EQ"}}})",
       "Invalid number of argument(s) for the EQ ComparisonOperator"},
      {R"({"Expected":{"a":{"ComparisonOperator":"LT","AttributeValueList":[{"SS":["x"]}]}}})",
       "ComparisonOperator LT is not valid for SS AttributeValue type"},
      {R"({"Expected":{"a":{"Value":{"S":"x"}}},"ConditionalOperator":"OR"})", "two or more elements"},
      {R"({"ConditionalOperator":"OR"})", "cannot be used without Filter or Expected"},
      {R"({"ScanFilter":{"a":{"ComparisonOperator":"BETWEEN","AttributeValueList":[{"N":"2"},{"N":"1"}]}}})",
       "lower bound is greater"},
      {R"({"ScanFilter":{"a":{"ComparisonOperator":"IN","AttributeValueList":[{"N":"2"},{"S":"1"}]}}})",
       "must all be of the same type"},
      {R"({"KeyConditions":{"a":{"ComparisonOperator":"NE","AttributeValueList":[{"N":"2"}]}}})",
       "Attempted conditional constraint is not an indexable operation"},
      {R"({"AttributesToGet":["a","a"]})", "Duplicate value in attribute name: a"},
      {R"({"AttributeUpdates":{"a":{"Action":"PUT"}}})", "Only DELETE action is allowed"},
      {R"({"AttributeUpdates":{"a":{"Action":"ADD","Value":{"S":"x"}}}})",
       "ADD action is not supported for the type S"},
      {R"({"AttributeUpdates":{"a":{"Action":"DELETE","Value":{"S":"x"}}}})", "not supported for the type S"},
      {R"({"AttributeUpdates":{"a":{"Value":{"N":"x"}}}})", "numeric value"}};
  for (const auto& [request, text] : cases) EXPECT_THAT(refusal(request), HasSubstr(text)) << request;
}

}  // namespace
}  // namespace millrace::api_dynamodb
