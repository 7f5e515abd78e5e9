#include "storage/numbers.h"

#include <chrono>

#include <gtest/gtest.h>

#include "storage/log_key.h"
#include "storage/memory/memory_store.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"

namespace millrace::storage {
namespace {

class NumbersTest : public ::testing::Test {
 protected:
  NumbersTest() { restart(); }
  void restart(Milliseconds clock_off = Milliseconds(0)) {
    scheduler_.set_machine_offset(clock_off);
    commits_ = std::make_unique<testing::TestCommits>(store_, static_cast<const platform::Clock&>(scheduler_));
    numbers_.emplace(Series::kLogs);
    ASSERT_TRUE(numbers_->load(store_, scheduler_).ok());
  }
  std::uint64_t commit() {
    WriteBatch batch;
    const std::uint64_t number = numbers_->take(batch);
    marks_ += batch.operations().size();
    commits_->submit(std::move(batch));
    return number;
  }

  testing::VirtualScheduler scheduler_;
  MemoryStore store_;
  std::unique_ptr<testing::TestCommits> commits_;
  std::optional<Numbers> numbers_;
  std::size_t marks_ = 0;
};

constexpr auto kYear = std::chrono::hours(24 * 365);

TEST_F(NumbersTest, RiseOverEveryRestartWhateverTheClockSays) {
  std::uint64_t last = 0;
  for (const auto off : {Milliseconds(0), Milliseconds(-kYear), Milliseconds(kYear), Milliseconds(-20 * kYear)}) {
    restart(off);
    for (int i = 0; i < 100; ++i) {
      const std::uint64_t number = commit();
      EXPECT_GT(number, last);
      last = number;
    }
  }
}

TEST_F(NumbersTest, StartAtTheClockWhereItIsAheadAsInACopyOfTheDirectory) {
  const std::uint64_t number = commit();
  EXPECT_EQ(number, static_cast<std::uint64_t>(to_unix_ms(scheduler_.now())) * 1000);
  restart(kYear);
  EXPECT_EQ(numbers_->next(), static_cast<std::uint64_t>(to_unix_ms(scheduler_.machine_now())) * 1000);
}

TEST_F(NumbersTest, AMarkIsStoredOncePerLeaseAndAlwaysAboveWhatIsGivenOut) {
  for (std::uint64_t i = 0; i < 3 * kNumbersLeased; ++i) {
    WriteBatch batch;
    const std::uint64_t number = numbers_->take(batch);
    if (batch.empty()) continue;
    ++marks_;
    EXPECT_GT(read_be64(batch.operations().front().value), number + 2 * kNumbersLeased);
    commits_->submit(std::move(batch));
  }
  EXPECT_LE(marks_, 5U);
}

TEST_F(NumbersTest, EachBatchMarksUntilOneIsDurable) {
  commits_->hold();
  commit();
  commit();
  EXPECT_EQ(marks_, 2U);
  commits_->release();
  commit();
  EXPECT_EQ(marks_, 2U);
  store_.fail_write_after(0);
  restart(kYear);
  commit();
  commit();
  EXPECT_EQ(marks_, 4U) << "what failed covers nothing";
}

TEST_F(NumbersTest, PassWhatWasFound) {
  const std::uint64_t next = numbers_->next();
  numbers_->pass(7);
  EXPECT_EQ(numbers_->next(), next);
  numbers_->pass(next + 7);
  EXPECT_EQ(numbers_->next(), next + 8);
}

TEST_F(NumbersTest, ADamagedMarkIsRefusedByName) {
  WriteBatch batch;
  for (const std::string& mark : {std::string("short"), std::string(8, '\xff')}) {
    batch.put(Family::kCatalogue, mark_key(Series::kLogs), mark);
    ASSERT_TRUE(store_.write(batch, Store::Sync::kSynced).ok());
    const auto loaded = Numbers(Series::kLogs).load(store_, scheduler_);
    ASSERT_FALSE(loaded.ok()) << mark;
    EXPECT_EQ(loaded.error().message(), "damaged mark of the numbers given out in the data directory: logs/numbers");
    EXPECT_FALSE(raise_numbers(store_, scheduler_).ok());
  }
}

TEST_F(NumbersTest, ARestoredBackupRepeatsNothingOfWhatTheOriginalGaveLater) {
  for (const Series series : kSeries) {
    MemoryStore backup;
    if (series == Series::kLogs) {
      commit();
      WriteBatch copy;
      copy.put(Family::kCatalogue, mark_key(series), *store_.get(Family::kCatalogue, mark_key(series)).value());
      ASSERT_TRUE(backup.write(copy, Store::Sync::kSynced).ok());
    }  // else: the backup has no mark
    ASSERT_TRUE(raise_numbers(backup, scheduler_).ok());
    scheduler_.set_machine_offset(8 * kYear);
    Numbers original(series);
    ASSERT_TRUE(original.load(store_, scheduler_).ok());
    scheduler_.set_machine_offset(-kYear);
    Numbers restored(series);
    ASSERT_TRUE(restored.load(backup, scheduler_).ok());
    EXPECT_GT(restored.next(), original.next()) << mark_key(series);
    scheduler_.set_machine_offset(Milliseconds(0));
  }
}

}  // namespace
}  // namespace millrace::storage
