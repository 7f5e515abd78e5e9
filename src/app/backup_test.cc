#include "app/backup.h"

#include <filesystem>

#include <gtest/gtest.h>
#include <stdlib.h>

#include "platform/machine_clock.h"
#include "storage/numbers.h"
#include "storage/stamping.h"

namespace millrace::app {
namespace {

namespace fs = std::filesystem;

class BackupTest : public testing::Test {
 protected:
  BackupTest() {
    std::string pattern = (fs::temp_directory_path() / "millrace-backup-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
    fs::create_directories(root_ / "data" / "objects");
    fs::create_directories(root_ / "data" / "functions");
  }
  ~BackupTest() override { fs::remove_all(root_); }
  static std::unique_ptr<storage::RocksStore> open(const fs::path& data) {
    storage::RocksOptions options;
    options.path = (data / "db").string();
    options.memory_bytes = storage::kMemoryMin;
    return storage::RocksStore::open(options).value();
  }

  fs::path root_;
  platform::MachineClock clock_;
};

TEST_F(BackupTest, ARestoredServerRepeatsNoNumberThatTheOriginalGaveAfterTheBackup) {
  const auto store = open(root_ / "data");
  std::uint64_t given[std::size(storage::kSeries)];
  for (const storage::Series series : storage::kSeries) {
    storage::WriteBatch batch;
    storage::Numbers numbers(series);
    ASSERT_TRUE(numbers.load(*store, clock_).ok());
    numbers.pass(numbers.next() + (std::uint64_t{1} << 47));  // years ahead: the clock is set back later
    given[static_cast<std::size_t>(series)] = numbers.take(batch) + (std::uint64_t{1} << 47);
    ASSERT_TRUE(store->write(batch, storage::Store::Sync::kSynced).ok());
  }
  const auto nothing = [](std::string_view, std::uint64_t, std::uint64_t) {};
  const auto hold = [] { return std::make_shared<int>(0); };
  const auto made =
      make_backup({.store = store.get(), .data = root_ / "data", .hold_files = hold}, root_ / "backup", nothing);
  ASSERT_TRUE(made.ok()) << made.error().message();
  const auto restored = restore_backup(root_ / "backup", root_ / "restored", nothing);
  ASSERT_TRUE(restored.ok()) << restored.error().message();
  const auto again = open(root_ / "restored");
  for (const storage::Series series : storage::kSeries) {
    storage::Numbers numbers(series);
    ASSERT_TRUE(numbers.load(*again, clock_).ok());
    EXPECT_GT(numbers.next(), given[static_cast<std::size_t>(series)]) << storage::mark_key(series);
  }
  EXPECT_GE(storage::load_head(*again)->next_stamp, storage::kRestoredGap);
}

}  // namespace
}  // namespace millrace::app
