#include <gtest/gtest.h>

#include "events/service.h"
#include "testing/live_world.h"

namespace millrace::events {
namespace {

using codec::Json;

TEST(EventsThreadsTest, RulesComeAndGoWhileEventsArePublished) {
  constexpr int kRounds = 150;
  testing::LiveWorld world;
  delivery::Delivery delivery;
  Events events({world.store, world.commits(), world.loop, world.random, delivery});
  ASSERT_TRUE(events.load().ok());
  world.start();
  events.start();
  const Scope scope{"000000000000", "us-east-1"};
  const auto put = [&](int round) {
    Rule rule;
    rule.scope = scope;
    rule.name = "r" + std::to_string(round % 5);
    if (round % 2 == 0) rule.pattern_text = R"({"source":["a"]})";
    if (round % 2 == 1) rule.schedule_text = "rate(1 minute)";
    EXPECT_TRUE(events.put(rule).ok());
    auto target = target_of(Json::object({{"Id", "1"}, {"Arn", "arn:aws:sqs:us-east-1:000000000000:q"}}));
    ASSERT_TRUE(target.ok());
    (void)events.put_targets(scope, rule.name, {*target});
    (void)events.set_enabled(scope, rule.name, round % 3 == 0);
  };
  const auto remove = [&](int round) {
    const std::string name = "r" + std::to_string(round % 5);
    (void)events.remove_targets(scope, name, {"1"});
    (void)events.remove(scope, name);
  };
  const auto publish = [&](int) {
    events.publish(scope, {Json::object({{"source", "a"}, {"detail", Json::object()}})});
  };
  const auto read = [&](int) {
    for (const Rule& rule : events.list(scope)) (void)events.find(scope, rule.name);
  };
  testing::together(kRounds, {put, remove, publish, read});
  world.stop();
  Events again({world.store, world.commits(), world.loop, world.random, delivery});
  ASSERT_TRUE(again.load().ok());
  EXPECT_EQ(again.list(scope).size(), events.list(scope).size()) << "what is stored is what stands in memory";
}

}  // namespace
}  // namespace millrace::events
