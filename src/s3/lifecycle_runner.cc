// Carries out lifecycle rules. Per bucket we keep only the time at which something may be due: every change lowers it,
// a scan over the bucket computes it anew. So an idle store costs one timer, and a scan happens only when something is
// due (or after a start or a change of the rules). Scans go bucket by bucket, in chunks on the pool, each chunk's
// deletions and transitions in one commit that is waited for before the next.
#include <utility>

#include "s3/object_store.h"
#include "telemetry/log.h"

namespace millrace::s3 {
namespace {

using storage::Family;

constexpr std::size_t kChunkKeys = 1000;
constexpr auto kRetry = std::chrono::minutes(1);  // after a failure of the Store

}  // namespace

struct ObjectStore::Scan {
  BucketPointer bucket;
  platform::Busy busy;
  std::string cursor;  // key of the Store to go on from
  Time next = kNever;  // the earliest thing due later, as far as seen
  storage::CommitNumber commit = 0;
  std::size_t expired = 0, moved = 0, aborted = 0;
  bool done = false;
  bool failed = false;
};

void ObjectStore::start() {
  const std::lock_guard lock(mutex_);
  lifecycle_started_ = true;
  arm_lifecycle();
}

void ObjectStore::stop() {
  platform::Timer timer;  // cancelled without the lock
  const std::lock_guard lock(mutex_);
  lifecycle_started_ = false;
  lifecycle_timer_at_ = kNever;
  std::swap(timer, lifecycle_timer_);
}

Time ObjectStore::next_lifecycle() const {
  const std::lock_guard lock(mutex_);
  Time next = kNever;
  for (const auto& [bucket, due] : lifecycle_due_) next = std::min(next, due);
  return next;
}

void ObjectStore::lifecycle_due(BucketId bucket, Time when) {
  if (when == kNever) return;
  auto& due = lifecycle_due_.try_emplace(bucket, kNever).first->second;
  if (when >= due) return;
  due = when;
  arm_lifecycle();
}

void ObjectStore::arm_lifecycle() {
  if (!lifecycle_started_ || lifecycle_running_) return;
  Time next = kNever;
  for (const auto& [bucket, due] : lifecycle_due_) next = std::min(next, due);
  if (next == lifecycle_timer_at_) return;
  lifecycle_timer_at_ = next;
  lifecycle_timer_ = platform::Timer();
  if (next != kNever) lifecycle_timer_ = scheduler_.at(next, [this] { run_lifecycle(); });
}

void ObjectStore::run_lifecycle() {
  auto scan = std::make_shared<Scan>();
  // What is due stays so: the timer is armed again when writes are taken, and only then.
  const bool may_write = service_commits_.may_write(storage::Commits::Purpose::kFrees);
  {
    const std::lock_guard lock(mutex_);
    lifecycle_timer_at_ = kNever;
    if (!may_write) return;
    if (!lifecycle_started_ || lifecycle_running_) return;
    const Time now = scheduler_.now();
    for (const auto& [name, bucket] : buckets_) {
      const auto due = lifecycle_due_.find(bucket->id);
      if (due == lifecycle_due_.end() || due->second > now || !bucket->lifecycle) continue;
      lifecycle_due_.erase(due);  // changes from now on put it back
      scan->bucket = bucket;
      break;
    }
    if (scan->bucket == nullptr) return arm_lifecycle();
    lifecycle_running_ = true;
  }
  scan->busy = platform::Busy(scheduler_.busy());
  scan->cursor = internal::object_key(scan->bucket->id, "");
  scan_on(std::move(scan));
}

void ObjectStore::scan_on(std::shared_ptr<Scan> scan) {
  if (!service_commits_.may_write(storage::Commits::Purpose::kFrees)) {
    scan->failed = true;  // the rest is looked at again
    return finish_scan(*scan);
  }
  scheduler_.offload(
      [this, scan] {
        const auto scanned = scan_chunk(*scan);
        if (scanned.ok()) return;
        telemetry::log_error("s3", "lifecycle of bucket " + scan->bucket->name + ": " + scanned.error().message());
        scan->failed = true;
      },
      [this, scan] {
        if (scan->failed || (scan->done && scan->commit == 0)) return finish_scan(*scan);
        commits_.when_durable(scan->commit, [this, scan](const Error* error) {
          scan->failed = error != nullptr;
          scheduler_.post([this, scan] {
            if (scan->failed || scan->done) return finish_scan(*scan);
            scan_on(scan);
          });
        });
      });
}

Result<void> ObjectStore::scan_chunk(Scan& scan) {
  const std::string root = internal::object_key(scan.bucket->id, "");
  const Time now = scheduler_.now();
  std::vector<std::string> due;
  const auto at = store_.iterate(Family::kObjects, {scan.cursor, storage::prefix_end(root)});
  std::size_t seen = 0;
  for (at->seek(scan.cursor); at->valid() && seen < kChunkKeys; at->next(), ++seen) {
    const std::string_view key = at->key().substr(root.size());
    const auto record = internal::decode_object(at->value());
    if (!record) {
      damaged("record", key);  // noted: it must not stop the rules of others
      continue;
    }
    const Time when = judge(*scan.bucket->lifecycle, internal::to_info(key, *record)).when;
    if (when <= now) {
      // Read again under the mutex.
      if (record->place == internal::Place::kParts) {
        MR_ASSIGN_OR_RETURN(const auto parts, store_.get(Family::kObjects, internal::data_key(scan.bucket->id, key)));
        if (!parts || !internal::decode_part_table(*parts)) {
          damaged("part table", key);
          continue;
        }
      }
      due.emplace_back(key);
    } else {
      scan.next = std::min(scan.next, when);
    }
  }
  MR_RETURN_IF_ERROR(at->status());
  scan.done = !at->valid();
  if (at->valid()) scan.cursor = at->key();
  return apply_lifecycle(scan, due);
}

Result<void> ObjectStore::apply_lifecycle(Scan& scan, const std::vector<std::string>& keys) {
  const std::lock_guard lock(mutex_);
  const auto at = buckets_.find(scan.bucket->name);
  // With other rules, or none, by now: whoever changed them has asked for another scan.
  if (at == buckets_.end() || at->second->id != scan.bucket->id || !at->second->lifecycle) {
    scan.done = true;
    return {};
  }
  const Bucket& bucket = *at->second;
  Change change;
  std::vector<std::tuple<std::string, std::optional<ObjectRecord>, PartTable>> changed;
  for (const std::string& key : keys) {
    MR_ASSIGN_OR_RETURN(auto record, current(bucket.id, key));
    if (!record) continue;
    PartTable parts;
    if (record->place == internal::Place::kParts) {
      MR_ASSIGN_OR_RETURN(parts, parts_of(bucket.id, key, *record));
    }
    MR_ASSIGN_OR_RETURN(const bool acted, apply_to_object(scan, change, bucket, key, record));
    if (acted) changed.emplace_back(key, std::move(record), std::move(parts));
  }
  if (scan.done) abort_due_uploads(bucket, scan, change);
  if (change.batch.empty() && change.remove.empty()) return {};
  scan.commit = submit(std::move(change));
  for (auto& [key, record, parts] : changed) {
    overlay(bucket.id, key, std::move(record), std::move(parts), scan.commit);
  }
  return {};
}

// Afterwards `record` is what the object has become.
Result<bool> ObjectStore::apply_to_object(Scan& scan, Change& change, const Bucket& bucket, const std::string& key,
                                          std::optional<ObjectRecord>& record) {
  const Time now = scheduler_.now();
  bool moved = false;
  for (;;) {
    const LifecycleVerdict verdict = judge(*bucket.lifecycle, internal::to_info(key, *record));
    if (verdict.expires <= now) {  // AWS: expiration wins
      MR_RETURN_IF_ERROR(erase(change, bucket.id, key, *record));
      notify(change, bucket, internal::to_info(key, *record), ObjectEvent::kExpiration, {});
      record.reset();
      ++scan.expired;
      return true;
    }
    if (verdict.when > now) {
      scan.next = std::min(scan.next, verdict.when);
      break;
    }
    record->attributes.storage_class = verdict.transition_to;
    moved = true;
  }
  if (moved) {
    change.batch.put(Family::kObjects, internal::object_key(bucket.id, key), internal::encode(*record));
    notify(change, bucket, internal::to_info(key, *record), ObjectEvent::kTransition, {});
    ++scan.moved;
  }
  return moved;
}

void ObjectStore::abort_due_uploads(const Bucket& bucket, Scan& scan, Change& change) {
  const Time now = scheduler_.now();
  std::vector<std::string> due;
  for (const auto& [id, upload] : uploads_) {
    if (upload.record.bucket != bucket.id) continue;
    const Time when = judge_upload(*bucket.lifecycle, upload.record.key, upload.record.initiated).when;
    if (when <= now) {
      due.push_back(id);
    } else {
      scan.next = std::min(scan.next, when);
    }
  }
  for (const std::string& id : due) drop_upload(change, id, {});
  scan.aborted += due.size();
}

void ObjectStore::finish_scan(const Scan& scan) {
  if (scan.expired + scan.moved + scan.aborted > 0) {
    telemetry::log_info("s3", "lifecycle of bucket " + scan.bucket->name + ": " + std::to_string(scan.expired) +
                                  " objects expired, " + std::to_string(scan.moved) + " moved, " +
                                  std::to_string(scan.aborted) + " uploads aborted");
  }
  const std::lock_guard lock(mutex_);
  lifecycle_running_ = false;
  const auto at = buckets_.find(scan.bucket->name);
  if (at != buckets_.end() && at->second->id == scan.bucket->id) {
    lifecycle_due(scan.bucket->id, scan.failed ? scheduler_.now() + kRetry : scan.next);
  }
  arm_lifecycle();
}

}  // namespace millrace::s3
