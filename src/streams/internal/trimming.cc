// Retention: streams and shards that have aged out are forgotten, buckets of the log that are dead are dropped.
//
// maintain() runs on the control thread when something may be due: at load, when its timer fires, when a shard was
// closed, when the log has begun a new bucket. It never spins: with nothing that can become due there is no timer.

#include <algorithm>

#include "codec/key.h"
#include "storage/log_key.h"
#include "streams/internal/engine.h"
#include "telemetry/log.h"

namespace millrace::streams {

namespace {

struct Trimming {
  std::uint64_t floor = 0;  // buckets below are dead
  Time due = kNever;        // when the next one will be; kNever: not before a later bucket is begun
};

// The commit time of the first record at or after a bucket, and its bucket; nullopt at the end of the log.
std::optional<std::pair<std::uint64_t, Time>> first_of(storage::Iterator& it, std::uint64_t bucket) {
  it.seek(storage::log_bucket_key(bucket));
  if (!it.valid()) return std::nullopt;
  const auto record = storage::parse_log_record(it.key(), it.value());
  if (!record) return std::nullopt;  // damaged: nothing behind it is trimmed; readers report it
  return std::pair(record->bucket, record->time);
}

// A bucket is dead once a record of a later bucket has expired, as commit time never falls. Hence the last bucket stays
// until a later one is begun; its expired records are invisible all the same.
Trimming find_dead(const storage::Store& store, std::uint64_t floor, Milliseconds retention, Time now) {
  const auto it = store.iterate(storage::Family::kLog, {});
  Trimming out{floor, kNever};
  auto bucket = first_of(*it, floor);
  while (bucket) {
    out.floor = bucket->first;
    const auto later = first_of(*it, bucket->first + 1);
    if (!later) break;
    if (later->second + retention > now) {
      out.due = later->second + retention;
      break;
    }
    bucket = later;
  }
  return out;
}

}  // namespace

void Streams::Engine::maintain_soon() {
  {
    const std::unique_lock lock(mutex_);
    if (maintaining_) {
      maintain_again_ = true;
      return;
    }
    maintaining_ = true;
  }
  scheduler_.post([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->maintain();
  });
}

void Streams::Engine::maintain() {
  const auto refused = shape_commits_.paused(storage::Commits::Purpose::kFrees);
  if (refused && refused->is(storage::kStorageFailed)) {  // until a restart, whose load() comes here again
    const std::unique_lock lock(mutex_);
    maintaining_ = maintain_again_ = false;
    return;
  }
  // Dropping files needs no write, and makes room on a full disk; the rest is done when there is some.
  const bool may_write = !refused;
  const Time closing_due = may_write ? forget_expired() : kNever;
  std::uint64_t floor = 0;
  std::uint64_t examined = 0;
  Milliseconds retention = options_.retention;  // the longest: buckets hold records of all streams
  {
    const std::shared_lock lock(mutex_);
    for (const auto& [id, stream] : streams_) retention = std::max(retention, retention_of(stream));
    floor = storage::log_bucket(trim_floor_);
    examined = storage::log_bucket(seen_);
  }
  const auto found = std::make_shared<Trimming>();
  const Time now = scheduler_.now();
  scheduler_.offload(
      [weak = weak_from_this(), found, floor, now, retention, may_write] {
        const auto self = weak.lock();
        if (!self) return;
        *found = find_dead(self->store_, floor, retention, now);
        if (found->floor > floor) self->reclaim_below(found->floor);
        if (may_write) self->cut_to_size(found->floor);
      },
      [weak = weak_from_this(), found, examined, closing_due] {
        const auto self = weak.lock();
        if (!self) return;
        self->trim_finished(found->floor << storage::kLogBucketBits, examined, std::min(found->due, closing_due));
      });
}

// Drops what is behind `floor` and in front of where the log is within its bound. The bucket that is being written
// stays.
void Streams::Engine::cut_to_size(std::uint64_t floor) {
  if (options_.bytes_max == 0 || !options_.log_bytes) return;
  const std::uint64_t last = storage::log_bucket(head());
  const std::uint64_t before = floor;
  const auto it = store_.iterate(storage::Family::kLog, {});
  while (options_.log_bytes(storage::log_bucket_key(floor)) > options_.bytes_max) {
    const auto next = first_of(*it, floor + 1);
    if (!next || next->first > last) break;
    floor = next->first;
  }
  if (floor == before) return;
  telemetry::log_warning("streams", "The log of changes is larger than its bound of " +
                                        std::to_string(options_.bytes_max) +
                                        " bytes: its oldest records are dropped before their retention is over");
  storage::WriteBatch batch;
  put_floor(floor << storage::kLogBucketBits, batch);
  // Without the floor on disk, readers of a later start would take what is gone for what never was.
  commits_.submit(std::move(batch), [weak = weak_from_this(), floor](const storage::Committed& committed) {
    const auto self = weak.lock();
    if (!self || committed.error != nullptr) return;
    self->scheduler_.post(
        [self, floor] { self->scheduler_.offload([self, floor] { self->reclaim_below(floor); }, [] {}); });
  });
}

// Buckets below go now, or soon. Readers look at the floor first.
void Streams::Engine::note_floor(Stamp floor) {
  const std::unique_lock lock(mutex_);
  if (floor <= trim_floor_) return;
  note_dropped(storage::log_bucket(floor));
  trim_floor_ = floor;
}

void Streams::Engine::reclaim_below(std::uint64_t bucket) {
  note_floor(bucket << storage::kLogBucketBits);
  store_.reclaim(storage::Family::kLog, {}, storage::log_bucket_key(bucket));
}

// Streams and closed shards whose retention is over. Returns when the next one is.
Time Streams::Engine::forget_expired() {
  const Time now = scheduler_.now();
  storage::WriteBatch batch;
  std::vector<ShardNumber> gone;
  Time due = kNever;
  {
    const std::unique_lock lock(mutex_);
    for (auto it = streams_.begin(); it != streams_.end();) {
      Stream& stream = it->second;
      const Milliseconds retention = retention_of(stream);
      if (is_gone(stream.closed, retention, now)) {
        erase_stream(stream, batch);
        for (const Shard& shard : stream.shards) gone.push_back(shard.number);
        by_arn_.erase(stream.arn);
        shown_.erase(stream.arn);
        it = streams_.erase(it);
        continue;
      }
      const auto expired = std::erase_if(stream.shards, [&](const Shard& shard) {
        if (!is_gone(shard.closed, retention, now)) {
          if (!shard.is_open()) due = std::min(due, shard.closed + retention);
          return false;
        }
        erase_shard(shard, batch);
        gone.push_back(shard.number);
        return true;
      });
      if (expired > 0) show(stream);
      if (!stream.is_enabled()) due = std::min(due, stream.closed + retention);
      ++it;
    }
    std::vector<std::string> keys;
    for (const ShardNumber shard : gone) {
      bounds_.erase(shard);
      keys.push_back(codec::be64(shard.value()));
    }
    places_.erase_all(keys);
  }
  if (!batch.empty()) {
    shape_commits_.submit(std::move(batch), [](const storage::Committed& committed) {
      if (committed.error != nullptr) {
        telemetry::log_warning("streams", "Expired streams were not forgotten: " + committed.error->message());
      }
    });
  }
  return due;
}

void Streams::Engine::trim_finished(Stamp floor, std::uint64_t examined, Time due) {
  bool again = false;
  note_floor(floor);
  {
    const std::unique_lock lock(mutex_);
    // With a timer set, buckets begun meanwhile need no attention before it fires.
    const bool waits = due != kNever && options_.bytes_max == 0;
    examined_bucket_ = waits ? std::uint64_t{1} << 60 : examined;
    if (due == kNever && storage::log_bucket(seen_) > examined) maintain_again_ = true;
    again = std::exchange(maintain_again_, false);
    maintaining_ = false;
  }
  timer_.cancel();
  if (due != kNever) {
    timer_ = scheduler_.at(due, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->maintain_soon();
    });
  }
  if (again) maintain_soon();
}

}  // namespace millrace::streams
