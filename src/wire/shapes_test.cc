#include "wire/shapes.h"

#include <gtest/gtest.h>

#include "wire/generated/dynamodb.h"
#include "wire/generated/dynamodbstreams.h"
#include "wire/generated/iam.h"
#include "wire/generated/lambda.h"
#include "wire/generated/lambda_views.h"
#include "wire/generated/logs.h"
#include "wire/generated/s3.h"
#include "wire/generated/sqs.h"
#include "wire/generated/sts.h"

namespace millrace::wire {
namespace {

const ServiceModel* const kAll[] = {
    &dynamodb::kModel, &dynamodbstreams::kModel, &lambda::kModel, &s3::kModel, &sqs::kModel, &sts::kModel, &iam::kModel,
    &logs::kModel};

TEST(ShapesTest, EveryIndexPointsToARow) {
  for (const ServiceModel* model : kAll) {
    for (const Shape& shape : model->shapes) {
      EXPECT_LE(shape.first_member + shape.member_count, model->members.size()) << shape.name;
      EXPECT_LE(shape.first_enum + shape.enum_count, model->enums.size()) << shape.name;
      EXPECT_LT(shape.payload, shape.member_count) << shape.name;
    }
    for (const Member& member : model->members) EXPECT_LT(member.shape, model->shapes.size()) << member.name;
    for (const OperationModel& operation : model->operations) {
      EXPECT_EQ(model->find_operation(operation.name), &operation);
      EXPECT_TRUE(operation.input == kNoShape || operation.input < model->shapes.size()) << operation.name;
    }
  }
}

TEST(ShapesTest, KnowsWhatTheServicesSay) {
  EXPECT_EQ(dynamodb::kModel.target_prefix, "DynamoDB_20120810");
  EXPECT_EQ(dynamodbstreams::kModel.signing_name, "dynamodb");
  EXPECT_TRUE(sqs::kModel.also_query);
  EXPECT_TRUE(logs::kModel.json_1_1);
  EXPECT_EQ(s3::kModel.find_operation("PutObject")->path, "/{Bucket}/{Key+}");
  EXPECT_EQ(lambda::kModel.find_operation("CreateEventSourceMapping")->status, 202);
  EXPECT_EQ(lambda::kModel.find_operation("Nothing"), nullptr);
}

TEST(ShapesTest, NamesErrorsAsClientsMatchOnThem) {
  EXPECT_EQ(iam::kNoSuchEntityException.name, "NoSuchEntity");
  EXPECT_EQ(iam::kNoSuchEntityException.http_status, 404);
  EXPECT_EQ(sqs::kQueueDoesNotExist.name, "QueueDoesNotExist");
  EXPECT_EQ(sqs::kModel.find_error("QueueDoesNotExist")->error_code, "AWS.SimpleQueueService.NonExistentQueue");
  EXPECT_EQ(dynamodb::kProvisionedThroughputExceededException.kind, ErrorKind::kThrottled);
  EXPECT_EQ(dynamodb::kInternalServerError.kind, ErrorKind::kServer);
  EXPECT_EQ(s3::kNoSuchLifecycleConfiguration.http_status, 404);
}

TEST(ViewTest, ReadMembersByType) {
  const auto document = codec::parse_json(R"({"FunctionName":"f","BatchSize":7,"Enabled":false,
      "FilterCriteria":{"Filters":[{"Pattern":"{}"},{}]},"Tags":{"a":"b"},"StartingPositionTimestamp":1560209851.963})");
  const lambda::CreateEventSourceMappingRequest request(*document);
  EXPECT_EQ(request.function_name(), "f");
  EXPECT_EQ(request.batch_size(), 7);
  EXPECT_EQ(request.enabled(), false);
  EXPECT_EQ(request.parallelization_factor(), std::nullopt);
  ASSERT_TRUE(request.filter_criteria().has_value());
  ASSERT_EQ(request.filter_criteria()->filters().size(), 2u);
  EXPECT_EQ(request.filter_criteria()->filters()[0].pattern(), "{}");
  EXPECT_EQ(request.filter_criteria()->filters()[1].pattern(), std::nullopt);
  EXPECT_EQ(request.tags().find("a"), "b");
  EXPECT_FALSE(request.topics().present());
  EXPECT_EQ(request.starting_position_timestamp(), from_unix_ms(1560209851963));
  for (auto [key, value] : request.tags()) EXPECT_EQ(key, "a") << value;
}

TEST(ViewTest, DecodeBlobsOnAccess) {
  const auto document = codec::parse_json(R"({"ZipFile":"aGVsbG8=","S3Bucket":5})");
  const lambda::FunctionCode code(*document);
  EXPECT_EQ(code.zip_file(), "hello");
  EXPECT_EQ(code.s3_bucket(), std::nullopt);
}

}  // namespace
}  // namespace millrace::wire
