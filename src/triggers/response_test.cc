#include "triggers/response.h"

#include <gtest/gtest.h>

#include "model/change_record.h"
#include "triggers/documents.h"

namespace millrace::triggers {
namespace {

std::deque<Record> batch() {
  std::deque<Record> records;
  for (SequenceNumber id : {11, 12, 13, 14}) records.push_back({.sequence = id, .created = {}, .event = ""});
  return records;
}

std::string failures(std::initializer_list<SequenceNumber> ids) {
  std::string items;
  for (const SequenceNumber id : ids) {
    items += std::string(items.empty() ? "" : ",") + R"({"itemIdentifier":")" + model::sequence_number(id) + "\"}";
  }
  return R"({"batchItemFailures":[)" + items + "]}";
}

TEST(Response, CompleteSuccess) {
  for (const char* body :
       {"", "  ", "null", "\"\"", "[]", "{}", R"({"batchItemFailures":[]})", R"({"batchItemFailures":null})"}) {
    EXPECT_EQ(leading_done(body, batch()), 4u) << body;
  }
}

TEST(Response, TheLowestReportedNumberCounts) {
  EXPECT_EQ(leading_done(failures({14, 12, 13}), batch()), 1u);
  EXPECT_EQ(leading_done(failures({14}), batch()), 3u);
  EXPECT_EQ(leading_done(failures({11}), batch()), 0u);
}

TEST(Response, WhatNamesNoRecordOfTheBatchFailsAll) {
  for (const char* body :
       {R"({"batchItemFailures":[{"itemIdentifier":""}]})", R"({"batchItemFailures":[{"itemIdentifier":null}]})",
        R"({"batchItemFailures":[{"itemIdentifier":123}]})", R"({"batchItemFailures":[{"itemIdentifier":"123"}]})",
        R"({"batchItemFailures":[{"foo":"bar"}]})", R"({"batchItemFailures":[{"foo":null}]})",
        R"({"batchItemFailures":"x"})", R"({"batchItemFailures":["x"]})", "no json", "17", "\"text\""}) {
    EXPECT_EQ(leading_done(body, batch()), 0u) << body;
  }
  EXPECT_EQ(leading_done(failures({14, 99}), batch()), 0u);
  // A number that lies between those of the batch, as that of another lane's record does, is none of them.
  std::deque<Record> gaps = batch();
  gaps.erase(gaps.begin() + 2);
  EXPECT_EQ(leading_done(failures({13}), gaps), 0u);
  EXPECT_EQ(leading_done(failures({14}), gaps), 2u);
}

FailureDocument document() {
  FailureDocument out;
  out.request_id = "6a7a7d45-3d0d-4d1d-a172-5e7a8e00d19e";
  out.function_arn = "arn:aws:lambda:us-east-1:000000000000:function:f:alias";
  out.invocations = 2;
  out.response = ResponseContext{200, "1", "Unhandled"};
  out.now = *parse_iso("2026-09-17T13:29:12.967Z");
  out.stream_arn = "arn:aws:dynamodb:us-east-1:000000000000:table/T/stream/2026-09-17T13:26:53.746";
  out.shard_id = "shardId-00000001789651619772-2a9e5aad";
  out.first = 29;
  out.last = 34;
  out.first_created = *parse_iso("2026-09-17T13:27:38Z");
  out.last_created = *parse_iso("2026-09-17T13:27:40Z");
  out.batch_size = 4;
  return out;
}

TEST(FailureDocument, HasTheRecordedMembersInTheRecordedOrder) {
  EXPECT_EQ(
      render(document()),
      R"({"requestContext":{"requestId":"6a7a7d45-3d0d-4d1d-a172-5e7a8e00d19e",)"
      R"("functionArn":"arn:aws:lambda:us-east-1:000000000000:function:f:alias","condition":"RetryAttemptsExhausted",)"
      R"("approximateInvokeCount":2},"responseContext":{"statusCode":200,"executedVersion":"1",)"
      R"("functionError":"Unhandled"},"version":"1.0","timestamp":"2026-09-17T13:29:12.967Z","DDBStreamBatchInfo":{)"
      R"("shardId":"shardId-00000001789651619772-2a9e5aad","startSequenceNumber":"100000000000000000029",)"
      R"("endSequenceNumber":"100000000000000000034","approximateArrivalOfFirstRecord":"2026-09-17T13:27:38Z",)"
      R"("approximateArrivalOfLastRecord":"2026-09-17T13:27:40Z","batchSize":4,)"
      R"("streamArn":"arn:aws:dynamodb:us-east-1:000000000000:table/T/stream/2026-09-17T13:26:53.746"}})");
}

TEST(FailureDocument, ReportedFailuresHaveNoFunctionErrorAndUninvokedBatchesNoResponse) {
  FailureDocument reported = document();
  reported.response->function_error = "";
  EXPECT_NE(render(reported).find(R"("functionError":null)"), std::string::npos);
  FailureDocument aged = document();
  aged.reason = Reason::kRecordAgeExceeded;
  aged.invocations = 0;
  aged.response.reset();
  const std::string text = render(aged);
  EXPECT_NE(text.find(R"("condition":"RecordAgeExceeded","approximateInvokeCount":1})"), std::string::npos);
  EXPECT_EQ(text.find("responseContext"), std::string::npos);
}

}  // namespace
}  // namespace millrace::triggers
