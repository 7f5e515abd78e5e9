#include "storage/rocks/internal/rocks_figures.h"

#include <cstdint>
#include <cstdlib>

namespace millrace::storage {

namespace {

constexpr std::pair<const char*, const char*> kOfFamily[] = {
    {"keys_estimate", "rocksdb.estimate-num-keys"},
    {"table_bytes", "rocksdb.total-sst-files-size"},
    {"memtable_bytes", "rocksdb.cur-size-all-mem-tables"},
    {"pending_compaction_bytes", "rocksdb.estimate-pending-compaction-bytes"},
};
constexpr std::pair<const char*, const char*> kOfAll[] = {
    {"block_cache_bytes", "rocksdb.block-cache-usage"},
    {"block_cache_capacity_bytes", "rocksdb.block-cache-capacity"},
    {"running_flushes", "rocksdb.num-running-flushes"},
    {"running_compactions", "rocksdb.num-running-compactions"},
    {"write_delay_bytes_per_second", "rocksdb.actual-delayed-write-rate"},
    {"writes_stopped", "rocksdb.is-write-stopped"},
    {"background_errors", "rocksdb.background-errors"},
};
constexpr std::pair<const char*, rocksdb::Tickers> kCounters[] = {
    {"cache_data_hits_total", rocksdb::BLOCK_CACHE_DATA_HIT},
    {"cache_data_misses_total", rocksdb::BLOCK_CACHE_DATA_MISS},
    {"cache_index_hits_total", rocksdb::BLOCK_CACHE_INDEX_HIT},
    {"cache_index_misses_total", rocksdb::BLOCK_CACHE_INDEX_MISS},
    {"cache_filter_hits_total", rocksdb::BLOCK_CACHE_FILTER_HIT},
    {"cache_filter_misses_total", rocksdb::BLOCK_CACHE_FILTER_MISS},
    {"filter_negatives_total", rocksdb::BLOOM_FILTER_USEFUL},
    {"filter_positives_total", rocksdb::BLOOM_FILTER_FULL_POSITIVE},
    {"filter_true_positives_total", rocksdb::BLOOM_FILTER_FULL_TRUE_POSITIVE},
    {"gets_total", rocksdb::NUMBER_KEYS_READ},
    {"memtable_hits_total", rocksdb::MEMTABLE_HIT},
    {"wal_bytes_total", rocksdb::WAL_FILE_BYTES},
    {"wal_syncs_total", rocksdb::WAL_FILE_SYNCED},
    {"flush_bytes_total", rocksdb::FLUSH_WRITE_BYTES},
    {"compaction_read_bytes_total", rocksdb::COMPACT_READ_BYTES},
    {"compaction_written_bytes_total", rocksdb::COMPACT_WRITE_BYTES},
    {"stall_microseconds_total", rocksdb::STALL_MICROS},
};

}  // namespace

std::vector<std::pair<std::string, double>> database_figures(rocksdb::DB& db,
                                                             const std::vector<rocksdb::ColumnFamilyHandle*>& families,
                                                             const rocksdb::Statistics& statistics) {
  std::vector<std::pair<std::string, double>> out;
  std::uint64_t value = 0;
  for (rocksdb::ColumnFamilyHandle* family : families) {
    for (const auto& [name, property] : kOfFamily) {
      if (!db.GetIntProperty(family, property, &value)) continue;
      out.emplace_back(family->GetName() + "_" + name, static_cast<double>(value));
    }
    std::string text;  // this one is not among the numbers
    if (db.GetProperty(family, "rocksdb.num-files-at-level0", &text)) {
      out.emplace_back(family->GetName() + "_level0_files", std::strtod(text.c_str(), nullptr));
    }
  }
  for (const auto& [name, property] : kOfAll) {
    if (db.GetIntProperty(property, &value)) out.emplace_back(name, static_cast<double>(value));
  }
  for (const auto& [name, ticker] : kCounters) {
    out.emplace_back(name, static_cast<double>(statistics.getTickerCount(ticker)));
  }
  return out;
}

}  // namespace millrace::storage
