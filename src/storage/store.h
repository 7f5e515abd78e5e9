// An ordered key-value store with column families and atomic batches: what millrace needs of a disk, and nothing more.
//
// Implementations: `storage/memory` (tests, simulation), `storage/rocks` (RocksDB). Writes go through the one Committer
// (storage/committer.h); only the committer calls Store::write. Reads see what has been written (hence synced) and
// never wait. Keys are compared as unsigned bytes; `codec/key.h` builds keys whose order is that of their values.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "storage/damage.h"

namespace millrace::storage {

// One family per access pattern, never one per table. Numbers are stored in the data directory: never reuse one.
enum class Family : std::uint8_t {
  kCatalogue = 0,  // small and read at start: tables, streams, functions, mappings, queues, buckets, roles, settings
  kItems = 1,      // items of tables and entries of their indexes
  kLog = 2,        // stream records, by stamp (see WriteBatch::log)
  kQueue = 3,      // short-lived and ordered: SQS messages, asynchronous events, TTL entries, lifecycle entries
  kObjects = 4,    // object metadata and small objects' bytes
  kText = 5,       // output of functions
};
inline constexpr int kFamilyCount = 6;

inline constexpr std::size_t kLogHeaderBytes = 8;  // of a stored record: the commit time in front of its value

// Position of a record in the log: from one store-wide counter, never falls, never reused (write-path.md "Stamps").
using Stamp = std::uint64_t;

struct Committed;  // storage/committer.h

// Changes that happen together or not at all, in order (a later change to a key wins). Not thread-safe; movable.
class WriteBatch {
 public:
  void put(Family family, std::string_view key, std::string_view value);
  void erase(Family family, std::string_view key);
  void erase_range(Family family, std::string_view from, std::string_view to);  // [from, to)
  // Appends a stream record to `shard`. The committer gives it the next stamp: its key in kLog becomes
  // be64(stamp >> 15) be64(shard) be64(stamp), its value be64(milliseconds of commit time) followed by `value`.
  void log(std::uint64_t shard, std::string_view value);
  // The same without a copy: `framed` is kLogHeaderBytes bytes of room for the commit time, then the value.
  void log_framed(std::uint64_t shard, std::string framed);
  // Adds `delta` to a big-endian int64 counter in kCatalogue (absent = 0); summed over a commit group.
  void add(std::string_view key, std::int64_t delta);
  // Puts `value` followed by be64(the stamp after this batch): its own log records and all earlier ones have lower
  // stamps, all later ones have this or higher. For what must know its place in the log: the end of a shard, LATEST.
  void put_stamped(Family family, std::string_view key, std::string_view value);

  // Has `observer` called, on the committer's thread and before the submitter's own callback, with what became of this
  // batch: for parts that add to a batch which another part submits. Same rules as for that callback.
  void on_commit(std::function<void(const Committed&)> observer);
  void notify(const Committed& committed) const;  // for committers

  void append(WriteBatch&& other);
  bool empty() const { return operations_.empty(); }
  std::size_t bytes() const { return bytes_; }
  std::size_t log_count() const { return log_count_; }

  enum class Kind : std::uint8_t { kPut, kErase, kEraseRange, kLog, kAdd, kPutStamped };
  struct Operation {
    Kind kind;
    Family family = Family::kCatalogue;
    std::uint64_t number = 0;  // kLog: shard; kAdd: delta as two's complement
    std::string key;           // kEraseRange: from
    std::string value;         // kEraseRange: to; kLog: framed
  };
  const std::vector<Operation>& operations() const { return operations_; }
  void add_operation(Operation operation);
  // Moves the operations out; the batch is empty afterwards, but keeps its observers.
  std::vector<Operation> take();

 private:
  std::vector<Operation> operations_;
  std::vector<std::function<void(const Committed&)>> observers_;
  std::size_t bytes_ = 0;
  std::size_t log_count_ = 0;
};

// A position in one family, over a fixed snapshot taken when it was made. Not thread-safe.
class Iterator {
 public:
  virtual ~Iterator() = default;
  virtual void seek(std::string_view key) = 0;           // first key >= `key`
  virtual void seek_for_prev(std::string_view key) = 0;  // last key <= `key`
  virtual void next() = 0;
  virtual void prev() = 0;
  virtual bool valid() const = 0;
  virtual std::string_view key() const = 0;    // REQUIRES: valid(); until the next move
  virtual std::string_view value() const = 0;  // REQUIRES: valid(); until the next move
  // !ok(): the iterator stopped at an error, not at the end; kWouldBlock (storage/no_blocking.h): at what is not in
  // memory.
  virtual Result<void> status() const = 0;
};

// Limits of an iteration; keys outside [lower, upper) are never seen. Empty = none.
struct Bounds {
  std::string lower;
  std::string upper;
  // Much is read that nobody reads again soon (scans, sweeps, index builds): it is not to push out what is kept in
  // memory.
  bool long_run = false;
};

// How much room there is for writing.
struct Room {
  enum class Level : std::uint8_t {
    kPlenty,
    kReserve,  // the reserve is touched: what was begun can be finished, nothing new should be begun
    kNone,     // nothing can be written
  };
  Level level = Level::kPlenty;
  std::uint64_t free_bytes = 0;
  std::uint64_t reserve_bytes = 0;  // 0: there is no reserve
};

class Store {
 public:
  virtual ~Store() = default;

  // Applies all changes atomically and, with kSynced, makes them survive a power cut before they become visible to
  // readers. kLog, kAdd and kPutStamped operations have been resolved by the committer: an implementation sees only
  // put, erase and erase_range. Errors: kStorageFull, nobody will see anything of the batch unless it is written
  // again, which may be tried at any time and is the only thing that may be written next; kStorageFailed, whether the
  // batch is on disk is unknown, and every later write fails as well.
  enum class Sync { kSynced, kUnsynced };
  virtual Result<void> write(const WriteBatch& batch, Sync sync) = 0;

  // Thread-safe. Errors: of the disk; kWouldBlock (storage/no_blocking.h) on threads that asked for it.
  virtual Result<std::optional<std::string>> get(Family family, std::string_view key) const = 0;
  virtual std::unique_ptr<Iterator> iterate(Family family, Bounds bounds) const = 0;
  // Frees the disk space of a range nobody reads any more, by whole files where possible. May do nothing.
  virtual void reclaim(Family family, std::string_view from, std::string_view to) = 0;
  // About how much the keys from `from` to before `to` ("": no end) and their values take, as they are stored: for
  // comparing ranges. Reads no values where an implementation can do without, as RocksDB can; here it adds them up.
  virtual std::uint64_t approximate_bytes(Family family, std::string_view from, std::string_view to) const;
  virtual std::string statistics() const = 0;  // for people
  // The same for programs: names as in "items_table_bytes", for /metrics.
  virtual std::vector<std::pair<std::string, double>> figures() const { return {}; }
  // Cheap enough to ask before every write.
  virtual Room room() const { return {}; }

  // What readers met that they cannot decode: they note it here.
  Damage& damage() const { return damage_; }

 private:
  mutable Damage damage_;
};

inline constexpr ErrorType kStorageFailed{"InternalServerError", 500, ErrorKind::kServer};
inline constexpr ErrorType kStorageFull{"StorageFull", 503, ErrorKind::kServer};

// What a person is told of a disk without room: "12 MiB of the disk are free, less than the reserve of 256 MiB".
std::string room_text(const Room& room);

// The first key after all keys that start with `prefix`; empty when there is none.
std::string prefix_end(std::string_view prefix);

}  // namespace millrace::storage
