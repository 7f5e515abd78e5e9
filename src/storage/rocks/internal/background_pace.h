// Flushes and merges beside writes that somebody waits for: RocksDB asks for leave before each piece of a table file
// that it writes, and the answer is a pause in proportion to the processor time that the piece took. So this work takes
// a part of one core instead of all of it for as long as it lasts, and a group of writes never waits behind much of it.
// When buffers fill or runs pile up faster than that, the pauses become shorter and then none.
//
// Threads' priorities would do the same, but a process without privileges cannot raise one again, and work that starves
// ends in writes that stand still.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>

#include <rocksdb/listener.h>
#include <rocksdb/rate_limiter.h>
#include <rocksdb/write_buffer_manager.h>

namespace millrace::storage {

enum class BackgroundWork { kFlush, kMerge };

// How the work stands behind: of flushes the unflushed bytes by the budget of the write buffers, of merges the most
// runs on level 0 of a family.
struct Backlog {
  double buffers = 0;
  int runs = 0;
};

// The pause after a piece that took so much processor time, of at most kPauseMax.
constexpr std::chrono::milliseconds kPauseMax{50};
std::chrono::nanoseconds pause_after(std::chrono::nanoseconds spent, BackgroundWork work, const Backlog& backlog);

// Thread-safe. RocksDB's threads pause in Request(); the listener's calls count the runs.
class BackgroundPace final : public rocksdb::RateLimiter, public rocksdb::EventListener {
 public:
  explicit BackgroundPace(std::shared_ptr<rocksdb::WriteBufferManager> buffers);

  // A group was written: whoever waits for the next must not wait for background work. Without any, nothing pauses.
  void wrote() { groups_.fetch_add(1, std::memory_order_relaxed); }
  // No pause from now on: the database is about to be flushed and closed.
  void hurry();

  using rocksdb::RateLimiter::Request;
  void Request(std::int64_t bytes, rocksdb::Env::IOPriority priority, rocksdb::Statistics* statistics) override;
  void SetBytesPerSecond(std::int64_t) override {}
  std::int64_t GetSingleBurstBytes() const override;
  std::int64_t GetTotalBytesThrough(rocksdb::Env::IOPriority) const override { return bytes_; }
  std::int64_t GetTotalRequests(rocksdb::Env::IOPriority) const override { return requests_; }
  std::int64_t GetBytesPerSecond() const override;

  void OnFlushCompleted(rocksdb::DB*, const rocksdb::FlushJobInfo& info) override;
  void OnCompactionCompleted(rocksdb::DB*, const rocksdb::CompactionJobInfo& info) override;

 private:
  static constexpr std::size_t kFamiliesMax = 16;

  Backlog backlog() const;

  const std::shared_ptr<rocksdb::WriteBufferManager> buffers_;
  std::array<std::atomic<int>, kFamiliesMax> runs_{};  // by RocksDB's number of the family; since it was opened
  std::atomic<std::uint64_t> groups_{0};
  std::atomic<std::int64_t> bytes_{0};
  std::atomic<std::int64_t> requests_{0};
  std::mutex mutex_;  // of hurry_, for those who pause
  std::condition_variable to_hurry_;
  std::atomic<bool> hurry_{false};
};

}  // namespace millrace::storage
