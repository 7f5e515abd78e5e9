#include "triggers/decisions.h"

#include <utility>

#include "base/assert.h"

namespace millrace::triggers {
namespace {

constexpr std::array<std::string_view, kDecisions> kNames = {
    "batch full",
    "batch payload full",
    "batch at once",
    "batch window over",
    "batch window restored",
    "batch at the end of a tumbling window",
    "planned batch again",
    "planned batch cut",
    "planned batch gone",
    "succeeded",
    "partial failure",
    "partial failure with lanes",
    "failed",
    "failed with lanes",
    "bisected",
    "bisected after progress",
    "bisected with lanes",
    "bisected after progress with lanes",
    "throttled",
    "refused",
    "answer without state",
    "exhausted",
    "exhausted with lanes",
    "too old, never invoked",
    "too old during back-off",
    "too old records cut a batch",
    "tumbling window opened",
    "tumbling window cuts a batch",
    "state cuts a batch",
    "late record of a tumbling window",
    "tumbling window closed by a record",
    "tumbling window closed by time",
    "tumbling window closed by the shard's end",
    "tumbling window closed by its state",
    "tumbling window closed by an update",
    "final invocation failed",
    "final invocation exhausted",
    "final invocation too old",
    "outdated read",
    "read-ahead dropped",
    "grew while reading",
    "forgotten in flight",
    "parked",
    "batching window at the shard's end",
    "child waits",
    "child starts",
    "orphan starts",
    "shard vanished",
    "lanes rearranged",
    "lanes rearranged behind a poison record",
};

}  // namespace

std::string_view name_of(Decision decision) {
  MR_ASSERT(decision < Decision::kCount);
  return kNames[static_cast<std::size_t>(decision)];
}

CountDecisions::CountDecisions(DecisionCounts& counts) : outer_(std::exchange(internal::decision_counts, &counts)) {}
CountDecisions::~CountDecisions() { internal::decision_counts = outer_; }

}  // namespace millrace::triggers
