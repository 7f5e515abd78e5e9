// The bytes of one object as they were when it was opened: replacing or deleting it meanwhile changes nothing.
//
// One thread at a time. Reading files blocks on the disk. Every read is compared with the checksums of the blocks it
// touches (internal/block_sums.h), and fails when one was damaged. A file that is read from its begin to its end is
// compared with the object's checksum as well: the last read of it fails, and nobody takes the whole for sound. Of
// files that an older version wrote, which have no block checksums, that is all that is compared.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "crypto/digest.h"
#include "s3/blob_store.h"
#include "s3/checksum.h"
#include "s3/internal/blob_keeper.h"

namespace millrace::s3 {

class ObjectContent {
 public:
  struct Segment {
    BlobId blob = 0;
    std::uint64_t bytes = 0;
    ChecksumAlgorithm algorithm = ChecksumAlgorithm::kCrc64Nvme;
    std::string checksum;  // base64, of the file; "": not known
  };
  explicit ObjectContent(std::string bytes) : size_(bytes.size()), memory_(std::move(bytes)) {}
  // `first`: the one file, open already; else the segments are pinned.
  ObjectContent(BlobStore& blobs, std::vector<Segment> segments, std::unique_ptr<BlobReader> first,
                std::unique_ptr<internal::BlobPins> pins);

  std::uint64_t bytes() const { return size_; }
  const std::vector<Segment>& segments() const { return segments_; }  // none when in_memory()
  bool in_memory() const { return segments_.empty(); }
  // REQUIRES: the range lies inside. Blocks when !in_memory().
  Result<std::string> read(std::uint64_t offset, std::size_t count);

 private:
  Result<void> open_segment(const Segment& segment);
  Result<std::string> read_blocks(const Segment& segment, std::uint64_t offset, std::size_t count);
  Result<void> verify(std::size_t number, std::uint64_t offset, std::string_view bytes);

  std::uint64_t size_ = 0;
  std::string memory_;
  BlobStore* blobs_ = nullptr;
  std::vector<Segment> segments_;
  std::unique_ptr<internal::BlobPins> pins_;
  std::unique_ptr<BlobReader> open_;                // of segments_[open_segment_]
  std::optional<std::vector<std::uint32_t>> sums_;  // of the blocks of open_; nullopt: not known
  bool has_looked_for_sums_ = false;
  std::size_t open_segment_ = 0;
  std::uint64_t open_offset_ = 0;         // where it begins in the object
  std::optional<crypto::Digest> digest_;  // of the first verified_ bytes of segments_[verifying_]
  std::size_t verifying_ = 0;
  std::uint64_t verified_ = 0;
};

}  // namespace millrace::s3
