#include <gtest/gtest.h>

#include "api/cloudwatch/operations.h"
#include "storage/memory/memory_store.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"

namespace millrace::api_cloudwatch {
namespace {

class CloudWatchTest : public ::testing::Test {
 protected:
  std::string error(std::string_view operation, const Document& input) {
    auto reply = service_->find(operation)->handler(context_, input);
    return reply.ok() ? "no error" : std::string(reply.error().type().name);
  }
  Document ok(std::string_view operation, const Document& input) {
    auto reply = service_->find(operation)->handler(context_, input);
    EXPECT_TRUE(reply.ok()) << reply.error().message();
    return reply.ok() ? std::move(reply->output) : Document();
  }
  static Document datum(std::initializer_list<Document::Member> members) {
    Document out = Document::object({{"MetricName", "m"}});
    for (const auto& [name, value] : members) out.set(name, value);
    return Document::object({{"Namespace", "App"}, {"MetricData", Document::array({out})}});
  }

  testing::VirtualScheduler scheduler_;
  storage::MemoryStore store_;
  testing::TestCommits commits_{store_, scheduler_};
  metrics::Store metrics_{store_, commits_, scheduler_};
  delivery::Delivery delivery_;
  metrics::Alarms alarms_{{store_, commits_, scheduler_, delivery_, metrics_}};
  std::unique_ptr<wire::Service> service_ = make_cloudwatch_service({metrics_, alarms_, scheduler_});
  wire::RequestContext context_;
};

TEST_F(CloudWatchTest, ListsPagesOfFiveHundred) {
  for (int i = 0; i < 501; ++i)
    ok("PutMetricData", datum({{"MetricName", "m" + std::to_string(1000 + i)}, {"Value", 1.0}}));
  const auto first = ok("ListMetrics", Document::object());
  EXPECT_EQ(first.find("Metrics")->as_array().size(), 500u);
  const auto second = ok("ListMetrics", Document::object({{"NextToken", first.string_or("NextToken", "")}}));
  EXPECT_EQ(second.find("Metrics")->as_array().size(), 1u);
  EXPECT_EQ(second.find("NextToken"), nullptr);
  EXPECT_EQ(error("ListMetrics", Document::object({{"NextToken", "x"}})), "InvalidNextToken");
}

TEST_F(CloudWatchTest, WhatIsNotServedIsRefusedByName) {
  EXPECT_EQ(error("ListMetrics", Document::object({{"IncludeLinkedAccounts", true}})),
            "InvalidParameterValueException");
  Document input = datum({{"Value", 1.0}});
  input.set("EntityMetricData", Document::array());
  EXPECT_EQ(error("PutMetricData", input), "InvalidParameterValueException");
}

TEST_F(CloudWatchTest, ValuesAreChecked) {
  EXPECT_EQ(error("PutMetricData", datum({{"Value", 1.0}, {"Unit", "Furlongs"}})), "InvalidParameterValueException");
  EXPECT_EQ(error("PutMetricData", datum({{"Value", 1.0}, {"StorageResolution", 5}})),
            "InvalidParameterValueException");
  const auto set = [](double low, double high) {
    return datum({{"StatisticValues",
                   Document::object({{"SampleCount", 2.0}, {"Sum", 3.0}, {"Minimum", low}, {"Maximum", high}})}});
  };
  EXPECT_EQ(error("PutMetricData", set(2, 1)), "InvalidParameterValueException");
  EXPECT_EQ(error("PutMetricData", set(1, 2)), "no error");
  const Document twice = Document::array(
      {Document::object({{"Name", "A"}, {"Value", "1"}}), Document::object({{"Name", "A"}, {"Value", "2"}})});
  EXPECT_EQ(error("PutMetricData", datum({{"Value", 1.0}, {"Dimensions", twice}})), "InvalidParameterValueException");
}

}  // namespace
}  // namespace millrace::api_cloudwatch
