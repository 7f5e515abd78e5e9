// CopyObject on the server: files get a second name, no bytes pass through memory unless a digest must be computed
// anew.
#include <algorithm>
#include <utility>

#include "crypto/encoding.h"
#include "s3/limits.h"
#include "s3/object_store.h"

namespace millrace::s3 {
namespace {

const ErrorType kObjectNotInActiveTier{"ObjectNotInActiveTierError", 403, ErrorKind::kClient};
constexpr int kCopyAttempts = 100;  // of copies that a replacement of the source overtakes

Result<void> check_source(const ObjectInfo& source, const CopyRequest& request) {
  MR_RETURN_IF_ERROR(
      check_conditions(request.source_conditions, source.etag, source.modified, ConditionalRequest::kCopySource));
  if (is_archived(source.attributes.storage_class)) {
    return Error(kObjectNotInActiveTier, "The source object of the COPY action is not in the active tier");
  }
  if (source.bytes > kPutBytesMax) {
    return Error(kInvalidRequest,
                 "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120");
  }
  if (request.source_bucket == request.bucket && request.source_key == request.key && !request.replaced &&
      !request.storage_class && !request.checksum) {
    return Error(kInvalidRequest,
                 "This copy request is illegal because it is trying to copy an object to itself without changing the "
                 "object's metadata, storage class, website redirect location or encryption attributes.");
  }
  return {};
}

}  // namespace

// The new object's record without time and generation, what it holds, and the right to its files.
struct ObjectStore::Copied {
  ObjectRecord record;
  std::string data;
  PartTable parts;
  std::vector<std::string> segment_checksums;  // base64, by the record's algorithm; of no segments: of all
  std::vector<internal::BlobLease> leases;
};

Result<void> ObjectStore::link_contents(const OpenedObject& source, Copied& copied) {
  const auto& segments = source.content->segments();
  std::uint32_t number = 0;
  for (const ObjectContent::Segment& segment : segments) {
    MR_ASSIGN_OR_RETURN(const BlobId id, keeper_->ids().allocate());
    copied.leases.emplace_back(keeper_->ids(), keeper_->blobs(), id);
    MR_RETURN_IF_ERROR(keeper_->blobs().link(segment.blob, id));
    internal::PartRecord part;
    part.number = ++number;
    part.blob = id;
    part.bytes = segment.bytes;
    part.checksum = copied.segment_checksums[part.number - 1];
    copied.parts.push_back(std::move(part));
  }
  if (segments.size() == 1) {
    copied.record.place = internal::Place::kBlob;
    copied.record.blob = copied.parts.front().blob;
    copied.parts.clear();
  } else {
    copied.record.place = internal::Place::kParts;
    copied.data = internal::encode(copied.parts);
  }
  return {};
}

// Reads all bytes once, for the digests of the whole and of each segment.
Result<void> ObjectStore::digest_contents(const OpenedObject& source, ChecksumAlgorithm algorithm, Copied& copied) {
  crypto::Digest md5(crypto::Algorithm::kMd5);
  crypto::Digest whole(digest_algorithm(algorithm));
  std::uint64_t at = 0;
  const auto read_to = [&](std::uint64_t end) -> Result<std::string> {
    crypto::Digest segment(digest_algorithm(algorithm));
    while (at < end) {
      const std::size_t count = std::min<std::uint64_t>(kReadBytes, end - at);
      MR_ASSIGN_OR_RETURN(const std::string bytes, source.content->read(at, count));
      md5.update(bytes);
      whole.update(bytes);
      segment.update(bytes);
      at += count;
    }
    return crypto::base64_encode(segment.finish());
  };
  copied.segment_checksums.clear();
  for (const ObjectContent::Segment& segment : source.content->segments()) {
    MR_ASSIGN_OR_RETURN(std::string checksum, read_to(at + segment.bytes));
    copied.segment_checksums.push_back(std::move(checksum));
  }
  MR_RETURN_IF_ERROR(read_to(source.info.bytes));
  copied.record.etag = crypto::hex_encode(md5.finish());
  copied.record.checksum = {algorithm, ChecksumType::kFullObject, crypto::base64_encode(whole.finish())};
  return {};
}

Result<ObjectStore::Copied> ObjectStore::copy_contents(const OpenedObject& source, const CopyRequest& request) {
  Copied copied;
  const ObjectInfo& info = source.info;
  const ChecksumAlgorithm algorithm = request.checksum.value_or(info.checksum.algorithm);
  copied.record.bytes = info.bytes;
  copied.record.etag = info.etag;
  copied.record.checksum = info.checksum;
  for (const ObjectContent::Segment& segment : source.content->segments()) {
    copied.segment_checksums.push_back(segment.checksum);
  }
  // AWS: the copy is one object: its ETag and checksum are those of all its bytes.
  if (info.etag.find('-') != std::string::npos || algorithm != info.checksum.algorithm ||
      info.checksum.type != ChecksumType::kFullObject ||
      std::any_of(copied.segment_checksums.begin(), copied.segment_checksums.end(),
                  [](const std::string& checksum) { return checksum.empty(); })) {
    MR_RETURN_IF_ERROR(digest_contents(source, algorithm, copied));
  }
  if (source.content->in_memory()) {
    MR_ASSIGN_OR_RETURN(copied.data, source.content->read(0, info.bytes));
  } else {
    MR_RETURN_IF_ERROR(link_contents(source, copied));
  }
  copied.record.attributes = request.replaced.value_or(info.attributes);
  copied.record.attributes.tags = request.tags.value_or(info.attributes.tags);
  copied.record.attributes.storage_class = request.storage_class.value_or("STANDARD");
  return copied;
}

Result<ObjectInfo> ObjectStore::copy_object(std::string_view account, CopyRequest request) {
  if (request.key.size() > kKeyBytesMax) return Error(kKeyTooLong, "Your key is too long");
  for (int attempt = 0; attempt < kCopyAttempts; ++attempt) {
    MR_ASSIGN_OR_RETURN(const BucketPointer from, bucket(account, request.source_bucket));
    MR_ASSIGN_OR_RETURN(const OpenedObject source, open_committed(from, request.source_key));
    MR_RETURN_IF_ERROR(check_source(source.info, request));
    auto copied = copy_contents(source, request);
    if (!copied.ok() && copied.error().is(kNoSuchBlob)) continue;  // replaced meanwhile
    if (!copied.ok()) return std::move(copied).error();
    MR_RETURN_IF_ERROR(look_ahead(account, request.bucket, request.key));
    const std::lock_guard lock(mutex_);
    MR_ASSIGN_OR_RETURN(const BucketPointer to, find(account, request.bucket));
    Change change;
    for (const internal::BlobLease& lease : copied->leases) change.settle.push_back(lease.id());
    auto info = replace(std::move(change), to, request.key, std::move(copied->record), copied->data,
                        std::move(copied->parts), request.conditions, {ObjectEvent::kCopy, request.origin});
    if (info.ok()) {
      for (internal::BlobLease& lease : copied->leases) lease.keep();
    }
    return info;
  }
  return Error(kInternal, "We encountered an internal error. Please try again.");
}

}  // namespace millrace::s3
