// Notifications and deliveries of the object store: both add to a batch that somebody commits, under the mutex, which
// therefore comes before those of queues, topics and functions: none of them calls the object store with its own held.
#include <set>
#include <utility>

#include "codec/key.h"
#include "crypto/digest.h"
#include "crypto/encoding.h"
#include "s3/object_store.h"
#include "telemetry/log.h"

namespace millrace::s3 {
namespace {

using storage::Family;

constexpr std::string_view kSubject = "Amazon S3 Notification";

std::string_view part_of(std::string_view arn, int index) {
  for (; index > 0; --index) {
    const auto colon = arn.find(':');
    if (colon == std::string_view::npos) return {};
    arn.remove_prefix(colon + 1);
  }
  return arn.substr(0, arn.find(':'));
}

Error unusable(const NotificationRule& rule, std::string_view why) {
  return Error(kInvalidArgument, "Unable to validate the following destination configurations")
      .with("ArgumentName1", codec::Json(rule.arn).dump())
      .with("ArgumentValue1", codec::Json(why).dump());
}

}  // namespace

// Staged apart: a destination that refuses must not leave half of its entries in the batch.
bool ObjectStore::send(Change& change, const std::string& arn, std::string body) {
  delivery::Message message;
  message.body = std::move(body);
  message.subject = kSubject;
  storage::WriteBatch staged;
  auto after = delivery_->stage(arn, message, staged);
  if (!after.ok()) {
    telemetry::log_warning("s3", "a notification cannot be sent to " + arn + ": " + after.error().message());
    return false;
  }
  change.batch.append(std::move(staged));
  if (*after) change.after.push_back(std::move(after).value());
  return true;
}

void ObjectStore::notify(Change& change, const Bucket& bucket, const ObjectInfo& object, ObjectEvent event,
                         const Origin& origin) {
  if (delivery_ == nullptr || bucket.notifications.rules.empty()) return;
  Occurrence what;
  what.event = event;
  what.time = scheduler_.now();
  what.bucket = bucket.name;
  what.account = bucket.account;
  what.region = bucket.region;
  what.object = &object;
  what.sequence = notifications_.take(change.batch);
  what.origin = origin;
  if (what.origin.request_id.empty()) what.origin.request_id = random_.hex(16);
  if (what.origin.principal.empty()) what.origin.principal = "AWS:" + bucket.account;
  if (what.origin.address.empty()) what.origin.address = "127.0.0.1";
  for (const NotificationRule& rule : bucket.notifications.rules) {
    if (rule.wants(event, object.key)) send(change, rule.arn, event_document(what, rule.id));
  }
}

Result<storage::CommitNumber> ObjectStore::set_notifications(std::string_view account, std::string_view name,
                                                             NotificationConfiguration configuration,
                                                             DestinationCheck check, const Origin& origin) {
  MR_ASSIGN_OR_RETURN(const BucketPointer present, bucket(account, name));
  for (NotificationRule& rule : configuration.rules) {
    if (rule.id.empty()) rule.id = crypto::base64_encode(random_.uuid());
    if (check == DestinationCheck::kSkip) continue;
    if (part_of(rule.arn, 3) != present->region) {
      return Error(kInvalidArgument,
                   "The notification destination service region is not valid for the bucket location constraint");
    }
    if (delivery_ == nullptr) return unusable(rule, "nothing can be delivered");
    const auto usable = delivery_->check(rule.arn);
    if (!usable.ok()) return unusable(rule, "The destination " + rule.arn + " does not exist");
  }
  const std::lock_guard lock(mutex_);
  MR_ASSIGN_OR_RETURN(const BucketPointer found, find(account, name));
  Change change;
  std::set<std::string> told;
  for (const NotificationRule& rule : configuration.rules) {
    if (check == DestinationCheck::kSkip || rule.kind == NotificationRule::Kind::kFunction) continue;
    if (told.insert(rule.arn).second) send(change, rule.arn, test_document(name, scheduler_.now(), origin));
  }
  Bucket changed = *found;
  changed.notifications = std::move(configuration);
  return store_bucket(std::move(changed), std::move(change));
}

Result<delivery::AfterCommit> ObjectStore::stage_object(std::string_view bucket_name, std::string_view key_start,
                                                        std::string_view data, storage::WriteBatch& batch) {
  const std::lock_guard lock(mutex_);
  const auto at = buckets_.find(bucket_name);
  if (at == buckets_.end())
    return Error(delivery::kNoSuchTarget, "The bucket does not exist: " + std::string(bucket_name));
  const Bucket& bucket = *at->second;
  const std::string key = std::string(key_start) + "-" + random_.uuid();
  ObjectRecord record;
  record.bytes = data.size();
  record.modified = scheduler_.now();
  record.generation = random_.next();
  record.place = internal::Place::kInline;  // whatever its size: nothing here may wait for a file
  record.etag = crypto::md5_hex(data);
  crypto::Digest checksum(digest_algorithm(ChecksumAlgorithm::kCrc64Nvme));
  checksum.update(data);
  record.checksum = {ChecksumAlgorithm::kCrc64Nvme, ChecksumType::kFullObject,
                     crypto::base64_encode(checksum.finish())};
  record.attributes.content_type = "application/octet-stream";
  Change change;
  change.batch.put(Family::kObjects, internal::object_key(bucket.id, key), internal::encode(record));
  std::string value = codec::be64(record.generation);
  value += data;
  change.batch.put(Family::kObjects, internal::data_key(bucket.id, key), value);
  const ObjectInfo info = internal::to_info(key, record);
  notify(change, bucket, info, ObjectEvent::kPut, {});
  if (bucket.lifecycle) lifecycle_due(bucket.id, judge(*bucket.lifecycle, info).when);
  // Until it is committed the bucket counts as not empty.
  std::weak_ptr<int>& weak = staged_[bucket.id];
  auto token = weak.lock();
  if (token == nullptr) weak = token = std::make_shared<int>(0);
  change.batch.on_commit([token = std::move(token)](const storage::Committed&) {});
  batch.append(std::move(change.batch));
  return delivery::AfterCommit([after = std::move(change.after)] {
    for (const auto& call : after) call();
  });
}

}  // namespace millrace::s3
