// Whatever write or read of the store fails, in whatever operation: nothing acknowledged is lost, nothing is there by
// half (testing/fault_loop.h).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/logs/service.h"
#include "testing/fault_loop.h"

namespace millrace::api_logs {
namespace {

using ::testing::IsEmpty;

class World final : public testing::FaultedFace<wire::Service, wire::RequestContext> {
 public:
  using FaultedFace::FaultedFace;
  Result<void> load() { return logs_.load(); }

 private:
  const wire::Service& face() const override { return *face_; }
  logs::Service logs_{bench_.store, bench_.commits, bench_.scheduler};
  std::unique_ptr<wire::Service> face_ = make_logs_service(logs_);
};

TEST(LogsFaults, AFailureOfTheStoreLeavesNothingByHalf) {
  testing::FaultPlan plan;
  plan.open = testing::opens<World>();
  plan.steps = {
      R"(CreateLogGroup {"logGroupName":"g","tags":{"a":"b"}})",
      R"(CreateLogGroup {"logGroupName":"h"})",
      R"(CreateLogStream {"logGroupName":"g","logStreamName":"s"})",
      R"(PutLogEvents {"logGroupName":"g","logStreamName":"s","logEvents":[{"timestamp":1767225600000,"message":"one"},{"timestamp":1767225600001,"message":"two"}]})",
      R"(PutRetentionPolicy {"logGroupName":"g","retentionInDays":7})",
      R"(PutLogEvents {"logGroupName":"g","logStreamName":"s","logEvents":[{"timestamp":1767225600002,"message":"three"}]})",
      R"(CreateLogStream {"logGroupName":"g","logStreamName":"t"})",
      R"(DeleteLogStream {"logGroupName":"g","logStreamName":"t"})",
      R"(TagLogGroup {"logGroupName":"g","tags":{"c":"d"}})",
      R"(UntagLogGroup {"logGroupName":"g","tags":["a"]})",
      R"(PutMetricFilter {"logGroupName":"g","filterName":"f","filterPattern":"one","metricTransformations":[{"metricName":"m","metricNamespace":"n","metricValue":"1"}]})",
      R"(PutMetricFilter {"logGroupName":"g","filterName":"e","filterPattern":"","metricTransformations":[{"metricName":"m","metricNamespace":"n","metricValue":"1"}]})",
      R"(DeleteMetricFilter {"logGroupName":"g","filterName":"e"})",
      R"(DeleteRetentionPolicy {"logGroupName":"g"})",
      R"(DeleteLogGroup {"logGroupName":"h"})",
  };
  plan.looks = {
      R"(DescribeLogGroups {})",
      R"(DescribeLogStreams {"logGroupName":"g"})",
      R"(FilterLogEvents {"logGroupName":"g"})",
      R"(ListTagsLogGroup {"logGroupName":"g"})",
      R"(DescribeMetricFilters {"logGroupName":"g"})",
  };
  EXPECT_THAT(testing::find_faults(plan), IsEmpty());
}

}  // namespace
}  // namespace millrace::api_logs
