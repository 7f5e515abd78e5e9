// Keeps RocksDB's flushes from starting while a disk that was full has stopped the database.
//
// RocksDB (7.8) forgets a flush that starts then: it ends at once, its request stays queued, and nothing starts it
// again. The recovery flushes every family and so waits for that one for ever. Here such a flush waits for the recovery
// instead, in no thread of the pool; resume() lets it go once the recovery is under way.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <list>
#include <memory>
#include <mutex>

#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/listener.h>

namespace millrace::storage {

// Of the write-ahead log, or of what follows it: nothing is recovered after such an error.
bool is_of_log(rocksdb::BackgroundErrorReason reason);

// Of one database, whose first listener it has to be: it closes before others say what happened. Thread-safe.
class FlushGate final : public rocksdb::EventListener, public std::enable_shared_from_this<FlushGate> {
 public:
  // Everything goes to `target` at once but the flushes that must wait. For the database's options.
  std::unique_ptr<rocksdb::Env> env(std::unique_ptr<rocksdb::Env> target);

  // Recovers from the error that stopped the database, if one did: DB::Resume(). By one thread at a time.
  rocksdb::Status resume(rocksdb::DB& database);

  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* error) override;
  void OnFlushBegin(rocksdb::DB* database, const rocksdb::FlushJobInfo& info) override;

 private:
  class GatedEnv;
  struct Job;

  static void arrive(void* job);   // in a thread of the pool
  static void dismiss(void* job);  // the pool gives it back: the database is being closed
  rocksdb::Status resume_and_open(rocksdb::DB& database);
  void open(bool for_good = false);
  void began(const Job* job);
  void ended(const Job* job);

  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopped_ = false;  // since an error, until a recovery succeeds
  bool closed_ = false;
  bool open_for_good_ = false;    // the database is being closed
  std::size_t unfinished_ = 0;    // flushes and merges: scheduled, and neither run nor given back
  std::list<Job*> held_;          // flushes that arrived while closed
  std::list<const Job*> passed_;  // flushes that could still be forgotten: they have not begun to write
};

}  // namespace millrace::storage
