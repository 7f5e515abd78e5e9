// What should worry the owner of a mapping, and how far each lane is behind.
#pragma once

#include <string>
#include <vector>

#include "app/internal/parts.h"
#include "triggers/status.h"

namespace millrace::app {

inline constexpr std::size_t kLaneBacklogMax = 10'000;  // records looked at per shard, when lanes are told apart

// One sentence each, which begins with a verb; empty: all is well.
std::vector<std::string> warnings_of(const Parts& parts, const triggers::Status& status);

// Fills in the backlog of each lane. With one lane that is its shard's; with several, records are read and shared out,
// which needs the disk and stops after kLaneBacklogMax records.
void add_lane_backlogs(const streams::Streams& streams, triggers::Status& status);

}  // namespace millrace::app
