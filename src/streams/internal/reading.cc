#include <algorithm>

#include "codec/key.h"
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

std::shared_ptr<const Streams::Engine::Place> Streams::Engine::place(ShardNumber shard) const {
  return places_.find(codec::be64(shard.value()));
}

// Takes no lock. Hence the order in which things are looked at, the opposite of the one in which they change: the ends
// of shards that a group closes are published before its records are counted in Tail::last, and seen_ rises after both.
// Who reads seen_ first knows at least that much of a shard; to know more of it does no harm.
Result<Streams::Engine::View> Streams::Engine::view(ShardNumber shard) const {
  View view;
  view.head = head();  // before any iterator is made: it sees all of this
  view.seen = seen_.load();
  view.place = place(shard);
  if (view.place == nullptr || is_gone(*view.place, scheduler_.now())) {
    return Error(kResourceNotFound, "Requested resource not found: Shard does not exist");
  }
  view.last = view.place->tail->last.load();
  return view;
}

// Fills all of the page but its records.
Result<Page> Streams::Engine::scan(const View& view, Scan& scan) const {
  Page page;
  page.read_to = scan.after;
  const auto finish = [&](Stamp known) {
    page.end_of_shard = view.place->end && known >= *view.place->end;
    page.read_to = std::max(page.read_to, page.end_of_shard ? *view.place->end : known);
  };
  // Memory knows the last record only as far as on_logged has told: a shard may be closed by the very group whose
  // records are still to be announced.
  const bool known = !view.place->end || view.seen >= *view.place->end;
  if (known && scan.after >= view.last) {
    finish(view.place->end.value_or(view.seen));
    return page;
  }

  const Stamp target = view.place->end.value_or(std::max(view.head, view.last));
  Stamp from = std::max(scan.after + 1, view.place->start);
  const auto it = store_.iterate(storage::Family::kLog, {{}, storage::log_bucket_key(storage::log_bucket(target) + 1)});
  // What is not in the iterator any more has been noted before it went: first in lost_to, then in the floor.
  from = std::max(from, trim_floor_.load());
  page.trimmed = scan.after != 0 && scan.after < view.place->tail->lost_to.load();
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
  MR_ASSIGN_OR_RETURN(const View shown, view(shard));
  std::vector<LogRecord> records;
  std::size_t bytes = 0;
  Scan one{shard, after, scheduler_.now() - shown.place->retention, [&](const storage::LogRecord& record) {
             bytes += record.value.size();
             if (!records.empty() && (records.size() >= limits.records || bytes > limits.bytes)) return false;
             records.push_back({record.stamp, record.time, std::string(record.value)});
             return true;
           }};
  MR_ASSIGN_OR_RETURN(Page page, scan(shown, one));
  page.records = std::move(records);
  return page;
}

Result<std::size_t> Streams::Engine::backlog(ShardNumber shard, Stamp after, std::size_t max) const {
  std::size_t count = 0;
  for (;;) {
    MR_ASSIGN_OR_RETURN(const View shown, view(shard));
    Scan one{shard, after, scheduler_.now() - shown.place->retention, [&](const storage::LogRecord&) {
               if (count >= max) return false;
               ++count;
               return true;
             }};
    MR_ASSIGN_OR_RETURN(const Page page, scan(shown, one));
    if (!page.more || count >= max) return count;
    after = page.read_to;
  }
}

}  // namespace millrace::streams
