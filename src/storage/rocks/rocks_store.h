// The Store on disk: one RocksDB with one column family per Family.
//
// Writes are synced to one write-ahead log (capped at kWalBytesMax, so replay after a kill is short); reads never wait.
// Opening recovers to the last intact record of that log. With a head file it then proves that nothing acknowledged is
// missing (see internal/head_file.h): a log damaged in the middle refuses to open, a torn last record does not. The
// log as it was then lies in "damaged-wal" beside the head file, and opening goes on refusing until a backup is
// restored or RocksOptions::accept_lost_writes is given.
//
// A disk without room for flushes and compactions is no failure: the write that found it may be tried again
// (kStorageFull), and succeeds once there is room. A failed write or sync of the log, for whatever reason, ends all
// writing until the store is opened again; reads go on. The reserve sees to it that the log is not what a full disk
// hits first.
// Thread-safe; iterators must not outlive the store. The tuning is explained in rocks_options.cc.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "storage/store.h"

namespace rocksdb {
class FileSystem;
class Status;
}  // namespace rocksdb

namespace millrace::storage {

inline constexpr std::uint64_t kReserveDefault = std::uint64_t{256} << 20;
inline constexpr std::uint64_t kReserveMin = std::uint64_t{16} << 20;
inline constexpr std::size_t kWalBytesMax = std::size_t{64} << 20;
inline constexpr std::size_t kMemoryDefault = std::size_t{128} << 20;
inline constexpr std::size_t kMemoryMin = std::size_t{16} << 20;

struct RocksOptions {
  std::string path;                           // of the database's own directory; its parent exists
  std::size_t memory_bytes = kMemoryDefault;  // write buffers, block cache and hot rows: memory_shares()
  std::string head_file;                      // where to note what is durable; empty: nowhere
  // Opens although acknowledged writes are missing, and says what is lost in a warning.
  bool accept_lost_writes = false;
  // Free space that is not to be touched by new writes, so that what was begun, flushes and compactions always find
  // room (Room::Level::kReserve); below a quarter of it nothing is begun. At most a twentieth of the file system, but
  // at least kReserveMin, or a quarter of a tiny one. 0: for tests, no reserve: writes go on until the disk is full.
  std::uint64_t reserve_bytes = 0;
  // Where the database lives; nullptr: the machine's. For faults and recordings in tests.
  std::shared_ptr<rocksdb::FileSystem> file_system = nullptr;
  // Opens a database that is there for reading only: nothing on disk changes, and every write fails. A head file that
  // is there is compared with as ever.
  bool read_only = false;
};

class RocksStore final : public Store {
 public:
  // Creates or opens. Errors (kStorageFailed, for the operator): cannot be created, damaged, acknowledged writes
  // missing, or held by another process.
  static Result<std::unique_ptr<RocksStore>> open(const RocksOptions& options);
  // Flushes, so that the next start replays nothing, and closes.
  ~RocksStore() override;

  Result<void> write(const WriteBatch& batch, Sync sync) override;
  Result<std::optional<std::string>> get(Family family, std::string_view key) const override;
  std::unique_ptr<Iterator> iterate(Family family, Bounds bounds) const override;
  // Drops whole files; what is left of the range at their edges is erased, except in kLog, whose readers enforce the
  // trim point and whose edges go with the next call (pass an empty `from`).
  void reclaim(Family family, std::string_view from, std::string_view to) override;
  // On disk and in memory. Asks the indexes of table files, which may have to be read.
  std::uint64_t approximate_bytes(Family family, std::string_view from, std::string_view to) const override;
  std::string statistics() const override;
  std::vector<std::pair<std::string, double>> figures() const override;
  Room room() const override;
  // Whether the log takes a batch of so many bytes in disk space that it has set aside already: no block is asked of
  // the file system, and nothing is so full that the batch would begin another log. On the writer's thread.
  bool log_takes(std::size_t bytes) const;

  // Reads every block of every table file against its checksum; what is wrong with those that are damaged, by name.
  // `progress` is told how many bytes of how many have been read.
  std::vector<std::string> find_damage(const std::function<void(std::uint64_t, std::uint64_t)>& progress = {}) const;
  // A consistent copy of the database in the new folder `path` (its parent exists): hard links where table files are on
  // the same file system, copies else. Writing goes on meanwhile; nothing submitted after the return is in it.
  Result<void> checkpoint(const std::string& path);

  // Writes everything in memory to table files: for tests and before a copy.
  Result<void> flush();

 private:
  struct Database;
  Error write_failed(const rocksdb::Status& status);
  Result<void> resume();
  explicit RocksStore(std::unique_ptr<Database> database);
  std::unique_ptr<Database> database_;
};

}  // namespace millrace::storage
