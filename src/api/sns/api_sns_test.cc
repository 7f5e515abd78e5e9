#include <gtest/gtest.h>

#include "api/sns/service.h"
#include "storage/memory/memory_store.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"

namespace millrace::api_sns {
namespace {

using wire::Document;

class ApiSnsTest : public ::testing::Test {
 protected:
  Result<wire::Reply> call(std::string_view operation, const std::string& json) {
    const auto input = codec::parse_json(json);
    EXPECT_TRUE(input.ok()) << json;
    const auto* entry = service_->find(operation);
    EXPECT_NE(entry, nullptr) << operation;
    return entry->handler(context_, *input);
  }
  std::string ok(std::string_view operation, const std::string& json) {
    const auto reply = call(operation, json);
    EXPECT_TRUE(reply.ok()) << reply.error().message();
    return reply.ok() ? reply->output.dump() : "";
  }
  std::string error(std::string_view operation, const std::string& json) {
    const auto reply = call(operation, json);
    return reply.ok() ? "no error" : reply.error().message();
  }

  testing::VirtualScheduler scheduler_;
  platform::SeededRandom random_{1};
  storage::MemoryStore store_;
  testing::TestCommits commits_{store_, scheduler_};
  telemetry::Registry registry_;
  delivery::Delivery delivery_;
  sns::Service topics_{{store_, commits_, scheduler_, random_, registry_, delivery_}};
  std::unique_ptr<wire::Service> service_ = make_sns_service(topics_);
  wire::RequestContext context_;
};

constexpr const char* kTopic = R"("TopicArn":"arn:aws:sns:us-east-1:000000000000:t")";

TEST_F(ApiSnsTest, TopicsAreMadeShownAndTagged) {
  EXPECT_EQ(ok("CreateTopic", R"({"Name":"t","Tags":[{"Key":"a","Value":"b"}]})"), "{" + std::string(kTopic) + "}");
  EXPECT_EQ(ok("ListTopics", "{}"), R"({"Topics":[{)" + std::string(kTopic) + "}]}");
  EXPECT_EQ(ok("ListTagsForResource", R"({"ResourceArn":"arn:aws:sns:us-east-1:000000000000:t"})"),
            R"({"Tags":[{"Key":"a","Value":"b"}]})");
  EXPECT_EQ(error("CreateTopic", R"({"Name":"t","DataProtectionPolicy":"{}"})"),
            "Invalid parameter: DataProtectionPolicy Reason: not supported by millrace");
  EXPECT_EQ(error("DeleteTopic", R"({"TopicArn":"x:y"})"),
            "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 2");
}

TEST_F(ApiSnsTest, AnswersWaitForTheirCommit) {
  EXPECT_GT(call("CreateTopic", R"({"Name":"t"})")->after, commits_.durable());
}

TEST_F(ApiSnsTest, WhatBelongsToFifoTopicsIsRefusedByName) {
  ok("CreateTopic", R"({"Name":"t"})");
  EXPECT_EQ(error("Publish", "{" + std::string(kTopic) + R"(,"Message":"m","MessageGroupId":"g"})"),
            "Invalid parameter: MessageGroupId Reason: The request includes MessageGroupId parameter that is not valid "
            "for this topic type");
}

TEST_F(ApiSnsTest, ABatchNamesTheEntriesThatAreWrong) {
  ok("CreateTopic", R"({"Name":"t"})");
  const auto answer = call("PublishBatch", "{" + std::string(kTopic) + R"(,"PublishBatchRequestEntries":[
      {"Id":"a","Message":"m","MessageStructure":"xml"},{"Id":"b","Message":"m"}]})");
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->output.find("Successful")->as_array().at(0).string_or("Id", ""), "b");
  EXPECT_EQ(answer->output.find("Failed")->as_array().at(0).string_or("Message", ""),
            "Invalid parameter: MessageStructure");
}

TEST_F(ApiSnsTest, AttributesOfTheWrongKindAreRefused) {
  ok("CreateTopic", R"({"Name":"t"})");
  EXPECT_EQ(
      error("Publish", "{" + std::string(kTopic) +
                           R"(,"Message":"m","MessageAttributes":{"a":{"DataType":"String","BinaryValue":"AA=="}}})"),
      "The message attribute 'a' with type 'String' must use field 'String'.");
}

}  // namespace
}  // namespace millrace::api_sns
