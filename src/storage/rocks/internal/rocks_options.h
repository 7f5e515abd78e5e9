// RocksDB's settings, all in one place. Constant functions.
#pragma once

#include <memory>
#include <vector>

#include <rocksdb/db.h>

#include "storage/rocks/rocks_store.h"

namespace millrace::storage {

// How the memory budget is shared: a sixteenth for the rows kept whole, all the rest is one account of blocks and write
// buffers, in which the buffers, at most half of the budget and no more than the log holds, take room from the blocks.
struct MemoryShares {
  std::size_t hot_rows = 0;
  std::size_t cache = 0;          // blocks and write buffers together
  std::size_t write_buffers = 0;  // of all families together
  std::size_t write_buffer = 0;   // of one
};
MemoryShares memory_shares(std::size_t memory_bytes);

struct RocksSettings {
  rocksdb::DBOptions database;
  // In the order of Family. The first is RocksDB's mandatory "default".
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
};
RocksSettings rocks_settings(const RocksOptions& options);

// Removes files that are needed no more: renamed to *.trash and shrunk step by step in a thread of its own, 256 MiB per
// second. A log of 64 MiB unlinked at once held up the syncs beside it for 20 ms, one file system commit for all of it.
// What a backup links to is unlinked at once. What a crash leaves goes at the next start. Takes env and info_log of
// `options`.
inline constexpr std::uint64_t kRemovalStep = 1 << 20;  // bytes
std::shared_ptr<rocksdb::SstFileManager> slow_removal(const rocksdb::DBOptions& options);

}  // namespace millrace::storage
