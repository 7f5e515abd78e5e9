// Samples from many threads, readers, and the minute that gathers them.
#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "metrics/alarms.h"
#include "metrics/store.h"
#include "testing/live_world.h"

namespace millrace::metrics {
namespace {

TEST(MetricsThreadsTest, EverySampleIsCountedWhileOthersReadAndWrite) {
  constexpr int kRounds = 300;
  testing::LiveWorld world;
  delivery::Delivery delivery;
  Store metrics(world.store, world.commits(), world.loop);
  ASSERT_TRUE(metrics.load().ok());
  Alarms alarms({world.store, world.commits(), world.loop, delivery, metrics});
  const MetricId id{Scope{}, "N", "m", {}};
  const auto queries = [&](const Scope&, const codec::Json&) -> Result<std::vector<Query>> {
    return std::vector{Query{.id = "m1", .metric = id, .statistic = "Sum", .period = Seconds(60)}};
  };
  ASSERT_TRUE(alarms.load(queries).ok());
  world.start();
  alarms.start();
  const Time began = world.loop.now();
  Series* series = metrics.series(id, "Count");
  ASSERT_NE(series, nullptr);
  const auto record = [&](int) { series->record(1); };
  const auto put = [&](int round) {
    const MetricId own{Scope{}, "N", "own", {{"d", std::to_string(round % 5)}}};
    EXPECT_TRUE(metrics.put(own, "None", world.loop.now(), round % 2 == 0, {}));
    (void)metrics.units(own);
  };
  const auto fetch = [&](const MetricId& wanted) {
    const Time now = world.loop.now();
    return metrics.fetch(
        {wanted, std::nullopt, began - std::chrono::minutes(5), now + std::chrono::minutes(5), Seconds(60)});
  };
  const auto read = [&](int) {
    (void)fetch(id);
    (void)metrics.list(Scope{}, Time{}, [](const MetricId&) { return true; });
    (void)metrics.usage();
  };
  const auto watch = [&](int round) {
    Alarm alarm;
    alarm.name = "a" + std::to_string(round % 3);
    alarm.definition = codec::Json::object(
        {{"Threshold", 1}, {"EvaluationPeriods", 1}, {"Period", 60}, {"ComparisonOperator", "GreaterThanThreshold"}});
    if (derive(alarm, *queries({}, {})).ok()) (void)alarms.put(alarm);
    (void)alarms.set_state(Scope{}, alarm.name, AlarmState::kAlarm, "r", "");
    (void)alarms.history(Scope{}, std::nullopt);
    (void)alarms.list(Scope{});
    if (round % 7 == 0) alarms.remove(Scope{}, {alarm.name});
    if (round % 50 == 0) metrics.flush();
  };
  testing::together(kRounds, {record, record, put, read, watch});
  double sum = 0;
  for (const auto& [unit, points] : fetch(id)) {
    for (const auto& [at, statistics] : points) sum += statistics.sum();
  }
  EXPECT_EQ(sum, 2.0 * kRounds);
  metrics.flush();
  world.stop();
}

TEST(MetricsThreadsTest, StatisticsOfAContendedSeriesAreThoseOfOneThread) {
  constexpr int kValues = 20'000;
  constexpr int kThreads = 4;
  testing::LiveWorld world;
  Store metrics(world.store, world.commits(), world.loop);
  ASSERT_TRUE(metrics.load().ok());
  world.start();
  const Time began = world.loop.now();
  const MetricId id{Scope{}, "N", "m", {}};
  Series* const series = metrics.series(id, "Count");
  ASSERT_NE(series, nullptr);
  const auto gather = [&] {
    Statistics all;
    const FetchRequest request{id, std::nullopt, began - std::chrono::minutes(5), began + std::chrono::hours(1)};
    for (const auto& [unit, points] : metrics.fetch(request)) {
      for (const auto& [at, statistics] : points) all.merge(statistics);
    }
    return all;
  };
  std::atomic<int> recording{kThreads};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = thread; i < kValues; i += kThreads) series->record(1 + i % 100, 2);
      --recording;
    });
  }
  double before = 0;
  while (recording > 0) {
    const double count = gather().count();
    EXPECT_GE(count, before) << "what was seen once is seen again";
    before = count;
  }
  for (std::thread& thread : threads) thread.join();
  Statistics expected;
  for (int i = 0; i < kValues; ++i) expected.add(1 + i % 100, 2);
  const Statistics found = gather();
  EXPECT_EQ(found.count(), expected.count());
  EXPECT_EQ(found.sum(), expected.sum());
  EXPECT_EQ(found.min(), 1);
  EXPECT_EQ(found.max(), 100);
  for (const char* each : {"p50", "p99", "tm90", "PR(:30)"}) {
    const auto statistic = Statistic::parse(each);
    ASSERT_TRUE(statistic);
    EXPECT_EQ(statistic->of(found), statistic->of(expected)) << each;
  }
  metrics.flush();
  world.stop();
}

}  // namespace
}  // namespace millrace::metrics
