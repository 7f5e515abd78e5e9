#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "platform/random.h"
#include "sqs/service.h"
#include "storage/memory/memory_store.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"

namespace millrace::sqs {
namespace {

using ::testing::HasSubstr;

TEST(SqsDamageTest, TwoQueuesOfOneNumberAndNonsenseAreNamedAtStart) {
  storage::MemoryStore store;
  testing::VirtualScheduler scheduler;
  testing::TestCommits commits(store, scheduler);
  platform::SeededRandom random(1);
  const auto refusal = [&](const std::string& key, const std::string& value) {
    storage::WriteBatch batch;
    batch.put(storage::Family::kCatalogue, key, value);
    EXPECT_TRUE(store.write(batch, storage::Store::Sync::kSynced).ok());
    Service queues(store, commits, scheduler, random);
    const auto loaded = queues.load();
    return loaded.ok() ? std::string("none") : loaded.error().message();
  };
  EXPECT_EQ(refusal("sqs/queues/1/r/a", R"({"v":1,"number":4})"), "none");
  EXPECT_THAT(refusal("sqs/queues/1/r/b", R"({"v":1,"number":4})"),
              HasSubstr("damaged queue in the data directory: sqs/queues/1/r/b"));
  EXPECT_THAT(refusal("sqs/queues/1/r/b", R"({"v":1})"), HasSubstr("damaged queue"));
  EXPECT_THAT(refusal("sqs/queues/1/r/b", R"({"v":1,"number":5,"attributes":{"DelaySeconds":"x"}})"),
              HasSubstr("damaged queue"));
}

}  // namespace
}  // namespace millrace::sqs
