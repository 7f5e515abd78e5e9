#include <gtest/gtest.h>

#include "api/kms/service.h"
#include "storage/memory/memory_store.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"

namespace millrace::api_kms {
namespace {

using wire::Document;

class ApiKmsTest : public ::testing::Test {
 protected:
  Document ok(std::string_view operation, const Document& input) {
    auto reply = service_->find(operation)->handler(context_, input);
    EXPECT_TRUE(reply.ok()) << operation << ": " << reply.error().message();
    return reply.ok() ? std::move(reply->output) : Document();
  }
  std::string error(std::string_view operation, const Document& input) {
    auto reply = service_->find(operation)->handler(context_, input);
    return reply.ok() ? "no error" : std::string(reply.error().type().name);
  }
  static Document of(std::initializer_list<Document::Member> members) { return Document::object(members); }
  std::string made(std::initializer_list<Document::Member> members = {}) {
    return std::string(ok("CreateKey", of(members)).find("KeyMetadata")->string_or("KeyId", ""));
  }
  std::string state(const std::string& key) {
    return std::string(ok("DescribeKey", of({{"KeyId", key}})).find("KeyMetadata")->string_or("KeyState", ""));
  }

  testing::VirtualScheduler scheduler_;
  platform::SeededRandom random_{1};
  storage::MemoryStore store_;
  testing::TestCommits commits_{store_, scheduler_};
  records::Records records_{store_, commits_};
  std::unique_ptr<wire::Service> service_ = make_kms_service(records_, scheduler_, random_);
  wire::RequestContext context_;
};

TEST_F(ApiKmsTest, AKeyIsFoundByIdArnAndAlias) {
  const std::string id = made({{"Description", "d"}});
  ok("CreateAlias", of({{"AliasName", "alias/mine"}, {"TargetKeyId", id}}));
  const std::string arn = "arn:aws:kms:us-east-1:000000000000:";
  for (const std::string& name : {id, arn + "key/" + id, std::string("alias/mine"), arn + "alias/mine"}) {
    EXPECT_EQ(ok("DescribeKey", of({{"KeyId", name}})).find("KeyMetadata")->string_or("KeyId", ""), id);
  }
  EXPECT_EQ(error("DescribeKey", of({{"KeyId", "alias/none"}})), "NotFoundException");
  EXPECT_EQ(error("DescribeKey", of({{"KeyId", "arn:aws:kms:eu-west-1:000000000000:key/" + id}})), "NotFoundException");
  EXPECT_EQ(error("DisableKey", of({{"KeyId", "alias/mine"}})), "NotFoundException");
  EXPECT_EQ(error("CreateAlias", of({{"AliasName", "alias/mine"}, {"TargetKeyId", id}})), "AlreadyExistsException");
  EXPECT_EQ(error("CreateAlias", of({{"AliasName", "mine"}, {"TargetKeyId", id}})), "ValidationException");
  EXPECT_EQ(error("CreateAlias", of({{"AliasName", "alias/b"}, {"TargetKeyId", "none"}})), "NotFoundException");
}

TEST_F(ApiKmsTest, AKeyGoesWhenItsTimeHasComeAndTakesItsAliases) {
  const std::string id = made();
  ok("CreateAlias", of({{"AliasName", "alias/mine"}, {"TargetKeyId", id}}));
  EXPECT_EQ(error("ScheduleKeyDeletion", of({{"KeyId", id}, {"PendingWindowInDays", 6}})), "ValidationException");
  EXPECT_EQ(error("CancelKeyDeletion", of({{"KeyId", id}})), "KMSInvalidStateException");
  ok("ScheduleKeyDeletion", of({{"KeyId", id}, {"PendingWindowInDays", 7}}));
  EXPECT_EQ(state(id), "PendingDeletion");
  EXPECT_EQ(error("EnableKey", of({{"KeyId", id}})), "KMSInvalidStateException");
  ok("CancelKeyDeletion", of({{"KeyId", id}}));
  EXPECT_EQ(state(id), "Disabled");
  ok("ScheduleKeyDeletion", of({{"KeyId", id}, {"PendingWindowInDays", 7}}));
  scheduler_.advance(std::chrono::hours(7 * 24) - std::chrono::seconds(1));
  EXPECT_EQ(state(id), "PendingDeletion");
  scheduler_.advance(std::chrono::seconds(1));
  EXPECT_EQ(error("DescribeKey", of({{"KeyId", id}})), "NotFoundException");
  EXPECT_TRUE(ok("ListAliases", of({})).find("Aliases")->as_array().empty());
}

TEST_F(ApiKmsTest, WhatDoesNotGoTogetherIsRefused) {
  EXPECT_EQ(error("CreateKey", of({{"KeySpec", "RSA_2048"}})), "ValidationException");
  EXPECT_EQ(error("CreateKey", of({{"KeySpec", "RSA_2048"}, {"KeyUsage", "GENERATE_VERIFY_MAC"}})),
            "ValidationException");
  EXPECT_EQ(error("CreateKey", of({{"KeySpec", "SM2"}, {"KeyUsage", "SIGN_VERIFY"}})), "UnsupportedOperationException");
  EXPECT_EQ(error("CreateKey", of({{"MultiRegion", true}})), "UnsupportedOperationException");
  EXPECT_EQ(error("CreateKey", of({{"Policy", "{"}})), "MalformedPolicyDocumentException");
  const std::string hmac = made({{"KeySpec", "HMAC_256"}, {"KeyUsage", "GENERATE_VERIFY_MAC"}});
  EXPECT_EQ(error("EnableKeyRotation", of({{"KeyId", hmac}})), "UnsupportedOperationException");
}

TEST_F(ApiKmsTest, PoliciesTagsAndPages) {
  const std::string id = made();
  EXPECT_NE(ok("GetKeyPolicy", of({{"KeyId", id}})).string_or("Policy", "").find(":root"), std::string::npos);
  ok("PutKeyPolicy", of({{"KeyId", id}, {"Policy", R"({"Statement":[]})"}}));
  EXPECT_EQ(ok("GetKeyPolicy", of({{"KeyId", id}})).string_or("Policy", ""), R"({"Statement":[]})");
  EXPECT_EQ(error("GetKeyPolicy", of({{"KeyId", id}, {"PolicyName", "other"}})), "NotFoundException");
  ok("TagResource", of({{"KeyId", id}, {"Tags", Document::array({of({{"TagKey", "a"}, {"TagValue", "1"}})})}}));
  EXPECT_EQ(ok("ListResourceTags", of({{"KeyId", id}})).find("Tags")->as_array().size(), 1u);
  ok("UntagResource", of({{"KeyId", id}, {"TagKeys", Document::array({"a"})}}));
  EXPECT_TRUE(ok("ListResourceTags", of({{"KeyId", id}})).find("Tags")->as_array().empty());
  made();
  made();
  const Document first = ok("ListKeys", of({{"Limit", 2}}));
  EXPECT_TRUE(first.bool_or("Truncated", false));
  const Document rest = ok("ListKeys", of({{"Limit", 2}, {"Marker", first.string_or("NextMarker", "")}}));
  EXPECT_EQ(rest.find("Keys")->as_array().size(), 1u);
  EXPECT_FALSE(rest.bool_or("Truncated", true));
}

}  // namespace
}  // namespace millrace::api_kms
