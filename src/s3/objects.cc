// Objects: put, read, delete, tags.
#include <utility>

#include "codec/key.h"
#include "crypto/encoding.h"
#include "s3/internal/segments.h"
#include "s3/limits.h"
#include "s3/object_store.h"
#include "storage/no_blocking.h"

namespace millrace::s3 {
namespace {

using storage::Family;

constexpr int kReadAttempts = 100;  // of reads that a replacement of the object overtakes

Error no_such_key(std::string_view key) {
  return Error(kNoSuchKey, "The specified key does not exist.").with("Key", codec::Json(key).dump());
}

Result<void> check_key(std::string_view key) {
  if (key.size() <= kKeyBytesMax) return {};
  return Error(kKeyTooLong, "Your key is too long")
      .with("Size", std::to_string(key.size()))
      .with("MaxSizeAllowed", std::to_string(kKeyBytesMax));
}

}  // namespace

ObjectWriter ObjectStore::writer(ObjectWriter::Use use, std::set<crypto::Algorithm> digests,
                                 std::uint64_t expected_bytes) {
  return ObjectWriter(keeper_->ids(), keeper_->blobs(), space_, use, std::move(digests), expected_bytes);
}

Result<void> ObjectStore::check(const WriteConditions& conditions, const std::optional<ObjectRecord>& current) const {
  auto holds = check_conditions(
      conditions, current ? std::optional<std::string_view>(current->etag) : std::optional<std::string_view>());
  if (holds.ok()) return {};
  return std::move(holds).error().hold_until(last_commit_);
}

// Adds to `change` that `old` gives up what it holds; its record is overwritten or erased by the caller.
Result<void> ObjectStore::discard_contents(Change& change, BucketId bucket, std::string_view key,
                                           const ObjectRecord& old) const {
  switch (old.place) {
    case internal::Place::kInline:
      break;
    case internal::Place::kBlob:
      change.remove.push_back(old.blob);
      return {};
    case internal::Place::kParts: {
      MR_ASSIGN_OR_RETURN(const PartTable parts, parts_of(bucket, key, old));
      for (const internal::PartRecord& part : parts) change.remove.push_back(part.blob);
      break;
    }
  }
  change.batch.erase(Family::kObjects, internal::data_key(bucket, key));
  return {};
}

Result<void> ObjectStore::erase(Change& change, BucketId bucket, std::string_view key, const ObjectRecord& old) {
  MR_RETURN_IF_ERROR(discard_contents(change, bucket, key, old));
  change.batch.erase(Family::kObjects, internal::object_key(bucket, key));
  return {};
}

// Gives `key` a new record (whose place, digests and attributes are filled in) and data, if `conditions` hold.
Result<ObjectInfo> ObjectStore::replace(Change change, const BucketPointer& bucket, std::string_view key,
                                        ObjectRecord record, std::string_view data, PartTable parts,
                                        const WriteConditions& conditions, const Cause& cause) {
  MR_ASSIGN_OR_RETURN(const auto old, current(bucket->id, key));
  MR_RETURN_IF_ERROR(check(conditions, old));
  if (old) MR_RETURN_IF_ERROR(discard_contents(change, bucket->id, key, *old));
  record.modified = scheduler_.now();
  record.generation = random_.next();
  change.batch.put(Family::kObjects, internal::object_key(bucket->id, key), internal::encode(record));
  if (record.place != internal::Place::kBlob) {
    std::string value = codec::be64(record.generation);
    value += data;
    change.batch.put(Family::kObjects, internal::data_key(bucket->id, key), value);
  }
  ObjectInfo info = internal::to_info(key, record);
  notify(change, *bucket, info, cause.event, cause.origin);
  info.after = submit(std::move(change));
  overlay(bucket->id, key, std::move(record), std::move(parts), info.after);
  if (bucket->lifecycle) {
    const LifecycleVerdict verdict = judge(*bucket->lifecycle, info);
    info.expiration = expiration_field(verdict);
    lifecycle_due(bucket->id, verdict.when);
  }
  return info;
}

Result<ObjectInfo> ObjectStore::put_object(std::string_view account, std::string_view bucket_name, PutRequest request,
                                           ObjectWriter writer) {
  MR_ASSERT(writer.sealed_);
  MR_RETURN_IF_ERROR(check_key(request.key));
  ObjectRecord record;
  record.bytes = writer.bytes();
  record.etag = crypto::hex_encode(writer.md5());
  record.checksum = {request.checksum, ChecksumType::kFullObject,
                     crypto::base64_encode(writer.digest(digest_algorithm(request.checksum)))};
  record.attributes = std::move(request.attributes);
  record.blob = writer.lease_.id();
  record.place = record.blob != 0 ? internal::Place::kBlob : internal::Place::kInline;
  const std::lock_guard lock(mutex_);
  MR_ASSIGN_OR_RETURN(const BucketPointer bucket, find(account, bucket_name));
  Change change;
  if (record.blob != 0) change.settle.push_back(record.blob);
  auto info = replace(std::move(change), bucket, request.key, std::move(record), writer.memory_, {}, request.conditions,
                      {ObjectEvent::kPut, request.origin});
  if (info.ok()) writer.lease_.keep();
  return info;
}

Result<ObjectInfo> ObjectStore::head_object(std::string_view account, std::string_view bucket_name,
                                            std::string_view key) const {
  MR_ASSIGN_OR_RETURN(const BucketPointer owner, bucket(account, bucket_name));
  MR_ASSIGN_OR_RETURN(const auto record, committed(owner->id, key));
  if (!record) return no_such_key(key).hold_until(owner->after);
  ObjectInfo info = internal::to_info(key, *record);
  info.after = owner->after;
  if (owner->lifecycle) info.expiration = expiration_field(judge(*owner->lifecycle, info));
  return info;
}

Result<OpenedObject> ObjectStore::open_object(std::string_view account, std::string_view bucket_name,
                                              std::string_view key) const {
  MR_ASSIGN_OR_RETURN(const BucketPointer owner, bucket(account, bucket_name));
  return open_committed(owner, key);
}

// Record and data are read one after the other: again, when a replacement came in between.
Result<OpenedObject> ObjectStore::open_committed(const BucketPointer& bucket, std::string_view key) const {
  for (int attempt = 0; attempt < kReadAttempts; ++attempt) {
    MR_ASSIGN_OR_RETURN(const auto record, committed(bucket->id, key));
    if (!record) return no_such_key(key).hold_until(bucket->after);
    OpenedObject opened;
    opened.info = internal::to_info(key, *record);
    opened.info.after = bucket->after;
    if (bucket->lifecycle) opened.info.expiration = expiration_field(judge(*bucket->lifecycle, opened.info));
    if (record->place == internal::Place::kBlob) {
      if (storage::NoBlocking::active()) return Error(storage::kWouldBlock, "a file is to be opened");
      auto file = keeper_->blobs().open(record->blob);
      if (!file.ok() && file.error().is(kNoSuchBlob)) continue;
      if (!file.ok()) return std::move(file).error();
      opened.content = std::make_shared<ObjectContent>(
          keeper_->blobs(), std::vector<ObjectContent::Segment>{internal::segment_of(*record)}, std::move(file).value(),
          nullptr);
      return opened;
    }
    MR_ASSIGN_OR_RETURN(auto stored, store_.get(Family::kObjects, internal::data_key(bucket->id, key)));
    if (!stored || !stored->starts_with(codec::be64(record->generation))) continue;
    stored->erase(0, 8);
    if (record->place == internal::Place::kInline) {
      if (stored->size() != record->bytes) return damaged("data", key);
      opened.content = std::make_shared<ObjectContent>(std::move(*stored));
      return opened;
    }
    const auto parts = internal::decode_parts(*stored);
    if (!parts) return damaged("part table", key);
    std::vector<ObjectContent::Segment> segments;
    std::vector<BlobId> ids;
    std::uint64_t bytes = 0;
    for (const internal::PartRecord& part : *parts) {
      bytes += part.bytes;
      if (record->part_count > 0) opened.part_bytes.push_back(part.bytes);
      if (part.bytes == 0) continue;
      segments.push_back(internal::segment_of(*record, part));
      ids.push_back(part.blob);
    }
    if (bytes != record->bytes) return damaged("part table", key);
    // If the object is still the same after pinning, whoever replaces it later will see the pins.
    auto pins = std::make_unique<internal::BlobPins>(keeper_, std::move(ids));
    MR_ASSIGN_OR_RETURN(const auto again, committed(bucket->id, key));
    if (!again || again->generation != record->generation) continue;
    opened.content = segments.empty() ? std::make_shared<ObjectContent>(std::string())
                                      : std::make_shared<ObjectContent>(keeper_->blobs(), std::move(segments), nullptr,
                                                                        std::move(pins));
    return opened;
  }
  return Error(kInternal, "We encountered an internal error. Please try again.");
}

Result<void> ObjectStore::look_ahead(std::string_view account, std::string_view bucket_name,
                                     std::string_view key) const {
  MR_ASSIGN_OR_RETURN(const BucketPointer owner, bucket(account, bucket_name));
  MR_ASSIGN_OR_RETURN(const auto record, committed(owner->id, key));
  if (!record || record->place != internal::Place::kParts) return {};
  MR_RETURN_IF_ERROR(store_.get(Family::kObjects, internal::data_key(owner->id, key)));
  return {};
}

Result<storage::CommitNumber> ObjectStore::delete_object(std::string_view account, std::string_view bucket_name,
                                                         std::string_view key, const WriteConditions& conditions,
                                                         const Origin& origin) {
  MR_RETURN_IF_ERROR(look_ahead(account, bucket_name, key));
  const std::lock_guard lock(mutex_);
  MR_ASSIGN_OR_RETURN(const BucketPointer bucket, find(account, bucket_name));
  MR_ASSIGN_OR_RETURN(const auto old, current(bucket->id, key));
  MR_RETURN_IF_ERROR(check(conditions, old));
  Change change;
  if (!old) return last_commit_;  // that there is nothing may itself be pending
  MR_RETURN_IF_ERROR(erase(change, bucket->id, key, *old));
  notify(change, *bucket, internal::to_info(key, *old), ObjectEvent::kDelete, origin);
  const storage::CommitNumber number = submit(std::move(change));
  overlay(bucket->id, key, std::nullopt, {}, number);
  return number;
}

Result<std::vector<DeleteResult>> ObjectStore::delete_objects(std::string_view account, std::string_view bucket_name,
                                                              const std::vector<DeleteTarget>& targets,
                                                              storage::CommitNumber& after, const Origin& origin) {
  for (const DeleteTarget& target : targets) {
    if (check_key(target.key).ok()) MR_RETURN_IF_ERROR(look_ahead(account, bucket_name, target.key));
  }
  const std::lock_guard lock(mutex_);
  MR_ASSIGN_OR_RETURN(const BucketPointer bucket, find(account, bucket_name));
  std::vector<DeleteResult> results;
  std::set<std::string> gone;
  Change change;
  for (const DeleteTarget& target : targets) {
    DeleteResult& result = results.emplace_back(DeleteResult{target.key, std::nullopt});
    if (auto fits = check_key(target.key); !fits.ok()) {
      result.error = std::move(fits).error();
      continue;
    }
    std::optional<ObjectRecord> old;
    if (!gone.contains(target.key)) {
      MR_ASSIGN_OR_RETURN(old, current(bucket->id, target.key));
    }
    auto holds = check(WriteConditions{target.if_match, false}, old);
    if (!holds.ok()) {
      result.error = std::move(holds).error();
      continue;
    }
    if (!old) continue;
    MR_RETURN_IF_ERROR(erase(change, bucket->id, target.key, *old));
    notify(change, *bucket, internal::to_info(target.key, *old), ObjectEvent::kDelete, origin);
    gone.insert(target.key);
  }
  after = gone.empty() ? last_commit_ : submit(std::move(change));
  for (const std::string& key : gone) overlay(bucket->id, key, std::nullopt, {}, after);
  return results;
}

Result<storage::CommitNumber> ObjectStore::set_object_tags(std::string_view account, std::string_view bucket_name,
                                                           std::string_view key, Tags tags, const Origin& origin) {
  MR_RETURN_IF_ERROR(look_ahead(account, bucket_name, key));
  const std::lock_guard lock(mutex_);
  MR_ASSIGN_OR_RETURN(const BucketPointer bucket, find(account, bucket_name));
  MR_ASSIGN_OR_RETURN(auto record, current(bucket->id, key));
  if (!record) return no_such_key(key).hold_until(last_commit_);
  PartTable parts;
  if (record->place == internal::Place::kParts) {
    MR_ASSIGN_OR_RETURN(parts, parts_of(bucket->id, key, *record));
  }
  const ObjectEvent event = tags.empty() ? ObjectEvent::kTaggingDelete : ObjectEvent::kTaggingPut;
  record->attributes.tags = std::move(tags);
  Change change;
  notify(change, *bucket, internal::to_info(key, *record), event, origin);
  change.batch.put(Family::kObjects, internal::object_key(bucket->id, key), internal::encode(*record));
  const storage::CommitNumber number = submit(std::move(change));
  if (bucket->lifecycle) lifecycle_due(bucket->id, judge(*bucket->lifecycle, internal::to_info(key, *record)).when);
  overlay(bucket->id, key, std::move(record), std::move(parts), number);
  return number;
}

}  // namespace millrace::s3
