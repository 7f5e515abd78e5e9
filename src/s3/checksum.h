// The five checksum algorithms of S3 and what is stored of them. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "crypto/digest.h"

namespace millrace::s3 {

enum class ChecksumAlgorithm : std::uint8_t { kCrc32 = 1, kCrc32c = 2, kSha1 = 3, kSha256 = 4, kCrc64Nvme = 5 };
enum class ChecksumType : std::uint8_t { kFullObject = 0, kComposite = 1 };

struct Checksum {
  ChecksumAlgorithm algorithm = ChecksumAlgorithm::kCrc64Nvme;
  ChecksumType type = ChecksumType::kFullObject;
  std::string value;  // base64; a composite one ends in "-N"
  friend bool operator==(const Checksum&, const Checksum&) = default;
};

inline constexpr ChecksumAlgorithm kChecksumAlgorithms[] = {ChecksumAlgorithm::kCrc32, ChecksumAlgorithm::kCrc32c,
                                                            ChecksumAlgorithm::kSha1, ChecksumAlgorithm::kSha256,
                                                            ChecksumAlgorithm::kCrc64Nvme};

std::string_view checksum_name(ChecksumAlgorithm algorithm);                       // "CRC32C"
std::optional<ChecksumAlgorithm> parse_checksum_algorithm(std::string_view name);  // any case
std::string_view checksum_header(ChecksumAlgorithm algorithm);                     // "x-amz-checksum-crc32c"
std::string_view checksum_member(ChecksumAlgorithm algorithm);                     // "ChecksumCRC32C"
std::string_view checksum_type_name(ChecksumType type);                            // "FULL_OBJECT"
std::optional<ChecksumType> parse_checksum_type(std::string_view name);            // exact case
crypto::Algorithm digest_algorithm(ChecksumAlgorithm algorithm);
// AWS: "Full object and composite checksum types": SHA has only composite ones in multipart uploads, CRC64NVME only
// full.
ChecksumType default_multipart_type(ChecksumAlgorithm algorithm);
bool allows(ChecksumAlgorithm algorithm, ChecksumType type);
// Whether `value` is base64 of the algorithm's size.
bool is_checksum_value(ChecksumAlgorithm algorithm, std::string_view value);

struct PartChecksum {
  std::string value;  // base64
  std::uint64_t bytes = 0;
};
// The checksum of the object made of these parts. REQUIRES: allows(algorithm, type), valid values.
Checksum checksum_of_parts(ChecksumAlgorithm algorithm, ChecksumType type, const std::vector<PartChecksum>& parts);

}  // namespace millrace::s3
