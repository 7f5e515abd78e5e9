// Databases that were written under other settings, and what RocksDB tells of its work.
#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include "storage/rocks/internal/rocks_options.h"

namespace millrace::storage {
namespace {

namespace fs = std::filesystem;

class CompactionTest : public ::testing::Test {
 protected:
  CompactionTest() {
    std::string pattern = (fs::temp_directory_path() / "millrace-compaction-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
    options_ = {.path = (root_ / "db").string(), .memory_bytes = kMemoryMin};
  }
  ~CompactionTest() override { fs::remove_all(root_); }
  static std::string key(int i) { return "key-" + std::to_string(1'000'000 + i * 7919 % 10'000); }

  fs::path root_;
  RocksOptions options_;
};

// Items were compacted by levels until data format 3 had been in use for a while.
TEST_F(CompactionTest, ItemsThatWereCompactedByLevelsAreAllThereAndCompactedOn) {
  RocksSettings settings = rocks_settings(options_);
  auto& families = settings.families;
  for (auto& family : families) {
    family.options.compaction_style = rocksdb::kCompactionStyleLevel;
    family.options.level_compaction_dynamic_level_bytes = true;
    family.options.level0_file_num_compaction_trigger = 4;
  }
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* opened = nullptr;
  ASSERT_TRUE(rocksdb::DB::Open(settings.database, options_.path, families, &handles, &opened).ok());
  const std::unique_ptr<rocksdb::DB> db(opened);
  auto* const items = handles[static_cast<std::size_t>(Family::kItems)];
  for (int i = 0; i < 10'000; ++i) {
    ASSERT_TRUE(db->Put({}, items, key(i), std::string(100, static_cast<char>('a' + i % 26))).ok());
    if (i == 6000) {
      ASSERT_TRUE(db->CompactRange({}, items, nullptr, nullptr).ok());
    }
    if (i % 1500 == 0) {
      ASSERT_TRUE(db->Flush({}, items).ok());
    }
  }
  for (auto* handle : handles) db->DestroyColumnFamilyHandle(handle);
  ASSERT_TRUE(db->Close().ok());

  const auto store = RocksStore::open(options_).value();
  for (int round = 0; round < 12; ++round) {
    WriteBatch batch;
    for (int i = round; i < 10'000; i += 12) batch.put(Family::kItems, key(i), "new");
    ASSERT_TRUE(store->write(batch, Store::Sync::kUnsynced).ok());
    for (int i = 0; i < 10'000; i += 97) {
      const std::string expected = i % 12 <= round ? "new" : std::string(100, static_cast<char>('a' + i % 26));
      ASSERT_EQ(*store->get(Family::kItems, key(i)), expected) << i << " in round " << round;
    }
    ASSERT_TRUE(store->flush().ok());
  }
  int count = 0;
  const auto all = store->iterate(Family::kItems, {});
  for (all->seek(""); all->valid(); all->next()) ++count;
  EXPECT_EQ(count, 10'000);
}

TEST_F(CompactionTest, FiguresTellTheFilesThatWaitToBeMerged) {
  const auto store = RocksStore::open(options_).value();
  const auto waiting = [&] {
    for (const auto& [name, value] : store->figures()) {
      if (name == "items_level0_files") return value;
    }
    return -1.0;
  };
  EXPECT_EQ(waiting(), 0);
  for (int i = 1; i <= 3; ++i) {
    WriteBatch batch;
    batch.put(Family::kItems, "k", std::to_string(i));
    ASSERT_TRUE(store->write(batch, Store::Sync::kUnsynced).ok());
    ASSERT_TRUE(store->flush().ok());
    EXPECT_EQ(waiting(), i);
  }
}

}  // namespace
}  // namespace millrace::storage
