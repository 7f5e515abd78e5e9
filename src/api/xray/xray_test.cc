#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/xray/operations.h"
#include "storage/memory/memory_store.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"

namespace millrace::api_xray {
namespace {

using ::testing::HasSubstr;

class XRayTest : public ::testing::Test {
 protected:
  XRayTest() { context_.caller.scope = {"000000000000", "us-east-1"}; }
  std::string error(std::string_view operation, const Document& input) {
    auto reply = service_->find(operation)->handler(context_, input);
    return reply.ok() ? "no error" : std::string(reply.error().type().name) + ": " + reply.error().message();
  }
  Document ok(std::string_view operation, const Document& input) {
    auto reply = service_->find(operation)->handler(context_, input);
    EXPECT_TRUE(reply.ok()) << reply.error().message();
    return reply.ok() ? std::move(reply->output) : Document();
  }
  static Document segment(std::string_view id, std::string_view trace) {
    return Document::object(
        {{"id", id}, {"name", "n"}, {"trace_id", trace}, {"start_time", 1767225600.5}, {"end_time", 1767225601.0}});
  }
  static Document range(std::initializer_list<Document::Member> more = {}) {
    Document out = Document::object({{"StartTime", 1767225600.0}, {"EndTime", 1767229200.0}});
    for (const auto& [name, value] : more) out.set(name, value);
    return out;
  }

  testing::VirtualScheduler scheduler_;
  storage::MemoryStore disk_;
  testing::TestCommits commits_{disk_, scheduler_};
  traces::Store store_{disk_, commits_, scheduler_};
  platform::SeededRandom random_{1};
  traces::Sampler sampler_{traces::kAwsRule, random_};
  std::unique_ptr<wire::Service> service_ = make_xray_service({store_, sampler_, scheduler_});
  wire::RequestContext context_;
};

constexpr const char* kTrace = "1-6955b900-abcdef012345678912345678";

TEST_F(XRayTest, AnAnswerWaitsForItsSegments) {
  auto reply = put_trace_segments(
      {store_, sampler_, scheduler_}, context_,
      Document::object({{"TraceSegmentDocuments", Document::array({segment("00000000000000a1", kTrace).dump()})}}));
  ASSERT_TRUE(reply.ok());
  EXPECT_GT(reply->after, 0u);
}

TEST_F(XRayTest, AskedForByTheOtherFormOfItsIdATraceIsFound) {
  ok("PutTraceSegments",
     Document::object({{"TraceSegmentDocuments", Document::array({segment("00000000000000a1", kTrace).dump()})}}));
  const auto found =
      ok("BatchGetTraces", Document::object({{"TraceIds", Document::array({"6955b900abcdef012345678912345678"})}}));
  EXPECT_EQ(found.find("Traces")->as_array()[0].string_or("Id", ""), kTrace);
}

TEST_F(XRayTest, WhatIsWrongIsRefused) {
  EXPECT_THAT(error("BatchGetTraces", Document::object({{"TraceIds", Document::array({"1-2-3"})}})),
              HasSubstr("1-2-3"));
  Document six = Document::array();
  for (int i = 0; i < 6; ++i) six.push(kTrace);
  EXPECT_THAT(error("BatchGetTraces", Document::object({{"TraceIds", six}})), HasSubstr("at most 5"));
  EXPECT_THAT(error("BatchGetTraces", Document::object({{"TraceIds", Document::array()}, {"NextToken", "t"}})),
              HasSubstr("NextToken"));
  EXPECT_THAT(error("GetTraceSummaries", range({{"EndTime", 5.0}})), HasSubstr("end time"));
  EXPECT_THAT(error("GetTraceSummaries", range({{"FilterExpression", "a b"}})), HasSubstr("filter expression"));
  EXPECT_THAT(error("GetTraceSummaries", range({{"TimeRangeType", "Service"}})), HasSubstr("TimeRangeType"));
  EXPECT_THAT(error("GetTraceSummaries", range({{"NextToken", "t"}})), HasSubstr("token"));
  const Document strategy = Document::object({{"Name", "FixedRate"}, {"Value", 2.0}});
  EXPECT_THAT(error("GetTraceSummaries", range({{"Sampling", true}, {"SamplingStrategy", strategy}})),
              HasSubstr("sampling strategy"));
  EXPECT_THAT(error("GetSamplingRules", Document::object({{"NextToken", "t"}})), HasSubstr("token"));
}

TEST_F(XRayTest, AFixedRateTakesThatShareOfTraces) {
  for (int i = 0; i < 200; ++i) {
    const std::string digits = std::to_string(100 + i);
    store_.put(context_.caller.scope,
               traces::own_segment(segment("00000000000000a1", "1-6955b900-abcdef012345678912345" + digits)));
  }
  std::size_t share = 0;
  Document input =
      range({{"Sampling", true}, {"SamplingStrategy", Document::object({{"Name", "FixedRate"}, {"Value", 0.5}})}});
  for (std::string token = "x"; !token.empty();) {
    const auto page = ok("GetTraceSummaries", input);
    share += page.find("TraceSummaries")->as_array().size();
    token = page.string_or("NextToken", "");
    input.set("NextToken", token);
  }
  EXPECT_NEAR(static_cast<double>(share), 100, 35);
}

TEST_F(XRayTest, TheRuleIsTheServers) {
  const auto rules = ok("GetSamplingRules", Document::object());
  const auto& rule = *rules.find("SamplingRuleRecords")->as_array()[0].find("SamplingRule");
  EXPECT_EQ(rule.find("FixedRate")->as_double(), 0.05);
  EXPECT_EQ(rule.int_or("ReservoirSize", 0), 1);
}

}  // namespace
}  // namespace millrace::api_xray
