#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codec/key.h"
#include "metrics/alarms.h"
#include "metrics/store.h"
#include "storage/memory/memory_store.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"

namespace millrace::metrics {
namespace {

using storage::Family;
using ::testing::HasSubstr;

class MetricsDamageTest : public ::testing::Test {
 protected:
  void put(Family family, const std::string& key, std::string_view value) {
    storage::WriteBatch batch;
    batch.put(family, key, value);
    ASSERT_TRUE(store_.write(batch, storage::Store::Sync::kSynced).ok());
  }
  std::string refusal() {
    testing::VirtualScheduler scheduler;
    testing::TestCommits commits(store_, scheduler);
    delivery::Delivery delivery;
    Store metrics(store_, commits, scheduler);
    if (const auto loaded = metrics.load(); !loaded.ok()) return loaded.error().message();
    Alarms alarms({store_, commits, scheduler, delivery, metrics});
    const auto none = [](const Scope&, const codec::Json&) { return Result<std::vector<Query>>(std::vector<Query>()); };
    const auto loaded = alarms.load(none);
    return loaded.ok() ? "none" : loaded.error().message();
  }
  static std::string series(std::uint64_t number) { return codec::KeyWriter("metrics/series/").be64(number).str(); }

  storage::MemoryStore store_;
};

TEST_F(MetricsDamageTest, AMetricWithADamagedDimensionIsNamedAtStart) {
  for (const char* dimensions :
       {"[1]", "[[]]", "[[\"a\"]]", "[[\"a\",1]]", "[[1,\"b\"]]", "[[\"a\",\"b\",\"c\"]]", "{}"}) {
    put(Family::kCatalogue, series(7),
        R"({"v":1,"name":"m","unit":"None","dimensions":)" + std::string(dimensions) + "}");
    EXPECT_THAT(refusal(), HasSubstr("damaged metric in the data directory: metrics/series/\\x00")) << dimensions;
  }
  put(Family::kCatalogue, series(7), R"({"v":1,"name":"m","unit":"None","dimensions":[["a","b"]]})");
  EXPECT_EQ(refusal(), "none");
}

TEST_F(MetricsDamageTest, TwoRecordsOfOneMetricAreRefused) {
  for (const std::uint64_t number : {7, 8}) {
    put(Family::kCatalogue, series(number), R"({"v":1,"name":"m","unit":"None","dimensions":[]})");
  }
  EXPECT_THAT(refusal(), HasSubstr("there is another of its name"));
}

TEST_F(MetricsDamageTest, ADamagedAlarmIsNamedAtStart) {
  const std::string key = codec::KeyWriter("metrics/alarms/").text("1").text("r").text("watch").str();
  put(Family::kCatalogue, key, R"({"v":1,"definition":{},"tags":{"a":5}})");
  EXPECT_THAT(refusal(), HasSubstr("damaged alarm in the data directory: metrics/alarms/"));
}

}  // namespace
}  // namespace millrace::metrics
