#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/sqs/queue_url.h"
#include "api/sqs/service.h"
#include "crypto/digest.h"
#include "storage/memory/memory_store.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"

namespace millrace::api_sqs {
namespace {

using wire::Document;

class ApiSqsTest : public ::testing::Test {
 protected:
  ApiSqsTest() {
    context_.service_host = "http://127.0.0.1:4566";
    EXPECT_TRUE(queues_.load().ok());
  }

  Result<wire::Reply> call(std::string_view operation, const std::string& json) {
    auto input = codec::parse_json(json);
    EXPECT_TRUE(input.ok()) << json;
    const auto* entry = service_->find(operation);
    EXPECT_NE(entry, nullptr) << operation;
    if (entry->handler) return entry->handler(context_, *input);
    std::optional<Result<wire::Reply>> answer;
    entry->async(context_, *input,
                 {[&](Result<wire::Reply> reply) { answer = std::move(reply); }, [] { return false; },
                  [&](std::function<void()> close) { close_ = std::move(close); }});
    scheduler_.run_ready();
    for (int i = 0; !answer && i < 100; ++i) scheduler_.run_next_timer();
    EXPECT_TRUE(answer.has_value());
    return std::move(*answer);
  }
  Document ok(std::string_view operation, const std::string& json) {
    auto reply = call(operation, json);
    EXPECT_TRUE(reply.ok()) << reply.error().message();
    scheduler_.run_ready();
    return reply.ok() ? std::move(reply->output) : Document();
  }
  std::string error(std::string_view operation, const std::string& json) {
    auto reply = call(operation, json);
    return reply.ok() ? "no error" : std::string(reply.error().type().name);
  }

  testing::VirtualScheduler scheduler_;
  platform::SeededRandom random_{1};
  storage::MemoryStore store_;
  testing::TestCommits commits_{store_, scheduler_};
  sqs::Service queues_{store_, commits_, scheduler_, random_};
  std::unique_ptr<wire::Service> service_ = make_sqs_service(queues_);
  wire::RequestContext context_;
  std::function<void()> close_;
};

constexpr const char* kUrl = R"("QueueUrl":"http://127.0.0.1:4566/000000000000/orders")";

std::string with_url(const std::string& rest = "") {
  return "{" + std::string(kUrl) + (rest.empty() ? "" : ",") + rest + "}";
}

TEST_F(ApiSqsTest, AMessageGoesRoundWithItsDigestsAndAttributes) {
  EXPECT_EQ(ok("CreateQueue", R"({"QueueName":"orders"})").string_or("QueueUrl", ""),
            "http://127.0.0.1:4566/000000000000/orders");
  const auto sent = ok("SendMessage", with_url(R"("MessageBody":"hello","MessageAttributes":{
      "a":{"DataType":"String","StringValue":"x"},"b":{"DataType":"Binary","BinaryValue":"AP8="}},
      "MessageSystemAttributes":{"AWSTraceHeader":{"DataType":"String","StringValue":"Root=1"}})"));
  EXPECT_EQ(sent.string_or("MD5OfMessageBody", ""), crypto::md5_hex("hello"));
  EXPECT_NE(sent.string_or("MD5OfMessageAttributes", ""), "");
  EXPECT_NE(sent.string_or("MD5OfMessageSystemAttributes", ""), "");

  const auto received = ok("ReceiveMessage", with_url(R"("AttributeNames":["All"],"MessageAttributeNames":["All"])"));
  const auto& message = received.find("Messages")->as_array().at(0);
  EXPECT_EQ(message.string_or("Body", ""), "hello");
  EXPECT_EQ(message.string_or("MD5OfBody", ""), crypto::md5_hex("hello"));
  EXPECT_EQ(message.string_or("MD5OfMessageAttributes", ""), sent.string_or("MD5OfMessageAttributes", ""));
  EXPECT_EQ(message.find("MessageAttributes")->find("b")->string_or("BinaryValue", ""), "AP8=");
  EXPECT_EQ(message.find("Attributes")->string_or("AWSTraceHeader", ""), "Root=1");
  EXPECT_EQ(message.find("Attributes")->string_or("ApproximateReceiveCount", ""), "1");
  EXPECT_EQ(message.find("Attributes")->string_or("SenderId", ""), "000000000000");
  const std::string receipt(message.string_or("ReceiptHandle", ""));
  ok("ChangeMessageVisibility", with_url(R"("VisibilityTimeout":5,"ReceiptHandle":")" + receipt + "\""));
  ok("DeleteMessage", with_url(R"("ReceiptHandle":")" + receipt + "\""));
  EXPECT_EQ(ok("ReceiveMessage", with_url()).dump(), "{}");
}

TEST_F(ApiSqsTest, OnlyWhatIsAskedForIsShown) {
  ok("CreateQueue", R"({"QueueName":"orders"})");
  ok("SendMessage", with_url(R"("MessageBody":"x","MessageAttributes":{"a":{"DataType":"String","StringValue":"x"}})"));
  const auto received = ok("ReceiveMessage", with_url(R"("MessageSystemAttributeNames":["SentTimestamp"])"));
  const auto& message = received.find("Messages")->as_array().at(0);
  EXPECT_EQ(message.find("MessageAttributes"), nullptr);
  EXPECT_EQ(message.find("MD5OfMessageAttributes"), nullptr);
  EXPECT_EQ(message.find("Attributes")->as_object().size(), 1u);
  EXPECT_EQ(error("ReceiveMessage", with_url(R"("AttributeNames":["Nonsense"])")), "InvalidAttributeName");
}

TEST_F(ApiSqsTest, RefusalsWaitForTheChangesTheySaw) {
  const auto waits = [&](std::string_view operation, const std::string& json, const std::string& name) {
    const auto reply = call(operation, json);
    return !reply.ok() && reply.error().type().name == name && reply.error().held_until() > commits_.durable();
  };
  commits_.hold();
  ASSERT_TRUE(call("CreateQueue", R"({"QueueName":"orders"})").ok());
  EXPECT_TRUE(waits("CreateQueue", R"({"QueueName":"orders","Attributes":{"DelaySeconds":"5"}})", "QueueNameExists"));
  commits_.commit_all();
  ASSERT_TRUE(call("DeleteQueue", with_url()).ok());
  EXPECT_TRUE(waits("GetQueueAttributes", with_url(), "QueueDoesNotExist"));
  EXPECT_TRUE(waits("ReceiveMessage", with_url(), "QueueDoesNotExist"));
  commits_.commit_all();
  EXPECT_FALSE(waits("ReceiveMessage", with_url(), "QueueDoesNotExist"));
}

TEST_F(ApiSqsTest, BatchesReportEachEntry) {
  ok("CreateQueue", R"({"QueueName":"orders"})");
  const auto sent =
      ok("SendMessageBatch", with_url(R"("Entries":[{"Id":"a","MessageBody":"x"},{"Id":"b","MessageBody":""}])"));
  EXPECT_EQ(sent.find("Successful")->as_array().size(), 1u);
  EXPECT_EQ(sent.find("Failed")->as_array().at(0).string_or("Code", ""), "MissingParameter");
  EXPECT_TRUE(sent.find("Failed")->as_array().at(0).bool_or("SenderFault", false));
  const auto mixed =
      ok("SendMessageBatch", with_url(R"("Entries":[{"Id":"a","MessageBody":"x","MessageDeduplicationId":"g"},
      {"Id":"b","MessageBody":"y"}])"));
  EXPECT_EQ(mixed.find("Successful")->as_array().at(0).string_or("Id", ""), "b");
  EXPECT_EQ(mixed.find("Failed")->as_array().at(0).string_or("Code", ""), "InvalidParameterValue");
  const auto deleted = ok("DeleteMessageBatch", with_url(R"("Entries":[{"Id":"a","ReceiptHandle":"nonsense"}])"));
  EXPECT_EQ(deleted.find("Successful"), nullptr);
  EXPECT_EQ(deleted.find("Failed")->as_array().at(0).string_or("Code", ""), "ReceiptHandleIsInvalid");
  EXPECT_EQ(error("SendMessageBatch", with_url(R"("Entries":[])")), "EmptyBatchRequest");
  EXPECT_EQ(error("ChangeMessageVisibilityBatch", with_url(R"("Entries":[])")), "EmptyBatchRequest");
}

TEST_F(ApiSqsTest, WhatIsForFifoQueuesIsRefusedByName) {
  ok("CreateQueue", R"({"QueueName":"orders"})");
  EXPECT_EQ(error("SendMessage", with_url(R"("MessageBody":"x","MessageGroupId":"a b")")), "InvalidParameterValue");
  EXPECT_EQ(error("SendMessage", with_url(R"("MessageBody":"x","MessageDeduplicationId":"g")")),
            "InvalidParameterValue");
  EXPECT_EQ(error("ReceiveMessage", with_url(R"("ReceiveRequestAttemptId":"g")")), "InvalidParameterValue");
  EXPECT_EQ(error("CreateQueue", R"({"QueueName":"x","Attributes":{"ContentBasedDeduplication":"true"}})"),
            "InvalidAttributeName");
}

TEST_F(ApiSqsTest, AMessageOfAStandardQueueMayHaveAGroup) {
  ok("CreateQueue", R"({"QueueName":"orders"})");
  ok("SendMessage", with_url(R"("MessageBody":"x","MessageGroupId":"g")"));
  const auto answer = ok("ReceiveMessage", with_url(R"("MessageSystemAttributeNames":["MessageGroupId"])"));
  const auto* attributes = answer.find("Messages")->as_array().at(0).find("Attributes");
  ASSERT_NE(attributes, nullptr);
  EXPECT_EQ(attributes->string_or("MessageGroupId", ""), "g");
}

TEST_F(ApiSqsTest, MessageAttributesOfTheWrongKindAreRefused) {
  ok("CreateQueue", R"({"QueueName":"orders"})");
  const auto send = [&](const std::string& value) {
    return error("SendMessage", with_url(R"("MessageBody":"x","MessageAttributes":{"a":)" + value + "}"));
  };
  EXPECT_EQ(send(R"({"DataType":"String","BinaryValue":"AP8="})"), "InvalidParameterValue");
  EXPECT_EQ(send(R"({"DataType":"Binary","StringValue":"x"})"), "InvalidParameterValue");
  EXPECT_EQ(send(R"({"DataType":"String","StringListValues":["x"]})"), "UnsupportedOperation");
  EXPECT_EQ(error("SendMessage", with_url(R"("MessageBody":"x","MessageSystemAttributes":{
      "Other":{"DataType":"String","StringValue":"x"}})")),
            "InvalidParameterValue");
}

TEST_F(ApiSqsTest, QueuesAreFoundListedAndDescribed) {
  ok("CreateQueue", R"({"QueueName":"orders","tags":{"k":"v"}})");
  EXPECT_EQ(ok("GetQueueUrl", R"({"QueueName":"orders"})").string_or("QueueUrl", ""),
            "http://127.0.0.1:4566/000000000000/orders");
  EXPECT_EQ(error("GetQueueUrl", R"({"QueueName":"orders","QueueOwnerAWSAccountId":"111111111111"})"),
            "QueueDoesNotExist");
  EXPECT_EQ(ok("ListQueues", "{}").find("QueueUrls")->as_array().size(), 1u);
  EXPECT_EQ(ok("ListQueues", R"({"QueueNamePrefix":"x"})").dump(), "{}");
  EXPECT_EQ(ok("ListQueueTags", with_url()).dump(), R"({"Tags":{"k":"v"}})");
  EXPECT_EQ(ok("GetQueueAttributes", with_url(R"("AttributeNames":["QueueArn"])")).dump(),
            R"({"Attributes":{"QueueArn":"arn:aws:sqs:us-east-1:000000000000:orders"}})");
  EXPECT_EQ(ok("ListDeadLetterSourceQueues", with_url()).dump(), R"({"queueUrls":[]})");
  ok("PurgeQueue", with_url());
  ok("DeleteQueue", with_url());
  EXPECT_EQ(error("PurgeQueue", with_url()), "QueueDoesNotExist");
}

TEST_F(ApiSqsTest, AClientThatLeavesTakesNoMessage) {
  ok("CreateQueue", R"({"QueueName":"orders"})");
  auto input = codec::parse_json(with_url(R"("WaitTimeSeconds":20)"));
  std::function<void()> close;
  service_->find("ReceiveMessage")
      ->async(context_, *input,
              {[](Result<wire::Reply>) { FAIL() << "nobody is there"; }, [] { return true; },
               [&](std::function<void()> f) { close = std::move(f); }});
  close();
  ok("SendMessage", with_url(R"("MessageBody":"x")"));
  EXPECT_NE(ok("ReceiveMessage", with_url()).find("Messages"), nullptr);
}

TEST_F(ApiSqsTest, AnswersWaitForTheirCommit) {
  const auto reply = call("CreateQueue", R"({"QueueName":"orders"})");
  EXPECT_GT(reply->after, commits_.durable());
  scheduler_.run_ready();
  EXPECT_EQ(reply->after, commits_.durable());
}

TEST(QueueUrlTest, TakesEveryFormAndRefusesTheRest) {
  const Scope caller{"000000000000", "us-west-2"};
  const auto parse = [&](std::string_view url) {
    auto name = parse_queue_url(url, caller);
    return name.ok() ? sqs::queue_arn(*name) : std::string(name.error().type().name);
  };
  EXPECT_EQ(parse("http://127.0.0.1:4566/111111111111/q"), "arn:aws:sqs:us-west-2:111111111111:q");
  EXPECT_EQ(parse("https://sqs.eu-west-1.amazonaws.com/111111111111/q"), "arn:aws:sqs:eu-west-1:111111111111:q");
  EXPECT_EQ(parse("https://eu-west-1.queue.amazonaws.com/111111111111/q"), "arn:aws:sqs:eu-west-1:111111111111:q");
  EXPECT_EQ(parse("https://queue.amazonaws.com/111111111111/q"), "arn:aws:sqs:us-east-1:111111111111:q");
  EXPECT_EQ(parse("/111111111111/q/"), "arn:aws:sqs:us-west-2:111111111111:q");
  EXPECT_EQ(parse("q"), "arn:aws:sqs:us-west-2:000000000000:q");
  EXPECT_EQ(parse("http://127.0.0.1:4566/abc/q"), "InvalidAddress");
  EXPECT_EQ(parse("http://127.0.0.1:4566"), "InvalidAddress");
  EXPECT_EQ(parse("http://127.0.0.1:4566/"), "InvalidAddress");
  EXPECT_EQ(parse(""), "InvalidAddress");
}

}  // namespace
}  // namespace millrace::api_sqs
