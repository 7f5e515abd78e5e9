// Tells the thread sanitizer what RocksDB, which is not instrumented, orders by atomics of its own: a write releases
// the number of its last change, and an iterator takes it up before it shows what was written. Without this a row that
// a caller reads in place, where RocksDB stored it, seems to be read while it is written; no suppression helps once the
// sanitizer has forgotten the stack of a write long ago. Nothing in other builds.
#pragma once

#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace millrace::storage {

#if defined(__SANITIZE_THREAD__)
inline void tell_written(void* database) { __tsan_release(database); }
inline void tell_read(void* database) { __tsan_acquire(database); }
#else
inline void tell_written(void*) {}
inline void tell_read(void*) {}
#endif

}  // namespace millrace::storage
