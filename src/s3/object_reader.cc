#include "s3/object_reader.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace millrace::s3 {

ObjectContent::ObjectContent(BlobStore& blobs, std::vector<Segment> segments, std::unique_ptr<BlobReader> first,
                             std::unique_ptr<internal::BlobPins> pins)
    : blobs_(&blobs), segments_(std::move(segments)), pins_(std::move(pins)), open_(std::move(first)) {
  for (const Segment& segment : segments_) size_ += segment.bytes;
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
    if (bytes.empty() && got.size() == count) return got;
    bytes += got;
  }
  return bytes;
}

}  // namespace millrace::s3
