// Checksums of the blocks of an object's file, which follow the object's bytes in the file itself: whatever range of it
// is read can be compared, and a copy, being another name of the file, has them as well.
//
//   bytes of the object
//   be32(CRC-32)   of each block of kBlockBytes; the last block may be shorter
//   "MRBLOCK1"     and be32(CRC-32 of all the checksums and this name)
//
// A file that an older version wrote ends with its bytes. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::s3::internal {

inline constexpr std::uint64_t kBlockBytes = 64 * 1024;

// What follows so many bytes, in bytes.
std::uint64_t block_sums_bytes(std::uint64_t bytes);

// Follows the bytes of a file as they are written.
class BlockSums {
 public:
  void update(std::string_view bytes);
  // What has to follow them. REQUIRES: called once, nothing afterwards.
  std::string finish();

 private:
  std::string sums_;
  std::uint32_t sum_ = 0;     // of the block at hand
  std::uint64_t filled_ = 0;  // bytes of it
};

// nullopt: not what finish() wrote after so many bytes.
std::optional<std::vector<std::uint32_t>> parse_block_sums(std::string_view stored, std::uint64_t bytes);

// The first block that does not have its checksum. REQUIRES: `bytes` begins with block `first` and ends with a block.
std::optional<std::uint64_t> damaged_block(std::string_view bytes, std::uint64_t first,
                                           const std::vector<std::uint32_t>& sums);

}  // namespace millrace::s3::internal
