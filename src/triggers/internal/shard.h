// Where a mapping stands in one shard, and the form in which that is kept: JSON under `mappings/<UUID>/<shard as 16 hex
// digits>` in kCatalogue, written with every settled batch.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "triggers/lane.h"

namespace millrace::triggers::internal {

// Positions of the lanes there were before the factor was changed: records up to them are settled, and skipped.
using LanePositions = std::vector<SequenceNumber>;  // index: lane; its size is the factor

// What survives a restart.
struct SavedShard {
  std::vector<SavedLane> lanes;
  std::vector<LanePositions> previous;
  bool finished = false;    // settled to its end: its children may start
  std::string last_result;  // LastProcessingResult of the mapping when this was written
  friend bool operator==(const SavedShard&, const SavedShard&) = default;
};

std::string shard_key(std::string_view uuid, std::uint64_t shard);
// 0: `key` is not of that form.
std::uint64_t shard_of_key(std::string_view key);
std::string encode(const SavedShard& shard);
Result<SavedShard> decode_shard(std::string_view text);

// Whether an earlier arrangement of lanes has settled the record.
bool is_settled_before(const std::vector<LanePositions>& previous, std::uint64_t key_hash, SequenceNumber sequence);
// The same position for `factor` new lanes: all start at the lowest one, and skip what was settled behind it.
SavedShard rearranged(const SavedShard& shard, unsigned factor);
// Without the arrangements that all lanes have passed.
void drop_passed(SavedShard& shard);

}  // namespace millrace::triggers::internal
