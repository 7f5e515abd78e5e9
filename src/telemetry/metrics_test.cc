#include "telemetry/metrics.h"

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::telemetry {
namespace {

using testing::HasSubstr;

TEST(MetricsTest, TheSameNameAndLabelsAreTheSameInstrument) {
  Registry registry;
  Counter& a = registry.counter("requests_total", {{"service", "s3"}});
  EXPECT_EQ(&a, &registry.counter("requests_total", {{"service", "s3"}}));
  EXPECT_NE(&a, &registry.counter("requests_total", {{"service", "sqs"}}));
}

TEST(MetricsTest, RendersPrometheusTextWithOneTypeLinePerName) {
  Registry registry;
  registry.counter("requests_total", {{"service", "s3"}}, "Requests served.").add(3);
  registry.counter("requests_total", {{"service", "sqs"}}).add();
  registry.gauge("connections").set(2.5);
  EXPECT_EQ(registry.prometheus(),
            "# HELP requests_total Requests served.\n"
            "# TYPE requests_total counter\n"
            "requests_total{service=\"s3\"} 3\n"
            "requests_total{service=\"sqs\"} 1\n"
            "# TYPE connections gauge\n"
            "connections 2.5\n");
}

TEST(MetricsTest, LabelValuesAreEscaped) {
  Registry registry;
  registry.counter("errors_total", {{"text", "a\"b\\c\nd"}}).add();
  EXPECT_THAT(registry.prometheus(), HasSubstr("errors_total{text=\"a\\\"b\\\\c\\nd\"} 1\n"));
}

TEST(MetricsTest, HistogramsRenderCumulativeBuckets) {
  Registry registry;
  Histogram& histogram = registry.histogram("latency_ms", {{"op", "GetItem"}});
  histogram.record(0.75);
  histogram.record(3);
  histogram.record(3);
  const std::string text = registry.prometheus();
  EXPECT_THAT(text, HasSubstr("# TYPE latency_ms histogram\n"));
  EXPECT_THAT(text, HasSubstr("latency_ms_bucket{op=\"GetItem\",le=\"0.5\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("latency_ms_bucket{op=\"GetItem\",le=\"1\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("latency_ms_bucket{op=\"GetItem\",le=\"4\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("latency_ms_bucket{op=\"GetItem\",le=\"+Inf\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("latency_ms_sum{op=\"GetItem\"} 6.75\n"));
  EXPECT_THAT(text, HasSubstr("latency_ms_count{op=\"GetItem\"} 3\n"));
}

TEST(MetricsTest, QuantilesAreWithinAFifth) {
  Histogram histogram;
  EXPECT_EQ(histogram.quantile(0.5), 0);
  for (int i = 1; i <= 1000; ++i) histogram.record(i);
  for (const double q : {0.01, 0.5, 0.9, 0.99, 1.0}) {
    EXPECT_GE(histogram.quantile(q), 1000 * q * 0.99) << q;
    EXPECT_LE(histogram.quantile(q), 1000 * q * 1.2) << q;
  }
}

TEST(MetricsTest, ImpossibleDurationsAreCountedInTheOuterBuckets) {
  Histogram histogram;
  histogram.record(-5);
  histogram.record(0);
  histogram.record(1e300);
  EXPECT_EQ(histogram.count(), 3U);
  EXPECT_LT(histogram.quantile(0.5), 0.01);
  EXPECT_GT(histogram.quantile(1), 3.6e6);
}

TEST(MetricsTest, ConcurrentAddingLosesNothing) {
  Registry registry;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 10000; ++i) {
          registry.counter("n").add();
          registry.histogram("h").record(1);
        }
      });
    }
  }
  EXPECT_EQ(registry.counter("n").value(), 40000U);
  EXPECT_EQ(registry.histogram("h").count(), 40000U);
  EXPECT_EQ(registry.histogram("h").sum(), 40000);
}

TEST(MetricsDeathTest, OneNameCannotBeTwoKinds) {
  Registry registry;
  registry.counter("n");
  EXPECT_DEATH(registry.gauge("n"), "has_name");
}

}  // namespace
}  // namespace millrace::telemetry
