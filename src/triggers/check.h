// Looks at every event source mapping of a store that is at rest, and at where it stands. For `millrace check`.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "storage/store.h"

namespace millrace::triggers {

struct MappingCheckCounts {
  std::uint64_t mappings = 0;
  std::uint64_t positions = 0;  // shards they stand in
};

// `problem` is told of each, as a sentence. Checked: every record can be decoded; positions, totals and histories are
// of mappings that exist; no position and no start is above the last number that the log's head has given out: nothing
// shows one that is not stored (Commits::next_stamp()). Errors: of the store.
Result<MappingCheckCounts> check_mappings(const storage::Store& store, const std::function<void(std::string)>& problem);

}  // namespace millrace::triggers
