#include "storage/memory/memory_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::storage {
namespace {

using ::testing::ElementsAre;
using Sync = Store::Sync;

WriteBatch put(std::initializer_list<std::string_view> keys) {
  WriteBatch batch;
  for (const auto key : keys) batch.put(Family::kItems, key, "v");
  return batch;
}

std::vector<std::string> keys(const Store& store, Bounds bounds = {}) {
  std::vector<std::string> all;
  const auto it = store.iterate(Family::kItems, std::move(bounds));
  for (it->seek(""); it->valid(); it->next()) all.emplace_back(it->key());
  EXPECT_TRUE(it->status().ok());
  return all;
}

TEST(MemoryStore, AppliesABatchInOrder) {
  MemoryStore store;
  WriteBatch batch = put({"a", "b", "c", "d"});
  batch.erase(Family::kItems, "d");
  batch.erase_range(Family::kItems, "b", "c");
  batch.put(Family::kItems, "b", "again");
  batch.erase_range(Family::kItems, "z", "a");  // empty range
  ASSERT_TRUE(store.write(batch, Sync::kSynced).ok());
  EXPECT_THAT(keys(store), ElementsAre("a", "b", "c"));
  EXPECT_EQ(store.get(Family::kItems, "b").value(), "again");
  EXPECT_EQ(store.get(Family::kLog, "b").value(), std::nullopt);
}

TEST(MemoryStore, MovesBothWaysWithinBounds) {
  MemoryStore store;
  ASSERT_TRUE(store.write(put({"a", "b", "c", "d"}), Sync::kSynced).ok());
  EXPECT_THAT(keys(store, {"b", "d"}), ElementsAre("b", "c"));
  const auto it = store.iterate(Family::kItems, {"b", "d"});
  it->seek_for_prev("zzz");
  EXPECT_EQ(it->key(), "c");
  it->prev();
  EXPECT_EQ(it->key(), "b");
  it->prev();
  EXPECT_FALSE(it->valid());
  it->seek_for_prev("bb");
  EXPECT_EQ(it->key(), "b");
  it->seek_for_prev("a");
  EXPECT_FALSE(it->valid());
  it->seek("a");
  EXPECT_EQ(it->key(), "b");
}

TEST(MemoryStore, GivesIteratorsASnapshot) {
  MemoryStore store;
  ASSERT_TRUE(store.write(put({"a", "b"}), Sync::kSynced).ok());
  const auto it = store.iterate(Family::kItems, {});
  WriteBatch change;
  change.erase(Family::kItems, "b");
  change.put(Family::kItems, "c", "v");
  ASSERT_TRUE(store.write(change, Sync::kSynced).ok());
  it->seek("b");
  ASSERT_TRUE(it->valid());
  EXPECT_EQ(it->key(), "b");
  it->next();
  EXPECT_FALSE(it->valid());
  EXPECT_THAT(keys(store), ElementsAre("a", "c"));
}

TEST(MemoryStore, FailsWhenToldAndStaysBrokenUntilHealed) {
  MemoryStore store;
  store.fail_write_after(1, MemoryStore::Outcome::kApplied);
  EXPECT_TRUE(store.write(put({"a"}), Sync::kSynced).ok());
  EXPECT_FALSE(store.has_failed());
  EXPECT_FALSE(store.write(put({"b"}), Sync::kSynced).ok());
  EXPECT_FALSE(store.write(put({"c"}), Sync::kSynced).ok());
  EXPECT_TRUE(store.has_failed());
  EXPECT_THAT(keys(store), ElementsAre("a", "b"));
  store.heal();
  EXPECT_TRUE(store.write(put({"c"}), Sync::kSynced).ok());
  store.fail_read_after(0);
  EXPECT_FALSE(store.get(Family::kItems, "a").ok());
  EXPECT_TRUE(store.get(Family::kItems, "a").ok());
  store.fail_read_after(0);
  const auto it = store.iterate(Family::kItems, {});
  it->seek("");
  EXPECT_FALSE(it->valid());
  EXPECT_FALSE(it->status().ok());
}

}  // namespace
}  // namespace millrace::storage
