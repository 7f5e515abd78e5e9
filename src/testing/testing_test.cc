#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/memory/memory_store.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"

namespace millrace::testing {
namespace {

using ::testing::ElementsAre;
using namespace std::chrono_literals;

TEST(VirtualScheduler, RunsTimersInTimeOrderEachWithWhatItStarts) {
  VirtualScheduler scheduler;
  std::vector<std::string> events;
  const Time start = scheduler.now();
  auto late = scheduler.at(start + 2s, [&] { events.push_back("late"); });
  auto early = scheduler.at(start + 1s, [&] {
    events.push_back("early");
    scheduler.post([&] { events.push_back("posted by early"); });
    EXPECT_EQ(scheduler.now(), start + 1s);
  });
  auto cancelled = scheduler.at(start + 1s, [&] { events.push_back("cancelled"); });
  cancelled.cancel();
  auto beyond = scheduler.at(start + 1h, [&] { events.push_back("beyond"); });
  scheduler.advance(10s);
  EXPECT_THAT(events, ElementsAre("early", "posted by early", "late"));
  EXPECT_EQ(scheduler.now(), start + 10s);
  EXPECT_EQ(scheduler.timer_count(), 1U);
}

TEST(VirtualScheduler, RunsAPassedTimerAtOnceAndOffloadedWorkInOrder) {
  VirtualScheduler scheduler;
  std::vector<int> events;
  scheduler.at(scheduler.now() - 1s, [&] { events.push_back(3); }).release();
  scheduler.offload([&] { events.push_back(1); }, [&] { events.push_back(2); });
  EXPECT_EQ(scheduler.busy().count(), 1);
  EXPECT_TRUE(events.empty());
  EXPECT_EQ(scheduler.run_ready(), 3U);
  EXPECT_THAT(events, ElementsAre(1, 2, 3));
  EXPECT_EQ(scheduler.busy().count(), 0);
}

TEST(VirtualScheduler, OutlivedTimersAreHarmless) {
  platform::Timer timer;
  {
    VirtualScheduler scheduler;
    timer = scheduler.at(kNever, [] {});
  }
  timer.cancel();
}

storage::WriteBatch record() {
  storage::WriteBatch batch;
  batch.log(1, "r");
  return batch;
}

TEST(TestCommits, CommitsAtOnceOrWhenTold) {
  storage::MemoryStore store;
  VirtualScheduler scheduler;
  TestCommits commits(store, static_cast<const platform::Clock&>(scheduler));
  EXPECT_EQ(commits.durable(), commits.submit(record()));
  commits.hold();
  std::vector<std::string> events;
  commits.on_logged([&](std::span<const std::uint64_t>) { events.push_back("logged"); });
  const auto number = commits.submit(record(), [&](const storage::Committed&) { events.push_back("done"); });
  commits.when_durable(number, [&](const Error*) { events.push_back("durable"); });
  EXPECT_TRUE(events.empty());
  EXPECT_EQ(commits.waiting(), 1U);
  EXPECT_TRUE(commits.commit_one());
  EXPECT_THAT(events, ElementsAre("done", "durable", "logged"));
  EXPECT_FALSE(commits.commit_one());
}

TEST(TestCommits, FailsLikeTheRealOne) {
  storage::MemoryStore store;
  VirtualScheduler scheduler;
  TestCommits commits(store, scheduler);
  store.fail_write_after(0);
  int failed = 0;
  commits.submit(record(), [&](const storage::Committed& committed) { failed += committed.error != nullptr; });
  commits.when_durable(1, [&](const Error* error) { failed += error != nullptr; });
  EXPECT_EQ(failed, 0);
  scheduler.run_ready();
  EXPECT_EQ(failed, 2);
}

}  // namespace
}  // namespace millrace::testing
