// Decisions of conditional and ranged requests. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "s3/errors.h"

namespace millrace::s3 {

// Of a read, or of a copy's source. Empty and nullopt: not given. ETags with or without quotes, lists, or "*".
struct ReadConditions {
  std::string if_match;
  std::string if_none_match;
  std::optional<Time> if_modified_since;
  std::optional<Time> if_unmodified_since;
};
// AWS: If-Match true beats If-Unmodified-Since false; If-None-Match false beats If-Modified-Since true.
// Errors: kPreconditionFailed; kNotModified (of a copy: kPreconditionFailed as well).
enum class ConditionalRequest { kRead, kCopySource };
Result<void> check_conditions(const ReadConditions& conditions, std::string_view etag, Time modified,
                              ConditionalRequest request);

// Of a write: If-Match: ETag, and If-None-Match: *.
struct WriteConditions {
  std::string if_match;
  bool if_none_match = false;  // the object must not exist
};
// `etag`: nullopt when there is no object. Errors: kPreconditionFailed, kNoSuchKey (If-Match on nothing).
Result<void> check_conditions(const WriteConditions& conditions, std::optional<std::string_view> etag);

struct ByteRange {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
};
// What of `bytes` a Range field asks for. nullopt: all of it (no field, more than one range, or not understood, which
// RFC 9110 says to ignore). Error: kInvalidRange, nothing of it exists.
Result<std::optional<ByteRange>> parse_range(std::string_view field, std::uint64_t bytes);
// "bytes=FIRST-LAST" of UploadPartCopy, which must lie inside. Error: kInvalidArgument, kInvalidRange.
Result<ByteRange> parse_copy_range(std::string_view field, std::uint64_t bytes);

}  // namespace millrace::s3
