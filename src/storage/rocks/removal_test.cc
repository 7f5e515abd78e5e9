// How files leave the disk.
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>

#include <gtest/gtest.h>
#include <rocksdb/file_system.h>

#include "storage/rocks/internal/rocks_options.h"

namespace millrace::storage {
namespace {

namespace fs = std::filesystem;

// How large files were when they were unlinked; those with other names left do not count.
class Removals final : public rocksdb::FileSystemWrapper {
 public:
  Removals() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "Removals"; }
  rocksdb::IOStatus DeleteFile(const std::string& path, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override {
    std::error_code ignored;
    const bool last_name = fs::hard_link_count(path, ignored) == 1;
    const std::uintmax_t size = fs::file_size(path, ignored);
    auto status = FileSystemWrapper::DeleteFile(path, options, debug);
    const std::lock_guard lock(mutex_);
    if (last_name) sizes_.push_back(size);
    removed_.notify_all();
    return status;
  }
  // Asks after every removal.
  bool until(const std::function<bool()>& condition) {
    std::unique_lock lock(mutex_);
    return removed_.wait_for(lock, std::chrono::seconds(20), condition);
  }
  std::vector<std::uintmax_t> sizes() const {
    const std::lock_guard lock(mutex_);
    return sizes_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable removed_;
  std::vector<std::uintmax_t> sizes_;
};

class RemovalTest : public ::testing::Test {
 protected:
  RemovalTest() {
    std::string pattern = (fs::temp_directory_path() / "millrace-removal-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
    options_ = {.path = (root_ / "db").string(), .memory_bytes = kMemoryMin, .file_system = removals_};
  }
  ~RemovalTest() override { fs::remove_all(root_); }

  // Of logs and what is left of them.
  std::uintmax_t bytes_of_logs() const {
    std::uintmax_t sum = 0;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(options_.path, ignored)) {
      const std::string name = entry.path().filename().string();
      if (name.find(".log") != std::string::npos) sum += entry.file_size(ignored);
    }
    return sum;
  }
  bool logs_are_gone() {
    return removals_->until([this] { return bytes_of_logs() <= kRemovalStep; });
  }

  fs::path root_;
  std::shared_ptr<Removals> removals_ = std::make_shared<Removals>();
  RocksOptions options_;
};

TEST_F(RemovalTest, AnOldLogIsShrunkStepByStepBeforeItIsUnlinked) {
  const auto store = RocksStore::open(options_).value();
  for (int i = 0; i < 6; ++i) {
    WriteBatch batch;
    batch.put(Family::kLog, "key-" + std::to_string(i), std::string(1 << 20, 'x'));
    ASSERT_TRUE(store->write(batch, Store::Sync::kUnsynced).ok());
  }
  ASSERT_GT(bytes_of_logs(), kRemovalStep);  // the first ones may be flushed already
  ASSERT_TRUE(store->flush().ok());
  ASSERT_TRUE(logs_are_gone());
  ASSERT_FALSE(removals_->sizes().empty());
  for (const std::uintmax_t size : removals_->sizes()) EXPECT_LE(size, kRemovalStep);
}

// As a crash between the renaming and the end leaves it.
TEST_F(RemovalTest, WhatACrashHasLeftGoesAtTheNextStart) {
  { const auto store = RocksStore::open(options_).value(); }
  const fs::path left = fs::path(options_.path) / "000999.log.trash";
  std::ofstream(left) << std::string(3 << 20, 'x');
  const auto store = RocksStore::open(options_).value();
  EXPECT_TRUE(removals_->until([&] { return !fs::exists(left); }));
}

// millrace check looks at a directory without changing it.
TEST_F(RemovalTest, NothingIsRemovedWhereNothingMayBeWritten) {
  { const auto store = RocksStore::open(options_).value(); }
  const fs::path left = fs::path(options_.path) / "000999.log.trash";
  std::ofstream(left) << "x";
  options_.read_only = true;
  { const auto store = RocksStore::open(options_).value(); }
  EXPECT_TRUE(fs::exists(left));
}

}  // namespace
}  // namespace millrace::storage
