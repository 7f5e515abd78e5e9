#include "s3/object_writer.h"

#include <utility>

#include "base/assert.h"
#include "s3/errors.h"
#include "s3/limits.h"

namespace millrace::s3 {

namespace {
// What an upload of unknown size claims at a time.
constexpr std::uint64_t kClaimBytes = std::uint64_t{8} << 20;
}  // namespace

ObjectWriter::ObjectWriter(internal::BlobIds& ids, BlobStore& blobs, internal::Space& space, Use use,
                           std::set<crypto::Algorithm> digests, std::uint64_t expected_bytes)
    : ids_(&ids), blobs_(&blobs), use_(use), expected_bytes_(expected_bytes), claim_(space.claim()) {
  digests.insert(crypto::Algorithm::kMd5);
  for (const crypto::Algorithm algorithm : digests) running_.emplace_back(algorithm);
  if (expected_bytes <= kInlineBytesMax) memory_.reserve(expected_bytes);
}

Result<void> ObjectWriter::admit() {
  if (use_ == Use::kObject && expected_bytes_ <= kInlineBytesMax) return {};  // the store's, not a file
  return claim_.grow(expected_bytes_);
}

Result<void> ObjectWriter::append(std::string_view bytes) {
  MR_ASSERT(!sealed_);
  bytes_ += bytes.size();
  if (bytes_ > kPutBytesMax) {
    return Error(kEntityTooLarge, "Your proposed upload exceeds the maximum allowed size");
  }
  for (crypto::Digest& digest : running_) digest.update(bytes);
  if (file_ == nullptr && memory_.size() + bytes.size() <= kInlineBytesMax) {
    memory_.append(bytes);
    return {};
  }
  if (file_ == nullptr) MR_RETURN_IF_ERROR(to_file());
  return write(bytes);
}

Result<void> ObjectWriter::write(std::string_view bytes) {
  if (claim_.bytes() < bytes.size()) {
    const std::uint64_t missing = bytes.size() - claim_.bytes();
    if (!claim_.grow(missing + kClaimBytes).ok()) MR_RETURN_IF_ERROR(claim_.grow(missing));
  }
  sums_.update(bytes);
  MR_RETURN_IF_ERROR(file_->append(bytes));
  claim_.shrink(bytes.size());
  return {};
}

Result<void> ObjectWriter::to_file() {
  MR_ASSIGN_OR_RETURN(file_, blobs_->create());
  MR_RETURN_IF_ERROR(write(memory_));
  memory_ = std::string();
  return {};
}

void ObjectWriter::close() {
  for (crypto::Digest& digest : running_) digests_.emplace_back(digest.algorithm(), digest.finish());
  running_.clear();
}

Result<void> ObjectWriter::seal() {
  MR_ASSERT(!sealed_);
  sealed_ = true;
  close();
  if (file_ == nullptr && use_ == Use::kPart) MR_RETURN_IF_ERROR(to_file());
  if (file_ == nullptr) return {};
  MR_RETURN_IF_ERROR(file_->append(sums_.finish()));
  MR_RETURN_IF_ERROR(file_->sync());
  MR_ASSIGN_OR_RETURN(const BlobId id, ids_->allocate());
  lease_ = internal::BlobLease(*ids_, *blobs_, id);
  MR_RETURN_IF_ERROR(blobs_->place(*file_, id));
  file_.reset();
  claim_.shrink(claim_.bytes());
  return {};
}

const std::string& ObjectWriter::digest(crypto::Algorithm algorithm) const {
  for (const auto& [known, value] : digests_) {
    if (known == algorithm) return value;
  }
  MR_ASSERT(false && "digest was not asked for");
  return digests_.front().second;
}

}  // namespace millrace::s3
