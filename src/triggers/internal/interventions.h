// What a person may do to the positions of a mapping: moving them back, and letting one record go. Decisions only; the
// engine sees to it that nothing is in flight, and saves the outcome. Pure.
#pragma once

#include <cstdint>
#include <map>

#include "base/result.h"
#include "triggers/internal/shard.h"
#include "triggers/lane.h"
#include "triggers/mapping.h"

namespace millrace::triggers::internal {

using Positions = std::map<std::uint64_t, SavedShard>;  // by shard number

inline constexpr std::size_t kSkippedMax = 1000;  // records of one mapping that wait to be passed over

// The record after `target` comes next wherever that is behind the present position; lanes that stand before it stay.
// What was tried and planned there is forgotten, and shards that were finished are read again. Returns the number of
// shards that moved back.
std::size_t rewind(Mapping& mapping, Positions& positions, SequenceNumber target);

// Lets the record go: it is left out when its lane comes to it, and the batch around it gets all its attempts again.
// Errors: kInvalidParameter when it is settled already, or kSkippedMax are waiting.
Result<void> skip(Mapping& mapping, Positions& positions, const SkippedRecord& record, std::uint64_t key_hash);

}  // namespace millrace::triggers::internal
