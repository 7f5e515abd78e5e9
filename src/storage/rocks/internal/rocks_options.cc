#include "storage/rocks/internal/rocks_options.h"

#include <algorithm>

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/sst_file_manager.h>
#include <rocksdb/statistics.h>
#include <rocksdb/table.h>
#include <rocksdb/write_buffer_manager.h>

namespace millrace::storage {

namespace {

bool supports(rocksdb::CompressionType type) {
  const auto all = rocksdb::GetSupportedCompressions();
  return std::find(all.begin(), all.end(), type) != all.end();
}

rocksdb::ColumnFamilyOptions family_options(Family family, const std::shared_ptr<rocksdb::Cache>& cache,
                                            std::size_t write_buffer) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.format_version = 5;
  // Index and filter blocks stay within the memory budget.
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  // Point reads of keys that are not there: conditional writes of new items, gets of deleted ones.
  const bool point_reads = family == Family::kItems || family == Family::kObjects;
  if (point_reads) {
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    // Indexes in parts of 4 KiB: whole, those of 10^7 items (41 MB) push each other out of the cache. Filters whole: a
    // new key asks that of every run, and in parts each costs a search and a lookup in the cache more.
    table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
    table.metadata_cache_options.top_level_index_pinning = rocksdb::PinningTier::kAll;
  }
  // The log is read in long runs.
  table.block_size = family == Family::kLog || family == Family::kText ? 32 * 1024 : 8 * 1024;

  rocksdb::ColumnFamilyOptions out;
  out.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  out.write_buffer_size = write_buffer;  // RocksDB sets aside disk space of that size for its log
  // New keys, which most writes have, are not looked for in the memtable's list. A fiftieth is 16 bits per item of 170
  // B.
  out.memtable_whole_key_filtering = point_reads;
  out.memtable_prefix_bloom_size_ratio = point_reads ? 0.02 : 0;
  // The memory budget and the log's size say when to flush, not this: a buffer short of it RocksDB slows writes down.
  out.max_write_buffer_number = 8;
  if (family == Family::kItems) {  // written to disk two at a time: half as many runs to merge later
    out.min_write_buffer_number_to_merge = 2;
  }
  out.target_file_size_base = 32 << 20;
  if (point_reads) {
    // Keys in no order: leveled compaction would rewrite nearly all of a family for every few buffers that join it, at
    // a cost that grows with what is stored (and with how well it compresses, as its limits count compressed bytes).
    // Merging four runs of a size rewrites each item once per factor of four.
    out.compaction_style = rocksdb::kCompactionStyleUniversal;
    out.compaction_options_universal.min_merge_width = 4;
    out.compaction_options_universal.size_ratio = 20;
    // Three runs of the size of the oldest are normal; beyond that garbage is likely.
    out.compaction_options_universal.max_size_amplification_percent = 400;
    out.level0_file_num_compaction_trigger = 8;
    // A large merge takes long; what arrives meanwhile must not be held up.
    out.level0_slowdown_writes_trigger = 40;
    out.level0_stop_writes_trigger = 64;
  } else {
    out.level_compaction_dynamic_level_bytes = true;
  }
  out.max_bytes_for_level_base = 128 << 20;
  // Fast compression where data is rewritten, small where it settles.
  out.compression = supports(rocksdb::kLZ4Compression) ? rocksdb::kLZ4Compression : rocksdb::kNoCompression;
  if (point_reads && supports(rocksdb::kZSTD)) out.bottommost_compression = rocksdb::kZSTD;
  return out;
}

rocksdb::DBOptions database_options(const RocksOptions& options, const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::DBOptions out;
  out.create_if_missing = true;
  out.create_missing_column_families = true;
  // Recovery stops at the first damaged record; the head file tells a torn end from lost writes.
  out.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  out.max_total_wal_size = kWalBytesMax;
  out.write_buffer_manager =
      std::make_shared<rocksdb::WriteBufferManager>(memory_shares(options.memory_bytes).write_buffers, cache);
  // One writer: no need for the machinery that orders several.
  out.allow_concurrent_memtable_write = false;
  out.enable_write_thread_adaptive_yield = false;
  out.max_background_jobs = 3;  // a flush and two compactions; the second only when runs pile up
  out.max_subcompactions = 1;
  out.bytes_per_sync = 1 << 20;  // spreads the write-out of table files, so that WAL syncs do not wait behind it
  out.writable_file_max_buffer_size = 64 << 10;  // a piece, after which background work pauses (background_pace.h)
  // Quick to open: no scan of files for statistics, none of their sizes.
  out.skip_stats_update_on_db_open = true;
  out.skip_checking_sst_file_sizes_on_db_open = true;
  out.max_open_files = 500;
  out.max_file_opening_threads = 1;      // else up to 16 are started for each family
  out.max_manifest_file_size = 4 << 20;  // read at each start
  out.max_bgerror_resume_count = 0;      // the store decides when to try again
  // No threads that write statistics into its own log (internal/info_log.h).
  out.stats_dump_period_sec = 0;
  out.stats_persist_period_sec = 0;
  // Counters for /metrics; no timers, which would ask the clock on every read.
  out.statistics = rocksdb::CreateDBStatistics();
  out.statistics->set_stats_level(rocksdb::StatsLevel::kExceptHistogramOrTimers);
  return out;
}

}  // namespace

MemoryShares memory_shares(std::size_t memory_bytes) {
  const std::size_t memory = std::max(memory_bytes, kMemoryMin);
  MemoryShares out;
  out.hot_rows = memory / 16;
  out.cache = memory - out.hot_rows;
  out.write_buffers = std::min(memory / 2, kWalBytesMax + kWalBytesMax / 4);
  out.write_buffer = std::min<std::size_t>(16 << 20, out.write_buffers / 4);
  return out;
}

std::shared_ptr<rocksdb::SstFileManager> slow_removal(const rocksdb::DBOptions& options) {
  constexpr std::int64_t kBytesPerSecond = 256 << 20;
  constexpr double kTrashPerTables = 1000;  // beyond that at once: the rate bounds the trash, and no more is needed
  return std::shared_ptr<rocksdb::SstFileManager>(rocksdb::NewSstFileManager(
      options.env, options.info_log, "", kBytesPerSecond, true, nullptr, kTrashPerTables, kRemovalStep));
}

RocksSettings rocks_settings(const RocksOptions& options) {
  const MemoryShares shares = memory_shares(options.memory_bytes);
  const auto cache = rocksdb::NewLRUCache(shares.cache, 4);
  RocksSettings out;
  out.database = database_options(options, cache);
  constexpr const char* kNames[kFamilyCount] = {"default", "items", "log", "queue", "objects", "text"};
  for (int i = 0; i < kFamilyCount; ++i) {
    out.families.emplace_back(kNames[i], family_options(static_cast<Family>(i), cache, shares.write_buffer));
  }
  return out;
}

}  // namespace millrace::storage
