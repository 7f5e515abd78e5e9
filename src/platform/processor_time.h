// How much of a processor a thread has used.
#pragma once

#include <chrono>

namespace millrace::platform {

// Of the calling thread, since it began; waits do not count. Thread-safe.
std::chrono::nanoseconds thread_processor_time();

}  // namespace millrace::platform
