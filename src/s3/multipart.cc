// Multipart uploads: parts are files; completing one writes the list of them.
#include <algorithm>
#include <utility>

#include "crypto/encoding.h"
#include "s3/limits.h"
#include "s3/object_store.h"

namespace millrace::s3 {
namespace {

using storage::Family;

Error no_such_upload(std::string_view id) {
  return Error(kNoSuchUpload,
               "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted "
               "or completed.")
      .with("UploadId", codec::Json(id).dump());
}

PartInfo to_info(const internal::PartRecord& part) {
  PartInfo info;
  info.number = static_cast<int>(part.number);
  info.bytes = part.bytes;
  info.modified = part.modified;
  info.etag = crypto::hex_encode(part.md5);
  info.checksum = part.checksum;
  return info;
}

Error invalid_part(std::string_view upload_id, const CompletedPart& part) {
  return Error(kInvalidPart,
               "One or more of the specified parts could not be found.  The part may not have been uploaded, or the "
               "specified entity tag may not match the part's entity tag.")
      .with("UploadId", codec::Json(upload_id).dump())
      .with("PartNumber", std::to_string(part.number))
      .with("ETag", codec::Json(part.etag).dump());
}

Error too_small(const internal::PartRecord& part) {
  return Error(kEntityTooSmall, "Your proposed upload is smaller than the minimum allowed size")
      .with("ProposedSize", std::to_string(part.bytes))
      .with("MinSizeAllowed", std::to_string(kPartBytesMin))
      .with("PartNumber", std::to_string(part.number))
      .with("ETag", codec::Json(crypto::hex_encode(part.md5)).dump());
}

// An upload for which no algorithm was asked keeps only the default's checksums: others were compared on arrival.
Result<void> check_part(std::string_view upload_id, const CompletedPart& sent, const internal::PartRecord& stored,
                        const internal::UploadRecord& upload) {
  if (sent.etag != crypto::hex_encode(stored.md5)) return invalid_part(upload_id, sent);
  for (const auto& [sent_algorithm, value] : sent.checksums) {
    if (sent_algorithm != upload.algorithm && !upload.checksum_requested) continue;
    if (sent_algorithm != upload.algorithm || value != stored.checksum) return invalid_part(upload_id, sent);
  }
  return {};
}

// The stored parts that a CompleteMultipartUpload names.
Result<internal::PartTable> select_parts(std::string_view upload_id, const std::vector<CompletedPart>& sent,
                                         const std::map<std::uint32_t, internal::PartRecord>& stored,
                                         const internal::UploadRecord& upload) {
  internal::PartTable parts;
  int last = 0;
  for (const CompletedPart& part : sent) {
    if (part.number <= last) {
      return Error(kInvalidPartOrder,
                   "The list of parts was not in ascending order. Parts must be ordered by part number.")
          .with("UploadId", codec::Json(upload_id).dump());
    }
    last = part.number;
    const auto at = stored.find(static_cast<std::uint32_t>(part.number));
    if (at == stored.end()) return invalid_part(upload_id, part);
    MR_RETURN_IF_ERROR(check_part(upload_id, part, at->second, upload));
    parts.push_back(at->second);
  }
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    if (parts[i].bytes < kPartBytesMin) return too_small(parts[i]);
  }
  return parts;
}

Result<internal::ObjectRecord> record_of(const internal::UploadRecord& upload, const internal::PartTable& parts,
                                         const CompleteRequest& request) {
  internal::ObjectRecord record;
  std::string digests;
  std::vector<PartChecksum> checksums;
  for (const internal::PartRecord& part : parts) {
    record.bytes += part.bytes;
    digests += part.md5;
    // Checksums of whole objects are computed from those of the parts.
    if (upload.type == ChecksumType::kFullObject && !is_checksum_value(upload.algorithm, part.checksum)) {
      return Error(kInternal, "the record of part " + std::to_string(part.number) + " of an upload is damaged");
    }
    checksums.push_back({part.checksum, part.bytes});
  }
  if (record.bytes > kObjectBytesMax) {
    return Error(kEntityTooLarge, "Your proposed upload exceeds the maximum allowed size");
  }
  if (request.bytes && *request.bytes != record.bytes) {
    return Error(kInvalidRequest, "The provided 'x-amz-mp-object-size' header value " + std::to_string(*request.bytes) +
                                      " does not match what was computed: " + std::to_string(record.bytes));
  }
  record.checksum = checksum_of_parts(upload.algorithm, upload.type, checksums);
  if (request.checksum) {
    // A composite checksum may be sent without its "-N".
    std::string sent = request.checksum->value;
    if (upload.type == ChecksumType::kComposite && sent.find('-') == std::string::npos) {
      sent += "-" + std::to_string(parts.size());
    }
    if (request.checksum->algorithm != upload.algorithm || sent != record.checksum.value) {
      return Error(kBadDigest, "The " + std::string(checksum_name(request.checksum->algorithm)) +
                                   " you specified did not match the calculated checksum.");
    }
  }
  record.place = internal::Place::kParts;
  record.part_count = static_cast<std::uint32_t>(parts.size());
  record.etag = crypto::md5_hex(digests) + "-" + std::to_string(parts.size());
  record.attributes = upload.attributes;
  return record;
}

}  // namespace

Result<ObjectStore::Upload*> ObjectStore::find_upload(BucketId bucket, std::string_view key,
                                                      std::string_view upload_id) const {
  const auto at = uploads_.find(upload_id);
  if (at == uploads_.end() || at->second.record.bucket != bucket || at->second.record.key != key) {
    return no_such_upload(upload_id).hold_until(std::max(last_removal_, at == uploads_.end() ? 0 : at->second.after));
  }
  return const_cast<Upload*>(&at->second);
}

UploadInfo ObjectStore::describe(const Bucket& bucket, std::string_view id, const Upload& upload) const {
  UploadInfo info;
  info.id = id;
  info.key = upload.record.key;
  info.initiated = upload.record.initiated;
  info.storage_class = upload.record.attributes.storage_class;
  info.checksum = upload.record.algorithm;
  info.checksum_type = upload.record.type;
  info.checksum_requested = upload.record.checksum_requested;
  if (bucket.lifecycle) info.abort = judge_upload(*bucket.lifecycle, info.key, info.initiated);
  info.after = upload.after;
  return info;
}

Result<UploadInfo> ObjectStore::create_upload(std::string_view account, std::string_view bucket_name,
                                              UploadRequest request) {
  if (request.key.size() > kKeyBytesMax) return Error(kKeyTooLong, "Your key is too long");
  Upload upload;
  upload.record.algorithm = request.checksum.value_or(ChecksumAlgorithm::kCrc64Nvme);
  upload.record.type = request.checksum_type.value_or(default_multipart_type(upload.record.algorithm));
  upload.record.checksum_requested = request.checksum.has_value();
  if (!allows(upload.record.algorithm, upload.record.type)) {
    return Error(kInvalidRequest, "The " + std::string(checksum_type_name(upload.record.type)) +
                                      " checksum type cannot be used with the " +
                                      std::string(checksum_name(upload.record.algorithm)) + " checksum algorithm.");
  }
  const std::lock_guard lock(mutex_);
  MR_ASSIGN_OR_RETURN(const BucketPointer bucket, find(account, bucket_name));
  upload.record.bucket = bucket->id;
  upload.record.key = std::move(request.key);
  upload.record.initiated = scheduler_.now();
  upload.record.attributes = std::move(request.attributes);
  std::string id;
  do id = random_.hex(32);
  while (uploads_.contains(id));
  Change change;
  change.batch.put(Family::kObjects, internal::upload_key(id), internal::encode(upload.record));
  upload.after = submit(std::move(change));
  const UploadInfo info = describe(*bucket, id, upload);
  if (info.abort.when != kNever) lifecycle_due(bucket->id, info.abort.when);
  uploads_.emplace(std::move(id), std::move(upload));
  return info;
}

Result<UploadInfo> ObjectStore::upload(std::string_view account, std::string_view bucket_name, std::string_view key,
                                       std::string_view upload_id) const {
  const std::lock_guard lock(mutex_);
  MR_ASSIGN_OR_RETURN(const BucketPointer bucket, find(account, bucket_name));
  MR_ASSIGN_OR_RETURN(const Upload* upload, find_upload(bucket->id, key, upload_id));
  return describe(*bucket, upload_id, *upload);
}

Result<PartInfo> ObjectStore::put_part(std::string_view account, std::string_view bucket_name, std::string_view key,
                                       std::string_view upload_id, int number, ObjectWriter writer) {
  MR_ASSERT(writer.sealed_ && writer.lease_.id() != 0);
  if (number < 1 || number > kPartNumberMax) {
    return Error(kInvalidArgument, "Part number must be an integer between 1 and 10000, inclusive");
  }
  const std::lock_guard lock(mutex_);
  MR_ASSIGN_OR_RETURN(const BucketPointer bucket, find(account, bucket_name));
  MR_ASSIGN_OR_RETURN(Upload* const upload, find_upload(bucket->id, key, upload_id));
  internal::PartRecord part;
  part.number = static_cast<std::uint32_t>(number);
  part.blob = writer.lease_.id();
  part.bytes = writer.bytes();
  part.md5 = writer.md5();
  part.checksum = crypto::base64_encode(writer.digest(digest_algorithm(upload->record.algorithm)));
  part.modified = scheduler_.now();
  Change change;
  change.settle.push_back(part.blob);
  if (const auto old = upload->parts.find(part.number); old != upload->parts.end()) {
    change.remove.push_back(old->second.blob);
  }
  change.batch.put(Family::kObjects, internal::part_key(upload_id, part.number), internal::encode(part));
  upload->after = submit(std::move(change));
  writer.lease_.keep();
  PartInfo info = to_info(part);
  info.after = upload->after;
  upload->parts[part.number] = std::move(part);
  return info;
}

// Removes the upload and those of its parts that are not kept.
void ObjectStore::drop_upload(Change& change, std::string_view upload_id, const std::set<BlobId>& kept) {
  const auto at = uploads_.find(upload_id);
  change.removes = true;
  for (const auto& [number, part] : at->second.parts) {
    change.batch.erase(Family::kObjects, internal::part_key(upload_id, number));
    if (!kept.contains(part.blob)) change.remove.push_back(part.blob);
  }
  change.batch.erase(Family::kObjects, internal::upload_key(upload_id));
  uploads_.erase(at);
}

Result<ObjectInfo> ObjectStore::complete_upload(std::string_view account, std::string_view bucket_name,
                                                std::string_view key, std::string_view upload_id,
                                                const CompleteRequest& request) {
  if (request.parts.empty()) return Error(kInvalidRequest, "You must specify at least one part");
  MR_RETURN_IF_ERROR(look_ahead(account, bucket_name, key));
  const std::lock_guard lock(mutex_);
  MR_ASSIGN_OR_RETURN(const BucketPointer bucket, find(account, bucket_name));
  MR_ASSIGN_OR_RETURN(const Upload* const upload, find_upload(bucket->id, key, upload_id));
  // Which parts there are may be pending.
  auto selected = select_parts(upload_id, request.parts, upload->parts, upload->record);
  if (!selected.ok()) return std::move(selected).error().hold_until(upload->after);
  PartTable parts = std::move(selected).value();
  auto described = record_of(upload->record, parts, request);
  if (!described.ok()) return std::move(described).error().hold_until(upload->after);
  ObjectRecord record = std::move(described).value();
  MR_ASSIGN_OR_RETURN(const auto old, current(bucket->id, key));
  MR_RETURN_IF_ERROR(check(request.conditions, old));
  std::set<BlobId> kept;
  for (const internal::PartRecord& part : parts) kept.insert(part.blob);
  Change change;
  const std::string name(key);  // `upload` goes away
  const Upload restored = *upload;
  drop_upload(change, upload_id, kept);
  const std::string table = internal::encode(parts);
  auto info = replace(std::move(change), bucket, name, std::move(record), table, std::move(parts), {},
                      {ObjectEvent::kCompleteMultipartUpload, request.origin});
  if (!info.ok()) uploads_.emplace(upload_id, restored);  // nothing was submitted
  return info;
}

Result<storage::CommitNumber> ObjectStore::abort_upload(std::string_view account, std::string_view bucket_name,
                                                        std::string_view key, std::string_view upload_id) {
  const std::lock_guard lock(mutex_);
  MR_ASSIGN_OR_RETURN(const BucketPointer bucket, find(account, bucket_name));
  MR_RETURN_IF_ERROR(find_upload(bucket->id, key, upload_id));
  Change change;
  drop_upload(change, upload_id, {});
  return submit(std::move(change));
}

Result<std::pair<std::vector<PartInfo>, bool>> ObjectStore::list_parts(std::string_view account,
                                                                       std::string_view bucket_name,
                                                                       std::string_view key, std::string_view upload_id,
                                                                       int after, std::size_t max) const {
  const std::lock_guard lock(mutex_);
  MR_ASSIGN_OR_RETURN(const BucketPointer bucket, find(account, bucket_name));
  MR_ASSIGN_OR_RETURN(const Upload* upload, find_upload(bucket->id, key, upload_id));
  std::pair<std::vector<PartInfo>, bool> page;
  for (auto at = upload->parts.upper_bound(static_cast<std::uint32_t>(std::max(after, 0))); at != upload->parts.end();
       ++at) {
    if (page.first.size() == max) {
      page.second = true;
      break;
    }
    page.first.push_back(to_info(at->second));
    page.first.back().after = upload->after;
  }
  return page;
}

Result<std::vector<UploadInfo>> ObjectStore::list_uploads(std::string_view account,
                                                          std::string_view bucket_name) const {
  const std::lock_guard lock(mutex_);
  MR_ASSIGN_OR_RETURN(const BucketPointer bucket, find(account, bucket_name));
  std::vector<UploadInfo> uploads;
  for (const auto& [id, upload] : uploads_) {
    if (upload.record.bucket == bucket->id) uploads.push_back(describe(*bucket, id, upload));
  }
  std::sort(uploads.begin(), uploads.end(), [](const UploadInfo& a, const UploadInfo& b) {
    return std::tie(a.key, a.initiated, a.id) < std::tie(b.key, b.initiated, b.id);
  });
  return uploads;
}

}  // namespace millrace::s3
