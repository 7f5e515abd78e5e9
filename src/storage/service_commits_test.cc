#include "storage/service_commits.h"

#include <future>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "storage/group_committer.h"
#include "storage/memory/memory_store.h"
#include "storage/scan.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"

namespace millrace::storage {
namespace {

// A service in memory, its changes in the log.
class Names {
 public:
  Names(Store& store, Commits& commits, platform::Scheduler& scheduler) : store_(store), commits_(commits, "names") {
    commits_.set_restore([this] { return load(); });
    commits_.set_resume(scheduler, [this] { ++resumed; });
  }
  Result<void> load() {
    const std::lock_guard lock(mutex_);
    names_.clear();
    return for_each(store_, Family::kCatalogue, "name/", [this](std::string_view key, std::string_view value) {
      names_.emplace(key, value);
      return Result<void>();
    });
  }
  CommitNumber set(const std::string& name) {
    const std::lock_guard lock(mutex_);
    WriteBatch batch;
    batch.put(Family::kCatalogue, "name/" + name, "x");
    names_["name/" + name] = "x";
    return commits_.submit(std::move(batch));
  }
  std::size_t count() const {
    const std::lock_guard lock(mutex_);
    return names_.size();
  }
  ServiceCommits& commits() { return commits_; }

  int resumed = 0;

 private:
  Store& store_;
  ServiceCommits commits_;
  mutable std::mutex mutex_;
  std::map<std::string, std::string> names_;
};

class ServiceCommitsTest : public ::testing::Test {
 protected:
  bool is_shown(std::uint64_t settlements) {
    const CommitNumber after = names_.commits().last();
    return after <= commits_.durable() || commits_.is_settled(after, settlements);
  }

  MemoryStore store_;
  testing::VirtualScheduler scheduler_;
  testing::TestCommits commits_{store_, scheduler_};
  Names names_{store_, commits_, scheduler_};
};

TEST_F(ServiceCommitsTest, WhatWasRefusedLeavesMemoryAndReadsGoOn) {
  names_.set("first");
  scheduler_.run_ready();
  store_.fail_write_after(0);
  names_.set("second");
  const auto before = commits_.settlements();
  EXPECT_EQ(names_.count(), 2U);
  scheduler_.run_ready();
  EXPECT_EQ(names_.count(), 1U);
  EXPECT_TRUE(is_shown(commits_.settlements()));
  EXPECT_FALSE(is_shown(before)) << "that one may have read the change";
}

TEST_F(ServiceCommitsTest, AWriteThatCameTooLateIsNotShownEither) {
  store_.fail_write_after(0);
  names_.set("first");
  scheduler_.run_ready();
  names_.set("second");  // had passed the door before
  EXPECT_FALSE(is_shown(commits_.settlements()));
  scheduler_.run_ready();
  EXPECT_EQ(names_.count(), 0U);
  EXPECT_TRUE(is_shown(commits_.settlements()));
}

TEST_F(ServiceCommitsTest, ReadsAreRefusedWhenTheStoreCannotBeReadEither) {
  store_.fail_write_after(0);
  names_.set("first");
  store_.fail_read_after(0);
  scheduler_.run_ready();
  EXPECT_FALSE(is_shown(commits_.settlements()));
}

TEST_F(ServiceCommitsTest, BackgroundWorkPausesOnAFullDiskAndGoesOnByItself) {
  EXPECT_TRUE(names_.commits().may_write(Commits::Purpose::kAdds));
  store_.set_room(Room::Level::kReserve);
  EXPECT_FALSE(names_.commits().may_write(Commits::Purpose::kAdds));
  EXPECT_FALSE(names_.commits().may_write(Commits::Purpose::kAdds));
  EXPECT_TRUE(names_.commits().may_write(Commits::Purpose::kFrees)) << "it makes room";
  commits_.tell_accepting();
  scheduler_.run_ready();
  EXPECT_EQ(names_.resumed, 0);
  store_.set_room(Room::Level::kPlenty);
  commits_.tell_accepting();
  scheduler_.run_ready();
  EXPECT_EQ(names_.resumed, 1) << "once, however often it asked";
}

TEST_F(ServiceCommitsTest, BackgroundWorkStaysPausedAfterAFailedWrite) {
  store_.fail_write_after(0);
  names_.set("first");
  scheduler_.run_ready();
  EXPECT_FALSE(names_.commits().may_write(Commits::Purpose::kFrees));
  store_.heal();
  commits_.tell_accepting();
  scheduler_.run_ready();
  EXPECT_EQ(names_.resumed, 0);
}

// --- over the committer with a thread ---

TEST(ServiceCommitsThread, AnswersOfAFailedGroupComeWhenMemoryIsRightAgain) {
  MemoryStore store;
  testing::VirtualScheduler scheduler;
  auto committer = Committer::start(store, scheduler).value();
  Names names(store, *committer, scheduler);
  store.fail_write_after(0);
  const CommitNumber number = names.set("first");
  std::promise<std::size_t> told;
  committer->when_answerable(number, [&](const Error* error) {
    EXPECT_NE(error, nullptr);
    told.set_value(names.count());
  });
  EXPECT_EQ(told.get_future().get(), 0U);
  EXPECT_TRUE(committer->is_settled(number, committer->settlements()));
  EXPECT_FALSE(committer->is_settled(number, 0));
}

TEST(ServiceCommitsThread, TheCommitterTellsWhenThereIsRoomAgain) {
  MemoryStore store;
  testing::VirtualScheduler scheduler;
  auto committer = Committer::start(store, scheduler).value();
  Names names(store, *committer, scheduler);
  store.fill_up_after(0);
  names.set("first");
  while (!committer->refusal(Commits::Purpose::kFrees)) std::this_thread::yield();
  std::promise<void> told;
  committer->when_accepting(Commits::Purpose::kFrees, [&] { told.set_value(); });
  store.make_room();
  told.get_future().get();
  EXPECT_FALSE(committer->refusal(Commits::Purpose::kFrees));
}

}  // namespace
}  // namespace millrace::storage
