// A file system that fails on request: what RocksDB is given in tests instead of the machine's.
//
// Counts the operations on files whose name ends as Plan::suffix says, and fails the n-th of a kind. Also the seam for
// recording what reaches the disk. Thread-safe. Not linked into the server.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <rocksdb/file_system.h>

namespace millrace::storage {

class FaultyFileSystem : public rocksdb::FileSystemWrapper {
 public:
  enum class Kind : std::uint8_t {
    kAppend,
    kSync,   // of files, parts of files and directories
    kRead,   // of what was opened, and the opening
    kOther,  // new, reused, renamed, linked, removed and truncated files; new directories
  };
  enum class How : std::uint8_t {
    kIoError,  // EIO
    kNoSpace,  // ENOSPC
  };
  FaultyFileSystem() : rocksdb::FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "FaultyFileSystem"; }

  // From now on operations of `kind` on files ending with `suffix` fail, after `after` further good ones; all of them
  // until heal(), or only the first.
  struct Plan {
    Kind kind = Kind::kSync;
    How how = How::kIoError;
    std::string suffix = "";  // "" = every file
    std::uint64_t after = 0;
    bool once = false;
  };
  void fail(Plan plan);
  void heal();
  std::uint64_t failures() const;
  std::uint64_t operations() const;  // of all kinds and files

  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* result,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus ReuseWritableFile(const std::string& name, const std::string& old,
                                      const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSWritableFile>* result,
                                      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewSequentialFile(const std::string& name, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSSequentialFile>* result,
                                      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewRandomAccessFile(const std::string& name, const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                                        rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewDirectory(const std::string& name, const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* result,
                                 rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus DeleteFile(const std::string& name, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;

  rocksdb::IOStatus LinkFile(const std::string& from, const std::string& to, const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus CreateDir(const std::string& name, const rocksdb::IOOptions& options,
                              rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus CreateDirIfMissing(const std::string& name, const rocksdb::IOOptions& options,
                                       rocksdb::IODebugContext* debug) override;

  // Counts one operation; the failure that is due, or ok.
  rocksdb::IOStatus next(Kind kind, const std::string& name);

 private:
  mutable std::mutex mutex_;
  bool armed_ = false;
  Plan plan_;
  std::uint64_t failures_ = 0;
  std::uint64_t operations_ = 0;
};

}  // namespace millrace::storage
