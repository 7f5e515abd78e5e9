#include "delivery/delivery.h"

#include <gtest/gtest.h>

namespace millrace::delivery {
namespace {

class RecordingTarget : public Target {
 public:
  Result<void> check(std::string_view arn) override {
    checked.emplace_back(arn);
    if (arn.ends_with(":gone")) return Error(kNoSuchTarget, "gone");
    return {};
  }
  Result<AfterCommit> stage(std::string_view, const Message& message, storage::WriteBatch&) override {
    return AfterCommit([this, body = message.body] { delivered.push_back(body); });
  }
  std::vector<std::string> checked;
  std::vector<std::string> delivered;
};

TEST(DeliveryTest, PicksTheTargetByTheServiceOfTheArn) {
  RecordingTarget queues;
  RecordingTarget topics;
  Delivery delivery;
  delivery.add("sqs", queues);
  delivery.add("sns", topics);
  storage::WriteBatch batch;
  auto after = delivery.stage("arn:aws:sqs:us-east-1:000000000000:q", Message{.body = "x"}, batch);
  ASSERT_TRUE(after.ok());
  EXPECT_TRUE(queues.delivered.empty());
  (*after)();
  EXPECT_EQ(queues.delivered, std::vector<std::string>{"x"});
  EXPECT_TRUE(topics.delivered.empty());
}

TEST(DeliveryTest, PassesOnWhatTheTargetRefuses) {
  RecordingTarget queues;
  Delivery delivery;
  delivery.add("sqs", queues);
  EXPECT_TRUE(delivery.check("arn:aws:sqs:us-east-1:000000000000:there").ok());
  auto gone = delivery.check("arn:aws:sqs:us-east-1:000000000000:gone");
  ASSERT_FALSE(gone.ok());
  EXPECT_TRUE(gone.error().is(kNoSuchTarget));
}

TEST(DeliveryTest, DocumentsOfABucketAreFiledByDay) {
  EXPECT_EQ(document_key("aws/lambda/id/shard", from_unix_ms(1'789'651'752'967)),
            "aws/lambda/id/shard/2026/09/17/2026-09-17T13.29.12");
}

TEST(DeliveryTest, RefusesWhatIsNoArnAndServicesNobodyServes) {
  Delivery delivery;
  for (const char* arn : {"", "arn", "arn:aws", "arn:aws:sqs", "http://x:1:2", "arn:aws:kinesis:r:a:stream/x"}) {
    auto result = delivery.check(arn);
    ASSERT_FALSE(result.ok()) << arn;
    EXPECT_TRUE(result.error().is(kUnsupportedTarget)) << arn;
  }
}

}  // namespace
}  // namespace millrace::delivery
