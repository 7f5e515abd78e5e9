#include "storage/rocks/internal/hot_rows.h"

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include <gtest/gtest.h>

#include "storage/rocks/rocks_store.h"

namespace millrace::storage {
namespace {

namespace fs = std::filesystem;
using Place = HotRows::Place;

// Reads as the store does; true: found without the database.
bool read(HotRows& rows, const std::string& key, const std::string& in_database) {
  Place place;
  if (const auto hot = rows.find(key, place)) {
    EXPECT_EQ(*hot, in_database);
    return true;
  }
  rows.keep(place, key, in_database);
  return false;
}

TEST(HotRows, KeepARowFromItsSecondReadOn) {
  HotRows rows(1 << 20);
  EXPECT_FALSE(read(rows, "k", "v"));
  EXPECT_EQ(rows.figures().rows, 0U);
  EXPECT_FALSE(read(rows, "k", "v"));
  EXPECT_EQ(rows.figures().rows, 1U);
  EXPECT_TRUE(read(rows, "k", "v"));
  EXPECT_EQ(rows.figures().hits, 1U);
}

TEST(HotRows, AWriteTakesItsRowOutBeforeAndAllowsItAfterwards) {
  HotRows rows(1 << 20);
  read(rows, "k", "old");
  read(rows, "k", "old");
  rows.begin_write("k");
  EXPECT_FALSE(read(rows, "k", "old"));
  EXPECT_FALSE(read(rows, "k", "old")) << "kept while the write is under way";
  rows.end_write("k");
  EXPECT_FALSE(read(rows, "k", "new"));
  EXPECT_FALSE(read(rows, "k", "new"));
  EXPECT_TRUE(read(rows, "k", "new"));
}

// A reader that meets another thread in its set goes on without it; as the lock is never held for long, all of this is
// about what such readers return, not how often.
TEST(HotRows, ReadersThatMeetGoToTheDatabaseInsteadOfWaiting) {
  HotRows rows(1);  // one set
  const std::string value(2000, 'v');
  for (int i = 0; i < 3; ++i) read(rows, "k", value);
  std::atomic<std::uint64_t> found{0};
  constexpr std::uint64_t kReads = 50'000;
  std::vector<std::thread> readers;
  for (int i = 0; i < 4; ++i) {
    readers.emplace_back([&] {
      for (std::uint64_t n = 0; n < kReads; ++n) {
        Place place;
        const auto hot = rows.find("k", place);
        if (hot) {
          ++found;
          ASSERT_EQ(*hot, value);
        } else {
          ASSERT_FALSE(place.wanted) << "what was not looked for is not to be kept";
        }
      }
    });
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_GT(found, 0U);
  EXPECT_EQ(rows.figures().rows, 1U);
  EXPECT_LE(rows.figures().hits, 4 * kReads + 3);
}

TEST(HotRows, WhatIsReadOnceBetweenWritesIsNotKept) {
  HotRows rows(1 << 20);
  for (int i = 0; i < 5; ++i) {
    EXPECT_FALSE(read(rows, "k", std::to_string(i)));
    EXPECT_EQ(rows.figures().rows, 0U);
    rows.begin_write("k");
    rows.end_write("k");
  }
}

TEST(HotRows, AReadThatBeganBeforeAWriteKeepsNothing) {
  HotRows rows(1 << 20);
  read(rows, "k", "old");
  Place place;
  EXPECT_FALSE(rows.find("k", place).has_value());
  ASSERT_TRUE(place.wanted);
  rows.begin_write("k");
  rows.end_write("k");
  rows.keep(place, "k", "old");
  EXPECT_EQ(rows.figures().rows, 0U);
}

TEST(HotRows, OverlappingWritesAreAllWaitedFor) {
  HotRows rows(1);
  read(rows, "k", "v");
  rows.begin_write("k");
  rows.begin_write("k");
  rows.end_write("k");
  read(rows, "k", "v");
  EXPECT_EQ(rows.figures().rows, 0U);
  rows.end_write("k");
  read(rows, "k", "v");
  read(rows, "k", "v");
  EXPECT_EQ(rows.figures().rows, 1U);
}

TEST(HotRows, TheOldestRowsGoFirstAndTheBoundHolds) {
  HotRows rows(1);  // one set
  const std::string value(2000, 'x');
  for (int i = 0; i < 20; ++i) {
    const std::string key = "key-" + std::to_string(i);
    read(rows, key, value);
    read(rows, key, value);
    EXPECT_TRUE(read(rows, "key-0", value)) << "in use, yet gone after " << i;
  }
  EXPECT_LE(rows.figures().bytes, HotRows::kSetBytes);
  EXPECT_EQ(rows.figures().rows, 8U);
  EXPECT_FALSE(read(rows, "key-1", value));
  EXPECT_TRUE(read(rows, "key-19", value));
}

TEST(HotRows, LargeRowsStayWithTheDatabase) {
  HotRows rows(1 << 20);
  const std::string value(HotRows::kRowBytesMax, 'x');
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(read(rows, "k", value));
}

TEST(HotRows, AWriteOfARangeForgetsEverything) {
  HotRows rows(1 << 20);
  for (int i = 0; i < 100; ++i) {
    const std::string key = std::to_string(i);
    read(rows, key, "v");
    read(rows, key, "v");
  }
  ASSERT_EQ(rows.figures().rows, 100U);
  rows.begin_write_of_all();
  EXPECT_EQ(rows.figures().rows, 0U);
  EXPECT_EQ(rows.figures().bytes, 0U);
  rows.end_write_of_all();
}

class HotRowsOfAStore : public ::testing::Test {
 protected:
  HotRowsOfAStore() {
    std::string pattern = (fs::temp_directory_path() / "millrace-hot-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
    store_ = *RocksStore::open({.path = (root_ / "db").string(), .memory_bytes = kMemoryMin});
  }
  ~HotRowsOfAStore() override {
    store_.reset();
    fs::remove_all(root_);
  }
  void put(const std::string& key, const std::string& value) {
    WriteBatch batch;
    batch.put(Family::kItems, key, value);
    ASSERT_TRUE(store_->write(batch, Store::Sync::kUnsynced).ok());
  }
  std::optional<std::string> get(const std::string& key) { return *store_->get(Family::kItems, key); }
  double figure(const std::string& name) {
    for (const auto& [each, value] : store_->figures()) {
      if (each == name) return value;
    }
    return -1;
  }

  fs::path root_;
  std::unique_ptr<RocksStore> store_;
};

TEST_F(HotRowsOfAStore, EveryKindOfWriteIsSeenAtOnce) {
  const auto warm = [&](const std::string& key) {
    for (int i = 0; i < 3; ++i) get(key);
  };
  put("a", "1");
  warm("a");
  EXPECT_GE(figure("hot_row_hits"), 1);
  put("a", "2");
  EXPECT_EQ(get("a"), "2");
  warm("a");
  WriteBatch erase;
  erase.erase(Family::kItems, "a");
  ASSERT_TRUE(store_->write(erase, Store::Sync::kUnsynced).ok());
  EXPECT_EQ(get("a"), std::nullopt);
  put("a", "3");
  warm("a");
  WriteBatch range;
  range.erase_range(Family::kItems, "a", "b");
  ASSERT_TRUE(store_->write(range, Store::Sync::kUnsynced).ok());
  EXPECT_EQ(get("a"), std::nullopt);
  put("a", "4");
  warm("a");
  store_->reclaim(Family::kItems, "a", "b");
  EXPECT_EQ(get("a"), std::nullopt);
  EXPECT_EQ(figure("hot_rows"), 0);
}

TEST_F(HotRowsOfAStore, ReadersNeverSeeAnOlderValueAfterANewerOne) {
  put("counter", "0");
  std::atomic<bool> done{false};
  std::atomic<int> acknowledged{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      int last = 0;
      while (!done) {
        const int least = acknowledged;
        const int seen = std::stoi(*get("counter"));
        ASSERT_GE(seen, least) << "an acknowledged write is not seen";
        ASSERT_GE(seen, last) << "back in time";
        last = seen;
      }
    });
  }
  for (int i = 1; i <= 3000; ++i) {
    put("counter", std::to_string(i));
    acknowledged = i;
    if (i % 10 == 0) std::this_thread::yield();
  }
  done = true;
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(get("counter"), "3000");
}

}  // namespace
}  // namespace millrace::storage
