// The event a function is invoked with.
#pragma once

#include <string>
#include <string_view>

#include "triggers/lane.h"

namespace millrace::triggers {

// AWS: {"Records":[...]}; within a tumbling window also window, state, shardId, eventSourceARN, isFinalInvokeForWindow
// and isWindowTerminatedEarly. A batch without records is a window's final invocation. Pure.
std::string render_event(const Batch& batch, const std::optional<Tumbling>& tumbling, std::string_view shard_id,
                         std::string_view stream_arn);

}  // namespace millrace::triggers
