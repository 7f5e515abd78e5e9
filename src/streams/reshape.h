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

}  // namespace millrace::streams
