// Whatever write or read of the store fails, in whatever operation: nothing acknowledged is lost, nothing is there by
// half (testing/fault_loop.h).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/cloudwatch/operations.h"
#include "testing/fault_loop.h"

namespace millrace::api_cloudwatch {
namespace {

using ::testing::IsEmpty;

class World final : public testing::FaultedFace<wire::Service, wire::RequestContext> {
 public:
  using FaultedFace::FaultedFace;
  Result<void> load() {
    MR_RETURN_IF_ERROR(metrics_.load());
    return alarms_.load(alarm_queries);
  }

 private:
  const wire::Service& face() const override { return *face_; }
  metrics::Store metrics_{bench_.store, bench_.commits, bench_.scheduler};
  delivery::Delivery delivery_;
  metrics::Alarms alarms_{{bench_.store, bench_.commits, bench_.scheduler, delivery_, metrics_}};
  std::unique_ptr<wire::Service> face_ = make_cloudwatch_service({metrics_, alarms_, bench_.scheduler});
};

TEST(AlarmFaults, AFailureOfTheStoreLeavesNothingByHalf) {
  testing::FaultPlan plan;
  plan.open = testing::opens<World>();
  plan.steps = {
      R"(PutMetricAlarm {"AlarmName":"a","Namespace":"N","MetricName":"m","Statistic":"Sum","Period":60,"EvaluationPeriods":1,"Threshold":1.0,"ComparisonOperator":"GreaterThanThreshold","Tags":[{"Key":"a","Value":"b"}]})",
      R"(PutMetricAlarm {"AlarmName":"b","Namespace":"N","MetricName":"m","Statistic":"Sum","Period":60,"EvaluationPeriods":1,"Threshold":2.0,"ComparisonOperator":"GreaterThanThreshold"})",
      R"(SetAlarmState {"AlarmName":"a","StateValue":"ALARM","StateReason":"r"})",
      R"(DisableAlarmActions {"AlarmNames":["a"]})",
      R"(EnableAlarmActions {"AlarmNames":["a"]})",
      R"(DeleteAlarms {"AlarmNames":["b"]})",
  };
  plan.looks = {
      R"(DescribeAlarms {})",
      R"(DescribeAlarmHistory {})",
  };
  EXPECT_THAT(testing::find_faults(plan), IsEmpty());
}

}  // namespace
}  // namespace millrace::api_cloudwatch
