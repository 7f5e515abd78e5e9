// gzip as clients compress request bodies with it. Pure; thread-safe.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::codec {

inline constexpr ErrorType kMalformedGzip{"SerializationException", 400, ErrorKind::kClient};
inline constexpr ErrorType kGzipTooLarge{"RequestEntityTooLargeException", 413, ErrorKind::kClient};

// Decompresses gzip or zlib data of one member. Errors: kMalformedGzip; kGzipTooLarge when more than `bytes_max` would
// come out (decompression stops there).
Result<std::string> gunzip(std::string_view compressed, std::size_t bytes_max);
std::string gzip(std::string_view bytes);
// The deflate stream alone, as zip archives have it.
std::string deflate_raw(std::string_view bytes);

}  // namespace millrace::codec
