// What RocksDB tells of itself, for /metrics. Thread-safe.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <rocksdb/db.h>
#include <rocksdb/statistics.h>

namespace millrace::storage {

// Names and values: sizes and states as they are now; names that end in _total count since the database was opened.
std::vector<std::pair<std::string, double>> database_figures(rocksdb::DB& db,
                                                             const std::vector<rocksdb::ColumnFamilyHandle*>& families,
                                                             const rocksdb::Statistics& statistics);

}  // namespace millrace::storage
