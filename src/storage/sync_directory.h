// Making names, and small files, durable.
#pragma once

#include <string>
#include <string_view>

namespace millrace::storage {

// Syncs a directory, so that the files that were made, renamed or removed in it are so after a power cut, too. False,
// with errno: it cannot be opened or synced. "" is the working directory. Thread-safe.
bool sync_directory(const std::string& path);

// What stands beside a file of write_durably() until it is whole; a kill can leave it there, to be written anew.
inline constexpr std::string_view kUnfinished = ".new";

// Makes the file, or puts another in its place, for its owner alone: it is there whole or not at all, whatever ends the
// process or the machine. False, with errno: the file is as it was before, unless the last step failed, the sync of the
// directory. Thread-safe for different paths.
bool write_durably(const std::string& path, std::string_view bytes);

}  // namespace millrace::storage
