#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codec/json.h"
#include "metrics/errors.h"
#include "metrics/query.h"
#include "metrics/store.h"
#include "storage/memory/memory_store.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"

namespace millrace::metrics {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::Pair;

Statistics of(std::initializer_list<double> values) {
  Statistics out;
  for (const double value : values) out.add(value);
  return out;
}

double value(const char* name, const Statistics& statistics) {
  const auto statistic = Statistic::parse(name);
  EXPECT_TRUE(statistic) << name;
  return statistic ? statistic->of(statistics).value_or(NAN) : NAN;
}

TEST(StatisticsTest, SimpleStatisticsOfAFewValues) {
  const auto values = of({3, 1, 2, -4});
  EXPECT_EQ(value("SampleCount", values), 4);
  EXPECT_EQ(value("Sum", values), 2);
  EXPECT_EQ(value("Average", values), 0.5);
  EXPECT_EQ(value("Minimum", values), -4);
  EXPECT_EQ(value("Maximum", values), 3);
}

TEST(StatisticsTest, ExtendedStatisticsCutAtRanksOrValues) {
  Statistics values;
  for (int i = 1; i <= 100; ++i) values.add(i);
  EXPECT_THAT(value("p50", values), DoubleNear(50, 0.5));
  EXPECT_THAT(value("p99", values), DoubleNear(99, 1));
  EXPECT_EQ(value("p100", values), 100);
  EXPECT_THAT(value("tm90", values), DoubleNear(45.5, 0.5));
  EXPECT_THAT(value("TM(10%:90%)", values), DoubleNear(50.5, 0.5));
  EXPECT_THAT(value("tc(10%:90%)", values), DoubleNear(80, 0.01));
  EXPECT_THAT(value("ts(:50%)", values), DoubleNear(1275, 10));
  EXPECT_THAT(value("PR(:30)", values), DoubleNear(30, 1));
  EXPECT_THAT(value("tc(20:30)", values), DoubleNear(10, 1));
  EXPECT_THAT(value("IQM", values), DoubleNear(50.5, 0.5));
  EXPECT_THAT(value("wm98", values), DoubleNear(50.47, 0.1));
}

TEST(StatisticsTest, WhatIsNoStatisticIsRefused) {
  for (const char* text : {"", "p", "p101", "p-1", "pr50", "Median", "tm(10%:5%)", "tm(10%:90)", "tm(:)", "p(1%:2%)",
                           "tm(a:b)", "pr(1%:2%)", "average", "tm(10%:90%"})
    EXPECT_FALSE(Statistic::parse(text)) << text;
}

TEST(StatisticsTest, ASetOfAnotherAggregationHasNoPercentiles) {
  Statistics set;
  set.add_set(10, 55, 1, 10);
  EXPECT_EQ(value("Average", set), 5.5);
  EXPECT_TRUE(std::isnan(value("p50", set)));
  Statistics equal;
  equal.add_set(10, 50, 5, 5);
  EXPECT_EQ(value("p50", equal), 5);
}

TEST(StatisticsTest, ManyMagnitudesStayWithinTheLimitAndSurviveStorage) {
  Statistics values;
  for (int i = 0; i < 5000; ++i) values.add(std::pow(1.05, i % 1000) * (i % 2 == 0 ? 1 : -1));
  values.add(0);
  EXPECT_LE(values.buckets().size(), kBucketsMax);
  std::string data;
  values.encode(data);
  std::string_view rest = data;
  const auto back = Statistics::take(rest);
  ASSERT_TRUE(back);
  EXPECT_TRUE(rest.empty());
  EXPECT_EQ(back->sum(), values.sum());
  EXPECT_EQ(value("p90", *back), value("p90", values));
  for (std::size_t cut = 0; cut < data.size(); cut += 7) {
    std::string_view damaged = std::string_view(data).substr(0, cut);
    EXPECT_FALSE(Statistics::take(damaged)) << cut;
  }
}

// --- metric math ---

Time minute(int number) { return from_unix_ms(number * 60'000LL); }

class MathTest : public ::testing::Test {
 protected:
  MathTest() {
    around_.period = Seconds(60);
    for (int i = 0; i < 4; ++i) around_.times.push_back(minute(i));
    around_.value_of = [this](std::string_view id) {
      const auto it = values_.find(id);
      return it == values_.end() ? nullptr : &it->second;
    };
    around_.metrics = [this] {
      std::vector<TimeSeries> all;
      for (const auto& [id, each] : values_) all.push_back(each.series.front());
      return all;
    };
    set("m1", {{0, 1}, {1, 2}, {3, 4}});
    set("m2", {{0, 10}, {1, 0}, {2, 30}});
  }
  void set(const std::string& id, std::initializer_list<std::pair<int, double>> points) {
    Value value;
    value.kind = Value::Kind::kSeries;
    value.series.push_back({id, id, Seconds(60), {}});
    for (const auto& [at, point] : points) value.series.front().points[minute(at)] = point;
    values_[id] = std::move(value);
  }
  // "0=11 1=2", "5" for a number, the series of an array separated by " | ", or the error.
  std::string result(const std::string& text) {
    const auto expression = Expression::parse(text);
    if (!expression.ok()) return "error: " + expression.error().message();
    const auto value = expression->evaluate(around_);
    if (!value.ok()) return "error: " + value.error().message();
    const auto number = [](double each) {
      std::string out;
      codec::append_json_number(out, each);
      return out;
    };
    if (value->kind == Value::Kind::kScalar) return number(value->scalar);
    std::string out;
    for (const auto& series : value->series) {
      if (&series != &value->series.front()) out += " | ";
      bool first = true;
      for (const auto& [at, point] : series.points) {
        out += (first ? "" : " ") + std::to_string(to_unix_s(at) / 60) + "=" + number(point);
        first = false;
      }
    }
    return out;
  }
  std::map<std::string, Value, std::less<>> values_;
  Surroundings around_;
};

TEST_F(MathTest, EachExpressionHasItsValue) {
  const std::pair<const char*, const char*> kTable[] = {
      {"1 + 2 * 3", "7"},
      {"(1 + 2) * 3", "9"},
      {"2 ^ 3 ^ 2", "512"},
      {"-2 + 5", "3"},
      {"m1 + m2", "0=11 1=2"},
      {"m1 * 100", "0=100 1=200 3=400"},
      {"100 / m2", "0=10 2=3.3333333333333335"},
      {"m1 / m2", "0=0.1"},
      {"m1 > 1", "0=0 1=1 3=1"},
      {"m1 >= 2 AND m1 < 4", "0=0 1=1 3=0"},
      {"m1 == 1 || m1 == 4", "0=1 1=0 3=1"},
      {"SUM(m1)", "7"},
      {"AVG(m2)", "13.333333333333334"},
      {"MAX([m1, m2])", "0=10 1=2 2=30 3=4"},
      {"MIN(METRICS())", "0=1 1=0 2=30 3=4"},
      {"SUM(METRICS(\"1\"))", "0=1 1=2 3=4"},
      {"METRICS() + 1", "0=2 1=3 3=5 | 0=11 1=1 2=31"},
      {"FILL(m1, 0)", "0=1 1=2 2=0 3=4"},
      {"FILL(m1, REPEAT)", "0=1 1=2 2=2 3=4"},
      {"FILL(m1, LINEAR)", "0=1 1=2 2=3 3=4"},
      {"FILL(m1, m2)", "0=1 1=2 2=30 3=4"},
      {"IF(m1 > 1, m1, -1)", "0=-1 1=2 3=4"},
      {"IF(m1 > 1, m1)", "1=2 3=4"},
      {"IF(1, m1, m2)", "0=1 1=2 3=4"},
      {"DIFF(m1)", "1=1 3=2"},
      {"DIFF_TIME(m1)", "1=60 3=120"},
      {"RATE(m2)", "1=-0.16666666666666666 2=0.5"},
      {"RUNNING_SUM(m1)", "0=1 1=3 3=7"},
      {"ABS(-3)", "3"},
      {"CEIL(m1 / 3)", "0=1 1=1 3=2"},
      {"FIRST(m1) + LAST(m1)", "5"},
      {"METRIC_COUNT(METRICS())", "2"},
      {"PERIOD(m1)", "60"},
      {"DATAPOINT_COUNT(m1)", "3"},
      {"TIME_SERIES(5)", "0=5 1=5 2=5 3=5"},
      {"MINUTE(m1)", "0=0 1=1 3=3"},
      {"YEAR(m1) + MONTH(m1) + DATE(m1) + DAY(m1)", "0=1976 1=1976 3=1976"},
      {"STDDEV([m1, m2])", "0=4.5 1=1 2=0 3=0"},
  };
  for (const auto& [text, expected] : kTable) EXPECT_EQ(result(text), expected) << text;
}

TEST_F(MathTest, WhatIsWrongIsToldWithItsReason) {
  EXPECT_THAT(result("m1 +"), ::testing::HasSubstr("ends early"));
  EXPECT_THAT(result("m1 m2"), ::testing::HasSubstr("unexpected 'm2'"));
  EXPECT_THAT(result("(m1"), ::testing::HasSubstr("')' is missing"));
  EXPECT_THAT(result("M1"), ::testing::HasSubstr("lower case"));
  EXPECT_THAT(result("m9"), ::testing::HasSubstr("Undefined id 'm9'"));
  EXPECT_THAT(result("SEARCH('x', 'Sum')"), ::testing::HasSubstr("SEARCH is not supported"));
  EXPECT_THAT(result("ANOMALY_DETECTION_BAND(m1)"), ::testing::HasSubstr("is not supported"));
  EXPECT_THAT(result("FOO(m1)"), ::testing::HasSubstr("no function FOO"));
  EXPECT_THAT(result("AVG()"), ::testing::HasSubstr("wrong number of arguments"));
  EXPECT_THAT(result("RATE(3)"), ::testing::HasSubstr("takes a time series"));
  EXPECT_THAT(result("FILL(m1, \"x\")"), ::testing::HasSubstr("FILL takes"));
  EXPECT_THAT(result(std::string(5000, '(')), ::testing::HasSubstr("too deeply"));
  EXPECT_THAT(result(std::string(5000, '-') + "1"), ::testing::HasSubstr("too deeply"));
}

TEST(QueriesTest, MistakesAreFoundBeforeAnythingIsRead) {
  const auto metric = [](const char* id, const char* statistic = "Sum", int period = 60) {
    Query query;
    query.id = id;
    query.metric = MetricId{{}, "S", "N", {}};
    query.statistic = statistic;
    query.period = Seconds(period);
    return query;
  };
  const auto expression = [](const char* id, const char* text) {
    Query query;
    query.id = id;
    query.expression = text;
    return query;
  };
  EXPECT_TRUE(check_queries({metric("m1"), expression("e1", "m1 * 2"), expression("e2", "SUM(METRICS()) + e1")}).ok());
  const std::vector<Query> kWrong[] = {{},
                                       {metric("M1")},
                                       {metric("m1"), metric("m1")},
                                       {metric("m1", "Median")},
                                       {metric("m1", "Sum", 61)},
                                       {expression("e1", "m1")},
                                       {expression("e1", "e1 + 1")},
                                       {expression("e1", "e2"), expression("e2", "e1")},
                                       {expression("e1", "1 +")}};
  for (const auto& queries : kWrong) EXPECT_FALSE(check_queries(queries).ok());
}

// --- the store ---

class StoreTest : public ::testing::Test {
 protected:
  StoreTest() { restart(); }
  void restart() {
    metrics_.reset();
    metrics_ = std::make_unique<Store>(store_, commits_, scheduler_, limits_);
    ASSERT_TRUE(metrics_->load().ok());
  }
  static MetricId id(const char* name) { return {Scope{}, "App", name, {{"D", "x"}}}; }
  std::vector<std::pair<std::int64_t, double>> sums(const char* name, Milliseconds from_ago, Seconds period) {
    std::vector<std::pair<std::int64_t, double>> out;
    const Time now = scheduler_.now();
    for (const auto& fetched : metrics_->fetch({id(name), {}, now - from_ago, now + Seconds(60), period}))
      for (const auto& [at, statistics] : fetched.points)
        out.emplace_back((at - testing::kVirtualStart) / Seconds(60), statistics.sum());
    return out;
  }

  Limits limits_;
  testing::VirtualScheduler scheduler_;
  storage::MemoryStore store_;
  testing::TestCommits commits_{store_, scheduler_};
  std::unique_ptr<Store> metrics_;
};

TEST_F(StoreTest, ValuesAreSummedByMinuteAndSeenAtOnce) {
  Series* series = metrics_->series(id("n"), "Count");
  series->record(1);
  series->record(2);
  EXPECT_THAT(sums("n", Milliseconds(0), Seconds(60)), ElementsAre(Pair(0, 3)));
  scheduler_.advance(std::chrono::minutes(1));
  series->record(5);
  EXPECT_THAT(sums("n", std::chrono::minutes(1), Seconds(60)), ElementsAre(Pair(0, 3), Pair(1, 5)));
  EXPECT_THAT(sums("n", std::chrono::minutes(1), Seconds(300)), ElementsAre(Pair(0, 8)));
}

TEST_F(StoreTest, AnIdleStoreHasNoTimerDueWithinItsRetention) {
  metrics_->series(id("n"), "Count")->record(1);
  scheduler_.advance(std::chrono::minutes(5));
  EXPECT_GT(scheduler_.next_timer(), scheduler_.now() + std::chrono::days(10));
}

TEST_F(StoreTest, OnlyWhoRecordsAfterAQuietMinuteHandsWorkToTheControlThread) {
  Series* const series = metrics_->series(id("n"), "Count");
  for (int minute = 0; minute < 5; ++minute) {
    series->record(1);
    metrics_->measure_soon();
    EXPECT_EQ(scheduler_.busy().count(), minute == 0 ? 1 : 0);
    EXPECT_THAT(sums("n", std::chrono::minutes(minute), Seconds(300)), ElementsAre(Pair(0, minute + 1)));
    series->record(0);  // data again, after it was gathered
    EXPECT_EQ(scheduler_.busy().count(), minute == 0 ? 1 : 0);
    scheduler_.advance(std::chrono::minutes(1));
  }
  scheduler_.advance(std::chrono::minutes(5));
  series->record(1);
  EXPECT_EQ(scheduler_.busy().count(), 1);
}

TEST_F(StoreTest, WhatWasFlushedIsThereAfterARestart) {
  metrics_->series(id("n"), "Count")->record(7);
  metrics_->flush();
  scheduler_.run_ready();
  restart();
  EXPECT_THAT(sums("n", Milliseconds(0), Seconds(60)), ElementsAre(Pair(0, 7)));
  metrics_->series(id("n"), "Count")->record(1);
  EXPECT_THAT(sums("n", Milliseconds(0), Seconds(60)), ElementsAre(Pair(0, 8)));
  EXPECT_EQ(metrics_->list(Scope{}, Time{}, [](const auto&) { return true; }).size(), 1u);
}

TEST_F(StoreTest, OldMinutesAreRolledUpAndAtLastForgotten) {
  for (int i = 0; i < 10; ++i) {
    metrics_->series(id("n"), "Count")->record(1);
    scheduler_.advance(std::chrono::minutes(1));
  }
  scheduler_.advance(std::chrono::days(20));
  EXPECT_THAT(sums("n", std::chrono::days(20) + std::chrono::minutes(10), Seconds(60)),
              ElementsAre(Pair(0, 5), Pair(5, 5)));
  scheduler_.advance(std::chrono::days(60));
  EXPECT_THAT(sums("n", std::chrono::days(80) + std::chrono::minutes(10), Seconds(60)), ElementsAre(Pair(0, 10)));
  scheduler_.advance(std::chrono::days(400));
  EXPECT_TRUE(sums("n", std::chrono::days(500), Seconds(86400)).empty());
  EXPECT_EQ(metrics_->usage().bytes, 0u);
  scheduler_.advance(std::chrono::days(1));
  EXPECT_EQ(scheduler_.next_timer(), kNever);
}

TEST_F(StoreTest, SecondsAreKeptForThreeHours) {
  Statistics one;
  one.add(1);
  metrics_->put(id("n"), "Count", scheduler_.now(), true, one);
  metrics_->put(id("n"), "Count", scheduler_.now() + Seconds(2), true, one);
  scheduler_.advance(Seconds(30));
  const auto fine =
      metrics_->fetch({id("n"), {}, testing::kVirtualStart, testing::kVirtualStart + Seconds(10), Seconds(1)});
  ASSERT_EQ(fine.size(), 1u);
  EXPECT_EQ(fine[0].points.size(), 2u);
  scheduler_.advance(std::chrono::hours(8));
  EXPECT_TRUE(
      metrics_->fetch({id("n"), {}, testing::kVirtualStart, testing::kVirtualStart + Seconds(10), Seconds(1)}).empty());
  EXPECT_THAT(sums("n", std::chrono::hours(9), Seconds(60)), ElementsAre(Pair(0, 2)));
}

TEST_F(StoreTest, TheNumberOfMetricsIsLimited) {
  limits_.series = 2;
  restart();
  EXPECT_NE(metrics_->series(id("a"), "Count"), nullptr);
  EXPECT_NE(metrics_->series(id("b"), "Count"), nullptr);
  EXPECT_EQ(metrics_->series(id("c"), "Count"), nullptr);
  EXPECT_NE(metrics_->series(id("a"), "Count"), nullptr);
  EXPECT_EQ(metrics_->usage().refused, 1u);
}

TEST_F(StoreTest, TheSpaceIsLimited) {
  limits_.bytes = 20'000;
  limits_.persist_every = Milliseconds(0);
  restart();
  for (int hour = 0; hour < 200; ++hour) {
    for (int i = 0; i < 10; ++i) metrics_->series(id("n"), "Count")->record(i * i);
    scheduler_.advance(std::chrono::hours(1));
  }
  EXPECT_LE(metrics_->usage().bytes, 20'000u);
  EXPECT_FALSE(sums("n", std::chrono::hours(3), Seconds(60)).empty());
}

TEST_F(StoreTest, WhoWatchesIsToldOfTheMetricsThatGotData) {
  std::vector<std::size_t> told;
  metrics_->on_data([&](const std::set<MetricId>& news) { told.push_back(news.size()); });
  metrics_->series(id("a"), "Count")->record(1);
  metrics_->series(id("b"), "Count")->record(1);
  scheduler_.advance(std::chrono::minutes(3));
  EXPECT_THAT(told, ElementsAre(2));
}

TEST_F(StoreTest, ANumberIsNeverGivenToAnotherMetric) {
  const auto number = [this](const char* name) {
    metrics_->series(id(name), "Count")->record(1);
    metrics_->flush();
    scheduler_.run_ready();
    const std::string prefix = "metrics/series/";
    auto all = store_.iterate(storage::Family::kCatalogue, {prefix, storage::prefix_end(prefix)});
    all->seek(prefix);
    return all->valid() ? std::string(all->key()) : std::string();
  };
  const std::string before = number("a");
  ASSERT_FALSE(before.empty());
  metrics_->reset(Scope{}.account);
  scheduler_.run_ready();
  scheduler_.set_machine_offset(-std::chrono::hours(24 * 365));
  restart();
  EXPECT_GT(number("b"), before) << "chunks of the one may outlive it";
}

TEST_F(StoreTest, AnAccountIsForgotten) {
  metrics_->series(id("a"), "Count")->record(1);
  metrics_->flush();
  scheduler_.run_ready();
  metrics_->reset(Scope{}.account);
  scheduler_.run_ready();
  EXPECT_TRUE(sums("a", std::chrono::hours(1), Seconds(60)).empty());
  EXPECT_TRUE(metrics_->list(Scope{}, Time{}, [](const auto&) { return true; }).empty());
  metrics_->series(id("a"), "Count")->record(4);
  EXPECT_THAT(sums("a", Milliseconds(0), Seconds(60)), ElementsAre(Pair(0, 4)));
}

}  // namespace
}  // namespace millrace::metrics
