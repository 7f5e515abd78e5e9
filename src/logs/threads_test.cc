// Functions that write, clients that write and read, and what the control thread does meanwhile.
#include <gtest/gtest.h>

#include "logs/service.h"
#include "testing/live_world.h"

namespace millrace::logs {
namespace {

TEST(LogsThreadsTest, EveryEventIsKeptAndReadWhileOthersWriteAndSweep) {
  constexpr int kRounds = 200;
  testing::LiveWorld world;
  Limits limits;
  limits.chunk_bytes = 400;  // many chunks
  Service logs(world.store, world.commits(), world.loop, limits);
  ASSERT_TRUE(logs.load().ok());
  logs.set_metric_sink([](const Scope&, const MetricFilter&, const MetricDatum&, Time) {});
  world.start();
  const GroupName group{Scope{}, "g"};
  const GroupName other{Scope{}, "other"};
  std::atomic<int> seen{0};
  const auto subscription = logs.subscribe(group, [&](const Event&) { ++seen; });
  const auto append = [&](int round) { logs.append(group, "s", {{world.loop.now(), std::to_string(round)}}); };
  const auto read = [&](int) {
    (void)logs.filter_events(group, {}, {}, {});
    (void)logs.list_streams(group, {});
    (void)logs.list_groups(
        Scope{}, [](const GroupInfo&) { return true; }, 10, "");
  };
  const auto manage = [&](int round) {
    (void)logs.create_group(other, "STANDARD", {});
    (void)logs.create_stream(other, "s");
    (void)logs.put_events(other, "s", {{world.loop.now(), "m"}});
    (void)logs.set_retention(group, round % 2 == 0 ? std::optional(1) : std::nullopt);
    (void)logs.tag(group, {{"a", "b"}});
    if (round % 10 == 9) (void)logs.delete_group(other);
    logs.flush();
  };
  testing::together(kRounds, {append, append, read, manage});
  EXPECT_EQ(logs.filter_events(group, {}, {}, {})->items.size(), 2u * kRounds);
  EXPECT_EQ(seen, 2 * kRounds);
  EXPECT_EQ(logs.dropped(), 0u);
  logs.flush();
  world.stop();
}

}  // namespace
}  // namespace millrace::logs
