#include <gtest/gtest.h>

#include "api/iam/service.h"
#include "http/message.h"
#include "storage/memory/memory_store.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"

namespace millrace::api_iam {
namespace {

using wire::Document;

constexpr const char* kTrust =
    R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]})";

class ApiIamTest : public ::testing::Test {
 protected:
  Result<wire::Reply> call(std::string_view operation, const Document& input) {
    const auto* entry = iam_->find(operation);
    if (entry == nullptr) entry = sts_->find(operation);
    EXPECT_NE(entry, nullptr) << operation;
    return entry->handler(context_, input);
  }
  Document ok(std::string_view operation, const Document& input) {
    auto reply = call(operation, input);
    EXPECT_TRUE(reply.ok()) << operation << ": " << reply.error().message();
    return reply.ok() ? std::move(reply->output) : Document();
  }
  std::string error(std::string_view operation, const Document& input) {
    auto reply = call(operation, input);
    return reply.ok() ? "no error" : std::string(reply.error().type().name);
  }
  static Document object(std::initializer_list<Document::Member> members) { return Document::object(members); }

  testing::VirtualScheduler scheduler_;
  platform::SeededRandom random_{1};
  storage::MemoryStore store_;
  testing::TestCommits commits_{store_, scheduler_};
  iam::Roles roles_{store_, commits_, scheduler_, random_};
  iam::Sessions sessions_{store_, commits_, scheduler_, random_, roles_};
  iam::ManagedPolicies policies_{store_, commits_, scheduler_, random_};
  iam::Identities identities_{store_, commits_, scheduler_, random_};
  std::unique_ptr<wire::Service> iam_ = make_iam_service({roles_, policies_, identities_});
  std::unique_ptr<wire::Service> sts_ = make_sts_service(sessions_, roles_);
  wire::RequestContext context_;
};

TEST_F(ApiIamTest, ARoleIsCreatedReadListedAndDeleted) {
  const Document tags = Document::array({object({{"Key", "team"}, {"Value", "a"}})});
  const auto created = ok("CreateRole", object({{"RoleName", "worker"},
                                                {"AssumeRolePolicyDocument", kTrust},
                                                {"Path", "/x/"},
                                                {"Description", "d"},
                                                {"MaxSessionDuration", 7200},
                                                {"Tags", tags}}));
  EXPECT_EQ(created.find("Role")->string_or("Arn", ""), "arn:aws:iam::000000000000:role/x/worker");
  const auto role = *ok("GetRole", object({{"RoleName", "worker"}})).find("Role");
  EXPECT_EQ(role.string_or("AssumeRolePolicyDocument", ""), http::url_encode(kTrust));
  EXPECT_EQ(role.int_or("MaxSessionDuration", 0), 7200);
  EXPECT_EQ(*role.find("Tags"), tags);
  const auto list = ok("ListRoles", object({{"PathPrefix", "/x/"}}));
  EXPECT_EQ(list.find("Roles")->as_array().size(), 1u);
  EXPECT_FALSE(list.bool_or("IsTruncated", true));
  EXPECT_EQ(error("CreateRole", object({{"RoleName", "worker"}, {"AssumeRolePolicyDocument", kTrust}})),
            "EntityAlreadyExistsException");
  EXPECT_EQ(error("CreateRole", object({{"RoleName", "other"}, {"AssumeRolePolicyDocument", "{}"}})),
            "MalformedPolicyDocumentException");
  ok("DeleteRole", object({{"RoleName", "worker"}}));
  EXPECT_EQ(error("GetRole", object({{"RoleName", "worker"}})), "NoSuchEntityException");
}

TEST_F(ApiIamTest, PoliciesArePutAttachedAndListed) {
  ok("CreateRole", object({{"RoleName", "worker"}, {"AssumeRolePolicyDocument", kTrust}}));
  constexpr const char* kPolicy = R"({"Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]})";
  ok("PutRolePolicy", object({{"RoleName", "worker"}, {"PolicyName", "p"}, {"PolicyDocument", kPolicy}}));
  EXPECT_EQ(ok("GetRolePolicy", object({{"RoleName", "worker"}, {"PolicyName", "p"}})).string_or("PolicyDocument", ""),
            http::url_encode(kPolicy));
  EXPECT_EQ(ok("ListRolePolicies", object({{"RoleName", "worker"}})).find("PolicyNames")->dump(), R"(["p"])");
  const std::string arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";
  ok("AttachRolePolicy", object({{"RoleName", "worker"}, {"PolicyArn", arn}}));
  const auto attached = ok("ListAttachedRolePolicies", object({{"RoleName", "worker"}}));
  EXPECT_EQ(attached.find("AttachedPolicies")->as_array().at(0).string_or("PolicyName", ""),
            "AWSLambdaBasicExecutionRole");
  EXPECT_EQ(error("DeleteRole", object({{"RoleName", "worker"}})), "DeleteConflictException");
  ok("DetachRolePolicy", object({{"RoleName", "worker"}, {"PolicyArn", arn}}));
  ok("DeleteRolePolicy", object({{"RoleName", "worker"}, {"PolicyName", "p"}}));
  ok("DeleteRole", object({{"RoleName", "worker"}}));
}

TEST_F(ApiIamTest, TrustPoliciesAndTagsAreChanged) {
  ok("CreateRole", object({{"RoleName", "worker"}, {"AssumeRolePolicyDocument", kTrust}}));
  EXPECT_EQ(error("UpdateAssumeRolePolicy", object({{"RoleName", "worker"}, {"PolicyDocument", "[]"}})),
            "MalformedPolicyDocumentException");
  ok("UpdateAssumeRolePolicy", object({{"RoleName", "worker"}, {"PolicyDocument", kTrust}}));
  ok("TagRole", object({{"RoleName", "worker"}, {"Tags", Document::array({object({{"Key", "a"}, {"Value", "1"}})})}}));
  EXPECT_EQ(ok("ListRoleTags", object({{"RoleName", "worker"}})).find("Tags")->as_array().size(), 1u);
  ok("UntagRole", object({{"RoleName", "worker"}, {"TagKeys", Document::array({"a"})}}));
  EXPECT_EQ(ok("ListRoleTags", object({{"RoleName", "worker"}})).find("Tags")->as_array().size(), 0u);
}

TEST_F(ApiIamTest, TheCallerIsToldWhoHeIs) {
  auto identity = ok("GetCallerIdentity", Document::object());
  EXPECT_EQ(identity.string_or("Account", ""), "000000000000");
  EXPECT_EQ(identity.string_or("Arn", ""), "arn:aws:iam::000000000000:root");

  const auto assumed = ok("AssumeRole", object({{"RoleArn", "arn:aws:iam::111111111111:role/deploy"},
                                                {"RoleSessionName", "me"},
                                                {"SourceIdentity", "alice"}}));
  EXPECT_EQ(assumed.string_or("SourceIdentity", ""), "alice");
  EXPECT_EQ(assumed.find("AssumedRoleUser")->string_or("Arn", ""), "arn:aws:sts::111111111111:assumed-role/deploy/me");
  EXPECT_EQ(assumed.find("Credentials")->int_or("Expiration", 0), to_unix_s(scheduler_.now()) + 3600);
  context_.caller.access_key = assumed.find("Credentials")->string_or("AccessKeyId", "");
  identity = ok("GetCallerIdentity", Document::object());
  EXPECT_EQ(identity.string_or("Account", ""), "111111111111");
  EXPECT_EQ(identity.string_or("Arn", ""), "arn:aws:sts::111111111111:assumed-role/deploy/me");
}

TEST_F(ApiIamTest, AssumeRoleRefusesWhatItCannotDo) {
  const auto with = [&](std::string name, Document value) {
    Document input = object({{"RoleArn", "arn:aws:iam::111111111111:role/deploy"}, {"RoleSessionName", "me"}});
    input.set(name, std::move(value));
    return error("AssumeRole", input);
  };
  EXPECT_EQ(with("RoleArn", "arn:aws:iam::111111111111:user/x"), "ValidationError");
  EXPECT_EQ(with("TokenCode", "123456"), "ValidationError");
  EXPECT_EQ(with("SerialNumber", "arn:aws:iam::111111111111:mfa/x"), "ValidationError");
  EXPECT_EQ(with("Policy", "{}"), "MalformedPolicyDocumentException");
  EXPECT_EQ(with("ExternalId", "x1"), "no error");
  ok("CreateRole", object({{"RoleName", "short"}, {"AssumeRolePolicyDocument", kTrust}}));
  EXPECT_EQ(error("AssumeRole", object({{"RoleArn", "arn:aws:iam::000000000000:role/short"},
                                        {"RoleSessionName", "me"},
                                        {"DurationSeconds", 3601}})),
            "ValidationError");
}

}  // namespace
}  // namespace millrace::api_iam
