#include <gtest/gtest.h>

#include "api/dynamodb/internal/item_call.h"

namespace millrace::api_dynamodb {
namespace {

const std::vector<std::string_view> kMembers = {
    "TableName", "IndexName", "Item", "ConditionExpression", "ExpressionAttributeNames", "ExpressionAttributeValues",
    "Select",    "Limit",     "Scan", "ReturnValues",        "ConsistentRead",           "ExclusiveStartKey"};

TEST(ReadCallTest, ReadsCommonRequestsLikeTheDocument) {
  const std::string text =
      R"( {"TableName":"T.1-_a","IndexName":"byS","Item":{"a":{"S":"\u00e9\n"},"b":{"BS":["AP8="]}},
    "ConditionExpression":"#a = :v","ExpressionAttributeNames":{"#a":"a"},"ExpressionAttributeValues":{":v":{"N":"1.50"}},
    "Select":"COUNT","Limit":7,"ReturnValues":"ALL_OLD","ConsistentRead":true,"ExclusiveStartKey":{"k":{"B":"AA=="}}} )";
  const codec::Json document = codec::parse_json(text).value();
  const ItemCall expected = read_call(document).value();
  const std::optional<ItemCall> read = read_call(text, kMembers);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->table, expected.table);
  EXPECT_EQ(read->index, expected.index);
  EXPECT_EQ(read->item, expected.item);
  EXPECT_EQ(read->start, expected.start);
  EXPECT_EQ(read->condition, expected.condition);
  EXPECT_EQ(read->names, expected.names);
  EXPECT_EQ(read->values, expected.values);
  EXPECT_EQ(read->select, Select::kCount);
  EXPECT_EQ(read->limit, 7U);
  EXPECT_EQ(read->return_values, ReturnValues::kAllOld);
  EXPECT_TRUE(read->consistent);
}

TEST(ReadCallTest, LeavesEverythingUncommonToTheGenericPath) {
  for (const std::string_view text : {
           R"()",
           R"([])",
           R"({"TableName":"Tab")",
           R"({"TableName":"Tab"} x)",
           R"({"TableName":"Tab","TableName":"Tab"})",                                            // twice
           R"({"TableName":"arn:aws:dynamodb:us-east-1:000000000000:table/Tab"})",                // an ARN
           R"({"TableName":"T"})",                                                                // too short
           R"({"TableName":5})",                                                                  // wrong kind
           R"({"TableName":null})",                                                               // null
           R"({})",                                                                               // missing
           R"({"TableName":"Tab","Expected":{}})",                                                // legacy
           R"({"TableName":"Tab","Item":{"a":{"S":"x","N":"1"}}})",                               // two types
           R"({"TableName":"Tab","Item":{"a":{}}})",                                              // no type
           R"({"TableName":"Tab","Item":{"a":{"N":"x"}}})",                                       // no number
           R"({"TableName":"Tab","Item":{"a":{"SS":["x","x"]}}})",                                // no set
           R"({"TableName":"Tab","Item":{"a":{"NULL":false}}})",                                  // no null
           R"({"TableName":"Tab","Item":{"a":{"B":"%%"}}})",                                      // no base64
           R"({"TableName":"Tab","Limit":0})",                                                    // out of range
           R"({"TableName":"Tab","Limit":1.5})",                                                  // no integer
           R"({"TableName":"Tab","Select":"ALL"})",                                               // no such value
           R"({"TableName":"Tab","IndexName":"i"})",                                              // too short
           R"({"TableName":"Tab","ExpressionAttributeNames":{"#a":"x","#a":"y"}})",               // twice
           R"({"TableName":"Tab","ExpressionAttributeValues":{":a":{"S":"x"},":a":{"S":"y"}}})",  // twice
           "{\"TableName\":\"Tab\",\"Item\":{\"a\":{\"S\":\"\xff\"}}}",                           // no UTF-8
       }) {
    EXPECT_FALSE(read_call(text, kMembers).has_value()) << text;
  }
}

TEST(ReadCallTest, LeavesOverlongNamesToTheGenericPath) {
  const std::string name(65536, 'n');
  EXPECT_FALSE(read_call(R"({"TableName":"Tab","Item":{")" + name + R"(":{"S":"x"}}})", kMembers).has_value());
  EXPECT_TRUE(read_call(R"({"TableName":"Tab","Item":{")" + name.substr(1) + R"(":{"S":"x"}}})", kMembers).has_value());
}

}  // namespace
}  // namespace millrace::api_dynamodb
