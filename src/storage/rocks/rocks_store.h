// The Store on disk: one RocksDB with one column family per Family.
//
// Writes are synced to one write-ahead log (capped at kWalBytesMax, so replay after a kill is short); reads never wait.
// Opening recovers to the last intact record of that log. With a head file it then proves that nothing acknowledged is
// missing (see internal/head_file.h): a log damaged in the middle refuses to open, a torn last record does not.
// Thread-safe; iterators must not outlive the store. The tuning is explained in rocks_options.cc.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "storage/store.h"

namespace millrace::storage {

inline constexpr std::size_t kWalBytesMax = std::size_t{64} << 20;
inline constexpr std::size_t kMemoryDefault = std::size_t{128} << 20;
inline constexpr std::size_t kMemoryMin = std::size_t{16} << 20;

struct RocksOptions {
  std::string path;                           // of the database's own directory; its parent exists
  std::size_t memory_bytes = kMemoryDefault;  // block cache and write buffers together, half each
  std::string head_file;                      // where to note what is durable; empty: nowhere
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
  // Roughly what a family holds from a key on, on disk and in memory.
  std::uint64_t approximate_bytes(Family family, std::string_view from) const;
  std::string statistics() const override;

  // Writes everything in memory to table files: for tests and before a copy.
  Result<void> flush();

 private:
  struct Database;
  explicit RocksStore(std::unique_ptr<Database> database);
  std::unique_ptr<Database> database_;
};

}  // namespace millrace::storage
