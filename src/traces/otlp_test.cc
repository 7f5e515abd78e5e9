#include "traces/otlp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::traces {
namespace {

using ::testing::SizeIs;

Json parsed(std::string_view text) { return codec::parse_json(text).value(); }

// The value of an attribute as text, "" without one.
std::string attribute(const Json& holder, std::string_view key) {
  for (const auto& each : holder.find("attributes")->as_array()) {
    if (each.string_or("key", "") == key) return each.find("value")->as_object()[0].second.dump();
  }
  return "";
}

constexpr const char* kSegment = R"({
  "id": "00000000000000a1", "name": "api", "trace_id": "1-6955b900-abcdef012345678912345678", "parent_id": "00000000000000ff",
  "start_time": 1767225600.25, "end_time": 1767225601.5, "origin": "AWS::Lambda::Function", "fault": true,
  "http": {"request": {"method": "GET", "url": "/x"}, "response": {"status": 502}},
  "annotations": {"order": 7, "who": "ann", "gift": true}, "cause": {"exceptions": [{"type": "TypeError", "message": "boom"}]},
  "subsegments": [
    {"id": "00000000000000a2", "name": "S3", "namespace": "aws", "start_time": 1767225600.5, "end_time": 1767225600.75,
     "aws": {"operation": "GetObject", "bucket_name": "b", "request_id": "r"}},
    {"id": "00000000000000a3", "name": "later", "start_time": 1767225600.5, "in_progress": true},
    {"id": "00000000000000a4", "name": "own", "start_time": 1767225600.5, "end_time": 1767225600.6}]})";

TEST(OtlpTest, SegmentsAndSubsegmentsAreSpansUnderTheirOwnIds) {
  const auto spans = spans_of(parsed(kSegment));
  ASSERT_THAT(spans, SizeIs(3));  // not the one in progress
  for (const auto& span : spans) EXPECT_EQ(span.string_or("traceId", ""), "6955b900abcdef012345678912345678");
  EXPECT_EQ(spans[0].string_or("spanId", ""), "00000000000000a1");
  EXPECT_EQ(spans[0].string_or("parentSpanId", ""), "00000000000000ff");
  EXPECT_EQ(spans[0].string_or("startTimeUnixNano", ""), "1767225600250000000");
  EXPECT_EQ(spans[0].string_or("endTimeUnixNano", ""), "1767225601500000000");
  EXPECT_EQ(spans[0].int_or("kind", 0), 2);
  EXPECT_EQ(spans[0].find("status")->int_or("code", 0), 2);
  EXPECT_EQ(attribute(spans[0], "http.response.status_code"), "\"502\"");
  EXPECT_EQ(attribute(spans[0], "order"), "\"7\"");
  EXPECT_EQ(attribute(spans[0], "gift"), "true");
  EXPECT_EQ(attribute(spans[0].find("events")->as_array()[0], "exception.message"), "\"boom\"");
  EXPECT_EQ(spans[1].string_or("name", ""), "S3.GetObject");
  EXPECT_EQ(spans[1].string_or("parentSpanId", ""), "00000000000000a1");
  EXPECT_EQ(spans[1].int_or("kind", 0), 3);
  EXPECT_EQ(attribute(spans[1], "rpc.method"), "\"GetObject\"");
  EXPECT_EQ(attribute(spans[1], "aws.s3.bucket"), "\"b\"");
  EXPECT_EQ(spans[2].int_or("kind", 0), 1);
}

TEST(OtlpTest, ARequestHasAResourcePerService) {
  ExportRequest request;
  request.add(parsed(kSegment), "000000000000", "us-east-1");
  request.add(parsed(kSegment), "000000000000", "us-east-1");
  Json call = parsed(kSegment);
  call.set("type", "subsegment");
  request.add(call, "000000000000", "us-east-1");
  request.add(
      parsed(
          R"({"id":"00000000000000a3","name":"p","trace_id":"1-6955b900-abcdef012345678912345678","start_time":1,"in_progress":true})"),
      "000000000000", "us-east-1");
  EXPECT_EQ(request.spans(), 9u);
  const Json document = request.take();
  const auto& resources = document.find("resourceSpans")->as_array();
  ASSERT_THAT(resources, SizeIs(2));
  EXPECT_EQ(attribute(*resources[0].find("resource"), "service.name"), "\"api\"");
  EXPECT_EQ(attribute(*resources[0].find("resource"), "cloud.platform"), "\"aws_lambda\"");
  EXPECT_THAT(resources[0].find("scopeSpans")->as_array()[0].find("spans")->as_array(), SizeIs(6));
  EXPECT_EQ(attribute(*resources[1].find("resource"), "service.name"), "\"millrace\"");
  EXPECT_EQ(request.spans(), 0u);
}

}  // namespace
}  // namespace millrace::traces
