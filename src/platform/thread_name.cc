#include "platform/thread_name.h"

#include <sys/prctl.h>

namespace millrace::platform {

void name_this_thread(const char* name) { ::prctl(PR_SET_NAME, name); }

}  // namespace millrace::platform
