// Whatever write or read of the store fails, in whatever operation: nothing acknowledged is lost, nothing is there by
// half (testing/fault_loop.h).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/xray/operations.h"
#include "testing/fault_loop.h"

namespace millrace::api_xray {
namespace {

using ::testing::IsEmpty;

class World final : public testing::FaultedFace<wire::Service, wire::RequestContext> {
 public:
  using FaultedFace::FaultedFace;
  Result<void> load() { return traces_.load(); }

 private:
  const wire::Service& face() const override { return *face_; }
  traces::Store traces_{bench_.store, bench_.commits, bench_.scheduler};
  traces::Sampler sampler_{traces::kAwsRule, bench_.random};
  std::unique_ptr<wire::Service> face_ = make_xray_service({traces_, sampler_, bench_.scheduler});
};

TEST(XRayFaults, AFailureOfTheStoreLeavesNothingByHalf) {
  testing::FaultPlan plan;
  plan.open = testing::opens<World>();
  plan.steps = {
      R"(PutTraceSegments {"TraceSegmentDocuments":["{\"id\":\"00000000000000a1\",\"name\":\"n\",\"trace_id\":\"1-6955b900-abcdef012345678912345671\",\"start_time\":1767225600.5,\"end_time\":1767225601.0}"]})",
      R"(PutTraceSegments {"TraceSegmentDocuments":["{\"id\":\"00000000000000a2\",\"name\":\"n\",\"trace_id\":\"1-6955b900-abcdef012345678912345671\",\"start_time\":1767225600.5,\"end_time\":1767225601.0}"]})",
      R"(PutTraceSegments {"TraceSegmentDocuments":["{\"id\":\"00000000000000a3\",\"name\":\"n\",\"trace_id\":\"1-6955b900-abcdef012345678912345672\",\"start_time\":1767225600.5,\"end_time\":1767225601.0}","{\"id\":\"00000000000000a4\",\"name\":\"n\",\"trace_id\":\"1-6955b900-abcdef012345678912345671\",\"start_time\":1767225600.5,\"end_time\":1767225601.0}"]})",
  };
  plan.looks = {
      R"(BatchGetTraces {"TraceIds":["1-6955b900-abcdef012345678912345671","1-6955b900-abcdef012345678912345672"]})",
      R"(GetTraceSummaries {"StartTime":1767225600.0,"EndTime":1767229200.0})",
  };
  EXPECT_THAT(testing::find_faults(plan), IsEmpty());
}

}  // namespace
}  // namespace millrace::api_xray
