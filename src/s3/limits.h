// Limits of the object store (AWS: "Amazon S3 multipart upload limits", "Object key names", "Object tags").
#pragma once

#include <cstdint>

namespace millrace::s3 {

inline constexpr std::size_t kInlineBytesMax = 64 * 1024;  // larger objects are files
inline constexpr std::uint64_t kPutBytesMax = 5ULL << 30;
inline constexpr std::uint64_t kPartBytesMin = 5ULL << 20;  // of every part but the last
inline constexpr std::uint64_t kObjectBytesMax = 5ULL << 40;
inline constexpr int kPartNumberMax = 10'000;
inline constexpr std::size_t kKeyBytesMax = 1024;
inline constexpr std::size_t kUserMetadataBytesMax = 2048;  // names and values
inline constexpr std::size_t kObjectTagsMax = 10;
inline constexpr std::size_t kBucketTagsMax = 50;
inline constexpr std::size_t kTagKeyMax = 128;    // characters
inline constexpr std::size_t kTagValueMax = 256;  // characters
inline constexpr std::size_t kListKeysMax = 1000;
inline constexpr std::size_t kDeleteKeysMax = 1000;
inline constexpr std::size_t kBucketsPerAccountMax = 10'000;
inline constexpr std::size_t kLifecycleRulesMax = 1000;
inline constexpr std::size_t kReadBytes = 256 * 1024;  // of one read of a file

}  // namespace millrace::s3
