#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/logs/service.h"
#include "storage/memory/memory_store.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"

namespace millrace::api_logs {
namespace {

using wire::Document;

class ApiLogsTest : public ::testing::Test {
 protected:
  Result<wire::Reply> call(std::string_view operation, const Document& input) {
    const auto* entry = service_->find(operation);
    EXPECT_NE(entry, nullptr) << operation;
    return entry->handler(context_, input);
  }
  Document ok(std::string_view operation, const Document& input) {
    auto reply = call(operation, input);
    EXPECT_TRUE(reply.ok()) << operation << ": " << reply.error().message();
    return reply.ok() ? std::move(reply->output) : Document();
  }
  std::string error(std::string_view operation, const Document& input) {
    auto reply = call(operation, input);
    return reply.ok() ? "no error" : std::string(reply.error().type().name);
  }
  static Document group(std::initializer_list<Document::Member> members = {}) {
    Document document = Document::object({{"logGroupName", "/aws/lambda/f"}});
    for (const auto& [name, value] : members) document.set(name, value);
    return document;
  }
  void append(const std::string& stream, const std::string& message) {
    logs_.append({Scope{}, "/aws/lambda/f"}, stream, {{scheduler_.now(), message}});
  }

  testing::VirtualScheduler scheduler_;
  storage::MemoryStore store_;
  testing::TestCommits commits_{store_, scheduler_};
  logs::Service logs_{store_, commits_, scheduler_};
  std::unique_ptr<wire::Service> service_ = make_logs_service(logs_);
  wire::RequestContext context_;
};

TEST_F(ApiLogsTest, TailFollowSeesEveryEventOnce) {
  // As `aws logs tail --follow` does: the last timestamp seen as the next start, known event ids left out.
  append("s1", "before");
  std::set<std::string> seen;
  std::vector<std::string> shown;
  std::int64_t start = 0;
  const auto poll = [&] {
    std::string token;
    do {
      Document input = group({{"interleaved", true}, {"startTime", start}});
      input.set_if(!token.empty(), "nextToken", token);
      const auto output = ok("FilterLogEvents", input);
      for (const auto& event : output.find("events")->as_array()) {
        start = std::max(start, event.int_or("timestamp", 0));
        if (seen.insert(std::string(event.string_or("eventId", ""))).second) {
          shown.emplace_back(event.string_or("message", ""));
        }
      }
      token = output.string_or("nextToken", "");
    } while (!token.empty());
  };
  poll();
  append("s2", "same time");
  poll();
  scheduler_.advance(std::chrono::seconds(5));
  append("s1", "later");
  poll();
  poll();
  EXPECT_THAT(shown, ::testing::ElementsAre("before", "same time", "later"));
}

TEST_F(ApiLogsTest, GroupsAndStreamsAreDescribed) {
  ok("CreateLogGroup", group({{"tags", Document::object({{"k", "v"}})}}));
  EXPECT_EQ(error("CreateLogGroup", group()), "ResourceAlreadyExistsException");
  ok("PutRetentionPolicy", group({{"retentionInDays", 7}}));
  EXPECT_EQ(error("PutRetentionPolicy", group({{"retentionInDays", 8}})), "InvalidParameterException");
  const auto groups = ok("DescribeLogGroups", Document::object({{"logGroupNamePrefix", "/aws"}}));
  const auto& shown = groups.find("logGroups")->as_array().at(0);
  EXPECT_EQ(shown.string_or("arn", ""), "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f:*");
  EXPECT_EQ(shown.int_or("retentionInDays", 0), 7);
  EXPECT_EQ(ok("DescribeLogGroups", Document::object({{"logGroupNamePattern", "lambda"}}))
                .find("logGroups")
                ->as_array()
                .size(),
            1u);
  EXPECT_EQ(
      ok("DescribeLogGroups", Document::object({{"logGroupNamePrefix", "x"}})).find("logGroups")->as_array().size(),
      0u);
  ok("DeleteRetentionPolicy", group());

  ok("CreateLogStream", group({{"logStreamName", "s"}}));
  EXPECT_EQ(error("CreateLogStream", group({{"logStreamName", "s"}})), "ResourceAlreadyExistsException");
  const auto streams = ok("DescribeLogStreams", group({{"orderBy", "LastEventTime"}, {"descending", true}}));
  EXPECT_EQ(streams.find("logStreams")->as_array().at(0).string_or("arn", ""),
            "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f:log-stream:s");
  EXPECT_EQ(error("DescribeLogStreams", group({{"orderBy", "LastEventTime"}, {"logStreamNamePrefix", "s"}})),
            "InvalidParameterException");
  ok("DeleteLogStream", group({{"logStreamName", "s"}}));
  ok("DeleteLogGroup", group());
  EXPECT_EQ(error("DeleteLogGroup", group()), "ResourceNotFoundException");
}

TEST_F(ApiLogsTest, EventsArePutAndRead) {
  ok("CreateLogGroup", group());
  ok("CreateLogStream", group({{"logStreamName", "s"}}));
  const auto now = to_unix_ms(scheduler_.now());
  const auto event = [](std::int64_t at, const char* message) {
    return Document::object({{"timestamp", at}, {"message", message}});
  };
  const auto put =
      ok("PutLogEvents",
         group({{"logStreamName", "s"}, {"logEvents", Document::array({event(now - 15 * 86'400'000LL, "old")})}}));
  EXPECT_EQ(put.find("rejectedLogEventsInfo")->int_or("tooOldLogEventEndIndex", 0), 1);
  ok("PutLogEvents",
     group({{"logStreamName", "s"}, {"logEvents", Document::array({event(now, "one"), event(now + 1, "two ERROR")})}}));
  const auto read = ok("GetLogEvents", group({{"logStreamName", "s"}, {"startFromHead", true}, {"limit", 1}}));
  EXPECT_EQ(read.find("events")->as_array().at(0).string_or("message", ""), "one");
  const auto next =
      ok("GetLogEvents", group({{"logStreamName", "s"}, {"nextToken", read.string_or("nextForwardToken", "")}}));
  EXPECT_EQ(next.find("events")->as_array().at(0).string_or("message", ""), "two ERROR");
  const auto filtered =
      ok("FilterLogEvents", group({{"filterPattern", "ERROR"}, {"logStreamNames", Document::array({"s"})}}));
  EXPECT_EQ(filtered.find("events")->as_array().size(), 1u);
  EXPECT_EQ(ok("FilterLogEvents", group({{"logStreamNamePrefix", "x"}})).find("events")->as_array().size(), 0u);
  // AWS: endTime is included here, and excluded by GetLogEvents.
  const auto at = filtered.find("events")->as_array().at(0).int_or("timestamp", 0);
  const auto range = group({{"startTime", at}, {"endTime", at}});
  EXPECT_FALSE(ok("FilterLogEvents", range).find("events")->as_array().empty());
  EXPECT_TRUE(ok("GetLogEvents", group({{"logStreamName", "s"}, {"startTime", at}, {"endTime", at}}))
                  .find("events")
                  ->as_array()
                  .empty());
}

TEST_F(ApiLogsTest, AGroupIsNamedByNameOrByArnButNotByBoth) {
  append("s", "x");
  for (const char* identifier : {"/aws/lambda/f", "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f",
                                 "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f:*"}) {
    const auto output = ok("FilterLogEvents", Document::object({{"logGroupIdentifier", identifier}}));
    EXPECT_EQ(output.find("events")->as_array().size(), 1u) << identifier;
  }
  EXPECT_EQ(error("FilterLogEvents", Document::object()), "InvalidParameterException");
  EXPECT_EQ(error("FilterLogEvents", group({{"logGroupIdentifier", "/aws/lambda/f"}})), "InvalidParameterException");
  EXPECT_EQ(error("FilterLogEvents", Document::object({{"logGroupIdentifier", "arn:aws:sqs:a:b:c"}})),
            "InvalidParameterException");
}

TEST_F(ApiLogsTest, TagsByArnAndByName) {
  ok("CreateLogGroup", group());
  const char* arn = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f";
  ok("TagResource", Document::object({{"resourceArn", arn}, {"tags", Document::object({{"a", "1"}})}}));
  ok("TagLogGroup", group({{"tags", Document::object({{"b", "2"}})}}));
  EXPECT_EQ(ok("ListTagsForResource", Document::object({{"resourceArn", arn}})).dump(),
            R"({"tags":{"a":"1","b":"2"}})");
  ok("UntagResource", Document::object({{"resourceArn", arn}, {"tagKeys", Document::array({"a"})}}));
  ok("UntagLogGroup", group({{"tags", Document::array({"b"})}}));
  EXPECT_EQ(ok("ListTagsLogGroup", group()).dump(), R"({"tags":{}})");
}

TEST_F(ApiLogsTest, WhatIsNotServedIsRefusedByName) {
  ok("CreateLogGroup", group());
  EXPECT_EQ(error("CreateLogGroup", group({{"kmsKeyId", "x"}})), "InvalidParameterException");
  EXPECT_EQ(error("CreateLogGroup", group({{"deletionProtectionEnabled", true}})), "InvalidParameterException");
  EXPECT_EQ(error("CreateLogGroup", group({{"logGroupClass", "DELIVERY"}})), "InvalidParameterException");
  EXPECT_EQ(error("DescribeLogGroups", Document::object({{"includeLinkedAccounts", true}})),
            "InvalidParameterException");
  EXPECT_EQ(error("FilterLogEvents", group({{"filterPattern", "{ $.a = %1% }"}})), "InvalidParameterException");
  EXPECT_EQ(error("FilterLogEvents", group({{"logStreamNamePrefix", "x"}, {"logStreamNames", Document::array({"s"})}})),
            "InvalidParameterException");
}

}  // namespace
}  // namespace millrace::api_logs
