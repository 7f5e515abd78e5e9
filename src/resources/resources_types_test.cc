#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "resources/type_base.h"
#include "resources/types.h"

namespace millrace::resources {
namespace {

// Answers every operation with what the test gave for it, and keeps what was asked.
class FakeCalls final : public wire::Calls {
 public:
  Result<Document> call(std::string_view service, std::string_view operation, const wire::Caller&,
                        Document input) override {
    const std::string name = std::string(service) + "." + std::string(operation);
    asked.emplace_back(name, input);
    if (const auto failing = failures.find(name); failing != failures.end()) return Error(*failing->second, "no");
    const auto answer = answers.find(name);
    return answer == answers.end() ? Document::object() : answer->second;
  }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& [name, input] : asked) out.push_back(name);
    return out;
  }
  const Document& input_of(std::string_view name) const {
    for (const auto& [one, input] : asked) {
      if (one == name) return input;
    }
    ADD_FAILURE() << name << " was not called";
    return asked.front().second;
  }

  std::vector<std::pair<std::string, Document>> asked;
  std::map<std::string, Document> answers;
  std::map<std::string, const ErrorType*> failures;
};

constexpr ErrorType kMissing{"ResourceNotFoundException", 404};
constexpr ErrorType kRefused{"ValidationException", 400};

class ResourceTypesTest : public ::testing::Test {
 protected:
  ResourceTypesTest() { register_types(registry_); }
  const stacks::ResourceType& type(std::string_view name) {
    const auto* found = registry_.find(name);
    EXPECT_NE(found, nullptr) << name;
    return *found;
  }
  Work work(Document properties) {
    Work work{.calls = calls_,
              .caller = {},
              .stack_name = "shop",
              .stack_id = "",
              .logical_id = "Thing",
              .type = "",
              .suffix = "ABCDEFGHIJKL"};
    work.properties = std::move(properties);
    work.created = [this](const std::string& id) { created_ = id; };
    return work;
  }
  static Document json(std::string_view text) { return *codec::parse_json(text); }

  FakeCalls calls_;
  stacks::TypeRegistry registry_;
  std::string created_;
};

TEST_F(ResourceTypesTest, AFunctionIsMadeOfInlineCodeAsAnArchive) {
  calls_.answers["lambda.CreateFunction"] = json(R"({"FunctionArn":"arn:f"})");
  const auto made =
      type("AWS::Lambda::Function").create(work(json(R"({"Code":{"ZipFile":"x"},"Runtime":"python3.12","Role":"r",
                                              "Handler":"index.handler","ReservedConcurrentExecutions":5})")));
  ASSERT_TRUE(made.ok()) << made.error().message();
  EXPECT_EQ(made->physical_id, "shop-Thing-ABCDEFGHIJKL");
  EXPECT_EQ(made->attributes.string_or("Arn", ""), "arn:f");
  EXPECT_EQ(created_, made->physical_id);
  EXPECT_TRUE(calls_.input_of("lambda.CreateFunction").find("Code")->string_or("ZipFile", "").starts_with("UEsDB"));
  EXPECT_THAT(calls_.names(), ::testing::ElementsAre("lambda.CreateFunction", "lambda.PutFunctionConcurrency"));
}

TEST_F(ResourceTypesTest, AFunctionUpdateCallsOnlyWhatDiffers) {
  calls_.answers["lambda.GetFunctionConfiguration"] = json(R"({"FunctionArn":"arn:f"})");
  Work change = work(json(R"({"Code":{"S3Bucket":"b","S3Key":"k"},"Role":"r","MemorySize":256})"));
  change.old_properties = json(R"({"Code":{"S3Bucket":"b","S3Key":"k"},"Role":"r","Timeout":9})");
  change.physical_id = "f";
  ASSERT_TRUE(type("AWS::Lambda::Function").update(change).ok());
  EXPECT_THAT(calls_.names(),
              ::testing::ElementsAre("lambda.UpdateFunctionConfiguration", "lambda.GetFunctionConfiguration"));
  const auto& input = calls_.input_of("lambda.UpdateFunctionConfiguration");
  EXPECT_EQ(input.int_or("MemorySize", 0), 256);
  EXPECT_EQ(input.int_or("Timeout", 0), 3) << "what left the template goes back to its default";
}

TEST_F(ResourceTypesTest, ARoleTakesItsPoliciesAndDropsThoseThatLeave) {
  calls_.answers["iam.GetRole"] = json(R"({"Role":{"Arn":"arn:r","RoleId":"AROA"}})");
  Work change = work(json(R"({"AssumeRolePolicyDocument":{},"ManagedPolicyArns":["b"]})"));
  change.old_properties = json(
      R"({"AssumeRolePolicyDocument":{},"ManagedPolicyArns":["a"],"Policies":[{"PolicyName":"p","PolicyDocument":{}}]})");
  change.physical_id = "r";
  const auto updated = type("AWS::IAM::Role").update(change);
  ASSERT_TRUE(updated.ok());
  EXPECT_EQ(updated->attributes.string_or("Arn", ""), "arn:r");
  EXPECT_THAT(calls_.names(), ::testing::ElementsAre("iam.DetachRolePolicy", "iam.AttachRolePolicy",
                                                     "iam.DeleteRolePolicy", "iam.GetRole"));
}

TEST_F(ResourceTypesTest, ABucketsRulesAndNotificationsAreSpelledAsTheOperationsDo) {
  const auto made = type("AWS::S3::Bucket").create(work(json(R"({
      "LifecycleConfiguration":{"Rules":[{"Id":"x","Status":"Enabled","Prefix":"logs/","ExpirationInDays":30,
          "Transitions":[{"StorageClass":"GLACIER","TransitionInDays":3}]}]},
      "NotificationConfiguration":{"QueueConfigurations":[{"Event":"s3:ObjectCreated:*","Queue":"arn:q",
          "Filter":{"S3Key":{"Rules":[{"Name":"suffix","Value":".gz"}]}}}]}})")));
  ASSERT_TRUE(made.ok()) << made.error().message();
  EXPECT_EQ(made->physical_id, "shop-thing-abcdefghijkl");
  EXPECT_EQ(calls_.input_of("s3.PutBucketLifecycleConfiguration").find("LifecycleConfiguration")->dump(),
            R"({"Rules":[{"ID":"x","Status":"Enabled","Filter":{"Prefix":"logs/"},"Expiration":{"Days":30},)"
            R"("Transitions":[{"StorageClass":"GLACIER","Days":3}]}]})");
  EXPECT_EQ(calls_.input_of("s3.PutBucketNotificationConfiguration")
                .find("NotificationConfiguration")
                ->find("QueueConfigurations")
                ->dump(),
            R"([{"QueueArn":"arn:q","Events":["s3:ObjectCreated:*"],)"
            R"("Filter":{"Key":{"FilterRules":[{"Name":"suffix","Value":".gz"}]}}}])");
}

TEST_F(ResourceTypesTest, RemovingWhatIsNotThereSucceedsAndOtherErrorsDoNot) {
  calls_.failures["lambda.DeleteFunction"] = &kMissing;
  calls_.failures["s3.DeleteBucket"] = &kRefused;
  EXPECT_TRUE(type("AWS::Lambda::Function").remove(work(Document::object())).ok());
  EXPECT_FALSE(type("AWS::S3::Bucket").remove(work(Document::object())).ok());
}

TEST_F(ResourceTypesTest, WhatAStackCannotGiveIsRefusedByName) {
  const auto policy = type("AWS::IAM::Policy").create(work(json(R"({"PolicyName":"p","PolicyDocument":{}})")));
  ASSERT_FALSE(policy.ok());
  EXPECT_EQ(policy.error().message(), "At least one of [Groups,Roles,Users] must be non-empty.");
  const auto image = type("AWS::Lambda::Function").create(work(json(R"({"Code":{"ImageUri":"x"},"Role":"r"})")));
  ASSERT_FALSE(image.ok());
  EXPECT_THAT(image.error().message(), ::testing::HasSubstr("Code.ImageUri"));
  EXPECT_TRUE(calls_.asked.empty());
}

TEST_F(ResourceTypesTest, AStreamThatIsNotThereIsAnsweredWithTheOneThatIs) {
  class NoSuchStream final : public wire::Calls {
   public:
    Result<Document> call(std::string_view, std::string_view operation, const wire::Caller&, Document input) override {
      if (operation == "CreateEventSourceMapping") return Error(kRefused, "Stream not found: old");
      if (input.string_or("TableName", "") != "arn:aws:dynamodb:r:1:table/t") return Error(kMissing, "no");
      return Document::object({{"Table", std::move(table)}});
    }
    Document table = Document::object();
  } calls;
  const auto message = [&](const std::string& arn) {
    Work thing = work(Document::object({{"EventSourceArn", arn}, {"FunctionName", "f"}}));
    Work other{
        .calls = calls, .caller = {}, .stack_name = "", .stack_id = "", .logical_id = "", .type = "", .suffix = ""};
    other.properties = thing.properties;
    return type("AWS::Lambda::EventSourceMapping").create(other).error().message();
  };
  const std::string arn = "arn:aws:dynamodb:r:1:table/t/stream/old";
  EXPECT_EQ(message(arn), "Stream not found: old. The table has no stream.");
  calls.table = Document::object({{"LatestStreamArn", "arn:new"}});
  EXPECT_EQ(message(arn), "Stream not found: old. The stream of the table is arn:new.");
  EXPECT_EQ(message("arn:aws:dynamodb:r:1:table/u/stream/old"),
            "Stream not found: old. The table does not exist here.");
  EXPECT_EQ(message("arn:aws:sqs:r:1:q"), "Stream not found: old");
}

}  // namespace
}  // namespace millrace::resources
