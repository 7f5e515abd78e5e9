// Digests and checksums, streamed or at once: those that AWS protocols name.
//
// Results are raw bytes, checksums big-endian: base64_encode(digest(kCrc32, x)) is what `x-amz-checksum-crc32` holds,
// hex_encode(digest(kMd5, x)) is an ETag. Functions are pure; a Digest belongs to one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace millrace::crypto {

enum class Algorithm : std::uint8_t { kMd5, kSha1, kSha256, kSha512, kCrc32, kCrc32c, kCrc64Nvme };

std::size_t digest_bytes(Algorithm algorithm);

class Digest {
 public:
  explicit Digest(Algorithm algorithm);
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;
  ~Digest();

  void update(std::string_view bytes);
  // The digest of all that was given. REQUIRES: called once, nothing afterwards.
  std::string finish();
  Algorithm algorithm() const { return algorithm_; }

 private:
  Algorithm algorithm_;
  std::uint64_t crc_ = 0;
  void* context_ = nullptr;  // of the hash functions; owned
};

std::string digest(Algorithm algorithm, std::string_view bytes);
inline std::string md5(std::string_view bytes) { return digest(Algorithm::kMd5, bytes); }
inline std::string sha256(std::string_view bytes) { return digest(Algorithm::kSha256, bytes); }
std::string md5_hex(std::string_view bytes);
std::string sha256_hex(std::string_view bytes);
std::string hmac_sha256(std::string_view key, std::string_view bytes);

// Checksums of `bytes` appended to what gave `crc` (0: nothing).
std::uint32_t crc32(std::string_view bytes, std::uint32_t crc = 0);
std::uint32_t crc32c(std::string_view bytes, std::uint32_t crc = 0);
std::uint64_t crc64nvme(std::string_view bytes, std::uint64_t crc = 0);

// The checksum of A followed by B from those of A and B (raw bytes as from digest()) and B's length, without their
// bytes. REQUIRES: a CRC algorithm, sizes as digest_bytes() says.
std::string combine_crc(Algorithm algorithm, std::string_view a, std::string_view b, std::uint64_t length_b);

// Takes the same time wherever they differ.
bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace millrace::crypto
