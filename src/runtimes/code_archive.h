// Deployment packages: zip archives checked and unpacked into a folder. Plain functions, may block on disk.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/result.h"

namespace millrace::runtimes {

inline constexpr std::uint64_t kUnpackedBytesMax = 262'144'000;  // AWS: 250 MB unzipped
inline constexpr std::uint64_t kArchiveEntriesMax = 200'000;

// The message is for the caller of CreateFunction.
inline constexpr ErrorType kBadArchive{"InvalidParameterValueException", 400, ErrorKind::kClient};

// Unpacks the archive `file` into `folder`, which is created or emptied. Reads the central directory, so archives with
// data descriptors work; keeps the executable bit; links are not created. On failure the folder does not exist.
// Errors (kBadArchive): no archive, an entry that fails its checksum, a path that is absolute or climbs out, more than
// kUnpackedBytesMax bytes ("Unzipped size must be smaller than 262144000 bytes").
Result<void> unpack_archive(const std::filesystem::path& file, const std::filesystem::path& folder);

}  // namespace millrace::runtimes
