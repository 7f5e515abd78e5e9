// Broken promises stop the process, in release builds too. Never for input from clients, disks, functions or clocks.
#pragma once

namespace millrace {

// Prints the place and the condition to standard error and aborts.
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line);

}  // namespace millrace

#define MR_ASSERT(condition) \
  ((condition) ? static_cast<void>(0) : ::millrace::assertion_failed(#condition, __FILE__, __LINE__))
