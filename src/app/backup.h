// Backups of a running server's data directory, and data directories made of them.
//
//   DIR/backup.json    {"v":1,"format","version","created","files":[{"path","bytes","crc32c"}]}: written last
//   DIR/millrace.json  as in the data directory
//   DIR/db, objects, functions    as there; functions' code as archives only
//
// A backup is consistent as of the moment of its checkpoint: it has everything that was acknowledged before it was
// asked for. Files that never change are hard links where that is possible. A restored server continues with higher
// numbers than the original can have given meanwhile, whatever the clocks say: the marks of the streams' stamps
// (storage/stamping.h) and of all other numbers (storage/numbers.h) are raised.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "base/result.h"
#include "codec/json.h"
#include "storage/rocks/rocks_store.h"

namespace millrace::app {

// Told, again and again: what is being done, how many bytes of it are done, of how many (0: not known).
using Progress = std::function<void(std::string_view what, std::uint64_t done, std::uint64_t all)>;

struct BackupSource {
  storage::RocksStore* store = nullptr;
  std::filesystem::path data;
  std::function<std::shared_ptr<void>()> hold_files;  // keeps objects' files while it lives
  std::string created;                                // ISO time
  const std::atomic<bool>* cancelled = nullptr;       // set from any thread: the backup ends soon, with an error
};

// A summary: {"path","files","bytes"}. Errors: `to` exists and is not empty, the disk; what was begun is removed.
Result<codec::Json> make_backup(const BackupSource& source, const std::filesystem::path& to, const Progress& progress);

// Makes `data`, which must not exist or be empty, of a backup; every file is compared with its checksum on the way.
// Errors: no or a damaged backup, naming the file; a newer format; the disk. What was begun is removed.
Result<codec::Json> restore_backup(const std::filesystem::path& from, const std::filesystem::path& data,
                                   const Progress& progress);

// Compares the files of a backup with its list; what is wrong, as sentences. Error: there is no list.
Result<std::vector<std::string>> verify_backup(const std::filesystem::path& from, const Progress& progress);

// One backup at a time, in the background; for the administration endpoint. Thread-safe.
class BackupJob {
 public:
  ~BackupJob();  // stop()
  // Gives up what is under way, soon: between two files, or in the middle of one that is read. Later ones are refused.
  void stop();
  // Its number, from 1. Errors: one is under way; stop() has been called.
  Result<std::int64_t> start(BackupSource source, std::filesystem::path to);
  // Of the backup of that number, 0: the latest. {"state": "none"/"running"/"done"/"failed", "number", "what", "done",
  // "all", "result"?, "error"?}; "none" of numbers that were not given or are older than the last kOutcomesKept.
  codec::Json status(std::int64_t number = 0) const;

 private:
  static constexpr std::size_t kOutcomesKept = 16;

  void tell(std::int64_t number, codec::Json status);  // REQUIRES: mutex_ is held

  mutable std::mutex mutex_;
  std::thread thread_;
  bool running_ = false;
  std::atomic<bool> stopped_{false};
  std::int64_t latest_ = 0;
  std::map<std::int64_t, codec::Json> statuses_;  // by number
};

}  // namespace millrace::app
