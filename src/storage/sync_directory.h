// Making names durable.
#pragma once

#include <string>

namespace millrace::storage {

// Syncs a directory, so that the files that were made, renamed or removed in it are so after a power cut, too. False,
// with errno: it cannot be opened or synced. "" is the working directory. Thread-safe.
bool sync_directory(const std::string& path);

}  // namespace millrace::storage
