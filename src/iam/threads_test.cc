#include <gtest/gtest.h>

#include "iam/identities.h"
#include "iam/managed_policies.h"
#include "iam/roles.h"
#include "iam/sessions.h"
#include "testing/live_world.h"

namespace millrace::iam {
namespace {

constexpr const char* kHome = "000000000000";
constexpr const char* kDocument =
    R"({"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["s3:*"],"Resource":"*"}})";
constexpr const char* kTrust =
    R"({"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}})";

TEST(IamThreadsTest, IdentitiesAndSessionsComeAndGoWhileOthersAreResolved) {
  constexpr int kRounds = 100;
  testing::LiveWorld world;
  Roles roles(world.store, world.commits(), world.loop, world.random);
  ManagedPolicies policies(world.store, world.commits(), world.loop, world.random);
  Identities identities(world.store, world.commits(), world.loop, world.random);
  Sessions sessions(world.store, world.commits(), world.loop, world.random, roles);
  sessions.know(identities);
  ASSERT_TRUE(roles.load().ok() && policies.load().ok() && identities.load().ok() && sessions.load().ok());
  world.start();
  const auto manage_roles = [&](int round) {
    NewRole role;
    role.name = "r" + std::to_string(round % 3);
    role.trust_policy = kTrust;
    (void)roles.create(kHome, role);
    (void)roles.put_policy(kHome, role.name, "p", kDocument);
    (void)roles.all(kHome);
    (void)roles.delete_policy(kHome, role.name, "p");
    (void)roles.remove(kHome, role.name);
  };
  const auto manage_users = [&](int round) {
    const std::string name = "u" + std::to_string(round % 3);
    const Identities::Name user{IdentityKind::kUser, kHome, name};
    (void)identities.create(IdentityKind::kUser, kHome, {.name = name});
    (void)identities.put_policy(user, "p", kDocument);
    (void)identities.list(IdentityKind::kUser, kHome);
    (void)identities.delete_policy(user, "p");
    (void)identities.remove(user);
    if (const auto made = policies.create(kHome, {.name = name, .document = kDocument}); made.ok()) {
      (void)policies.create_version(made->arn(), kDocument, true);
      (void)policies.remove(made->arn());
    }
  };
  const auto sign_in = [&](int round) {
    const auto made = sessions.issue("arn:aws:iam::000000000000:role/r0", "s" + std::to_string(round), Seconds(900));
    ASSERT_TRUE(made.ok());
    EXPECT_TRUE(sessions.resolve(made->access_key).has_value());
    EXPECT_TRUE(sessions.principal_of(made->access_key).has_value());
    (void)sessions.principal_of(kHome, "AKIAIOSFODNN7EXAMPLE");
  };
  testing::together(kRounds, {manage_roles, manage_roles, manage_users, manage_users, sign_in, sign_in});
  world.stop();
}

}  // namespace
}  // namespace millrace::iam
