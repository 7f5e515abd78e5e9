#include <gtest/gtest.h>

#include "platform/random.h"
#include "testing/live_world.h"
#include "traces/header.h"
#include "traces/store.h"

namespace millrace::traces {
namespace {

TEST(TracesThreadsTest, EverySegmentIsKeptWhileOthersReadAndSweep) {
  constexpr int kRounds = 200;
  testing::LiveWorld world;
  Store traces(world.store, world.commits(), world.loop);
  std::atomic<int> seen{0};
  traces.on_segment([&](const Scope&, const Segment&) { ++seen; });
  ASSERT_TRUE(traces.load().ok());
  world.start();
  const Scope scope{"000000000000", "us-east-1"};
  const Scope other{"111111111111", "us-east-1"};
  const std::string trace = new_trace_id(world.random, world.loop.now());
  const auto segment_of = [&](const std::string& trace_id) {
    const double now = static_cast<double>(to_unix_ms(world.loop.now())) / 1000;
    return own_segment(Json::object({{"trace_id", trace_id},
                                     {"id", new_segment_id(world.random)},
                                     {"name", "n"},
                                     {"start_time", now},
                                     {"end_time", now}}));
  };
  const auto put = [&](int) { traces.put(scope, segment_of(trace)); };
  const auto receive = [&](int round) {
    traces.expect(other, trace);
    traces.receive(other, segment_of(new_trace_id(world.random, world.loop.now())));
    if (round % 20 == 19) traces.reset(other.account);
  };
  const auto read = [&](int round) {
    (void)traces.find(scope, trace);
    (void)traces.list(scope, RangeType::kTraceId, Time{}, kNever, 10);
    (void)traces.usage();
    if (round % 10 == 0) traces.flush();
  };
  testing::together(kRounds, {put, put, receive, read});
  EXPECT_EQ(traces.find(scope, trace).value()->documents.size(), 2u * kRounds);
  EXPECT_EQ(seen, 3 * kRounds);
  traces.flush();
  world.stop();
}

}  // namespace
}  // namespace millrace::traces
