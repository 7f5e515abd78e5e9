// Whatever write or read of the store fails, in whatever operation: nothing acknowledged is lost, nothing is there by
// half (testing/fault_loop.h).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/ssm/service.h"
#include "testing/fault_loop.h"

namespace millrace::api_ssm {
namespace {

using ::testing::IsEmpty;

class World final : public testing::FaultedFace<wire::Service, wire::RequestContext> {
 public:
  using FaultedFace::FaultedFace;
  Result<void> load() { return records_.load(); }

 private:
  const wire::Service& face() const override { return *face_; }
  records::Records records_{bench_.store, bench_.commits};
  std::unique_ptr<wire::Service> face_ = make_ssm_service(records_, bench_.scheduler, {});
};

TEST(SsmFaults, AFailureOfTheStoreLeavesNothingByHalf) {
  testing::FaultPlan plan;
  plan.open = testing::opens<World>();
  plan.steps = {
      R"(PutParameter {"Name":"/a/x","Type":"String","Value":"1"})",
      R"(PutParameter {"Name":"/a/y","Type":"StringList","Value":"1,2"})",
      R"(PutParameter {"Name":"/a/x","Value":"2","Overwrite":true})",
      R"(AddTagsToResource {"ResourceType":"Parameter","ResourceId":"/a/x","Tags":[{"Key":"a","Value":"b"}]})",
      R"(RemoveTagsFromResource {"ResourceType":"Parameter","ResourceId":"/a/x","TagKeys":["a"]})",
      R"(DeleteParameter {"Name":"/a/y"})",
      R"(PutParameter {"Name":"/a/z","Type":"String","Value":"3"})",
      R"(DeleteParameters {"Names":["/a/x","/a/none"]})",
  };
  plan.looks = {
      R"(GetParametersByPath {"Path":"/a"})",
      R"(DescribeParameters {})",
      R"(ListTagsForResource {"ResourceType":"Parameter","ResourceId":"/a/x"})",
  };
  EXPECT_THAT(testing::find_faults(plan), IsEmpty());
}

}  // namespace
}  // namespace millrace::api_ssm
