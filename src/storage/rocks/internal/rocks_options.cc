#include "storage/rocks/internal/rocks_options.h"

#include <algorithm>

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/write_buffer_manager.h>

namespace millrace::storage {

namespace {

bool supports(rocksdb::CompressionType type) {
  const auto all = rocksdb::GetSupportedCompressions();
  return std::find(all.begin(), all.end(), type) != all.end();
}

rocksdb::ColumnFamilyOptions family_options(Family family, const std::shared_ptr<rocksdb::Cache>& cache) {
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
    // In parts of 4 KiB: whole, the filters and indexes of 10^7 items (54 MB) push each other out of the cache.
    table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
    table.partition_filters = true;
    table.metadata_cache_options.top_level_index_pinning = rocksdb::PinningTier::kAll;
  }
  // The log is read in long runs.
  table.block_size = family == Family::kLog || family == Family::kText ? 32 * 1024 : 8 * 1024;

  rocksdb::ColumnFamilyOptions out;
  out.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  out.write_buffer_size = 16 << 20;  // RocksDB sets aside disk space of that size for its log
  // New keys, which most writes have, are not looked for in the memtable's list. A fiftieth is 16 bits per item of 170
  // B.
  out.memtable_whole_key_filtering = point_reads;
  out.memtable_prefix_bloom_size_ratio = point_reads ? 0.02 : 0;
  out.max_write_buffer_number = 3;
  if (family == Family::kItems) {  // written to disk two at a time: half as many runs to merge later
    out.min_write_buffer_number_to_merge = 2;
    out.max_write_buffer_number = 4;
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

}  // namespace

std::size_t hot_row_bytes(std::size_t memory_bytes) { return std::max(memory_bytes, kMemoryMin) / 16; }

rocksdb::DBOptions database_options(const RocksOptions& options) {
  rocksdb::DBOptions out;
  out.create_if_missing = true;
  out.create_missing_column_families = true;
  // Recovery stops at the first damaged record; the head file tells a torn end from lost writes.
  out.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  out.max_total_wal_size = kWalBytesMax;
  out.write_buffer_manager =
      std::make_shared<rocksdb::WriteBufferManager>(std::max(options.memory_bytes, kMemoryMin) / 2);
  // One writer: no need for the machinery that orders several.
  out.allow_concurrent_memtable_write = false;
  out.enable_write_thread_adaptive_yield = false;
  out.max_background_jobs = 3;  // a flush and two compactions; the second only when runs pile up
  out.max_subcompactions = 1;
  out.bytes_per_sync = 1 << 20;  // spreads the write-out of table files, so that WAL syncs do not wait behind it
  // Quick to open: no scan of files for statistics, none of their sizes.
  out.skip_stats_update_on_db_open = true;
  out.skip_checking_sst_file_sizes_on_db_open = true;
  out.max_open_files = 500;
  out.max_bgerror_resume_count = 0;  // the store decides when to try again
  // RocksDB's own log: warnings only, small, and no threads that write statistics into it.
  out.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  out.keep_log_file_num = 2;
  out.max_log_file_size = 1 << 20;
  out.stats_dump_period_sec = 0;
  out.stats_persist_period_sec = 0;
  return out;
}

std::vector<rocksdb::ColumnFamilyDescriptor> family_descriptors(const RocksOptions& options) {
  const std::size_t memory = std::max(options.memory_bytes, kMemoryMin);
  const auto cache = rocksdb::NewLRUCache(memory - memory / 2 - hot_row_bytes(memory), 4);
  constexpr const char* kNames[kFamilyCount] = {"default", "items", "log", "queue", "objects", "text"};
  std::vector<rocksdb::ColumnFamilyDescriptor> out;
  for (int i = 0; i < kFamilyCount; ++i) out.emplace_back(kNames[i], family_options(static_cast<Family>(i), cache));
  return out;
}

}  // namespace millrace::storage
