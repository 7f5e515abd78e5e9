// Whatever write or read of the store fails, in whatever operation: nothing acknowledged is lost, nothing is there by
// half (testing/fault_loop.h).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/kms/service.h"
#include "testing/fault_loop.h"

namespace millrace::api_kms {
namespace {

using ::testing::IsEmpty;

class World final : public testing::FaultedFace<wire::Service, wire::RequestContext> {
 public:
  using FaultedFace::FaultedFace;
  Result<void> load() { return records_.load(); }

 private:
  const wire::Service& face() const override { return *face_; }
  records::Records records_{bench_.store, bench_.commits};
  std::unique_ptr<wire::Service> face_ = make_kms_service(records_, bench_.scheduler, bench_.random);
};

TEST(KmsFaults, AFailureOfTheStoreLeavesNothingByHalf) {
  // The ids that the keys get: those of a start that nothing else has drawn from.
  platform::SeededRandom random(7);
  const std::string first = R"("KeyId":")" + random.uuid() + "\"";
  const std::string second = random.uuid();
  testing::FaultPlan plan;
  plan.open = testing::opens<World>();
  plan.steps = {
      R"(CreateKey {"Description":"d","Tags":[{"TagKey":"a","TagValue":"b"}]})",
      R"(CreateKey {})",
      "UpdateKeyDescription {" + first + R"(,"Description":"e"})",
      "DisableKey {" + first + "}",
      "EnableKey {" + first + "}",
      "EnableKeyRotation {" + first + "}",
      "DisableKeyRotation {" + first + "}",
      "PutKeyPolicy {" + first + R"(,"Policy":"{\"Version\":\"2012-10-17\",\"Statement\":[]}"})",
      "TagResource {" + first + R"(,"Tags":[{"TagKey":"c","TagValue":"d"}]})",
      "UntagResource {" + first + R"(,"TagKeys":["a"]})",
      R"(CreateAlias {"AliasName":"alias/x","TargetKeyId":")" + second + "\"}",
      R"(UpdateAlias {"AliasName":"alias/x","Target)" + first.substr(1) + "}",
      R"(DeleteAlias {"AliasName":"alias/x"})",
      R"(CreateAlias {"AliasName":"alias/y","Target)" + first.substr(1) + "}",
      "ScheduleKeyDeletion {" + first + R"(,"PendingWindowInDays":7})",
      "CancelKeyDeletion {" + first + "}",
  };
  plan.looks = {
      R"(ListKeys {})",
      R"(ListAliases {})",
      "DescribeKey {" + first + "}",
      "GetKeyPolicy {" + first + R"(,"PolicyName":"default"})",
      "GetKeyRotationStatus {" + first + "}",
      "ListResourceTags {" + first + "}",
      R"(DescribeKey {"KeyId":")" + second + "\"}",
  };
  EXPECT_THAT(testing::find_faults(plan), IsEmpty());
}

}  // namespace
}  // namespace millrace::api_kms
