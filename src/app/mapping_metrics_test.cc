#include "app/internal/mapping_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::app {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(MappingMetrics, NameEveryLane) {
  triggers::Status status;
  status.mapping.uuid = "u";
  status.mapping.function_arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
  status.is_blocked = true;
  status.totals.retries = 2'000'000;
  triggers::LaneStatus idle, failing;
  idle.position = 7;
  failing.waiting = triggers::Waiting::kBackoff;
  failing.until = from_unix_ms(2500);
  failing.tries.failures = 3;
  failing.backlog_records = 9;
  failing.oldest = from_unix_ms(500);
  failing.last_error = "a \"quoted\"\nerror";
  failing.last_error_at = from_unix_ms(1000);
  status.shards.push_back({.id = "s", .number = 1, .lanes = {idle, failing}});
  const std::string text = mapping_metrics({status}, {.currency = "EUR"}, from_unix_ms(2000));
  const std::string lane = R"({mapping="u",function="f",shard="s",lane="1")";
  EXPECT_THAT(
      text,
      HasSubstr("# TYPE millrace_mapping_blocked gauge\nmillrace_mapping_blocked{mapping=\"u\",function=\"f\"} 1"));
  EXPECT_THAT(text, HasSubstr(R"(millrace_mapping_position{mapping="u",function="f",shard="s",lane="0"} 7)"));
  EXPECT_THAT(text, HasSubstr("millrace_mapping_backlog_records" + lane + "} 9"));
  EXPECT_THAT(text, HasSubstr("millrace_mapping_backlog_seconds" + lane + "} 1.5"));
  EXPECT_THAT(text, HasSubstr("millrace_mapping_waits_for" + lane + R"(,for="backoff"} 1)"));
  EXPECT_THAT(text, HasSubstr("millrace_mapping_waits_until_seconds" + lane + "} 2.5"));
  EXPECT_THAT(text, HasSubstr(lane + R"(,error="a \"quoted\"\nerror"} 1)"));
  EXPECT_THAT(text, HasSubstr(R"(millrace_mapping_retry_cost_total{mapping="u",function="f",currency="EUR"} 0.4)"));
}

TEST(MappingMetrics, AreEmptyWithoutMappings) { EXPECT_EQ(mapping_metrics({}, {}, Time{}), ""); }

}  // namespace
}  // namespace millrace::app
