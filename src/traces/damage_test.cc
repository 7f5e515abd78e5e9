#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codec/key.h"
#include "storage/memory/memory_store.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"
#include "traces/store.h"

namespace millrace::traces {
namespace {

TEST(TracesDamageTest, TwoTracesOfOneIdAreRefusedAtStart) {
  storage::MemoryStore store;
  testing::VirtualScheduler scheduler;
  testing::TestCommits commits(store, scheduler);
  for (const std::uint64_t number : {1, 2}) {
    storage::WriteBatch batch;
    batch.put(storage::Family::kText, codec::KeyWriter("traces/t/").be64(number).str(),
              R"({"v":1,"id":"1-581cf771-a006649127e371903a2de979","account":"1","region":"r"})");
    ASSERT_TRUE(store.write(batch, storage::Store::Sync::kSynced).ok());
    Store traces(store, commits, scheduler);
    const auto loaded = traces.load();
    EXPECT_EQ(loaded.ok(), number == 1);
    if (loaded.ok()) continue;
    EXPECT_THAT(loaded.error().message(), ::testing::HasSubstr("there is another of its id"));
  }
}

}  // namespace
}  // namespace millrace::traces
