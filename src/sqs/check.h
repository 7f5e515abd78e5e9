// Looks at every queue and message of a store that is at rest. For `millrace check`.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "storage/store.h"

namespace millrace::sqs {

struct QueueCheckCounts {
  std::uint64_t queues = 0;
  std::uint64_t messages = 0;
  std::uint64_t leftovers = 0;  // of deleted queues; the next start removes them
};

// `problem` is told of each, as a sentence. Checked: every record can be decoded; no two queues have one number; every
// receive count is of a message; every message is of a queue, or of one that has been deleted. Errors: of the store.
Result<QueueCheckCounts> check_queues(const storage::Store& store, const std::function<void(std::string)>& problem);

}  // namespace millrace::sqs
