#include "s3/object_reader.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "crypto/encoding.h"
#include "telemetry/log.h"

namespace millrace::s3 {

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
  const std::string text = "object file number " + std::to_string(segment.blob) + " is damaged: its " +
                           std::string(checksum_name(segment.algorithm)) + " is " + found + ", not " + segment.checksum;
  telemetry::log_error("s3", text);
  return Error(kBlobFailed, text);
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
    if (open_ == nullptr) {
      MR_ASSIGN_OR_RETURN(open_, blobs_->open(segment.blob));
    }
    const std::uint64_t inside = at - open_offset_;
    const std::size_t piece = std::min<std::uint64_t>(count - bytes.size(), segment.bytes - inside);
    MR_ASSIGN_OR_RETURN(const std::string got, open_->read(inside, piece));
    MR_RETURN_IF_ERROR(verify(open_segment_, inside, got));
    if (bytes.empty() && got.size() == count) return got;
    bytes += got;
  }
  return bytes;
}

}  // namespace millrace::s3
