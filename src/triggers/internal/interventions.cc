#include "triggers/internal/interventions.h"

#include <algorithm>

#include "model/change_record.h"
#include "triggers/errors.h"
#include "triggers/ports.h"

namespace millrace::triggers::internal {
namespace {

bool rewind_shard(SavedShard& shard, SequenceNumber target) {
  bool moved = shard.finished;
  if (shard.finished) shard.lanes.assign(shard.lanes.size(), SavedLane{.settled = target});
  for (SavedLane& lane : shard.lanes) {
    if (lane.settled <= target) continue;
    lane = SavedLane{.settled = target};
    moved = true;
  }
  shard.finished = false;
  bool uncovered = false;
  for (LanePositions& positions : shard.previous) {
    for (SequenceNumber& position : positions) {
      uncovered = uncovered || position > target;
      position = std::min(position, target);
    }
  }
  if (!uncovered) return moved;
  // Records that other lanes had settled are now between those that were planned: other batches, with all attempts.
  for (SavedLane& lane : shard.lanes) {
    std::erase_if(lane.planned, [&](const Planned& plan) { return plan.last > target; });
  }
  return true;
}

bool is_passed(const Positions& positions, const SkippedRecord& record) {
  const auto shard = positions.find(record.shard);
  if (shard == positions.end()) return false;
  return shard->second.finished || std::all_of(shard->second.lanes.begin(), shard->second.lanes.end(),
                                               [&](const SavedLane& lane) { return lane.settled >= record.sequence; });
}

}  // namespace

std::size_t rewind(Mapping& mapping, Positions& positions, SequenceNumber target) {
  mapping.start_after = std::min(mapping.start_after, target);
  return static_cast<std::size_t>(std::count_if(positions.begin(), positions.end(),
                                                [&](auto& entry) { return rewind_shard(entry.second, target); }));
}

Result<void> skip(Mapping& mapping, Positions& positions, const SkippedRecord& record, std::uint64_t key_hash) {
  const std::string name = "record " + model::sequence_number(record.sequence);
  std::erase_if(mapping.skipped, [&](const SkippedRecord& each) { return is_passed(positions, each); });
  if (std::find(mapping.skipped.begin(), mapping.skipped.end(), record) != mapping.skipped.end()) {
    return Error(kInvalidParameter, name + " is to be skipped already");
  }
  if (mapping.skipped.size() >= kSkippedMax) {
    return Error(kInvalidParameter, std::to_string(kSkippedMax) + " records wait to be skipped already");
  }
  const auto shard = positions.find(record.shard);
  if (shard != positions.end()) {
    SavedShard& saved = shard->second;
    SavedLane& lane = saved.lanes[lane_of(key_hash, static_cast<unsigned>(saved.lanes.size()))];
    if (saved.finished || lane.settled >= record.sequence ||
        is_settled_before(saved.previous, key_hash, record.sequence)) {
      return Error(kInvalidParameter, name + " is settled already");
    }
    // From the back to the front: the ranges of what is planned, in order of the records.
    const auto plan = std::find_if(lane.planned.rbegin(), lane.planned.rend(),
                                   [&](const Planned& each) { return each.last >= record.sequence; });
    if (plan != lane.planned.rend()) plan->tries = {};
  } else if (record.sequence <= mapping.start_after) {
    return Error(kInvalidParameter, name + " lies before the mapping's start");
  }
  mapping.skipped.push_back(record);
  std::sort(mapping.skipped.begin(), mapping.skipped.end());
  return {};
}

}  // namespace millrace::triggers::internal
