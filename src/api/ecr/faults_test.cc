// Whatever write or read of the store fails, in whatever operation: nothing acknowledged is lost, nothing is there by
// half (testing/fault_loop.h).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/ecr/service.h"
#include "testing/fault_loop.h"

namespace millrace::api_ecr {
namespace {

using ::testing::IsEmpty;

class World final : public testing::FaultedFace<wire::Service, wire::RequestContext> {
 public:
  using FaultedFace::FaultedFace;
  Result<void> load() { return records_.load(); }

 private:
  const wire::Service& face() const override { return *face_; }
  records::Records records_{bench_.store, bench_.commits};
  std::unique_ptr<wire::Service> face_ = make_ecr_service(records_, bench_.scheduler);
};

TEST(EcrFaults, AFailureOfTheStoreLeavesNothingByHalf) {
  testing::FaultPlan plan;
  plan.open = testing::opens<World>();
  plan.steps = {
      R"(CreateRepository {"repositoryName":"r","tags":[{"Key":"a","Value":"b"}]})",
      R"(CreateRepository {"repositoryName":"s"})",
      R"(PutImageTagMutability {"repositoryName":"r","imageTagMutability":"IMMUTABLE"})",
      R"(PutImageScanningConfiguration {"repositoryName":"r","imageScanningConfiguration":{"scanOnPush":true}})",
      R"(PutLifecyclePolicy {"repositoryName":"r","lifecyclePolicyText":"{\"rules\":[{\"rulePriority\":1,\"selection\":{\"tagStatus\":\"untagged\",\"countType\":\"imageCountMoreThan\",\"countNumber\":3},\"action\":{\"type\":\"expire\"}}]}"})",
      R"(SetRepositoryPolicy {"repositoryName":"r","policyText":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"s3:*\"}]}"})",
      R"(TagResource {"resourceArn":"arn:aws:ecr:us-east-1:000000000000:repository/r","tags":[{"Key":"c","Value":"d"}]})",
      R"(UntagResource {"resourceArn":"arn:aws:ecr:us-east-1:000000000000:repository/r","tagKeys":["a"]})",
      R"(DeleteLifecyclePolicy {"repositoryName":"r"})",
      R"(DeleteRepositoryPolicy {"repositoryName":"r"})",
      R"(DeleteRepository {"repositoryName":"s"})",
  };
  plan.looks = {
      R"(DescribeRepositories {})",
      R"(GetLifecyclePolicy {"repositoryName":"r"})",
      R"(GetRepositoryPolicy {"repositoryName":"r"})",
      R"(ListTagsForResource {"resourceArn":"arn:aws:ecr:us-east-1:000000000000:repository/r"})",
  };
  EXPECT_THAT(testing::find_faults(plan), IsEmpty());
}

}  // namespace
}  // namespace millrace::api_ecr
