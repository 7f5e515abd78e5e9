#include "storage/rocks/internal/background_pace.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace millrace::storage {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr milliseconds kPiece{2};

TEST(PauseAfterTest, LeavesThreeQuartersOfACoreWhileNothingPilesUp) {
  EXPECT_EQ(pause_after(kPiece, BackgroundWork::kFlush, {0.5, 0}), 3 * kPiece);
  EXPECT_EQ(pause_after(kPiece, BackgroundWork::kMerge, {0.5, 2}), 3 * kPiece);
}

TEST(PauseAfterTest, FlushesPauseLessAsBuffersFillAndNotAtAllWhenTheyAreFull) {
  EXPECT_EQ(pause_after(kPiece, BackgroundWork::kFlush, {0.8, 0}), kPiece);
  EXPECT_EQ(pause_after(kPiece, BackgroundWork::kFlush, {1.0, 0}), nanoseconds(0));
}

TEST(PauseAfterTest, MergesPauseLessAsRunsPileUp) {
  EXPECT_EQ(pause_after(kPiece, BackgroundWork::kMerge, {0, 6}), kPiece);
  EXPECT_EQ(pause_after(kPiece, BackgroundWork::kMerge, {0, 10}), nanoseconds(0));
}

TEST(PauseAfterTest, EachLooksAtItsOwnBacklogOnly) {
  EXPECT_EQ(pause_after(kPiece, BackgroundWork::kFlush, {0, 100}), 3 * kPiece);
  EXPECT_EQ(pause_after(kPiece, BackgroundWork::kMerge, {2, 0}), 3 * kPiece);
}

TEST(PauseAfterTest, IsBounded) {
  EXPECT_EQ(pause_after(std::chrono::seconds(5), BackgroundWork::kMerge, {}), kPauseMax);
}

// Asks for leave as RocksDB's threads do, after some processor time, and tells how long that took.
class BackgroundPaceTest : public testing::Test {
 protected:
  static constexpr std::size_t kBudget = 1 << 20;

  nanoseconds ask(rocksdb::Env::IOPriority priority) {
    const auto busy_until = std::chrono::steady_clock::now() + kPiece;
    while (std::chrono::steady_clock::now() < busy_until) {
    }
    const auto asked = std::chrono::steady_clock::now();
    pace_.Request(4096, priority, nullptr);
    return std::chrono::steady_clock::now() - asked;
  }
  // The shortest of some, where nothing should pause: other programs may take the processor meanwhile.
  nanoseconds shortest(rocksdb::Env::IOPriority priority, bool writes = true) {
    nanoseconds least = nanoseconds::max();
    for (int i = 0; i < 5; ++i) {
      if (writes) pace_.wrote();
      least = std::min(least, ask(priority));
    }
    return least;
  }
  // A thread's first piece tells only when it began.
  void begin() { pace_.Request(4096, rocksdb::Env::IO_HIGH, nullptr); }

  std::shared_ptr<rocksdb::WriteBufferManager> buffers_ = std::make_shared<rocksdb::WriteBufferManager>(kBudget);
  BackgroundPace pace_{buffers_};
};

TEST_F(BackgroundPaceTest, NothingPausesWhileNobodyWrites) {
  begin();
  EXPECT_LT(shortest(rocksdb::Env::IO_HIGH, false), kPiece);
  EXPECT_LT(shortest(rocksdb::Env::IO_LOW, false), kPiece);
}

TEST_F(BackgroundPaceTest, WorkBesideWritesPauses) {
  begin();
  for (const auto priority : {rocksdb::Env::IO_HIGH, rocksdb::Env::IO_LOW}) {
    pace_.wrote();
    EXPECT_GE(ask(priority), milliseconds(1));  // of processor time, which another program may have taken a part of
  }
}

TEST_F(BackgroundPaceTest, NothingPausesThatWritesAlreadyWaitFor) {
  begin();
  EXPECT_LT(shortest(rocksdb::Env::IO_USER), kPiece);
}

TEST_F(BackgroundPaceTest, FlushesDoNotPauseWhenTheBudgetOfTheBuffersIsSpent) {
  begin();
  buffers_->ReserveMem(kBudget);
  EXPECT_LT(shortest(rocksdb::Env::IO_HIGH), kPiece);
  buffers_->FreeMem(kBudget);
}

TEST_F(BackgroundPaceTest, MergesDoNotPauseWhenManyRunsCameSinceTheLastOne) {
  rocksdb::FlushJobInfo flushed;
  flushed.cf_id = 1;
  for (int i = 0; i < 10; ++i) pace_.OnFlushCompleted(nullptr, flushed);
  begin();
  EXPECT_LT(shortest(rocksdb::Env::IO_LOW), kPiece);
  rocksdb::CompactionJobInfo merged;
  merged.cf_id = 1;
  pace_.OnCompactionCompleted(nullptr, merged);
  pace_.wrote();
  EXPECT_GE(ask(rocksdb::Env::IO_LOW), milliseconds(1));
}

TEST_F(BackgroundPaceTest, NothingPausesOnceItIsToHurry) {
  begin();
  pace_.hurry();
  EXPECT_LT(shortest(rocksdb::Env::IO_HIGH), kPiece);
}

}  // namespace
}  // namespace millrace::storage
