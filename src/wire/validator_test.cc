#include "wire/validator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "wire/generated/dynamodb.h"
#include "wire/generated/iam.h"
#include "wire/generated/lambda.h"
#include "wire/generated/logs.h"
#include "wire/generated/s3.h"
#include "wire/generated/sqs.h"
#include "wire/internal/pattern.h"

namespace millrace::wire {
namespace {

using internal::matches_pattern;
using testing::HasSubstr;

std::string message(const ServiceModel& model, std::string_view operation, std::string_view json) {
  const Document document = codec::parse_json(json).value();
  const auto result = validate(model, model.shape(model.find_operation(operation)->input), document);
  return result.ok() ? "" : result.error().message();
}

std::string mapping(std::string_view json) { return message(lambda::kModel, "CreateEventSourceMapping", json); }

TEST(ValidatorTest, TellsBoundsAsRecorded) {
  EXPECT_EQ(mapping(R"({"FunctionName":"f","BatchSize":10001})"),
            "1 validation error detected: Value '10001' at 'batchSize' failed to satisfy constraint: Member must have "
            "value less than or equal to 10000");
  EXPECT_EQ(mapping(R"({"FunctionName":"f","BatchSize":0})"),
            "1 validation error detected: Value '0' at 'batchSize' failed to satisfy constraint: Member must have "
            "value greater than or equal to 1");
  EXPECT_EQ(mapping(R"({"FunctionName":"f","BatchSize":10000})"), "");
}

TEST(ValidatorTest, TellsEnumsInTheRecordedOrder) {
  EXPECT_EQ(
      mapping(R"({"FunctionName":"f","StartingPosition":"BOGUS"})"),
      "1 validation error detected: Value 'BOGUS' at 'startingPosition' failed to satisfy constraint: Member must "
      "satisfy enum value set: [LATEST, AT_TIMESTAMP, TRIM_HORIZON]");
  EXPECT_EQ(
      mapping(R"({"FunctionName":"f","FunctionResponseTypes":["Bad"]})"),
      "1 validation error detected: Value '[Bad]' at 'functionResponseTypes' failed to satisfy constraint: Member "
      "must satisfy constraint: [Member must satisfy enum value set: [ReportBatchItemFailures], Member must not "
      "be null]");
}

TEST(ValidatorTest, TellsMissingMembersWithTheirPath) {
  EXPECT_EQ(message(dynamodb::kModel, "UpdateTimeToLive",
                    R"({"TableName":"ttt","TimeToLiveSpecification":{"Enabled":true}})"),
            "1 validation error detected: Value null at 'timeToLiveSpecification.attributeName' failed to satisfy "
            "constraint: Member must not be null");
  EXPECT_EQ(message(dynamodb::kModel, "CreateTable",
                    R"({"TableName":"ttt","AttributeDefinitions":[{"AttributeName":"a","AttributeType":"X"}],
                        "KeySchema":[{"AttributeName":"a","KeyType":"HASH"}]})"),
            "1 validation error detected: Value 'X' at 'attributeDefinitions.1.member.attributeType' failed to satisfy "
            "constraint: Member must satisfy enum value set: [B, N, S]");
  EXPECT_EQ(message(dynamodb::kModel, "UpdateTable",
                    R"({"TableName":"ttt","StreamSpecification":{"StreamViewType":"new_image"}})"),
            "2 validation errors detected: Value null at 'streamSpecification.streamEnabled' failed to satisfy "
            "constraint: Member must not be null; Value 'new_image' at 'streamSpecification.streamViewType' failed to "
            "satisfy constraint: Member must satisfy enum value set: [OLD_IMAGE, KEYS_ONLY, NEW_AND_OLD_IMAGES, "
            "NEW_IMAGE]");
}

TEST(ValidatorTest, UsesEachServicesErrorName) {
  const auto type = [](const ServiceModel& model, std::string_view operation) {
    const auto result = validate(model, model.shape(model.find_operation(operation)->input), Document::object());
    return result.ok() ? std::string() : std::string(result.error().type().name) + ": " + result.error().message();
  };
  EXPECT_THAT(type(iam::kModel, "GetRole"), HasSubstr("ValidationError: 1 validation error detected: Value null at "
                                                      "'roleName'"));
  EXPECT_THAT(type(logs::kModel, "CreateLogGroup"), HasSubstr("InvalidParameterException: 1 validation error"));
  EXPECT_EQ(type(sqs::kModel, "CreateQueue"), "MissingParameter: The request must contain the parameter QueueName.");
  EXPECT_EQ(type(s3::kModel, "DeleteObjects"),
            "MalformedXML: The XML you provided was not well-formed or did not "
            "validate against our published schema");
}

TEST(ValidatorTest, TellsPatternsAndLengths) {
  EXPECT_THAT(message(lambda::kModel, "GetFunction", R"({"FunctionName":"a b"})"),
              HasSubstr("Value 'a b' at 'functionName' failed to satisfy constraint: Member must satisfy regular "
                        "expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:)?"));
  EXPECT_EQ(message(logs::kModel, "CreateLogGroup", R"({"logGroupName":"/aws/lambda/f"})"), "");
  EXPECT_THAT(message(iam::kModel, "GetRole", R"({"RoleName":""})"), HasSubstr("length greater than or equal to 1"));
}

TEST(PatternTest, MatchesWhatTheModelsUse) {
  EXPECT_TRUE(matches_pattern("[a-zA-Z0-9_.-]+", "My_Table.1-x"));
  EXPECT_FALSE(matches_pattern("[a-zA-Z0-9_.-]+", "My Table"));
  EXPECT_FALSE(matches_pattern("[a-zA-Z0-9_.-]+", ""));
  constexpr std::string_view kFunction =
      "(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?(\\d{12}:)?(function:)?"
      "([a-zA-Z0-9-_]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?";
  EXPECT_TRUE(matches_pattern(kFunction, "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST"));
  EXPECT_TRUE(matches_pattern(kFunction, "f:1"));
  EXPECT_FALSE(matches_pattern(kFunction, "f:1:2"));
  EXPECT_TRUE(matches_pattern("(?!^[0-9]+$)([a-zA-Z0-9-_]+)", "v1"));
  EXPECT_FALSE(matches_pattern("(?!^[0-9]+$)([a-zA-Z0-9-_]+)", "11"));
  EXPECT_TRUE(matches_pattern("[0-9A-Za-z\\.\\-_]*(?<!\\.)", "a.b"));
  EXPECT_FALSE(matches_pattern("[0-9A-Za-z\\.\\-_]*(?<!\\.)", "a."));
  EXPECT_TRUE(matches_pattern("(\\u002F)|(\\u002F[\\u0021-\\u007E]+\\u002F)", "/a/"));
  EXPECT_FALSE(matches_pattern("(\\u002F)|(\\u002F[\\u0021-\\u007E]+\\u002F)", "a"));
  EXPECT_TRUE(matches_pattern("[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*", "caf\u00e9 1"));
  EXPECT_TRUE(matches_pattern("(|[a-zA-Z0-9$_-]+)", ""));
  EXPECT_TRUE(matches_pattern("[\\s\\S]*", "a\nb"));
  EXPECT_FALSE(matches_pattern("[^\\s]+", "a b"));
}

TEST(PatternTest, KnowsWordBoundaries) {
  constexpr std::string_view kStack = "([a-zA-Z][-a-zA-Z0-9]*)|(arn:\\b(aws|aws-us-gov|aws-cn)\\b:[-a-zA-Z0-9:/._+]*)";
  EXPECT_TRUE(matches_pattern(kStack, "arn:aws:cloudformation:us-east-1:000000000000:stack/Small/5d0a22f0"));
  EXPECT_TRUE(matches_pattern(kStack, "Small"));
  EXPECT_FALSE(matches_pattern(kStack, "arn:awsx:cloudformation"));
  EXPECT_FALSE(matches_pattern("a\\bb", "ab"));
}

TEST(PatternTest, BoundsItsWork) {
  EXPECT_TRUE(matches_pattern("(a*)*b", std::string(10000, 'a')));  // gives up and lets the service judge
  EXPECT_TRUE(matches_pattern(".*", std::string(300000, 'a')));
  EXPECT_TRUE(matches_pattern("([0-9a-f]{16})+", std::string(1600, 'a')));
  EXPECT_FALSE(matches_pattern("([0-9a-f]{16})+", std::string(1601, 'a')));
  EXPECT_TRUE(matches_pattern("(unclosed", "anything"));
}

}  // namespace
}  // namespace millrace::wire
