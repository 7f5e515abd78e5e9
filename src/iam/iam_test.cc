#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "iam/errors.h"
#include "iam/policy.h"
#include "iam/roles.h"
#include "iam/sessions.h"
#include "storage/memory/memory_store.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"
#include "testing/watched_commits.h"

namespace millrace::iam {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr const char* kAccount = "000000000000";
constexpr const char* kTrust =
    R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]})";
constexpr const char* kPermissions =
    R"({"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["s3:*"],"Resource":"*"}})";
constexpr const char* kManaged = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";

template <typename T>
std::string error_of(const Result<T>& result) {
  return result.ok() ? "no error" : std::string(result.error().type().name);
}

class IamTest : public ::testing::Test {
 protected:
  IamTest() { restart(); }
  void restart() {
    sessions_.reset();
    roles_ = std::make_unique<Roles>(store_, commits_, scheduler_, random_);
    ASSERT_TRUE(roles_->load().ok());
    sessions_ = std::make_unique<Sessions>(store_, commits_, scheduler_, random_, *roles_);
    ASSERT_TRUE(sessions_->load().ok());
  }
  Role create(const std::string& name, const std::string& path = "/") {
    NewRole role;
    role.name = name;
    role.path = path;
    role.trust_policy = kTrust;
    auto created = roles_->create(kAccount, role);
    EXPECT_TRUE(created.ok());
    return *created;
  }

  testing::VirtualScheduler scheduler_;
  platform::SeededRandom random_{7};
  storage::MemoryStore store_;
  testing::TestCommits commits_{store_, scheduler_};
  std::unique_ptr<Roles> roles_;
  std::unique_ptr<Sessions> sessions_;
};

TEST_F(IamTest, ARoleSurvivesARestartWithEverything) {
  const Role role = create("worker", "/service/");
  EXPECT_EQ(role.arn(), "arn:aws:iam::000000000000:role/service/worker");
  EXPECT_THAT(role.id, ::testing::MatchesRegex("AROA[A-Z2-7]+"));
  EXPECT_EQ(role.id.size(), 21u);
  ASSERT_TRUE(roles_->put_policy(kAccount, "worker", "inline", kPermissions).ok());
  ASSERT_TRUE(roles_->attach(kAccount, "worker", kManaged).ok());
  ASSERT_TRUE(roles_->tag(kAccount, "worker", {{"team", "a"}}).ok());
  scheduler_.run_ready();
  restart();
  auto read = roles_->get(kAccount, "worker");
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->id, role.id);
  EXPECT_EQ(read->trust_policy, kTrust);
  EXPECT_EQ(read->tags, (Tags{{"team", "a"}}));
  EXPECT_THAT(read->attached_policies, ElementsAre(kManaged));
  EXPECT_EQ(*roles_->get_policy(kAccount, "worker", "inline"), kPermissions);
}

TEST_F(IamTest, ARoleIsDeletedOnlyWithoutPolicies) {
  create("worker");
  ASSERT_TRUE(roles_->put_policy(kAccount, "worker", "p", kPermissions).ok());
  EXPECT_EQ(error_of(roles_->remove(kAccount, "worker")), "DeleteConflictException");
  ASSERT_TRUE(roles_->delete_policy(kAccount, "worker", "p").ok());
  EXPECT_EQ(error_of(roles_->delete_policy(kAccount, "worker", "p")), "NoSuchEntityException");
  ASSERT_TRUE(roles_->attach(kAccount, "worker", kManaged).ok());
  EXPECT_EQ(error_of(roles_->remove(kAccount, "worker")), "DeleteConflictException");
  ASSERT_TRUE(roles_->detach(kAccount, "worker", kManaged).ok());
  EXPECT_EQ(error_of(roles_->detach(kAccount, "worker", kManaged)), "NoSuchEntityException");
  EXPECT_TRUE(roles_->remove(kAccount, "worker").ok());
  EXPECT_EQ(error_of(roles_->remove(kAccount, "worker")), "NoSuchEntityException");
}

TEST_F(IamTest, NamesAreUniquePerAccount) {
  create("worker");
  NewRole again;
  again.name = "worker";
  again.trust_policy = kTrust;
  EXPECT_EQ(error_of(roles_->create(kAccount, again)), "EntityAlreadyExistsException");
  EXPECT_EQ(error_of(roles_->create("111111111111", again)), "no error");
  EXPECT_EQ(error_of(roles_->get("222222222222", "worker")), "NoSuchEntityException");
}

TEST_F(IamTest, RolesAreListedByPathPageByPage) {
  create("c", "/x/");
  create("a", "/x/");
  create("b", "/y/");
  create("d", "/x/");
  std::vector<std::string> names;
  std::string marker;
  int pages = 0;
  do {
    auto page = roles_->list(kAccount, "/x/", {2, marker});
    ASSERT_TRUE(page.ok());
    for (const auto& role : page->items) names.push_back(role.name);
    marker = page->marker;
    ++pages;
  } while (!marker.empty());
  EXPECT_THAT(names, ElementsAre("a", "c", "d"));
  EXPECT_EQ(pages, 2);
  EXPECT_EQ(error_of(roles_->list(kAccount, "/", {2, "!"})), "ValidationError");
  roles_->reset(kAccount);
  EXPECT_THAT(roles_->list(kAccount, "/", {})->items, IsEmpty());
}

TEST_F(IamTest, OnlyManagedPoliciesOfAwsCanBeAttached) {
  create("worker");
  ASSERT_TRUE(roles_->attach(kAccount, "worker", kManaged).ok());
  EXPECT_THAT(roles_->list_attached(kAccount, "worker", "/service-role/", {})->items, ElementsAre(kManaged));
  EXPECT_THAT(roles_->list_attached(kAccount, "worker", "/other/", {})->items, IsEmpty());
}

TEST_F(IamTest, MalformedPoliciesAreRefused) {
  const auto trust = [](const char* text) { return error_of(check_policy(text, PolicyKind::kTrust)); };
  const auto permission = [](const char* text) { return error_of(check_policy(text, PolicyKind::kPermission)); };
  const std::string malformed(kMalformedPolicyDocument.name);
  EXPECT_EQ(trust(kTrust), "no error");
  EXPECT_EQ(permission(kPermissions), "no error");
  EXPECT_EQ(trust(kPermissions), malformed);
  EXPECT_EQ(permission(kTrust), malformed);
  for (const char* text :
       {"", "{", "[]", "{}", R"({"Statement":[]})", R"({"Statement":[1]})", R"({"Version":"2020","Statement":[]})",
        R"({"Statement":[{"Effect":"Maybe","Principal":"*","Action":"a"}]})",
        R"({"Statement":[{"Effect":"Allow","Principal":"*"}]})", R"({"Statement":[{"Effect":"Allow","Action":"a"}]})",
        R"({"Statement":[{"Effect":"Allow","Principal":{"Who":"x"},"Action":"a"}]})",
        R"({"Statement":[{"Effect":"Allow","Principal":"*","Action":"a","Foo":1}]})"}) {
    EXPECT_EQ(trust(text), malformed) << text;
  }
  NewRole role;
  role.name = "x";
  role.trust_policy = "{}";
  EXPECT_EQ(error_of(roles_->create(kAccount, role)), malformed);
}

TEST_F(IamTest, CredentialsResolveToTheirRoleUntilTheyExpire) {
  const Role role = create("worker");
  auto credentials = sessions_->issue(role.arn(), "function-1", Seconds(900));
  ASSERT_TRUE(credentials.ok());
  EXPECT_TRUE(credentials->access_key.starts_with("ASIA"));
  EXPECT_EQ(credentials->access_key.size(), 20u);
  EXPECT_EQ(credentials->secret_key.size(), 40u);
  scheduler_.run_ready();
  restart();
  auto session = sessions_->resolve(credentials->access_key);
  ASSERT_TRUE(session.has_value());
  EXPECT_EQ(session->principal.account, kAccount);
  EXPECT_EQ(session->principal.arn, "arn:aws:sts::000000000000:assumed-role/worker/function-1");
  EXPECT_EQ(session->principal.user_id, role.id + ":function-1");
  EXPECT_EQ(session->secret_key, credentials->secret_key);
  scheduler_.advance(Seconds(900));
  EXPECT_FALSE(sessions_->resolve(credentials->access_key).has_value());
  restart();
  scheduler_.run_ready();
  EXPECT_EQ(store_.count(storage::Family::kCatalogue), 2u) << "expired sessions are removed: the role, the log's head";
}

TEST_F(IamTest, CredentialsAreIssuedForRolesThatDoNotExistButNotForNonsense) {
  auto credentials = sessions_->issue("arn:aws:iam::111111111111:role/path/gone", "s1", Seconds(900));
  ASSERT_TRUE(credentials.ok());
  EXPECT_EQ(sessions_->resolve(credentials->access_key)->principal.account, "111111111111");
  for (const char* arn :
       {"", "gone", "arn:aws:iam::1:role/x", "arn:aws:iam::111111111111:role/", "arn:aws:iam::111111111111:user/x"}) {
    EXPECT_EQ(error_of(sessions_->issue(arn, "s1", Seconds(900))), "ValidationError") << arn;
  }
}

TEST_F(IamTest, WhoIsBehindAKeyIsKnownUntilItExpiresOrIsReset) {
  const auto credentials = sessions_->issue("arn:aws:iam::111111111111:role/gone", "s1", Seconds(900));
  const auto others = sessions_->issue("arn:aws:iam::222222222222:role/gone", "s1", Seconds(900));
  EXPECT_EQ(sessions_->principal_of(credentials->access_key)->account, "111111111111");
  scheduler_.run_ready();
  restart();
  EXPECT_EQ(sessions_->principal_of(credentials->access_key)->account, "111111111111");
  sessions_->reset("222222222222");
  EXPECT_FALSE(sessions_->principal_of(others->access_key).has_value());
  scheduler_.advance(Seconds(900));
  EXPECT_FALSE(sessions_->principal_of(credentials->access_key).has_value());
}

// Every request asks who is behind its key, whatever else goes on.
TEST_F(IamTest, AskingForAKeyDoesNotWaitForOneThatIsBeingMade) {
  int asked = 0;
  const auto during_submit = [&] {
    auto unknown = std::async(std::launch::async, [&] { return sessions_->principal_of("test").has_value(); });
    ASSERT_EQ(unknown.wait_for(std::chrono::seconds(10)), std::future_status::ready);
    EXPECT_FALSE(unknown.get());
    ++asked;
  };
  testing::WatchedCommits watched(commits_, during_submit);
  sessions_ = std::make_unique<Sessions>(store_, watched, scheduler_, random_, *roles_);
  Identities identities(store_, watched, scheduler_, random_);
  sessions_->know(identities);
  ASSERT_TRUE(sessions_->issue("arn:aws:iam::111111111111:role/gone", "s1", Seconds(900)).ok());
  ASSERT_TRUE(identities.create(IdentityKind::kUser, kAccount, {.name = "u"}).ok());
  ASSERT_TRUE(identities.create_key({IdentityKind::kUser, kAccount, "u"}).ok());
  EXPECT_EQ(asked, 3);
}

TEST_F(IamTest, AnUnknownKeyIsTheRootUserOfItsAccount) {
  const Principal principal = sessions_->principal_of("123456789012", "123456789012");
  EXPECT_EQ(principal.arn, "arn:aws:iam::123456789012:root");
  EXPECT_EQ(principal.user_id, "123456789012");
  EXPECT_FALSE(sessions_->resolve("test").has_value());
}

}  // namespace
}  // namespace millrace::iam
