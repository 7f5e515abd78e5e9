// Which shards to roll, split or merge: by command, and by themselves. Pure functions; `Streams::reshape` acts.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "streams/types.h"

namespace millrace::streams {

// What a person asks for. `shard_id` empty: roll all open shards, split the widest one, merge the two neighbours whose
// joint range is narrowest; else roll or split that shard, or merge it with its neighbour: the one above it, or if it
// is the last, the one below. Errors: kValidation when the stream has no such open shard, or nothing to merge.
Result<Reshape> choose_reshape(const Stream& stream, Reshape::Kind kind, std::string_view shard_id);

// --- By themselves. ---
struct ReshapePolicy {
  // AWS: a shard is open for about four hours. One that has had no record stays. 0: never.
  Milliseconds roll_after = std::chrono::hours(4);
  // A shard is split when more records per second than these went into it over a whole window, and each half of its
  // range has at least a tenth of them (AWS: a partition takes 1,000 writes per second). 0: never.
  std::uint64_t split_rate = 1000;
  Milliseconds window = std::chrono::minutes(1);
  // Streams with so many open shards are not split further. Two neighbours of which one has been without any record for
  // the retention, and which together have less than half of split_rate, are merged, down to what the stream began
  // with. That is safe for readers who know of one parent: there is nothing to read in the other.
  int shards_max = 16;
};

// What went into an open shard since the last look.
struct ShardLoad {
  std::uint64_t low = 0;   // records of the lower half of its range
  std::uint64_t high = 0;  // and of the upper half
  bool is_empty = false;   // there is no record to read
};
using ShardLoads = std::map<ShardNumber, ShardLoad>;  // a shard that is missing: nothing went into it, not empty

struct ReshapePlan {
  std::vector<Reshape> changes;  // no shard is in two of them
  Time next = kNever;            // look again then, though nothing is written before
};
// `elapsed`: since the last look, what the loads were counted over.
ReshapePlan plan_reshapes(const Stream& stream, const ShardLoads& loads, const ReshapePolicy& policy,
                          Milliseconds retention, Milliseconds elapsed, Time now);
// Whether the plan depends on the shard's emptiness, which may cost a read.
bool needs_emptiness(const Shard& shard, const ReshapePolicy& policy, Milliseconds retention, Time now);

}  // namespace millrace::streams
