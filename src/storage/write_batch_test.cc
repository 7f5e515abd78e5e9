#include <gtest/gtest.h>

#include "storage/log_key.h"
#include "storage/store.h"

namespace millrace::storage {
namespace {

TEST(WriteBatch, KeepsOperationsInOrderAndCounts) {
  WriteBatch batch;
  EXPECT_TRUE(batch.empty());
  batch.put(Family::kItems, "a", "1");
  batch.log(7, "record");
  WriteBatch other;
  other.erase(Family::kItems, "a");
  other.log(8, "x");
  other.add("counter", -3);
  const std::size_t bytes = batch.bytes() + other.bytes();
  batch.append(std::move(other));
  EXPECT_TRUE(other.empty());  // NOLINT(bugprone-use-after-move): documented
  EXPECT_EQ(batch.bytes(), bytes);
  EXPECT_EQ(batch.log_count(), 2U);
  ASSERT_EQ(batch.operations().size(), 5U);
  EXPECT_EQ(batch.operations()[1].number, 7U);
  EXPECT_EQ(batch.operations()[2].kind, WriteBatch::Kind::kErase);
  EXPECT_EQ(batch.take().size(), 5U);
  EXPECT_TRUE(batch.empty());
  EXPECT_EQ(batch.bytes(), 0U);
}

TEST(WriteBatch, TakesARecordWithRoomForItsHeaderAsItIs) {
  WriteBatch batch;
  std::string framed = std::string(kLogHeaderBytes, '\0') + std::string(100, 'r');
  const char* const bytes = framed.data();
  batch.log_framed(7, std::move(framed));
  EXPECT_EQ(batch.operations()[0].value.data(), bytes) << "not copied";
  batch.log(7, std::string(100, 'r'));
  EXPECT_EQ(batch.operations()[1].value, batch.operations()[0].value);
  EXPECT_EQ(batch.log_count(), 2U);
}

TEST(WriteBatch, FindsTheEndOfAPrefix) {
  EXPECT_EQ(prefix_end("tables/"), "tables0");
  EXPECT_EQ(prefix_end("a\xff\xff"), "b");
  EXPECT_EQ(prefix_end("\xff"), "");
  EXPECT_EQ(prefix_end(""), "");
}

TEST(LogKey, RefusesWhatNoCommitterWrote) {
  const std::string key = log_key(5, 40000);
  const std::string value = std::string("\0\0\0\0\0\0\0\x05", 8) + "text";
  const auto record = parse_log_record(key, value);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->bucket, 1U);
  EXPECT_EQ(record->shard, 5U);
  EXPECT_EQ(record->stamp, 40000U);
  EXPECT_EQ(to_unix_ms(record->time), 5);
  EXPECT_EQ(record->value, "text");
  EXPECT_FALSE(parse_log_record(key.substr(1), value));
  EXPECT_FALSE(parse_log_record(key, "short"));
  std::string other_bucket = key;
  other_bucket[7] = 2;
  EXPECT_FALSE(parse_log_record(other_bucket, value));
}

}  // namespace
}  // namespace millrace::storage
