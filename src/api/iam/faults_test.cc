// Whatever write or read of the store fails, in whatever operation: nothing acknowledged is lost, nothing is there by
// half (testing/fault_loop.h).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/iam/service.h"
#include "iam/identities.h"
#include "iam/managed_policies.h"
#include "iam/roles.h"
#include "testing/fault_loop.h"

namespace millrace::api_iam {
namespace {

using ::testing::IsEmpty;

class World final : public testing::FaultedFace<wire::Service, wire::RequestContext> {
 public:
  using FaultedFace::FaultedFace;
  Result<void> load() {
    MR_RETURN_IF_ERROR(roles_.load());
    MR_RETURN_IF_ERROR(policies_.load());
    return identities_.load();
  }
  // KEY stands for the id of the access key that v has, which only the server knows.
  Answer call(const std::string& line) override {
    const auto place = line.find("KEY");
    if (place == std::string::npos) return FaultedFace::call(line);
    const auto user = identities_.get({iam::IdentityKind::kUser, Scope().account, "v"});
    const bool has_key = user.ok() && !user->access_keys.empty();
    return FaultedFace::call(std::string(line).replace(place, 3, has_key ? user->access_keys[0].id : "none"));
  }

 private:
  const wire::Service& face() const override { return *face_; }
  iam::Roles roles_{bench_.store, bench_.commits, bench_.scheduler, bench_.random};
  iam::ManagedPolicies policies_{bench_.store, bench_.commits, bench_.scheduler, bench_.random};
  iam::Identities identities_{bench_.store, bench_.commits, bench_.scheduler, bench_.random};
  std::unique_ptr<wire::Service> face_ = make_iam_service({roles_, policies_, identities_});
};

TEST(IamFaults, AFailureOfTheStoreLeavesNothingByHalf) {
  testing::FaultPlan plan;
  plan.open = testing::opens<World>();
  plan.steps = {
      R"(CreateRole {"RoleName":"r","AssumeRolePolicyDocument":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"lambda.amazonaws.com\"},\"Action\":\"sts:AssumeRole\"}]}"})",
      R"(PutRolePolicy {"RoleName":"r","PolicyName":"i","PolicyDocument":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"s3:*\",\"Resource\":\"*\"}]}"})",
      R"(TagRole {"RoleName":"r","Tags":[{"Key":"a","Value":"b"}]})",
      R"(CreatePolicy {"PolicyName":"p","PolicyDocument":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"s3:*\",\"Resource\":\"*\"}]}"})",
      R"(CreatePolicyVersion {"PolicyArn":"arn:aws:iam::000000000000:policy/p","PolicyDocument":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"s3:*\",\"Resource\":\"*\"}]}","SetAsDefault":true})",
      R"(AttachRolePolicy {"RoleName":"r","PolicyArn":"arn:aws:iam::000000000000:policy/p"})",
      R"(CreateUser {"UserName":"u"})",
      R"(CreateGroup {"GroupName":"g"})",
      R"(AddUserToGroup {"UserName":"u","GroupName":"g"})",
      R"(CreateAccessKey {"UserName":"u"})",
      R"(PutUserPolicy {"UserName":"u","PolicyName":"i","PolicyDocument":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"s3:*\",\"Resource\":\"*\"}]}"})",
      R"(UpdateUser {"UserName":"u","NewUserName":"v"})",
      R"(UpdateAccessKey {"UserName":"v","AccessKeyId":"KEY","Status":"Inactive"})",
      R"(DeleteAccessKey {"UserName":"v","AccessKeyId":"KEY"})",
      R"(UpdateRole {"RoleName":"r","Description":"d","MaxSessionDuration":7200})",
      R"(UpdateAssumeRolePolicy {"RoleName":"r","PolicyDocument":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"events.amazonaws.com\"},\"Action\":\"sts:AssumeRole\"}]}"})",
      R"(UntagRole {"RoleName":"r","TagKeys":["a"]})",
      R"(TagPolicy {"PolicyArn":"arn:aws:iam::000000000000:policy/p","Tags":[{"Key":"a","Value":"b"}]})",
      R"(UntagPolicy {"PolicyArn":"arn:aws:iam::000000000000:policy/p","TagKeys":["a"]})",
      R"(SetDefaultPolicyVersion {"PolicyArn":"arn:aws:iam::000000000000:policy/p","VersionId":"v1"})",
      R"(DeletePolicyVersion {"PolicyArn":"arn:aws:iam::000000000000:policy/p","VersionId":"v2"})",
      R"(TagUser {"UserName":"v","Tags":[{"Key":"a","Value":"b"},{"Key":"c","Value":"d"}]})",
      R"(UntagUser {"UserName":"v","TagKeys":["a"]})",
      R"(UpdateGroup {"GroupName":"g","NewGroupName":"h"})",
      R"(PutGroupPolicy {"GroupName":"h","PolicyName":"i","PolicyDocument":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"s3:*\",\"Resource\":\"*\"}]}"})",
      R"(AttachUserPolicy {"UserName":"v","PolicyArn":"arn:aws:iam::000000000000:policy/p"})",
      R"(AttachGroupPolicy {"GroupName":"h","PolicyArn":"arn:aws:iam::000000000000:policy/p"})",
      R"(DetachRolePolicy {"RoleName":"r","PolicyArn":"arn:aws:iam::000000000000:policy/p"})",
      R"(DeleteRolePolicy {"RoleName":"r","PolicyName":"i"})",
      R"(DeleteRole {"RoleName":"r"})",
      R"(DeleteUserPolicy {"UserName":"v","PolicyName":"i"})",
      R"(DetachUserPolicy {"UserName":"v","PolicyArn":"arn:aws:iam::000000000000:policy/p"})",
      R"(DeleteGroupPolicy {"GroupName":"h","PolicyName":"i"})",
      R"(DetachGroupPolicy {"GroupName":"h","PolicyArn":"arn:aws:iam::000000000000:policy/p"})",
      R"(DeletePolicy {"PolicyArn":"arn:aws:iam::000000000000:policy/p"})",
      R"(CreateUser {"UserName":"w"})",
      R"(DeleteUser {"UserName":"w"})",
      R"(RemoveUserFromGroup {"UserName":"v","GroupName":"h"})",
      R"(DeleteGroup {"GroupName":"h"})",
  };
  plan.looks = {
      R"(ListRoles {})",
      R"(ListPolicies {"Scope":"Local"})",
      R"(ListUsers {})",
      R"(ListGroups {})",
      R"(GetRolePolicy {"RoleName":"r","PolicyName":"i"})",
      R"(ListAttachedRolePolicies {"RoleName":"r"})",
      R"(ListRoleTags {"RoleName":"r"})",
      R"(ListPolicyVersions {"PolicyArn":"arn:aws:iam::000000000000:policy/p"})",
      R"(ListAccessKeys {"UserName":"u"})",
      R"(ListAccessKeys {"UserName":"v"})",
      R"(ListGroupsForUser {"UserName":"u"})",
      R"(ListGroupsForUser {"UserName":"v"})",
      R"(ListUserPolicies {"UserName":"v"})",
      R"(ListAttachedUserPolicies {"UserName":"v"})",
      R"(ListUserTags {"UserName":"v"})",
      R"(ListGroupPolicies {"GroupName":"h"})",
      R"(ListAttachedGroupPolicies {"GroupName":"h"})",
      R"(ListPolicyTags {"PolicyArn":"arn:aws:iam::000000000000:policy/p"})",
  };
  EXPECT_THAT(testing::find_faults(plan), IsEmpty());
}

}  // namespace
}  // namespace millrace::api_iam
