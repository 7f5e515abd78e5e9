// Looks at every record of the log of a store that is at rest. For `millrace check`.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "model/change_record.h"
#include "storage/store.h"
#include "streams/types.h"

namespace millrace::streams {

struct LogCheck {
  std::function<void(std::string)> problem;  // told of each, as a sentence
  // Given each sound record of a stream that is known, in the order of the log (by stamp within a shard).
  std::function<void(const Stream&, Stamp, const model::ChangeRecord&)> record;
};

// The number of records. Checked of each: its key, that it can be decoded, that its shard's range holds its key's hash
// and its stamp, and that the head of the log is beyond it. Records of shards that are unknown are a problem when no
// such shard was ever made; else they are passed over, as shards age out before the bucket of their records does.
// Errors: of the store, and a damaged catalogue.
Result<std::uint64_t> check_log(const storage::Store& store, const LogCheck& check);

}  // namespace millrace::streams
