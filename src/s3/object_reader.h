// The bytes of one object as they were when it was opened: replacing or deleting it meanwhile changes nothing.
//
// One thread at a time. Reading files blocks on the disk.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "s3/blob_store.h"
#include "s3/internal/blob_keeper.h"

namespace millrace::s3 {

class ObjectContent {
 public:
  struct Segment {
    BlobId blob = 0;
    std::uint64_t bytes = 0;
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
  std::uint64_t size_ = 0;
  std::string memory_;
  BlobStore* blobs_ = nullptr;
  std::vector<Segment> segments_;
  std::unique_ptr<internal::BlobPins> pins_;
  std::unique_ptr<BlobReader> open_;  // of segments_[open_segment_]
  std::size_t open_segment_ = 0;
  std::uint64_t open_offset_ = 0;  // where it begins in the object
};

}  // namespace millrace::s3
