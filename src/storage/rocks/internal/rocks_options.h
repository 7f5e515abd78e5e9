// RocksDB's settings, all in one place. Constant functions.
#pragma once

#include <vector>

#include <rocksdb/db.h>

#include "storage/rocks/rocks_store.h"

namespace millrace::storage {

// How the memory budget is shared: half are write buffers, a sixteenth the rows kept whole, the rest is block cache.
std::size_t hot_row_bytes(std::size_t memory_bytes);

rocksdb::DBOptions database_options(const RocksOptions& options);
// In the order of Family. The first is RocksDB's mandatory "default".
std::vector<rocksdb::ColumnFamilyDescriptor> family_descriptors(const RocksOptions& options);

}  // namespace millrace::storage
