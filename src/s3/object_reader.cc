#include "s3/object_reader.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "crypto/encoding.h"
#include "s3/internal/block_sums.h"
#include "telemetry/log.h"

namespace millrace::s3 {

namespace {

Error damaged(BlobId blob, const std::string& why) {
  const std::string text = "object file number " + std::to_string(blob) + " is damaged: " + why;
  telemetry::log_error("s3", text);
  return Error(kBlobFailed, text);
}

}  // namespace

ObjectContent::ObjectContent(BlobStore& blobs, std::vector<Segment> segments, std::unique_ptr<BlobReader> first,
                             std::unique_ptr<internal::BlobPins> pins)
    : blobs_(&blobs), segments_(std::move(segments)), pins_(std::move(pins)), open_(std::move(first)) {
  for (const Segment& segment : segments_) size_ += segment.bytes;
}

// Follows a reading that begins at the begin of a file and leaves nothing out.
Result<void> ObjectContent::verify(std::size_t number, std::uint64_t offset, std::string_view bytes) {
  const Segment& segment = segments_[number];
  if (segment.checksum.empty()) return {};
  if (offset == 0) {
    digest_.emplace(digest_algorithm(segment.algorithm));
    verifying_ = number;
    verified_ = 0;
  }
  if (!digest_ || verifying_ != number || verified_ != offset) {
    digest_.reset();
    return {};
  }
  digest_->update(bytes);
  verified_ += bytes.size();
  if (verified_ < segment.bytes) return {};
  const std::string found = crypto::base64_encode(digest_->finish());
  digest_.reset();
  if (found == segment.checksum) return {};
  return damaged(segment.blob,
                 "its " + std::string(checksum_name(segment.algorithm)) + " is " + found + ", not " + segment.checksum);
}

Result<void> ObjectContent::open_segment(const Segment& segment) {
  if (open_ == nullptr) {
    MR_ASSIGN_OR_RETURN(open_, blobs_->open(segment.blob));
    has_looked_for_sums_ = false;
  }
  if (std::exchange(has_looked_for_sums_, true)) return {};
  sums_.reset();
  MR_ASSIGN_OR_RETURN(const std::uint64_t bytes, open_->bytes());
  if (bytes == segment.bytes) return {};  // of an older version
  const std::uint64_t expected = segment.bytes + internal::block_sums_bytes(segment.bytes);
  if (bytes != expected) {
    has_looked_for_sums_ = false;
    return damaged(segment.blob, "it has " + std::to_string(bytes) + " bytes instead of " + std::to_string(expected));
  }
  auto stored = open_->read(segment.bytes, static_cast<std::size_t>(bytes - segment.bytes));
  if (stored.ok()) sums_ = internal::parse_block_sums(*stored, segment.bytes);
  if (sums_) return {};
  has_looked_for_sums_ = false;
  if (!stored.ok()) return std::move(stored).error();
  return damaged(segment.blob, "the checksums of its blocks cannot be read");
}

Result<std::string> ObjectContent::read_blocks(const Segment& segment, std::uint64_t offset, std::size_t count) {
  MR_RETURN_IF_ERROR(open_segment(segment));
  if (!sums_) return open_->read(offset, count);
  using internal::kBlockBytes;
  const std::uint64_t first = offset / kBlockBytes;
  const std::uint64_t end = std::min((offset + count + kBlockBytes - 1) / kBlockBytes * kBlockBytes, segment.bytes);
  MR_ASSIGN_OR_RETURN(std::string blocks,
                      open_->read(first * kBlockBytes, static_cast<std::size_t>(end - first * kBlockBytes)));
  if (const auto wrong = internal::damaged_block(blocks, first, *sums_)) {
    return damaged(segment.blob, "the checksum of its block " + std::to_string(*wrong) + " of " +
                                     std::to_string(kBlockBytes) + " bytes is another");
  }
  if (blocks.size() == count) return blocks;
  return blocks.substr(static_cast<std::size_t>(offset - first * kBlockBytes), count);
}

Result<std::string> ObjectContent::read(std::uint64_t offset, std::size_t count) {
  MR_ASSERT(offset + count <= size_);
  if (in_memory()) return memory_.substr(offset, count);
  std::string bytes;
  while (bytes.size() < count) {
    const std::uint64_t at = offset + bytes.size();
    if (at < open_offset_) {
      open_segment_ = 0;
      open_offset_ = 0;
      open_.reset();
    }
    while (at >= open_offset_ + segments_[open_segment_].bytes) {
      open_offset_ += segments_[open_segment_++].bytes;
      open_.reset();
    }
    const Segment& segment = segments_[open_segment_];
    const std::uint64_t inside = at - open_offset_;
    const std::size_t piece = std::min<std::uint64_t>(count - bytes.size(), segment.bytes - inside);
    MR_ASSIGN_OR_RETURN(std::string got, read_blocks(segment, inside, piece));
    MR_RETURN_IF_ERROR(verify(open_segment_, inside, got));
    if (bytes.empty() && got.size() == count) return got;
    bytes += got;
  }
  return bytes;
}

}  // namespace millrace::s3
