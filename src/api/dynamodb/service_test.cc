#include "api/dynamodb/service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codec/json.h"
#include "platform/random.h"
#include "storage/memory/memory_store.h"
#include "storage/no_blocking.h"
#include "streams/streams.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"
#include "wire/shapes.h"
#include "wire/validator.h"

namespace millrace::api_dynamodb {
namespace {

using codec::Json;
using ::testing::HasSubstr;

Json json(std::string_view text) { return codec::parse_json(text).value(); }

constexpr std::string_view kOrders = R"({"TableName":"Orders","BillingMode":"PAY_PER_REQUEST",
  "AttributeDefinitions":[{"AttributeName":"customer","AttributeType":"S"},{"AttributeName":"id","AttributeType":"N"},
                          {"AttributeName":"state","AttributeType":"S"}],
  "KeySchema":[{"AttributeName":"customer","KeyType":"HASH"},{"AttributeName":"id","KeyType":"RANGE"}],
  "GlobalSecondaryIndexes":[{"IndexName":"byState","KeySchema":[{"AttributeName":"state","KeyType":"HASH"}],
                             "Projection":{"ProjectionType":"KEYS_ONLY"}}],
  "LocalSecondaryIndexes":[{"IndexName":"local","KeySchema":[{"AttributeName":"customer","KeyType":"HASH"},
                            {"AttributeName":"state","KeyType":"RANGE"}],"Projection":{"ProjectionType":"ALL"}}],
  "Tags":[{"Key":"team","Value":"shop"}]})";

class DynamodbServiceTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(refusal("CreateTable", kOrders), ""); }

  // As the dispatcher does it: from the text if the operation can, else validated and from the document.
  Result<wire::Reply> call(std::string_view operation, std::string_view body) {
    const wire::Service::Entry* entry = service->find(operation);
    EXPECT_NE(entry, nullptr) << operation;
    if (entry->raw && use_text) {
      if (auto reply = entry->raw(context, body)) {
        ++from_text;
        return std::move(*reply);
      }
    }
    const wire::ServiceModel& model = service->model();
    const Json input = json(body);
    for (const wire::OperationModel& known : model.operations) {
      if (known.name != operation) continue;
      if (auto valid = wire::validate(model, model.shape(known.input), input); !valid.ok()) return valid.error();
    }
    if (entry->handler) return entry->handler(context, input);
    std::optional<Result<wire::Reply>> answer;
    wire::Conversation conversation;
    conversation.done = [&](Result<wire::Reply> reply) { answer.emplace(std::move(reply)); };
    entry->async(context, input, std::move(conversation));
    scheduler.run_ready();
    return *std::move(answer);
  }
  std::string output(std::string_view operation, std::string_view body) {
    const auto reply = call(operation, body);
    if (!reply.ok()) return "ERROR " + std::string(reply.error().type().name) + ": " + reply.error().message();
    return reply->json.empty() ? reply->output.dump() : reply->json;
  }
  std::string refusal(std::string_view operation, std::string_view body) {
    const auto reply = call(operation, body);
    return reply.ok() ? "" : std::string(reply.error().type().name) + ": " + reply.error().message();
  }
  void put(const std::string& customer, int id, const std::string& state) {
    const std::string item = R"({"customer":{"S":")" + customer + R"("},"id":{"N":")" + std::to_string(id) +
                             R"("},"state":{"S":")" + state + R"("},"amount":{"N":"12.50"}})";
    EXPECT_EQ(output("PutItem", R"({"TableName":"Orders","Item":)" + item + "}"), "{}");
  }

  storage::MemoryStore store;
  millrace::testing::VirtualScheduler scheduler;
  platform::SeededRandom random{1};
  millrace::testing::TestCommits commits{store, static_cast<const platform::Clock&>(scheduler)};
  std::unique_ptr<streams::Streams> streams = streams::Streams::load(store, commits, scheduler, random).value();
  std::unique_ptr<tables::Tables> tables = tables::Tables::load(store, commits, *streams, scheduler, random).value();
  std::unique_ptr<wire::Service> service = make_dynamodb_service(*tables, scheduler);
  wire::RequestContext context;
  bool use_text = true;
  int from_text = 0;
};

constexpr std::string_view kKey = R"({"customer":{"S":"ann"},"id":{"N":"1"}})";
std::string with_key(std::string_view more) {
  return R"({"TableName":"Orders","Key":)" + std::string(kKey) + std::string(more) + "}";
}

TEST_F(DynamodbServiceTest, DescribesWhatWasCreated) {
  const Json table = *json(output("DescribeTable", R"({"TableName":"Orders"})")).find("Table");
  EXPECT_EQ(table.string_or("TableStatus", ""), "ACTIVE");
  EXPECT_EQ(table.find("KeySchema")->dump(),
            R"([{"AttributeName":"customer","KeyType":"HASH"},{"AttributeName":"id","KeyType":"RANGE"}])");
  EXPECT_EQ(table.find("BillingModeSummary")->string_or("BillingMode", ""), "PAY_PER_REQUEST");
  EXPECT_EQ(table.find("GlobalSecondaryIndexes")->as_array()[0].string_or("IndexStatus", ""), "ACTIVE");
  EXPECT_EQ(table.find("LocalSecondaryIndexes")->as_array()[0].find("IndexStatus"), nullptr);
  EXPECT_EQ(table.find("StreamSpecification"), nullptr);
  EXPECT_EQ(output("ListTables", "{}"), R"({"TableNames":["Orders"]})");
  EXPECT_EQ(output("ListTagsOfResource", R"({"ResourceArn":")" + std::string(table.string_or("TableArn", "")) + "\"}"),
            R"({"Tags":[{"Key":"team","Value":"shop"}]})");
}

TEST_F(DynamodbServiceTest, WritesAndReadsAnItemFromText) {
  put("ann", 1, "open");
  EXPECT_EQ(output("GetItem", with_key("")),
            R"({"Item":{"amount":{"N":"12.5"},"customer":{"S":"ann"},"id":{"N":"1"},"state":{"S":"open"}}})");
  EXPECT_EQ(output("GetItem", with_key(R"(,"ProjectionExpression":"#t","ExpressionAttributeNames":{"#t":"amount"})")),
            R"({"Item":{"amount":{"N":"12.5"}}})");
  EXPECT_EQ(from_text, 3);
  EXPECT_EQ(output("DeleteItem", with_key(R"(,"ReturnValues":"ALL_OLD")")),
            R"({"Attributes":{"amount":{"N":"12.5"},"customer":{"S":"ann"},"id":{"N":"1"},"state":{"S":"open"}}})");
  EXPECT_EQ(output("GetItem", with_key("")), "{}");
}

// As the dispatcher does it: refused where it must not wait, then again.
TEST_F(DynamodbServiceTest, ARefusedBatchGoesOnFromWhereItStood) {
  const std::string body =
      R"({"RequestItems":{"Orders":[{"PutRequest":{"Item":{"customer":{"S":"ann"},"id":{"N":"1"}}}},
                                    {"PutRequest":{"Item":{"customer":{"S":"bob"},"id":{"N":"1"}}}}]}})";
  for (const bool text : {true, false}) {
    use_text = text;
    store.set_cold(false);
    EXPECT_EQ(output("DeleteItem", with_key("")), "{}");
    store.set_cold(true);
    EXPECT_EQ(output("GetItem", with_key("")), "{}");  // now ann's place is in memory
    context.done_before.reset();
    {
      const storage::NoBlocking here;
      EXPECT_THAT(refusal("BatchWriteItem", body), HasSubstr("WouldBlock"));
    }
    ASSERT_NE(context.done_before, nullptr);
    // Somebody else comes in between: ann's write was before that one and is not done again.
    EXPECT_EQ(output("DeleteItem", with_key("")), "{}");
    EXPECT_EQ(output("BatchWriteItem", body), R"({"UnprocessedItems":{}})");
    EXPECT_EQ(output("GetItem", with_key("")), "{}");
    EXPECT_NE(output("GetItem", R"({"TableName":"Orders","Key":{"customer":{"S":"bob"},"id":{"N":"1"}}})"), "{}");
    context.done_before.reset();
    store.set_cold(false);
    EXPECT_EQ(output("DeleteItem", R"({"TableName":"Orders","Key":{"customer":{"S":"bob"},"id":{"N":"1"}}})"), "{}");
  }
}

TEST_F(DynamodbServiceTest, DescriptionsWhoseCountersAreNotInMemoryAreMadeOnThePool) {
  put("ann", 1, "open");
  store.set_cold(true);
  for (const std::string_view name : {"DescribeTable", "DescribeTimeToLive", "DeleteTable"}) {
    EXPECT_EQ(service->find(name)->disk, wire::Service::Disk::kPerhaps) << name;
    const storage::NoBlocking here;
    EXPECT_THAT(refusal(name, R"({"TableName":"Orders"})"), HasSubstr("WouldBlock")) << name;
  }
  EXPECT_THAT(output("DescribeTable", R"({"TableName":"Orders"})"), HasSubstr(R"("ItemCount":1)"));
}

TEST_F(DynamodbServiceTest, PagesThatAreNotInMemoryAreReadOnThePool) {
  put("ann", 1, "open");
  store.set_cold(true);
  const std::string body = R"({"TableName":"Orders","KeyConditionExpression":"customer = :c","Select":"COUNT",
                               "ExpressionAttributeValues":{":c":{"S":"ann"}}})";
  {
    const storage::NoBlocking here;
    EXPECT_THAT(refusal("Query", body), HasSubstr("WouldBlock"));
    EXPECT_THAT(refusal("Scan", R"({"TableName":"Orders"})"), HasSubstr("WouldBlock"));
  }
  use_text = false;
  EXPECT_EQ(output("Query", body), R"({"Count":1,"ScannedCount":1})");
  EXPECT_EQ(output("Scan", R"({"TableName":"Orders","Select":"COUNT"})"), R"({"Count":1,"ScannedCount":1})");
}

TEST_F(DynamodbServiceTest, AnswersTheSameBothWays) {
  const std::pair<std::string_view, std::string> requests[] = {
      {"PutItem", R"({"TableName":"Orders","Item":{"customer":{"S":"ann"},"id":{"N":"1"},"n":{"N":"1"}},
                     "ReturnConsumedCapacity":"INDEXES"})"},
      {"UpdateItem", with_key(R"(,"UpdateExpression":"SET n = n + :one, m = :m REMOVE x","ReturnValues":"UPDATED_NEW",
                     "ExpressionAttributeValues":{":one":{"N":"1"},":m":{"M":{"a":{"L":[{"NULL":true}]}}}})")},
      {"UpdateItem", with_key(R"(,"UpdateExpression":"SET #s = :s","ExpressionAttributeNames":{"#s":"state"},
                     "ExpressionAttributeValues":{":s":{"S":"paid"}},"ReturnConsumedCapacity":"INDEXES")")},
      {"GetItem", with_key(R"(,"ConsistentRead":true,"ReturnConsumedCapacity":"TOTAL")")},
      {"Query", R"({"TableName":"Orders","KeyConditionExpression":"customer = :c","Limit":1,
                   "ExpressionAttributeValues":{":c":{"S":"ann"}},"ReturnConsumedCapacity":"INDEXES"})"},
      {"Scan", R"({"TableName":"Orders","Select":"COUNT"})"},
      {"DeleteItem", with_key(R"(,"ConditionExpression":"attribute_not_exists(id) ",
                     "ReturnValuesOnConditionCheckFailure":"ALL_OLD")")},
      {"PutItem", R"({"TableName":"Nowhere","Item":{"id":{"N":"1"}}})"},
      {"GetItem", R"({"TableName":"Orders","Key":{"customer":{"S":"ann"}}})"},
      {"BatchWriteItem",
       R"({"RequestItems":{"Orders":[{"DeleteRequest":{"Key":{"customer":{"S":"x"},"id":{"N":"1"}}}}]},
                            "ReturnConsumedCapacity":"TOTAL"})"}};
  std::vector<std::string> texts;
  for (const bool text : {true, false}) {
    use_text = text;
    for (std::size_t i = 0; i < std::size(requests); ++i) {
      const std::string answer = output(requests[i].first, requests[i].second);
      if (text) {
        texts.push_back(answer);
      } else {
        EXPECT_EQ(answer, texts[i]) << requests[i].second;
      }
    }
    output("DeleteItem", with_key(""));
  }
  EXPECT_GE(from_text, 10);
}

TEST_F(DynamodbServiceTest, UpdatesAndReturnsWhatWasAskedFor) {
  put("ann", 1, "open");
  const std::string update =
      R"(,"UpdateExpression":"SET amount = amount + :v","ExpressionAttributeValues":{":v":{"N":"1"}},"ReturnValues":)";
  EXPECT_EQ(output("UpdateItem", with_key(update + "\"UPDATED_OLD\"")), R"({"Attributes":{"amount":{"N":"12.5"}}})");
  EXPECT_EQ(output("UpdateItem", with_key(update + "\"UPDATED_NEW\"")), R"({"Attributes":{"amount":{"N":"14.5"}}})");
  EXPECT_THAT(output("UpdateItem", with_key(update + "\"ALL_OLD\"")), HasSubstr("14.5"));
  EXPECT_THAT(output("UpdateItem", with_key(update + "\"ALL_NEW\"")), HasSubstr("16.5"));
  EXPECT_EQ(refusal("PutItem", R"({"TableName":"Orders","Item":{},"ReturnValues":"ALL_NEW"})"),
            "ValidationException: ReturnValues can only be ALL_OLD or NONE");
}

TEST_F(DynamodbServiceTest, FailedConditionsHoldTheItemAndTheCommit) {
  put("ann", 1, "open");
  const auto reply = call("DeleteItem", with_key(R"(,"ConditionExpression":"attribute_not_exists(id) ",
    "ReturnValuesOnConditionCheckFailure":"ALL_OLD")"));
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().type().name, "ConditionalCheckFailedException");
  EXPECT_EQ(reply.error().message(), "The conditional request failed");
  ASSERT_EQ(reply.error().details().size(), 1U);
  EXPECT_THAT(reply.error().details()[0].second, HasSubstr("\"open\""));
}

TEST_F(DynamodbServiceTest, PagesThroughAQueryBothDirections) {
  for (int id = 1; id <= 5; ++id) put("ann", id, id % 2 == 0 ? "paid" : "open");
  const std::string query = R"({"TableName":"Orders","KeyConditionExpression":"customer = :c AND id > :i",
    "ExpressionAttributeValues":{":c":{"S":"ann"},":i":{"N":"1"}},"ProjectionExpression":"id","Limit":2)";
  const Json first = json(output("Query", query + "}"));
  EXPECT_EQ(first.find("Items")->dump(), R"([{"id":{"N":"2"}},{"id":{"N":"3"}}])");
  EXPECT_EQ(first.int_or("ScannedCount", 0), 2);
  const std::string start = first.find("LastEvaluatedKey")->dump();
  EXPECT_EQ(start, R"({"customer":{"S":"ann"},"id":{"N":"3"}})");
  EXPECT_EQ(json(output("Query", query + R"(,"ExclusiveStartKey":)" + start + "}")).find("Items")->dump(),
            R"([{"id":{"N":"4"}},{"id":{"N":"5"}}])");
  EXPECT_EQ(json(output("Query", query + R"(,"ScanIndexForward":false})")).find("Items")->dump(),
            R"([{"id":{"N":"5"}},{"id":{"N":"4"}}])");
  EXPECT_EQ(output("Query", R"({"TableName":"Orders","IndexName":"byState","KeyConditionExpression":"#s = :s",
    "ExpressionAttributeNames":{"#s":"state"},"ExpressionAttributeValues":{":s":{"S":"paid"}},"Select":"COUNT"})"),
            R"({"Count":2,"ScannedCount":2})");
}

TEST_F(DynamodbServiceTest, ReadsLongPagesOnThePoolWithTheSameAnswer) {
  for (int i = 0; i < 300; ++i) put("c" + std::to_string(i % 2), i, std::string(1000, 'x'));
  const std::string scan = R"({"TableName":"Orders","ReturnConsumedCapacity":"TOTAL"})";
  const std::string query = R"({"TableName":"Orders","KeyConditionExpression":"customer = :c",
                                "ExpressionAttributeValues":{":c":{"S":"c0"}}})";
  const int before = from_text;
  const Json all = json(output("Scan", scan));
  EXPECT_EQ(all.int_or("Count", 0), 300);
  const Json half = json(output("Query", query));
  EXPECT_EQ(half.int_or("Count", 0), 150);
  EXPECT_EQ(from_text, before) << "long pages were read at once";
  EXPECT_EQ(json(output("Scan", R"({"TableName":"Orders","Limit":50})")).int_or("Count", 0), 50);
  EXPECT_EQ(from_text, before + 1) << "a short page went to the pool";
  use_text = false;
  EXPECT_EQ(json(output("Scan", scan)).dump(), all.dump());
  EXPECT_EQ(json(output("Query", query)).dump(), half.dump());
}

TEST_F(DynamodbServiceTest, ScansInSegmentsThatAreWholeTogether) {
  for (int id = 1; id <= 9; ++id) put("c" + std::to_string(id), id, "open");
  std::int64_t count = 0;
  for (const std::string segment : {"0", "1", "2"}) {
    const std::string body = R"({"TableName":"Orders","TotalSegments":3,"Segment":)" + segment + "}";
    count += json(output("Scan", body)).int_or("Count", 0);
  }
  EXPECT_EQ(count, 9);
  EXPECT_EQ(refusal("Scan", R"({"TableName":"Orders","TotalSegments":2,"Segment":2})"),
            "ValidationException: The Segment parameter is zero-based and must be less than parameter TotalSegments: "
            "Segment: 2 is not less than TotalSegments: 2");
  EXPECT_THAT(refusal("Scan", R"({"TableName":"Orders","TotalSegments":2})"), HasSubstr("The Segment parameter"));
  EXPECT_THAT(refusal("Scan", R"({"TableName":"Orders","Segment":2})"), HasSubstr("The TotalSegments parameter"));
}

TEST_F(DynamodbServiceTest, WritesBatchesWholeOrNotAtAll) {
  const std::string batch = R"({"RequestItems":{"Orders":[
    {"PutRequest":{"Item":{"customer":{"S":"ann"},"id":{"N":"1"}}}},
    {"PutRequest":{"Item":{"customer":{"S":"ann"},"id":{"N":"2"}}}},
    {"DeleteRequest":{"Key":{"customer":{"S":"ann"},"id":{"N":"%"}}}}]}})";
  const auto with = [&](const std::string& id) { return std::string(batch).replace(batch.find('%'), 1, id); };
  EXPECT_EQ(refusal("BatchWriteItem", with("2.0")),
            "ValidationException: Provided list of item keys contains duplicates");
  EXPECT_EQ(json(output("Scan", R"({"TableName":"Orders"})")).int_or("Count", -1), 0);
  EXPECT_EQ(output("BatchWriteItem", with("3")), R"({"UnprocessedItems":{}})");
  EXPECT_EQ(from_text, 3);
  EXPECT_EQ(json(output("Scan", R"({"TableName":"Orders"})")).int_or("Count", -1), 2);
  EXPECT_EQ(output("BatchGetItem", R"({"RequestItems":{"Orders":{"Keys":[
    {"customer":{"S":"ann"},"id":{"N":"1"}},{"customer":{"S":"ann"},"id":{"N":"7"}}]}}})"),
            R"({"Responses":{"Orders":[{"customer":{"S":"ann"},"id":{"N":"1"}}]},"UnprocessedKeys":{}})");
}

TEST_F(DynamodbServiceTest, TransactsAllOrNothing) {
  put("ann", 1, "open");
  const std::string transaction = R"({"ClientRequestToken":"t1","ReturnConsumedCapacity":"TOTAL","TransactItems":[
    {"Put":{"TableName":"Orders","Item":{"customer":{"S":"bob"},"id":{"N":"1"}}}},
    {"ConditionCheck":{"TableName":"Orders","Key":{"customer":{"S":"ann"},"id":{"N":"1"}},
      "ConditionExpression":"#s = :s","ExpressionAttributeNames":{"#s":"state"},
      "ExpressionAttributeValues":{":s":{"S":"%"}},"ReturnValuesOnConditionCheckFailure":"ALL_OLD"}}]})";
  const auto with = [&](const std::string& state) {
    return std::string(transaction).replace(transaction.find('%'), 1, state);
  };
  const auto failed = call("TransactWriteItems", with("paid"));
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().message(),
            "Transaction cancelled, please refer cancellation reasons for specific reasons [None, "
            "ConditionalCheckFailed]");
  EXPECT_THAT(failed.error().details()[0].second, HasSubstr(R"("Item":{)"));
  EXPECT_EQ(output("TransactWriteItems", with("open")),
            R"({"ConsumedCapacity":[{"TableName":"Orders","WriteCapacityUnits":4.0,"CapacityUnits":4.0}]})");
  EXPECT_THAT(refusal("TransactWriteItems", with("shut")), HasSubstr("IdempotentParameterMismatchException"));
  EXPECT_EQ(output("TransactGetItems", R"({"TransactItems":[
    {"Get":{"TableName":"Orders","Key":{"customer":{"S":"bob"},"id":{"N":"1"}},"ProjectionExpression":"customer"}},
    {"Get":{"TableName":"Orders","Key":{"customer":{"S":"eve"},"id":{"N":"1"}}}}]})"),
            R"({"Responses":[{"Item":{"customer":{"S":"bob"}}},{}]})");
  EXPECT_EQ(refusal("TransactGetItems", R"({"TransactItems":[
    {"Get":{"TableName":"Orders","Key":{"customer":{"S":"bob"},"id":{"N":"1"}}}},
    {"Get":{"TableName":"Orders","Key":{"customer":{"S":"bob"},"id":{"N":"1.0"}}}}]})"),
            "ValidationException: Transaction request cannot include multiple operations on one item");
}

TEST_F(DynamodbServiceTest, AnItemThatCannotBeDecodedIsNamedByEveryReadOfIt) {
  put("ann", 1, "open");
  put("bob", 1, "open");
  const auto it = store.iterate(storage::Family::kItems, {});
  storage::WriteBatch batch;
  for (it->seek(""); it->valid(); it->next()) {
    if (it->key().find("ann") != std::string_view::npos) batch.put(storage::Family::kItems, it->key(), "\1?");
  }
  ASSERT_TRUE(store.write(batch, storage::Store::Sync::kSynced).ok());
  const std::string said =
      "InternalServerError: damaged item in the data directory: table Orders, key " + std::string(kKey);
  EXPECT_EQ(refusal("GetItem", with_key("")), said);
  EXPECT_EQ(refusal("GetItem", with_key(R"(,"ProjectionExpression":"amount")")), said);
  EXPECT_EQ(refusal("PutItem", R"({"TableName":"Orders","Item":)" + std::string(kKey) + "}"), said);
  const std::string keys = R"({"customer":{"S":"bob"},"id":{"N":"1"}},)" + std::string(kKey);
  EXPECT_EQ(refusal("BatchGetItem", R"({"RequestItems":{"Orders":{"Keys":[)" + keys + "]}}}"), said);
  EXPECT_EQ(refusal("TransactGetItems",
                    R"({"TransactItems":[{"Get":{"TableName":"Orders","Key":)" + std::string(kKey) + "}}]}"),
            said);
  EXPECT_EQ(refusal("Scan", R"({"TableName":"Orders"})"), said);
  EXPECT_THAT(
      refusal("Query", R"({"TableName":"Orders","IndexName":"byState","KeyConditionExpression":"#s = :s",
                "ExpressionAttributeNames":{"#s":"state"},"ExpressionAttributeValues":{":s":{"S":"open"}}})"),
      HasSubstr(R"(damaged item in the data directory: index byState of table Orders, key {"customer":{"S":"ann"},)"));
  EXPECT_THAT(output("GetItem", R"({"TableName":"Orders","Key":{"customer":{"S":"bob"},"id":{"N":"1"}}})"),
              HasSubstr("12.5"));
}

TEST_F(DynamodbServiceTest, LeavesWhatExceedsABatchToTheClient) {
  const std::string blob(390 * 1024, 'x');
  std::string keys;
  for (int id = 0; id < 45; ++id) {
    const std::string key = R"("customer":{"S":"ann"},"id":{"N":")" + std::to_string(id) + "\"}";
    ASSERT_EQ(refusal("PutItem", R"({"TableName":"Orders","Item":{)" + key + R"(,"blob":{"S":")" + blob + "\"}}}"), "");
    keys += (keys.empty() ? "{" : ",{") + key + "}";
  }
  const Json first = json(output("BatchGetItem", R"({"RequestItems":{"Orders":{"ConsistentRead":true,"Keys":[)" + keys +
                                                     R"(]}},"ReturnConsumedCapacity":"TOTAL"})"));
  EXPECT_EQ(first.find("Responses")->find("Orders")->as_array().size(), 42U);
  EXPECT_EQ(first.find("ConsumedCapacity")->as_array()[0].find("CapacityUnits")->as_double(), 42 * 98);
  const Json* rest = first.find("UnprocessedKeys")->find("Orders");
  ASSERT_NE(rest, nullptr);
  EXPECT_TRUE(rest->bool_or("ConsistentRead", false));
  const Json second = json(output("BatchGetItem", R"({"RequestItems":)" + first.find("UnprocessedKeys")->dump() + "}"));
  EXPECT_EQ(second.find("Responses")->find("Orders")->as_array().size(), 3U);
  EXPECT_EQ(second.find("UnprocessedKeys")->dump(), "{}");
}

TEST_F(DynamodbServiceTest, ReportsCapacityAndCollections) {
  EXPECT_EQ(
      output("PutItem", R"({"TableName":"Orders","Item":{"customer":{"S":"a"},"id":{"N":"1"},"state":{"S":"open"}},
    "ReturnConsumedCapacity":"INDEXES","ReturnItemCollectionMetrics":"SIZE"})"),
      R"({"ConsumedCapacity":{"TableName":"Orders","CapacityUnits":3.0,"Table":{"CapacityUnits":1.0},)"
      R"("LocalSecondaryIndexes":{"local":{"CapacityUnits":1.0}},)"
      R"("GlobalSecondaryIndexes":{"byState":{"CapacityUnits":1.0}}},)"
      R"("ItemCollectionMetrics":{"ItemCollectionKey":{"customer":{"S":"a"}},"SizeEstimateRangeGB":[0.0,1.0]}})");
  EXPECT_THAT(output("BatchWriteItem", R"({"RequestItems":{"Orders":[
    {"PutRequest":{"Item":{"customer":{"S":"a"},"id":{"N":"2"}}}},
    {"PutRequest":{"Item":{"customer":{"S":"a"},"id":{"N":"3"}}}}]},"ReturnItemCollectionMetrics":"SIZE"})"),
              HasSubstr(R"("ItemCollectionMetrics":{"Orders":[{"ItemCollectionKey":{"customer":{"S":"a"}},)"
                        R"("SizeEstimateRangeGB":[0.0,1.0]}]})"));
}

TEST_F(DynamodbServiceTest, TakesArnsOfTheCallersTables) {
  const std::string arn =
      "arn:aws:dynamodb:" + context.caller.scope.region + ":" + context.caller.scope.account + ":table/Orders";
  EXPECT_EQ(output("Scan", R"({"TableName":")" + arn + R"(","ReturnConsumedCapacity":"TOTAL"})"),
            R"({"Items":[],"Count":0,"ScannedCount":0,"ConsumedCapacity":{"TableName":")" + arn +
                R"(","CapacityUnits":0.5}})");
  EXPECT_THAT(refusal("Scan", R"({"TableName":"arn:aws:dynamodb:mars-1:000000000000:table/Orders"})"),
              HasSubstr("region"));
  EXPECT_THAT(refusal("Scan", R"({"TableName":"a b c"})"), HasSubstr("[a-zA-Z0-9_.-]+"));
}

TEST_F(DynamodbServiceTest, RefusesWhatIsWrongInAwssWords) {
  const std::pair<std::string_view, std::pair<std::string, std::string_view>> cases[] = {
      {"PutItem",
       {R"({"TableName":"Orders","Item":{"customer":{"S":"a"}}})",
        "ValidationException: One or more parameter values were invalid: Missing the key id in the item"}},
      {"PutItem", {R"({"TableName":"Nowhere","Item":{}})", "ResourceNotFoundException: Requested resource not found"}},
      {"DescribeTable",
       {R"({"TableName":"Nowhere"})",
        "ResourceNotFoundException: Requested resource not found: Table: Nowhere not found"}},
      {"PutItem",
       {R"({"TableName":"Orders","Item":{"customer":{}}})",
        "ValidationException: Supplied AttributeValue is empty, must contain exactly one of the supported "
        "datatypes"}},
      {"GetItem",
       {R"({"TableName":"Orders","Key":{"customer":{"S":"a"}}})",
        "ValidationException: The provided key element does not match the schema"}},
      {"GetItem",
       {R"({"TableName":"Orders"})",
        "ValidationException: 1 validation error detected: Value null at 'key' failed to satisfy "
        "constraint: Member must not be null"}},
      {"PutItem",
       {R"({"TableName":"Orders","Item":{},"Expected":{},"ConditionExpression":"a = b"})",
        "ValidationException: Can not use both expression and non-expression parameters in the same "
        "request: Non-expression parameters: {Expected} Expression parameters: {ConditionExpression}"}},
      {"PutItem",
       {R"({"TableName":"Orders","Item":{},"ExpressionAttributeNames":{"#a":"b"}})",
        "ValidationException: ExpressionAttributeNames can only be specified when using expressions"}},
      {"PutItem",
       {R"({"TableName":"Orders","Item":{},"ExpressionAttributeValues":{":a":{"S":"b"}}})",
        "ValidationException: ExpressionAttributeValues can only be specified when using expressions: "
        "ConditionExpression is null"}},
      {"Query",
       {R"({"TableName":"Orders"})",
        "ValidationException: Either the KeyConditions or KeyConditionExpression parameter must be specified "
        "in the request."}},
      {"Query",
       {R"({"TableName":"Orders","Select":"SPECIFIC_ATTRIBUTES"})",
        "ValidationException: Must specify the AttributesToGet or ProjectionExpression when choosing to get "
        "SPECIFIC_ATTRIBUTES"}},
      {"UpdateTable",
       {R"({"TableName":"Orders","GlobalSecondaryIndexUpdates":[{"Delete":{"IndexName":"byNothing"}}]})",
        "ResourceNotFoundException: Requested resource not found: No global secondary index with name: byNothing"}},
      {"UpdateTable",
       {R"({"TableName":"Orders","GlobalSecondaryIndexUpdates":[{"Create":{"IndexName":"byWarmth",
         "KeySchema":[{"AttributeName":"id","KeyType":"HASH"}],"Projection":{"ProjectionType":"ALL"},
         "WarmThroughput":{"ReadUnitsPerSecond":1}}}]})",
        "ValidationException: One or more parameter values were invalid: "
        "GlobalSecondaryIndexUpdates.Create.WarmThroughput is not supported by millrace"}},
      {"CreateTable", {std::string(kOrders), "ResourceInUseException: Table already exists: Orders"}}};
  for (const auto& [operation, one] : cases) EXPECT_EQ(refusal(operation, one.first), one.second);
}

TEST_F(DynamodbServiceTest, ChangesSettings) {
  EXPECT_EQ(output("UpdateTimeToLive",
                   R"({"TableName":"Orders","TimeToLiveSpecification":{"Enabled":true,"AttributeName":"ttl"}})"),
            R"({"TimeToLiveSpecification":{"Enabled":true,"AttributeName":"ttl"}})");
  EXPECT_EQ(output("DescribeTimeToLive", R"({"TableName":"Orders"})"),
            R"({"TimeToLiveDescription":{"TimeToLiveStatus":"ENABLED","AttributeName":"ttl"}})");
  const std::string stream = output("UpdateTable", R"({"TableName":"Orders",
    "StreamSpecification":{"StreamEnabled":true,"StreamViewType":"NEW_IMAGE"}})");
  EXPECT_THAT(stream, HasSubstr(R"("StreamSpecification":{"StreamEnabled":true,"StreamViewType":"NEW_IMAGE"})"));
  EXPECT_THAT(stream, HasSubstr("LatestStreamArn"));
  EXPECT_EQ(refusal("TagResource", R"({"ResourceArn":"arn:aws:dynamodb:us-east-1:000000000000:table/Nowhere",
    "Tags":[{"Key":"a","Value":"b"}]})"),
            "ResourceNotFoundException: Requested resource not found: ResourcArn: "
            "arn:aws:dynamodb:us-east-1:000000000000:table/Nowhere not found");
  EXPECT_THAT(output("DeleteTable", R"({"TableName":"Orders"})"), HasSubstr(R"("TableStatus":"DELETING")"));
  EXPECT_EQ(output("ListTables", "{}"), R"({"TableNames":[]})");
}

TEST_F(DynamodbServiceTest, HoldsAnswersUntilTheWriteIsDurable) {
  commits.hold();
  const auto reply = call("PutItem", R"({"TableName":"Orders","Item":{"customer":{"S":"a"},"id":{"N":"1"}}})");
  ASSERT_TRUE(reply.ok());
  bool durable = false;
  commits.when_durable(reply->after, [&](const Error*) { durable = true; });
  EXPECT_FALSE(durable);
  commits.release();
  EXPECT_TRUE(durable);
}

}  // namespace
}  // namespace millrace::api_dynamodb
