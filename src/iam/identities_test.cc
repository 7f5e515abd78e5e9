#include "iam/identities.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "iam/errors.h"
#include "iam/managed_policies.h"
#include "iam/sessions.h"
#include "storage/memory/memory_store.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"

namespace millrace::iam {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr const char* kHome = "000000000000";
constexpr const char* kDocument =
    R"({"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["s3:*"],"Resource":"*"}})";

template <typename T>
std::string_view name_of_error(const Result<T>& result) {
  return result.ok() ? "no error" : result.error().type().name;
}

class IdentitiesTest : public ::testing::Test {
 protected:
  IdentitiesTest() { restart(); }
  void restart() {
    scheduler_.run_ready();
    identities_ = std::make_unique<Identities>(store_, commits_, scheduler_, random_);
    ASSERT_TRUE(identities_->load().ok());
    policies_ = std::make_unique<ManagedPolicies>(store_, commits_, scheduler_, random_);
    ASSERT_TRUE(policies_->load().ok());
  }
  static Identities::Name user(std::string_view name) { return {IdentityKind::kUser, kHome, name}; }
  static Identities::Name group(std::string_view name) { return {IdentityKind::kGroup, kHome, name}; }
  std::string policy(std::string name) {
    return policies_->create(kHome, {.name = std::move(name), .document = kDocument})->arn();
  }

  testing::VirtualScheduler scheduler_;
  platform::SeededRandom random_{1};
  storage::MemoryStore store_;
  testing::TestCommits commits_{store_, scheduler_};
  std::unique_ptr<Identities> identities_;
  std::unique_ptr<ManagedPolicies> policies_;
};

TEST_F(IdentitiesTest, AUserIsWhatItWasAfterARestart) {
  ASSERT_TRUE(identities_->create(IdentityKind::kUser, kHome, {.name = "u", .path = "/p/", .tags = {{"a", "b"}}}).ok());
  ASSERT_TRUE(identities_->create(IdentityKind::kGroup, kHome, {.name = "g"}).ok());
  ASSERT_TRUE(identities_->add_to_group(kHome, "u", "g").ok());
  ASSERT_TRUE(identities_->put_policy(user("u"), "inline", kDocument).ok());
  const auto key = identities_->create_key(user("u"));
  ASSERT_TRUE(key.ok());
  restart();
  const auto found = identities_->user_of_key(key->id);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->arn(), "arn:aws:iam::000000000000:user/p/u");
  EXPECT_EQ(found->access_keys.at(0).secret, key->secret);
  EXPECT_THAT(found->groups, ElementsAre("g"));
  EXPECT_THAT(identities_->users_of(kHome, "g"), SizeIs(1));
  EXPECT_EQ(*identities_->get_policy(user("u"), "inline"), kDocument);
}

TEST_F(IdentitiesTest, AKeyTellsItsUserToSessionsUntilItIsDeleted) {
  Roles roles(store_, commits_, scheduler_, random_);
  Sessions sessions(store_, commits_, scheduler_, random_, roles);
  sessions.know(*identities_);
  ASSERT_TRUE(identities_->create(IdentityKind::kUser, "111122223333", {.name = "u"}).ok());
  const Identities::Name name{IdentityKind::kUser, "111122223333", "u"};
  const auto key = identities_->create_key(name);
  EXPECT_EQ(sessions.principal_of(kHome, key->id).arn, "arn:aws:iam::111122223333:user/u");
  ASSERT_TRUE(identities_->rename(name, "v", "/x/").ok());
  EXPECT_EQ(sessions.principal_of(kHome, key->id).arn, "arn:aws:iam::111122223333:user/x/v");
  ASSERT_TRUE(identities_->delete_key({IdentityKind::kUser, "111122223333", "v"}, key->id).ok());
  EXPECT_EQ(sessions.principal_of(kHome, key->id).arn, "arn:aws:iam::000000000000:root");
}

TEST_F(IdentitiesTest, MembershipsFollowTheGroupsName) {
  ASSERT_TRUE(identities_->create(IdentityKind::kUser, kHome, {.name = "u"}).ok());
  ASSERT_TRUE(identities_->create(IdentityKind::kGroup, kHome, {.name = "g"}).ok());
  ASSERT_TRUE(identities_->create(IdentityKind::kGroup, kHome, {.name = "taken"}).ok());
  ASSERT_TRUE(identities_->add_to_group(kHome, "u", "g").ok());
  EXPECT_EQ(name_of_error(identities_->rename(group("g"), "taken", {})), "EntityAlreadyExistsException");
  ASSERT_TRUE(identities_->rename(group("g"), "h", {}).ok());
  restart();
  EXPECT_THAT(identities_->get(user("u"))->groups, ElementsAre("h"));
  EXPECT_EQ(name_of_error(identities_->get(group("g"))), "NoSuchEntityException");
}

TEST_F(IdentitiesTest, WhatIsInUseIsNotDeleted) {
  ASSERT_TRUE(identities_->create(IdentityKind::kUser, kHome, {.name = "u"}).ok());
  ASSERT_TRUE(identities_->create(IdentityKind::kGroup, kHome, {.name = "g"}).ok());
  ASSERT_TRUE(identities_->add_to_group(kHome, "u", "g").ok());
  EXPECT_EQ(name_of_error(identities_->remove(user("u"))), "DeleteConflictException");
  EXPECT_EQ(name_of_error(identities_->remove(group("g"))), "DeleteConflictException");
  ASSERT_TRUE(identities_->remove_from_group(kHome, "u", "g").ok());
  const auto key = identities_->create_key(user("u"));
  EXPECT_EQ(name_of_error(identities_->remove(user("u"))), "DeleteConflictException");
  ASSERT_TRUE(identities_->delete_key(user("u"), key->id).ok());
  ASSERT_TRUE(identities_->attach(user("u"), policy("p")).ok());
  EXPECT_EQ(name_of_error(identities_->remove(user("u"))), "DeleteConflictException");
  ASSERT_TRUE(identities_->detach(user("u"), "arn:aws:iam::000000000000:policy/p").ok());
  EXPECT_TRUE(identities_->remove(user("u")).ok());
  EXPECT_TRUE(identities_->remove(group("g")).ok());
  EXPECT_EQ(name_of_error(identities_->remove(group("g"))), "NoSuchEntityException");
}

TEST_F(IdentitiesTest, LimitsHold) {
  ASSERT_TRUE(identities_->create(IdentityKind::kUser, kHome, {.name = "u"}).ok());
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(identities_->attach(user("u"), policy("p" + std::to_string(i))).ok());
  EXPECT_EQ(name_of_error(identities_->attach(user("u"), policy("p10"))), "LimitExceededException");
  EXPECT_THAT(identities_->get(user("u"))->attached_policies, SizeIs(10));
  const std::string padding(2'048, 'x');
  EXPECT_EQ(name_of_error(identities_->put_policy(
                user("u"), "p",
                R"({"Statement":{"Sid":")" + padding + R"(","Effect":"Allow","Action":"*","Resource":"*"}})")),
            "LimitExceededException");
  EXPECT_THAT(identities_->get(user("u"))->inline_policies, IsEmpty());
}

TEST_F(IdentitiesTest, APolicysVersionsAreNotCountedAnew) {
  const std::string arn = policy("p");
  EXPECT_EQ(policies_->create_version(arn, kDocument, true)->number, 2);
  ASSERT_TRUE(policies_->delete_version(arn, "v1").ok());
  restart();
  EXPECT_EQ(policies_->create_version(arn, kDocument, false)->number, 3);
  EXPECT_EQ(policies_->get(arn)->default_version, 2);
  EXPECT_EQ(name_of_error(policies_->delete_version(arn, "v2")), "DeleteConflictException");
  EXPECT_EQ(name_of_error(policies_->delete_version(arn, "v9")), "NoSuchEntityException");
  EXPECT_EQ(name_of_error(policies_->remove(arn)), "DeleteConflictException");
}

TEST_F(IdentitiesTest, OnlyWhatIsThereCanBeAttached) {
  const std::string arn = policy("p");
  EXPECT_TRUE(policies_->check_attachable(kHome, arn).ok());
  EXPECT_TRUE(policies_->check_attachable(kHome, "arn:aws:iam::aws:policy/AnythingOfAws").ok());
  EXPECT_EQ(name_of_error(policies_->check_attachable("111122223333", arn)), "NoSuchEntityException");
  EXPECT_EQ(name_of_error(policies_->check_attachable(kHome, "arn:aws:iam::000000000000:policy/other/p")),
            "NoSuchEntityException");
  EXPECT_EQ(name_of_error(policies_->check_attachable(kHome, "nonsense")), "InvalidInputException");
  EXPECT_EQ(name_of_error(policies_->create_version("arn:aws:iam::aws:policy/AdministratorAccess", kDocument, true)),
            "InvalidInputException");
}

TEST_F(IdentitiesTest, ResetTakesOneAccountWithItsKeys) {
  ASSERT_TRUE(identities_->create(IdentityKind::kUser, kHome, {.name = "u"}).ok());
  ASSERT_TRUE(identities_->create(IdentityKind::kUser, "111122223333", {.name = "u"}).ok());
  const auto key = identities_->create_key(user("u"));
  identities_->reset(kHome);
  EXPECT_FALSE(identities_->user_of_key(key->id).has_value());
  EXPECT_THAT(identities_->list(IdentityKind::kUser, "111122223333"), SizeIs(1));
}

}  // namespace
}  // namespace millrace::iam
