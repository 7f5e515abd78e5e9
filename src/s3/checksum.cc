#include "s3/checksum.h"

#include <strings.h>

#include "crypto/encoding.h"

namespace millrace::s3 {
namespace {

struct Names {
  ChecksumAlgorithm algorithm;
  std::string_view name, header, member;
  crypto::Algorithm digest;
};
constexpr Names kNames[] = {
    {ChecksumAlgorithm::kCrc32, "CRC32", "x-amz-checksum-crc32", "ChecksumCRC32", crypto::Algorithm::kCrc32},
    {ChecksumAlgorithm::kCrc32c, "CRC32C", "x-amz-checksum-crc32c", "ChecksumCRC32C", crypto::Algorithm::kCrc32c},
    {ChecksumAlgorithm::kSha1, "SHA1", "x-amz-checksum-sha1", "ChecksumSHA1", crypto::Algorithm::kSha1},
    {ChecksumAlgorithm::kSha256, "SHA256", "x-amz-checksum-sha256", "ChecksumSHA256", crypto::Algorithm::kSha256},
    {ChecksumAlgorithm::kCrc64Nvme, "CRC64NVME", "x-amz-checksum-crc64nvme", "ChecksumCRC64NVME",
     crypto::Algorithm::kCrc64Nvme},
};
const Names& names_of(ChecksumAlgorithm algorithm) { return kNames[static_cast<int>(algorithm) - 1]; }

}  // namespace

std::string_view checksum_name(ChecksumAlgorithm algorithm) { return names_of(algorithm).name; }
std::string_view checksum_header(ChecksumAlgorithm algorithm) { return names_of(algorithm).header; }
std::string_view checksum_member(ChecksumAlgorithm algorithm) { return names_of(algorithm).member; }
crypto::Algorithm digest_algorithm(ChecksumAlgorithm algorithm) { return names_of(algorithm).digest; }

std::optional<ChecksumAlgorithm> parse_checksum_algorithm(std::string_view name) {
  for (const Names& names : kNames) {
    if (name.size() == names.name.size() && strncasecmp(name.data(), names.name.data(), name.size()) == 0) {
      return names.algorithm;
    }
  }
  return std::nullopt;
}

std::string_view checksum_type_name(ChecksumType type) {
  return type == ChecksumType::kComposite ? "COMPOSITE" : "FULL_OBJECT";
}

std::optional<ChecksumType> parse_checksum_type(std::string_view name) {
  if (name == "COMPOSITE") return ChecksumType::kComposite;
  if (name == "FULL_OBJECT") return ChecksumType::kFullObject;
  return std::nullopt;
}

ChecksumType default_multipart_type(ChecksumAlgorithm algorithm) {
  return algorithm == ChecksumAlgorithm::kCrc64Nvme ? ChecksumType::kFullObject : ChecksumType::kComposite;
}

bool allows(ChecksumAlgorithm algorithm, ChecksumType type) {
  switch (algorithm) {
    case ChecksumAlgorithm::kSha1:
    case ChecksumAlgorithm::kSha256:
      return type == ChecksumType::kComposite;
    case ChecksumAlgorithm::kCrc64Nvme:
      return type == ChecksumType::kFullObject;
    default:
      return true;
  }
}

bool is_checksum_value(ChecksumAlgorithm algorithm, std::string_view value) {
  const auto bytes = crypto::base64_decode(value);
  return bytes && bytes->size() == crypto::digest_bytes(digest_algorithm(algorithm));
}

Checksum checksum_of_parts(ChecksumAlgorithm algorithm, ChecksumType type, const std::vector<PartChecksum>& parts) {
  const crypto::Algorithm digest = digest_algorithm(algorithm);
  std::string bytes;
  if (type == ChecksumType::kComposite) {
    for (const PartChecksum& part : parts) bytes += crypto::base64_decode(part.value).value_or("");
    return {algorithm, type, crypto::base64_encode(crypto::digest(digest, bytes)) + "-" + std::to_string(parts.size())};
  }
  bytes = crypto::digest(digest, "");
  for (const PartChecksum& part : parts) {
    bytes = crypto::combine_crc(digest, bytes, crypto::base64_decode(part.value).value(), part.bytes);
  }
  return {algorithm, type, crypto::base64_encode(bytes)};
}

}  // namespace millrace::s3
