// Compiles every generated view, also those that no face uses yet.
#include <gtest/gtest.h>

#include "wire/generated/dynamodb_views.h"
#include "wire/generated/dynamodbstreams_views.h"
#include "wire/generated/iam_views.h"
#include "wire/generated/logs_views.h"
#include "wire/generated/s3_views.h"
#include "wire/generated/sqs_views.h"
#include "wire/generated/sts_views.h"

namespace millrace::wire {
namespace {

TEST(ViewsTest, FollowRecursiveStructures) {
  const auto document = codec::parse_json(R"({"Item":{"a":{"M":{"b":{"L":[{"N":"1"}]}}}},"TableName":"t"})");
  const dynamodb::PutItemInput input(*document);
  const auto a = input.item().find("a");
  ASSERT_TRUE(a.has_value());
  EXPECT_EQ(a->m().find("b")->l()[0].n(), "1");
  EXPECT_FALSE(a->m().find("c").has_value());
}

TEST(ViewsTest, AvoidKeywordsAndHandleAbsentStructures) {
  const auto document = codec::parse_json(R"({"Bucket":"b"})");
  const s3::DeleteObjectsRequest request(*document);
  EXPECT_EQ(request.bucket(), "b");
  EXPECT_TRUE(request.delete_().objects().empty());
}

}  // namespace
}  // namespace millrace::wire
