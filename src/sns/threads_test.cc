#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include "sns/service.h"
#include "testing/live_world.h"

namespace millrace::sns {
namespace {

class CountingTarget final : public delivery::Target {
 public:
  Result<void> check(std::string_view) override { return {}; }
  Result<delivery::AfterCommit> stage(std::string_view, const delivery::Message& message,
                                      storage::WriteBatch& batch) override {
    batch.put(storage::Family::kQueue, "delivered/" + std::to_string(staged_++), message.body);
    return delivery::AfterCommit([this] { ++durable; });
  }
  std::atomic<int> durable{0};

 private:
  std::atomic<int> staged_{0};
};

TEST(SnsThreadsTest, EveryPublishedMessageIsDeliveredWhileSubscriptionsComeAndGo) {
  constexpr int kRounds = 200;
  testing::LiveWorld world;
  telemetry::Registry registry;
  delivery::Delivery delivery;
  CountingTarget queues;
  delivery.add("sqs", queues);
  Service topics({world.store, world.commits(), world.loop, world.random, registry, delivery});
  ASSERT_TRUE(topics.load().ok());
  world.start();
  const TopicName topic{Scope{"000000000000", "us-east-1"}, "t"};
  const TopicName other{Scope{"000000000000", "us-east-1"}, "other"};
  ASSERT_TRUE(topics.create_topic(topic, {}, {}).ok());
  ASSERT_TRUE(topics.subscribe(topic, "sqs", "arn:aws:sqs:us-east-1:000000000000:q", {}, "000000000000").ok());
  const auto publish = [&](int round) {
    Outgoing message;
    message.body = std::to_string(round);
    EXPECT_TRUE(topics.publish(topic, message).ok());
  };
  const auto manage = [&](int round) {
    (void)topics.create_topic(other, {}, {});
    (void)topics.subscribe(other, "sqs", "arn:aws:sqs:us-east-1:000000000000:q" + std::to_string(round), {},
                           "000000000000");
    (void)topics.tag(topic, {{"a", std::to_string(round)}});
    if (round % 10 == 9) topics.delete_topic(other);
  };
  const auto read = [&](int) {
    (void)topics.list_topics(topic.scope, "");
    (void)topics.list_subscriptions(topic.scope, "");
    (void)topics.all_topics();
    (void)topics.last_commit();
  };
  testing::together(kRounds, {publish, publish, manage, read});
  // What was published is delivered by the loop, in its own time.
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (queues.durable < 2 * kRounds && std::chrono::steady_clock::now() < patience) std::this_thread::yield();
  world.stop();
  EXPECT_EQ(queues.durable, 2 * kRounds);
}

}  // namespace
}  // namespace millrace::sns
