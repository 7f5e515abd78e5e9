#include <algorithm>

#include "storage/log_key.h"
#include "streams/internal/engine.h"

namespace millrace::streams {

namespace {

// Empty buckets that one read passes before it answers with what it has.
constexpr int kJumpsMax = 2000;

std::string bucket_start(std::uint64_t bucket, ShardNumber shard) {
  std::string key;
  key.reserve(storage::kLogKeyBytes);
  storage::append_be64(key, bucket);
  storage::append_be64(key, shard.value());
  storage::append_be64(key, 0);
  return key;
}

Stamp first_stamp(std::uint64_t bucket) { return bucket << storage::kLogBucketBits; }

}  // namespace

// One pass over a shard's records after a position.
struct Streams::Engine::Scan {
  ShardNumber shard;
  Stamp after = 0;
  Time expired{};  // records committed at or before this are too old
  // Takes a record; false: the page is full without it.
  std::function<bool(const storage::LogRecord&)> take;
};

Result<Streams::Engine::View> Streams::Engine::view(ShardNumber shard) const {
  View view;
  view.head = head();  // before any iterator is made: it sees all of this
  const Time now = scheduler_.now();
  const std::shared_lock lock(mutex_);
  const auto it = places_.find(shard);
  if (it == places_.end() || is_gone(it->second, now)) {
    return Error(kResourceNotFound, "Requested resource not found: Shard does not exist");
  }
  static_cast<Place&>(view) = it->second;
  view.seen = seen_;
  view.trim_floor = trim_floor_;
  return view;
}

// Fills all of the page but its records.
Result<Page> Streams::Engine::scan(const View& view, Scan& scan) const {
  Page page;
  page.read_to = scan.after;
  const auto finish = [&](Stamp known) {
    page.end_of_shard = view.end && known >= *view.end;
    page.read_to = std::max(page.read_to, page.end_of_shard ? *view.end : known);
  };
  // Memory knows the last record only as far as on_logged has told: a shard may be closed by the very group whose
  // records are still to be announced.
  const bool known = !view.end || view.seen >= *view.end;
  if (known && scan.after >= view.last) {
    finish(view.end.value_or(view.seen));
    return page;
  }

  const Stamp target = view.end.value_or(std::max(view.head, view.last));
  Stamp from = std::max(scan.after + 1, view.start);
  page.trimmed = scan.after != 0 && scan.after < view.lost_to;
  from = std::max(from, view.trim_floor);
  const auto it = store_.iterate(storage::Family::kLog, {{}, storage::log_bucket_key(storage::log_bucket(target) + 1)});
  it->seek(storage::log_key(scan.shard.value(), from));
  for (int jumps = 0; it->valid();) {
    const auto record = storage::parse_log_record(it->key(), it->value());
    if (!record) return Error(storage::kStorageFailed, "The log of changes holds a damaged record");
    if (record->shard == scan.shard.value()) {
      if (record->time <= scan.expired) {
        page.trimmed = page.trimmed || scan.after != 0;
      } else if (!scan.take(*record)) {
        page.more = true;
        return page;
      }
      page.read_to = std::max(page.read_to, record->stamp);
      it->next();
      continue;
    }
    // In this bucket the shard is still to come, or it is over (or absent).
    const std::uint64_t bucket = record->bucket + (record->shard < scan.shard.value() ? 0 : 1);
    if (++jumps > kJumpsMax) {
      page.read_to = std::max(page.read_to, first_stamp(bucket) - 1);
      page.more = true;
      return page;
    }
    it->seek(bucket_start(bucket, scan.shard));
  }
  MR_RETURN_IF_ERROR(it->status());
  finish(target);
  return page;
}

Result<Page> Streams::Engine::read(ShardNumber shard, Stamp after, ReadLimits limits) const {
  MR_ASSIGN_OR_RETURN(const View place, view(shard));
  std::vector<LogRecord> records;
  std::size_t bytes = 0;
  Scan one{shard, after, scheduler_.now() - place.retention, [&](const storage::LogRecord& record) {
             bytes += record.value.size();
             if (!records.empty() && (records.size() >= limits.records || bytes > limits.bytes)) return false;
             records.push_back({record.stamp, record.time, std::string(record.value)});
             return true;
           }};
  MR_ASSIGN_OR_RETURN(Page page, scan(place, one));
  page.records = std::move(records);
  return page;
}

Result<std::size_t> Streams::Engine::backlog(ShardNumber shard, Stamp after, std::size_t max) const {
  std::size_t count = 0;
  for (;;) {
    MR_ASSIGN_OR_RETURN(const View place, view(shard));
    Scan one{shard, after, scheduler_.now() - place.retention, [&](const storage::LogRecord&) {
               if (count >= max) return false;
               ++count;
               return true;
             }};
    MR_ASSIGN_OR_RETURN(const Page page, scan(place, one));
    if (!page.more || count >= max) return count;
    after = page.read_to;
  }
}

}  // namespace millrace::streams
