#include "api/dynamodb/streams_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codec/json.h"
#include "model/stored.h"
#include "platform/random.h"
#include "storage/memory/memory_store.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"

namespace millrace::api_dynamodb {
namespace {

using codec::Json;
using ::testing::HasSubstr;

class StreamsServiceTest : public ::testing::Test {
 protected:
  Result<wire::Reply> call(std::string_view operation, const Json& input) {
    const wire::Service::Entry* entry = service->find(operation);
    EXPECT_NE(entry, nullptr);
    wire::RequestContext context;
    return entry->handler(context, input);
  }
  Json output(std::string_view operation, const Json& input) {
    auto reply = call(operation, input);
    EXPECT_TRUE(reply.ok()) << reply.error().message();
    if (!reply.ok()) return {};
    return reply->json.empty() ? reply->output : codec::parse_json(reply->json).value();
  }
  std::string refusal(std::string_view operation, const Json& input) {
    const auto reply = call(operation, input);
    return reply.ok() ? "" : std::string(reply.error().type().name) + ": " + reply.error().message();
  }

  streams::Opened open(int shards = 1) {
    storage::WriteBatch batch;
    auto opened = streams->open({.scope = {},
                                 .table_name = "Orders",
                                 .table_id = "id",
                                 .view = model::ViewType::kNewImage,
                                 .key_schema = {{"id", model::KeyType::kString}, std::nullopt},
                                 .shard_count = shards},
                                batch);
    commits.submit(std::move(batch));
    return opened;
  }
  void insert(streams::StreamId stream, const std::string& id) {
    const model::Item item{{"id", model::AttributeValue::string(id)}};
    const std::string stored = model::to_stored(item);
    model::ChangeRecord change;
    change.keys = stored;
    change.new_image = stored;
    change.size_bytes = 7;
    storage::WriteBatch batch;
    batch.log(*streams->shard_for(stream, 1), model::encode_change(change));
    commits.submit(std::move(batch));
  }

  storage::MemoryStore store;
  millrace::testing::VirtualScheduler scheduler;
  platform::SeededRandom random{1};
  millrace::testing::TestCommits commits{store, static_cast<const platform::Clock&>(scheduler)};
  std::unique_ptr<streams::Streams> streams = streams::Streams::load(store, commits, scheduler, random).value();
  std::unique_ptr<wire::Service> service = make_dynamodb_streams_service(*streams);
};

TEST_F(StreamsServiceTest, ServesARecordFromListToEnd) {
  const auto opened = open();
  insert(opened.id, "o-1");
  const Json listed = output("ListStreams", Json::object({{"TableName", "Orders"}}));
  ASSERT_EQ(listed.find("Streams")->as_array().size(), 1U);
  EXPECT_EQ(listed.find("Streams")->as_array()[0].string_or("StreamArn", ""), opened.arn);
  EXPECT_EQ(listed.find("LastEvaluatedStreamArn"), nullptr);

  Json description = *output("DescribeStream", Json::object({{"StreamArn", opened.arn}})).find("StreamDescription");
  EXPECT_EQ(description.string_or("StreamStatus", ""), "ENABLED");
  EXPECT_EQ(description.string_or("StreamViewType", ""), "NEW_IMAGE");
  EXPECT_EQ(description.find("KeySchema")->dump(), R"([{"AttributeName":"id","KeyType":"HASH"}])");
  EXPECT_EQ(description.find("CreationRequestDateTime")->as_double(), 1767225600.0);
  const Json& shard = description.find("Shards")->as_array()[0];
  EXPECT_EQ(shard.find("SequenceNumberRange")->find("EndingSequenceNumber"), nullptr);
  const Json where = Json::object(
      {{"StreamArn", opened.arn}, {"ShardId", shard.string_or("ShardId", "")}, {"ShardIteratorType", "TRIM_HORIZON"}});
  const Json iterator = *output("GetShardIterator", where).find("ShardIterator");
  const Json records = output("GetRecords", Json::object({{"ShardIterator", iterator}}));
  ASSERT_EQ(records.find("Records")->as_array().size(), 1U);
  const Json& record = records.find("Records")->as_array()[0];
  EXPECT_EQ(record.string_or("eventName", ""), "INSERT");
  EXPECT_EQ(record.string_or("awsRegion", ""), "us-east-1");
  EXPECT_EQ(record.find("dynamodb")->find("NewImage")->dump(), R"({"id":{"S":"o-1"}})");
  ASSERT_NE(records.find("NextShardIterator"), nullptr);

  storage::WriteBatch batch;
  streams->close(opened.id, batch);
  commits.submit(std::move(batch));
  const Json last = output("GetRecords", Json::object({{"ShardIterator", *records.find("NextShardIterator")}}));
  EXPECT_TRUE(last.find("Records")->as_array().empty());
  EXPECT_EQ(last.find("NextShardIterator"), nullptr);
  description = *output("DescribeStream", Json::object({{"StreamArn", opened.arn}})).find("StreamDescription");
  EXPECT_EQ(description.string_or("StreamStatus", ""), "DISABLED");
  EXPECT_NE(description.find("Shards")->as_array()[0].find("SequenceNumberRange")->find("EndingSequenceNumber"),
            nullptr);
}

TEST_F(StreamsServiceTest, PagesShardsAndFiltersChildren) {
  const auto opened = open(3);
  const Json page =
      *output("DescribeStream", Json::object({{"StreamArn", opened.arn}, {"Limit", 2}})).find("StreamDescription");
  EXPECT_EQ(page.find("Shards")->as_array().size(), 2U);
  const Json rest =
      *output("DescribeStream",
              Json::object({{"StreamArn", opened.arn}, {"ExclusiveStartShardId", *page.find("LastEvaluatedShardId")}}))
           .find("StreamDescription");
  EXPECT_EQ(rest.find("Shards")->as_array().size(), 1U);
  const Json filter = Json::object({{"Type", "CHILD_SHARDS"}, {"ShardId", *page.find("LastEvaluatedShardId")}});
  const Json leaf = output("DescribeStream", Json::object({{"StreamArn", opened.arn}, {"ShardFilter", filter}}));
  EXPECT_TRUE(leaf.find("StreamDescription")->find("Shards")->as_array().empty());
}

TEST_F(StreamsServiceTest, RefusesByNameWhatIsOutOfBounds) {
  const auto opened = open();
  EXPECT_EQ(refusal("ListStreams", Json::object({{"Limit", 101}})),
            "ValidationException: 1 validation error detected: Value '101' at 'limit' failed to satisfy constraint: "
            "Member must have value less than or equal to 100");
  EXPECT_THAT(refusal("GetRecords", Json::object({{"ShardIterator", "x"}, {"Limit", 1001}})),
              HasSubstr("less than or equal to 1000"));
  EXPECT_THAT(refusal("GetRecords", Json::object({{"ShardIterator", "x"}, {"Limit", 0}})), HasSubstr("Value '0' at"));
  EXPECT_THAT(refusal("GetRecords", Json::object({{"ShardIterator", "x"}})), HasSubstr("ValidationException"));
  for (const Json& filter :
       {Json::object({{"Type", "CHILD_SHARDS"}}), Json::object({{"Type", "CHILD_SHARDS"}, {"ShardId", "nonsense"}})}) {
    EXPECT_THAT(refusal("DescribeStream", Json::object({{"StreamArn", opened.arn}, {"ShardFilter", filter}})),
                HasSubstr("shardFilter.shardId"));
  }
  EXPECT_THAT(refusal("DescribeStream", Json::object({{"StreamArn", opened.arn + "0"}})),
              HasSubstr("ResourceNotFoundException: Requested resource not found: Stream: "));
}

TEST_F(StreamsServiceTest, ReportsADamagedRecordInsteadOfSkippingIt) {
  const auto opened = open();
  storage::WriteBatch batch;
  batch.log(*streams->shard_for(opened.id, 1), "garbage");
  commits.submit(std::move(batch));
  const Json where = Json::object({{"StreamArn", opened.arn},
                                   {"ShardId", streams->find(opened.id)->shards[0].id},
                                   {"ShardIteratorType", "TRIM_HORIZON"}});
  const Json iterator = *output("GetShardIterator", where).find("ShardIterator");
  EXPECT_THAT(refusal("GetRecords", Json::object({{"ShardIterator", iterator}})), HasSubstr("damaged"));
}

TEST_F(StreamsServiceTest, ShowsAStreamOnceItIsDurableAndWaitsForNothing) {
  const auto streams_listed = [&] {
    const auto reply = call("ListStreams", Json::object());
    EXPECT_TRUE(reply.ok());
    bool answered = false;
    commits.when_durable(reply->after, [&](const Error*) { answered = true; });
    EXPECT_TRUE(answered);
    const Json output = reply->json.empty() ? reply->output : codec::parse_json(reply->json).value();
    return output.find("Streams")->as_array().size();
  };
  commits.hold();
  open();
  EXPECT_EQ(streams_listed(), 0U);
  commits.release();
  EXPECT_EQ(streams_listed(), 1U);
}

}  // namespace
}  // namespace millrace::api_dynamodb
