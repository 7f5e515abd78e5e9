// A function in memory. Guarded by the mutex of Functions.
#pragma once

#include <deque>
#include <memory>

#include "functions/service.h"

namespace millrace::functions {

struct Functions::Entry {
  Function function;
  std::shared_ptr<runtimes::Runtime> runtime;  // null: made at the next invocation
  std::uint64_t hot_fingerprint = 0;           // of the hot reload folder when `runtime` was made
  int running = 0;
  std::deque<PastInvocation> history;  // newest first
};

}  // namespace millrace::functions
