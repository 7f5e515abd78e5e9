#include <gtest/gtest.h>

#include "storage/rocks/internal/rocks_options.h"

namespace millrace::storage {
namespace {

TEST(MemorySharesTest, AreTheWholeBudgetAndNoMore) {
  for (const std::size_t megabytes : {16, 32, 128, 1024, 16384}) {
    const std::size_t memory = megabytes << 20;
    const MemoryShares shares = memory_shares(memory);
    EXPECT_EQ(shares.hot_rows + shares.cache, memory);
    EXPECT_LE(shares.write_buffers, memory / 2);
    EXPECT_GE(shares.write_buffers, 4 * shares.write_buffer);
  }
}

TEST(MemorySharesTest, LeaveToTheBlocksWhatTheLogCannotFill) {
  EXPECT_EQ(memory_shares(std::size_t{8} << 30).write_buffers, kWalBytesMax + kWalBytesMax / 4);
}

TEST(MemorySharesTest, AreThoseOfTheLeastBudgetBelowIt) {
  EXPECT_EQ(memory_shares(0).cache, memory_shares(kMemoryMin).cache);
}

TEST(RocksSettingsTest, WriteBuffersTakeTheirRoomFromTheCacheOfAllFamilies) {
  RocksOptions options;
  options.memory_bytes = std::size_t{64} << 20;
  const RocksSettings settings = rocks_settings(options);
  EXPECT_TRUE(settings.database.write_buffer_manager->cost_to_cache());
  EXPECT_EQ(settings.database.write_buffer_manager->buffer_size(), std::size_t{32} << 20);
  for (const auto& family : settings.families) EXPECT_EQ(family.options.write_buffer_size, std::size_t{8} << 20);
}

}  // namespace
}  // namespace millrace::storage
