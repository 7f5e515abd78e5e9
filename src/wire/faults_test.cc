#include "wire/faults.h"

#include <gtest/gtest.h>

#include "wire/arn.h"

namespace millrace::wire {
namespace {

TEST(FaultPlanTest, HitsExactlyEveryThirdAtAThird) {
  FaultPlan plan;
  Fault fault;
  fault.service = "s3";
  fault.operation = "DeleteObject";
  fault.rate = 1.0 / 3;
  ASSERT_TRUE(plan.add(fault).has_value());
  std::string pattern;
  for (int i = 0; i < 9; ++i) pattern += plan.next("s3", "DeleteObject", "b/k").has_value() ? 'x' : '.';
  EXPECT_EQ(pattern, "..x..x..x");
  EXPECT_FALSE(plan.next("s3", "GetObject", "b/k").has_value());
}

TEST(FaultPlanTest, ForgetsARuleAfterItsCount) {
  FaultPlan plan;
  Fault fault;
  fault.count = 2;
  fault.resource = "orders*";
  plan.add(fault);
  EXPECT_FALSE(plan.next("dynamodb", "PutItem", "items").has_value());
  EXPECT_TRUE(plan.next("dynamodb", "PutItem", "orders-1").has_value());
  EXPECT_TRUE(plan.next("dynamodb", "PutItem", "orders").has_value());
  EXPECT_FALSE(plan.next("dynamodb", "PutItem", "orders").has_value());
  EXPECT_TRUE(plan.empty());
}

TEST(FaultPlanTest, RefusesRatesThatAreNone) {
  FaultPlan plan;
  Fault fault;
  fault.rate = 0;
  EXPECT_FALSE(plan.add(fault).has_value());
  fault.rate = 1.5;
  EXPECT_FALSE(plan.add(fault).has_value());
  EXPECT_FALSE(plan.remove(1));
}

TEST(ArnTest, KeepsColonsOfTheResource) {
  const auto arn = parse_arn("arn:aws:lambda:us-east-1:000000000000:function:f:1");
  ASSERT_TRUE(arn.has_value());
  EXPECT_EQ(arn->resource, "function:f:1");
  EXPECT_EQ(arn->text(), "arn:aws:lambda:us-east-1:000000000000:function:f:1");
  EXPECT_EQ(parse_arn("arn:aws:s3:::bucket")->resource, "bucket");
  for (const char* bad : {"", "arn", "arn:aws:s3", "arn:aws:s3:::", "urn:aws:s3:::b", "arn::s3:::b"}) {
    EXPECT_FALSE(parse_arn(bad).has_value()) << bad;
  }
  EXPECT_EQ(format_arn("sqs", Scope{"111111111111", "eu-west-1"}, "q"), "arn:aws:sqs:eu-west-1:111111111111:q");
}

}  // namespace
}  // namespace millrace::wire
