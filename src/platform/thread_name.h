// Names of threads, as `top -H`, debuggers and ./x bench show them. Those of the write path have one.
#pragma once

namespace millrace::platform {

// Names the thread that calls; at most 15 bytes are kept.
void name_this_thread(const char* name);

}  // namespace millrace::platform
