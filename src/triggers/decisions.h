// Names of what the pure core can decide, and a place to count them, so that a simulation can show which branches its
// histories have reached. Nobody counts in production: a point is then one test of a thread-local pointer.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace millrace::triggers {

enum class Decision : std::uint8_t {
  // a batch is formed
  kBatchFull,            // BatchSize reached
  kBatchPayloadFull,     // 6 MB reached
  kBatchAtOnce,          // no batching window
  kBatchWindowOver,      // the batching window has ended
  kBatchWindowRestored,  // and had been opened before a restart or a pause
  kBatchTumblingOver,    // the tumbling window has ended
  kBatchPlanned,         // formed before a restart or a pause, now again
  kBatchPlannedCut,      // not all of it fits any more
  kBatchPlannedGone,     // none of its records is left
  // what became of an invocation
  kSucceeded,
  kPartial,
  kPartialWithLanes,
  kFailed,  // tried again as it is
  kFailedWithLanes,
  kBisected,
  kBisectedAfterProgress,
  kBisectedWithLanes,
  kBisectedAfterProgressWithLanes,
  kThrottled,
  kRefused,
  kAnswerWithoutState,
  // records are given up
  kExhausted,
  kExhaustedWithLanes,
  kTooOldUninvoked,
  kTooOldAfterFailures,  // age during back-off
  kTooOldCutsBatch,
  // tumbling windows
  kTumblingOpened,
  kTumblingCutsBatch,
  kTumblingStateCutsBatch,
  kTumblingLateRecord,
  kTumblingClosedByRecord,
  kTumblingClosedByTime,
  kTumblingClosedByShardEnd,
  kTumblingClosedByState,
  kTumblingClosedByUpdate,
  kFinalFailed,
  kFinalExhausted,
  kFinalTooOld,
  // reading
  kReadOutdated,      // its answer is ignored
  kReadAheadDropped,  // behind a batch that has failed
  kGrewWhileReading,
  kForgottenInFlight,
  kParked,            // disabled with a batch in hand
  kWindowAtShardEnd,  // the shard has ended while a batching window is open
  // shards and lanes
  kChildWaits,
  kChildStarts,
  kOrphanStarts,  // its parent is no longer listed
  kShardVanished,
  kLanesRearranged,
  kLanesRearrangedBehindPoison,  // while a lane has passed another
  kCount,
};
inline constexpr std::size_t kDecisions = static_cast<std::size_t>(Decision::kCount);

// REQUIRES: not kCount. "bisected after progress with lanes"
std::string_view name_of(Decision decision);

using DecisionCounts = std::array<std::uint64_t, kDecisions>;

// Counts on this thread while it lives; the counts of an outer one then stand still.
class CountDecisions {
 public:
  explicit CountDecisions(DecisionCounts& counts);
  ~CountDecisions();
  CountDecisions(const CountDecisions&) = delete;
  CountDecisions& operator=(const CountDecisions&) = delete;

 private:
  DecisionCounts* outer_;
};

namespace internal {
inline thread_local DecisionCounts* decision_counts = nullptr;
}
inline void reached(Decision decision) {
  if (internal::decision_counts != nullptr) ++(*internal::decision_counts)[static_cast<std::size_t>(decision)];
}

}  // namespace millrace::triggers
