#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "logs/service.h"
#include "storage/memory/memory_store.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"

namespace millrace::logs {
namespace {

using storage::Family;
using ::testing::HasSubstr;

class LogsDamageTest : public ::testing::Test {
 protected:
  void put(const std::string& key, const std::string& value) {
    storage::WriteBatch batch;
    batch.put(Family::kCatalogue, key, value);
    ASSERT_TRUE(store_.write(batch, storage::Store::Sync::kSynced).ok());
  }
  std::string refusal() {
    testing::VirtualScheduler scheduler;
    testing::TestCommits commits(store_, scheduler);
    Service logs(store_, commits, scheduler);
    const auto loaded = logs.load();
    return loaded.ok() ? "none" : loaded.error().message();
  }
  static std::string group(const std::string& name, const std::string& members) {
    return R"({"v":1,"account":"1","region":"r","name":")" + name + "\"," + members + "}";
  }

  storage::MemoryStore store_;
};

TEST_F(LogsDamageTest, AGroupWhoseRecordIsNotItsOwnIsNamedAtStart) {
  put("logs/groups/1/r/g", group("g", R"("number":3,"tags":{"a":5})"));
  EXPECT_EQ(refusal(), "none") << "a tag's value that is no text costs the value, not the start";
  put("logs/groups/1/r/g", group("other", R"("number":3)"));
  EXPECT_THAT(refusal(), HasSubstr("damaged log group in the data directory: logs/groups/1/r/g"));
  put("logs/groups/1/r/g", group("g", R"("number":"3")"));
  EXPECT_THAT(refusal(), HasSubstr("damaged log group"));
}

TEST_F(LogsDamageTest, ADamagedRetentionDropsNothing) {
  put("logs/groups/1/r/g", group("g", R"("number":3,"retention":7)"));
  EXPECT_EQ(refusal(), "none");
  for (const char* days : {"0", "-7", "2", "\"7\""}) {
    put("logs/groups/1/r/g", group("g", R"("number":3,"retention":)" + std::string(days)));
    EXPECT_THAT(refusal(), HasSubstr("damaged log group in the data directory: logs/groups/1/r/g")) << days;
  }
}

TEST_F(LogsDamageTest, TwoGroupsOfOneNumberAreRefused) {
  put("logs/groups/1/r/g", group("g", R"("number":3)"));
  put("logs/groups/1/r/h", group("h", R"("number":3)"));
  EXPECT_THAT(refusal(), HasSubstr("damaged log group in the data directory: logs/groups/1/r/h"));
}

}  // namespace
}  // namespace millrace::logs
