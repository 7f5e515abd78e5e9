// A file system whose table files can be read without waiting for the disk: within a storage::NoBlocking scope a read
// is served from the system's page cache or fails with a status for which is_refusal() holds. RocksDB hands that status
// through as it does any failed read: nothing of it is kept in a cache, and the next read tries again. Opening a table
// file is refused as well (its name may have to be looked up on the disk), and reading ahead is left out.
//
// A file system that cannot tell (tmpfs cannot, and has no need to) is read as ever. Thread-safe.
#pragma once

#include <memory>
#include <string>

#include <rocksdb/file_system.h>

namespace millrace::storage {

class NowaitFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  using FileSystemWrapper::FileSystemWrapper;
  const char* Name() const override { return "NowaitFileSystem"; }

  rocksdb::IOStatus NewRandomAccessFile(const std::string& name, const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                                        rocksdb::IODebugContext* debug) override;

  // Of a status that a read ended with. Also true of iterators that passed too many deleted keys.
  static bool is_refusal(const rocksdb::Status& status) { return status.IsBusy() || status.IsIncomplete(); }
};

}  // namespace millrace::storage
