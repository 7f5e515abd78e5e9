// One read of one lane, done on a pool thread: pages from the source, without what other lanes settled before, what the
// filters refuse, and what no longer fits.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "base/result.h"
#include "triggers/internal/shard.h"
#include "triggers/pattern.h"
#include "triggers/ports.h"

namespace millrace::triggers::internal {

inline constexpr std::size_t kPageRecordsMin = 64;  // looked at per page when filters are set
inline constexpr std::size_t kScannedRecordsMax =
    2000;  // looked at per job, so that a filter that matches little leaves the pool to others

// Lets the engine wait until no pool thread uses its ports any more. Thread-safe.
class PoolGate {
 public:
  bool enter();  // false: closed
  void leave();
  void close();  // waits until all have left

 private:
  std::mutex mutex_;
  std::condition_variable left_;
  int inside_ = 0;
  bool closed_ = false;
};

struct ReadJob {
  std::shared_ptr<PoolGate> gate;
  EventSource* source = nullptr;
  ReadRequest request;
  std::shared_ptr<const Filters> filters;
  std::vector<LanePositions> previous;
  std::vector<SequenceNumber> skipped;  // in order: left out, whatever the filters say

  Arrived arrived;
  std::uint64_t polled = 0;
  std::uint64_t filtered = 0;
  std::uint64_t left_out = 0;  // of those in `skipped`
  std::uint64_t lost = 0;
  std::optional<Error> error;  // set: nothing of this read counts

  void run();

 private:
  // False: the lane has enough; arrived.read_to then stands before the first record that was left out.
  bool take(Page& page);
};

}  // namespace millrace::triggers::internal
