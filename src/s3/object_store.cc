#include "s3/object_store.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "codec/key.h"
#include "crypto/digest.h"
#include "s3/limits.h"
#include "storage/scan.h"
#include "telemetry/log.h"

namespace millrace::s3 {
namespace {

using storage::Family;

constexpr std::string_view kBucketPrefix = "s3/bucket/";

codec::Json to_json(const Bucket& bucket) {
  codec::Json json = codec::Json::object({{"v", 1},
                                          {"name", bucket.name},
                                          {"account", bucket.account},
                                          {"region", bucket.region},
                                          {"created", to_unix_ms(bucket.created)},
                                          {"id", std::to_string(bucket.id)}});
  if (bucket.lifecycle) json.set("lifecycle", bucket.lifecycle->document);
  if (!bucket.notifications.rules.empty()) json.set("notifications", bucket.notifications.to_json());
  codec::Json settings = codec::Json::object();
  for (const auto& [name, document] : bucket.settings) settings.set(name, document);
  json.set("settings", std::move(settings));
  return json;
}

Result<Bucket> from_json(std::string_view text) {
  MR_ASSIGN_OR_RETURN(const codec::Json json, codec::parse_json(text));
  Bucket bucket;
  bucket.name = json.string_or("name", "");
  bucket.account = json.string_or("account", "");
  bucket.region = json.string_or("region", "");
  bucket.created = from_unix_ms(json.int_or("created", 0));
  const std::string_view id = json.string_or("id", "");
  const auto end = std::from_chars(id.data(), id.data() + id.size(), bucket.id);
  if (const codec::Json* lifecycle = json.find("lifecycle")) {
    MR_ASSIGN_OR_RETURN(bucket.lifecycle, parse_lifecycle(*lifecycle));
  }
  if (const codec::Json* notifications = json.find("notifications")) {
    MR_ASSIGN_OR_RETURN(bucket.notifications, parse_notifications(*notifications));
  }
  if (const codec::Json* settings = json.find("settings"); settings != nullptr && settings->is_object()) {
    for (const auto& [name, document] : settings->as_object()) bucket.settings.emplace(name, document);
  }
  if (bucket.name.empty() || bucket.id == 0 || end.ec != std::errc() || end.ptr != id.data() + id.size())
    return Error(kInternal, "a bucket's record is damaged");
  return bucket;
}

bool is_address(std::string_view name) {
  return std::count(name.begin(), name.end(), '.') == 3 &&
         std::all_of(name.begin(), name.end(), [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
}

}  // namespace

bool is_bucket_name(std::string_view name) {
  if (name.size() < 3 || name.size() > 63) return false;
  const auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  if (!alphanumeric(name.front()) || !alphanumeric(name.back())) return false;
  for (const char c : name) {
    if (!alphanumeric(c) && c != '-' && c != '.') return false;
  }
  if (name.find("..") != std::string_view::npos || is_address(name)) return false;
  for (const std::string_view prefix : {"xn--", "sthree-", "amzn-s3-demo-"}) {
    if (name.starts_with(prefix)) return false;
  }
  for (const std::string_view suffix : {"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"}) {
    if (name.ends_with(suffix)) return false;
  }
  return true;
}

std::string canonical_user(std::string_view account) {
  return crypto::sha256_hex("canonical user of " + std::string(account));
}

ObjectStore::ObjectStore(platform::Scheduler& scheduler, platform::Random& random, storage::Store& store,
                         storage::Commits& commits, BlobStore& blobs)
    : scheduler_(scheduler),
      random_(random),
      store_(store),
      commits_(commits),
      service_commits_(commits, "s3"),
      keeper_(std::make_shared<internal::BlobKeeper>(scheduler, store, commits, blobs)),
      space_(store) {
  service_commits_.set_restore([this] { return restore(); });
  service_commits_.set_resume(scheduler, [this] {
    const std::lock_guard lock(mutex_);
    arm_lifecycle();
  });
}

ObjectStore::~ObjectStore() { stop(); }

Result<void> ObjectStore::load() {
  MR_RETURN_IF_ERROR(keeper_->ids().sweep(keeper_->blobs()));
  const std::lock_guard lock(mutex_);
  MR_RETURN_IF_ERROR(notifications_.load(store_, scheduler_));
  MR_ASSIGN_OR_RETURN(buckets_, read_buckets());
  MR_ASSIGN_OR_RETURN(uploads_, read_uploads());
  for (const auto& [name, bucket] : buckets_) {
    if (bucket->lifecycle) lifecycle_due_[bucket->id] = scheduler_.now();
  }
  return {};
}

// On the committer's thread after a refused commit. Files that it spoke of stay until a start knows what became of it.
Result<void> ObjectStore::restore() {
  const std::lock_guard lock(mutex_);
  MR_ASSIGN_OR_RETURN(Buckets buckets, read_buckets());
  MR_ASSIGN_OR_RETURN(Uploads uploads, read_uploads());
  buckets_ = std::move(buckets);
  uploads_ = std::move(uploads);
  pending_.clear();
  pending_order_.clear();
  last_commit_ = last_removal_ = 0;
  return {};
}

Result<ObjectStore::Buckets> ObjectStore::read_buckets() const {
  Buckets buckets;
  const auto at = store_.iterate(Family::kCatalogue, {std::string(kBucketPrefix), storage::prefix_end(kBucketPrefix)});
  for (at->seek(kBucketPrefix); at->valid(); at->next()) {
    auto read = from_json(at->value());
    if (!read.ok() || std::string(kBucketPrefix) + read->name != at->key())
      return storage::damaged("bucket", at->key());
    Bucket bucket = *std::move(read);
    std::string name = bucket.name;
    buckets.emplace(std::move(name), std::make_shared<const Bucket>(std::move(bucket)));
  }
  MR_RETURN_IF_ERROR(at->status());
  return buckets;
}

Result<ObjectStore::Uploads> ObjectStore::read_uploads() const {
  Uploads uploads;
  const auto at = store_.iterate(Family::kObjects, {"u", "v"});
  for (at->seek("u"); at->valid(); at->next()) {
    auto record = internal::decode_upload(at->value());
    if (!record) return storage::damaged("upload", at->key());
    uploads[std::string(at->key().substr(1))].record = std::move(*record);
  }
  MR_RETURN_IF_ERROR(at->status());
  for (auto& [id, upload] : uploads) {
    const std::string prefix = internal::part_prefix(id);
    const auto part = store_.iterate(Family::kObjects, {prefix, storage::prefix_end(prefix)});
    for (part->seek(prefix); part->valid(); part->next()) {
      auto record = internal::decode_part(part->value());
      if (!record || internal::part_key(id, record->number) != part->key()) {
        return storage::damaged("part of an upload", part->key());
      }
      const std::uint32_t number = record->number;
      upload.parts[number] = std::move(*record);
    }
    MR_RETURN_IF_ERROR(part->status());
  }
  return uploads;
}

Result<BucketPointer> ObjectStore::find(std::string_view account, std::string_view name) const {
  const auto at = buckets_.find(name);
  if (at == buckets_.end()) {
    return Error(kNoSuchBucket, "The specified bucket does not exist")
        .with("BucketName", codec::Json(name).dump())
        .hold_until(last_removal_);
  }
  if (at->second->account != account) {
    telemetry::log_warning("s3", "bucket " + std::string(name) + " was asked for by account " + std::string(account) +
                                     " and belongs to account " + at->second->account);
    return Error(kAccessDenied, "Access Denied").hold_until(at->second->after);
  }
  return at->second;
}

storage::CommitNumber ObjectStore::store_bucket(Bucket bucket, Change change) {
  change.batch.put(Family::kCatalogue, std::string(kBucketPrefix) + bucket.name, to_json(bucket).dump());
  bucket.after = submit(std::move(change));
  const storage::CommitNumber number = bucket.after;
  std::string name = bucket.name;
  buckets_[std::move(name)] = std::make_shared<const Bucket>(std::move(bucket));
  return number;
}

Result<BucketPointer> ObjectStore::create_bucket(std::string_view account, std::string_view region,
                                                 std::string_view name) {
  if (!is_bucket_name(name)) {
    return Error(kInvalidBucketName, "The specified bucket is not valid.").with("BucketName", codec::Json(name).dump());
  }
  const std::lock_guard lock(mutex_);
  if (const auto at = buckets_.find(name); at != buckets_.end()) {
    if (at->second->account != account) {
      return Error(kBucketAlreadyExists,
                   "The requested bucket name is not available. The bucket namespace is shared by all users of the "
                   "system. Please select a different name and try again.")
          .with("BucketName", codec::Json(name).dump())
          .hold_until(at->second->after);
    }
    if (region == "us-east-1" && at->second->region == region) return at->second;
    return Error(kBucketAlreadyOwnedByYou,
                 "Your previous request to create the named bucket succeeded and you already own it.")
        .with("BucketName", codec::Json(name).dump())
        .hold_until(at->second->after);
  }
  std::set<BucketId> ids;
  std::size_t owned = 0;
  for (const auto& [other, bucket] : buckets_) {
    ids.insert(bucket->id);
    owned += bucket->account == account ? 1 : 0;
  }
  if (owned >= kBucketsPerAccountMax) {
    return Error(kTooManyBuckets, "You have attempted to create more buckets than allowed").hold_until(last_commit_);
  }
  Bucket bucket;
  bucket.name = name;
  bucket.account = account;
  bucket.region = region;
  bucket.created = scheduler_.now();
  do bucket.id = random_.next();
  while (bucket.id == 0 || ids.contains(bucket.id));
  store_bucket(std::move(bucket), Change());
  return buckets_.find(name)->second;
}

Result<bool> ObjectStore::is_empty(BucketId bucket) const {
  if (const auto staged = staged_.find(bucket); staged != staged_.end() && !staged->second.expired()) return false;
  const std::string prefix = internal::object_key(bucket, "");
  for (auto at = pending_.lower_bound(prefix); at != pending_.end() && at->first.starts_with(prefix); ++at) {
    if (at->second.record) return false;
  }
  const auto at = store_.iterate(Family::kObjects, {prefix, storage::prefix_end(prefix)});
  for (at->seek(prefix); at->valid(); at->next()) {
    if (!pending_.contains(at->key())) return false;  // pending ones are deletions, as seen above
  }
  MR_RETURN_IF_ERROR(at->status());
  return true;
}

Result<storage::CommitNumber> ObjectStore::delete_bucket(std::string_view account, std::string_view name) {
  {
    // Read before the mutex is taken, as by look_ahead().
    MR_ASSIGN_OR_RETURN(const BucketPointer owner, bucket(account, name));
    const std::string prefix = internal::object_key(owner->id, "");
    const auto first = store_.iterate(Family::kObjects, {prefix, storage::prefix_end(prefix)});
    first->seek(prefix);
    MR_RETURN_IF_ERROR(first->status());
  }
  const std::lock_guard lock(mutex_);
  MR_ASSIGN_OR_RETURN(const BucketPointer bucket, find(account, name));
  MR_ASSIGN_OR_RETURN(const bool empty, is_empty(bucket->id));
  if (!empty) {
    return Error(kBucketNotEmpty, "The bucket you tried to delete is not empty")
        .with("BucketName", codec::Json(name).dump())
        .hold_until(last_commit_);
  }
  Change change;
  change.removes = true;
  std::vector<std::string> uploads;
  for (const auto& [id, upload] : uploads_) {
    if (upload.record.bucket == bucket->id) uploads.push_back(id);
  }
  for (const std::string& id : uploads) drop_upload(change, id, {});
  change.batch.erase(Family::kCatalogue, std::string(kBucketPrefix) + bucket->name);
  buckets_.erase(bucket->name);
  lifecycle_due_.erase(bucket->id);
  staged_.erase(bucket->id);
  return submit(std::move(change));
}

Result<BucketPointer> ObjectStore::bucket(std::string_view account, std::string_view name) const {
  const std::lock_guard lock(mutex_);
  return find(account, name);
}

BucketPointer ObjectStore::bucket_of_any(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto found = buckets_.find(name);
  return found == buckets_.end() ? nullptr : found->second;
}

storage::CommitNumber ObjectStore::last_removal() const {
  const std::lock_guard lock(mutex_);
  return last_removal_;
}

std::vector<BucketPointer> ObjectStore::buckets(std::string_view account) const {
  const std::lock_guard lock(mutex_);
  std::vector<BucketPointer> owned;
  for (const auto& [name, bucket] : buckets_) {
    if (bucket->account == account) owned.push_back(bucket);
  }
  return owned;
}

Result<storage::CommitNumber> ObjectStore::set_lifecycle(std::string_view account, std::string_view name,
                                                         std::optional<LifecycleConfiguration> rules) {
  const std::lock_guard lock(mutex_);
  MR_ASSIGN_OR_RETURN(const BucketPointer bucket, find(account, name));
  Bucket changed = *bucket;
  changed.lifecycle = std::move(rules);
  const bool has_rules = changed.lifecycle.has_value();
  const storage::CommitNumber number = store_bucket(std::move(changed), Change());
  lifecycle_due_.erase(bucket->id);
  if (has_rules) lifecycle_due(bucket->id, scheduler_.now());
  return number;
}

Result<storage::CommitNumber> ObjectStore::set_setting(std::string_view account, std::string_view name,
                                                       std::string_view setting, std::optional<codec::Json> document) {
  const std::lock_guard lock(mutex_);
  MR_ASSIGN_OR_RETURN(const BucketPointer bucket, find(account, name));
  Bucket changed = *bucket;
  changed.settings.erase(std::string(setting));
  if (document) changed.settings.emplace(setting, std::move(*document));
  return store_bucket(std::move(changed), Change());
}

// Reads, without the mutex, what reset() reads under it: as look_ahead().
Result<void> ObjectStore::look_ahead_all(const std::vector<BucketPointer>& buckets) const {
  for (const BucketPointer& bucket : buckets) {
    const std::string prefix = internal::object_key(bucket->id, "");
    const auto look = [&](std::string_view key, std::string_view value) -> Result<void> {
      const auto record = internal::decode_object(value);
      if (!record || record->place != internal::Place::kParts) return {};
      MR_RETURN_IF_ERROR(store_.get(Family::kObjects, internal::data_key(bucket->id, key.substr(prefix.size()))));
      return {};
    };
    MR_RETURN_IF_ERROR(storage::for_each(store_, Family::kObjects, prefix, look));
  }
  return {};
}

Result<storage::CommitNumber> ObjectStore::reset(std::string_view account) {
  MR_RETURN_IF_ERROR(look_ahead_all(buckets(account)));
  const std::lock_guard lock(mutex_);
  Change change;
  change.removes = true;
  std::vector<BucketPointer> owned;
  for (const auto& [name, bucket] : buckets_) {
    if (bucket->account == account) owned.push_back(bucket);
  }
  for (const BucketPointer& bucket : owned) {
    const std::string prefix = internal::object_key(bucket->id, "");
    std::set<std::string> keys;
    const auto at = store_.iterate(Family::kObjects, {prefix, storage::prefix_end(prefix)});
    for (at->seek(prefix); at->valid(); at->next()) keys.emplace(at->key().substr(prefix.size()));
    MR_RETURN_IF_ERROR(at->status());
    for (auto p = pending_.lower_bound(prefix); p != pending_.end() && p->first.starts_with(prefix); ++p) {
      keys.insert(p->first.substr(prefix.size()));
    }
    for (const std::string& key : keys) {
      MR_ASSIGN_OR_RETURN(const auto record, current(bucket->id, key));
      if (record) MR_RETURN_IF_ERROR(erase(change, bucket->id, key, *record));
    }
  }
  for (const BucketPointer& bucket : owned) {
    std::vector<std::string> uploads;
    for (const auto& [id, upload] : uploads_) {
      if (upload.record.bucket == bucket->id) uploads.push_back(id);
    }
    for (const std::string& id : uploads) drop_upload(change, id, {});
    change.batch.erase(Family::kCatalogue, std::string(kBucketPrefix) + bucket->name);
    buckets_.erase(bucket->name);
    lifecycle_due_.erase(bucket->id);
  }
  return submit(std::move(change));
}

storage::CommitNumber ObjectStore::submit(Change change) {
  for (const BlobId id : change.settle) change.batch.put(Family::kObjects, internal::blob_key(id), "");
  for (const BlobId id : change.remove) {
    change.batch.erase(Family::kObjects, internal::blob_key(id));
    change.batch.put(Family::kObjects, internal::trash_key(id), "");
  }
  const bool removes = change.removes;
  // A failed commit settles nothing: its files stay until a start knows what became of it.
  last_commit_ = service_commits_.submit(
      std::move(change.batch), [keeper = keeper_, settle = std::move(change.settle), remove = std::move(change.remove),
                                &scheduler = scheduler_, after = std::move(change.after)](const auto& committed) {
        if (committed.error != nullptr) return;
        if (!after.empty()) {
          scheduler.post([after] {
            for (const auto& call : after) call();
          });
        }
        for (const BlobId id : settle) keeper->ids().settle(id);
        if (!remove.empty()) keeper->remove_later(remove);
      });
  if (removes) last_removal_ = last_commit_;
  return last_commit_;
}

void ObjectStore::overlay(BucketId bucket, std::string_view key, std::optional<ObjectRecord> record, PartTable parts,
                          storage::CommitNumber number) {
  const storage::CommitNumber durable = commits_.durable();
  while (!pending_order_.empty() && pending_order_.front().first <= durable) {
    const auto at = pending_.find(pending_order_.front().second);
    if (at != pending_.end() && at->second.number <= durable) pending_.erase(at);
    pending_order_.pop_front();
  }
  if (number <= durable) return;
  std::string name = internal::object_key(bucket, key);
  pending_order_.emplace_back(number, name);
  pending_[std::move(name)] = {std::move(record), std::move(parts), number};
}

Error ObjectStore::damaged(std::string_view what, std::string_view key) const {
  return store_.damage().note(
      "s3", Error(kInternal, "the " + std::string(what) + " of an object is damaged: " + std::string(key)));
}

Result<std::optional<ObjectStore::ObjectRecord>> ObjectStore::committed(BucketId bucket, std::string_view key) const {
  MR_ASSIGN_OR_RETURN(const auto stored, store_.get(Family::kObjects, internal::object_key(bucket, key)));
  if (!stored) return std::optional<ObjectRecord>();
  auto record = internal::decode_object(*stored);
  if (!record) return damaged("record", key);
  return record;
}

Result<std::optional<ObjectStore::ObjectRecord>> ObjectStore::current(BucketId bucket, std::string_view key) const {
  const auto at = pending_.find(internal::object_key(bucket, key));
  if (at != pending_.end() && at->second.number > commits_.durable()) return at->second.record;
  return committed(bucket, key);
}

Result<internal::PartTable> ObjectStore::parts_of(BucketId bucket, std::string_view key,
                                                  const ObjectRecord& record) const {
  const auto at = pending_.find(internal::object_key(bucket, key));
  if (at != pending_.end() && at->second.record && at->second.record->generation == record.generation &&
      !at->second.parts.empty()) {
    return at->second.parts;
  }
  MR_ASSIGN_OR_RETURN(const auto stored, store_.get(Family::kObjects, internal::data_key(bucket, key)));
  std::optional<PartTable> parts;
  if (stored) parts = internal::decode_part_table(*stored);
  if (!parts) return damaged("part table", key);
  return std::move(*parts);
}

std::shared_ptr<void> ObjectStore::hold_files() {
  keeper_->hold();
  return {nullptr, [keeper = keeper_](void*) { keeper->release(); }};
}

}  // namespace millrace::s3
