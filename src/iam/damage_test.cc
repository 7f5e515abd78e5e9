#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "iam/identities.h"
#include "iam/managed_policies.h"
#include "iam/roles.h"
#include "iam/sessions.h"
#include "storage/memory/memory_store.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"

namespace millrace::iam {
namespace {

using ::testing::HasSubstr;

// What is said of one record in an otherwise empty store.
std::string refusal(const std::string& key, const std::string& value) {
  storage::MemoryStore store;
  storage::WriteBatch batch;
  batch.put(storage::Family::kCatalogue, key, value);
  EXPECT_TRUE(store.write(batch, storage::Store::Sync::kSynced).ok());
  testing::VirtualScheduler scheduler;
  testing::TestCommits commits(store, scheduler);
  platform::SeededRandom random(1);
  Roles roles(store, commits, scheduler, random);
  ManagedPolicies policies(store, commits, scheduler, random);
  Identities identities(store, commits, scheduler, random);
  Sessions sessions(store, commits, scheduler, random, roles);
  for (const auto& loaded : {roles.load(), policies.load(), identities.load(), sessions.load()}) {
    if (!loaded.ok()) return loaded.error().message();
  }
  return "none";
}

TEST(IamDamageTest, ARecordThatIsNotThatOfItsKeyIsNamedAtStart) {
  EXPECT_EQ(refusal("iam/roles/1/r", R"({"v":1,"account":"1","name":"r"})"), "none");
  EXPECT_THAT(refusal("iam/roles/1/r", R"({"v":1,"account":"1","name":5})"),
              HasSubstr("damaged role in the data directory: iam/roles/1/r"));
  EXPECT_THAT(refusal("iam/roles/1/r", "[]"), HasSubstr("damaged role"));
  EXPECT_THAT(refusal("iam/users/1/u", R"({"v":1,"account":"1","name":"v"})"),
              HasSubstr("damaged user or group in the data directory: iam/users/1/u"));
  EXPECT_THAT(refusal("iam/sessions/ASIA", R"({"v":1,"account":"1"})"), HasSubstr("damaged session"));
}

TEST(IamDamageTest, APolicyWithoutItsDefaultVersionIsNamedAtStart) {
  const std::string start = R"({"v":1,"account":"1","name":"p","versions":[{"number":2,"document":"{}"}],"default":)";
  EXPECT_EQ(refusal("iam/policies/1/p", start + "2}"), "none");
  EXPECT_THAT(refusal("iam/policies/1/p", start + "1}"), HasSubstr("damaged policy in the data directory"));
}

}  // namespace
}  // namespace millrace::iam
