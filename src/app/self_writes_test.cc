#include "app/internal/self_writes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::app {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> tables(std::string_view operation, std::string_view input) {
  return written_tables(operation, *codec::parse_json(input));
}

TEST(WrittenTables, AreThoseTheCallWritesTo) {
  EXPECT_THAT(tables("PutItem", R"({"TableName":"T"})"), ElementsAre("T"));
  EXPECT_THAT(tables("UpdateItem", R"({"TableName":"arn:aws:dynamodb:us-east-1:000000000000:table/T"})"),
              ElementsAre("T"));
  EXPECT_THAT(tables("BatchWriteItem", R"({"RequestItems":{"A":[],"B":[]}})"), ElementsAre("A", "B"));
  EXPECT_THAT(tables("TransactWriteItems",
                     R"({"TransactItems":[{"Put":{"TableName":"A"}},{"ConditionCheck":{"TableName":"B"}}]})"),
              ElementsAre("A"));
  EXPECT_THAT(tables("ExecuteStatement", R"({"Statement":"insert into \"A.b\" value {}"})"), ElementsAre("A.b"));
  EXPECT_THAT(tables("ExecuteStatement", R"({"Statement":"UPDATE T SET a=1"})"), ElementsAre("T"));
  EXPECT_THAT(tables("ExecuteStatement", R"({"Statement":"SELECT * FROM T"})"), ElementsAre(""));
  EXPECT_THAT(tables("BatchExecuteStatement", R"({"Statements":[{"Statement":"DELETE FROM \"T\" WHERE a=1"}]})"),
              ElementsAre("T"));
  EXPECT_THAT(tables("BatchWriteItem", "{}"), IsEmpty());
}

}  // namespace
}  // namespace millrace::app
