#include "app/internal/stream_positions.h"

#include <algorithm>

#include "app/internal/admin_endpoints.h"
#include "model/change_record.h"

namespace millrace::app {
namespace {

using streams::Stamp;

constexpr const char* kPlaces =
    "horizon, now, a time such as 2026-12-24T18:00:00Z, how long ago as in 15m, or a sequence number";

// The first record after `after`, or nullopt at the end.
Result<std::optional<streams::LogRecord>> first_after(const streams::Streams& streams, const streams::Shard& shard,
                                                      Stamp after) {
  while (true) {
    MR_ASSIGN_OR_RETURN(streams::Page page, streams.read(shard.number, after, {1, 1}));
    if (!page.records.empty()) return std::optional(std::move(page.records.front()));
    if (!page.more || page.read_to <= after) return std::optional<streams::LogRecord>();
    after = page.read_to;
  }
}

// The first record of the shard that was committed at `time` or later. Stamps and times rise together.
Result<std::optional<Stamp>> first_at(const streams::Streams& streams, const streams::Shard& shard, Time time) {
  MR_ASSIGN_OR_RETURN(auto record, first_after(streams, shard, 0));
  if (!record) return std::optional<Stamp>();
  if (record->committed >= time) return std::optional(record->stamp);
  Stamp before = record->stamp, behind = streams.head();
  std::optional<Stamp> found;
  while (before < behind) {
    const Stamp middle = before + (behind - before) / 2;
    MR_ASSIGN_OR_RETURN(record, first_after(streams, shard, middle));
    if (record && record->committed < time) {
      before = record->stamp;
      continue;
    }
    behind = middle;
    if (record) found = record->stamp;
  }
  return found;
}

std::optional<Time> time_of(const streams::Streams& streams, const std::string& place) {
  if (const auto time = parse_iso(place)) return time;
  const bool has_unit = !place.empty() && (place.back() < '0' || place.back() > '9');
  const auto ago = has_unit ? parse_duration(place) : std::nullopt;
  if (!ago) return std::nullopt;
  return streams.now() - *ago;
}

// The stamp before the first record at `time` or later; the head when there is none.
Result<Stamp> before_time(const streams::Streams& streams, const streams::Stream& stream, Time time) {
  if (time > streams.now()) return Error(kBadRequest, "that time is still to come");
  std::optional<Stamp> first;
  bool has_earlier = false;
  for (const auto& shard : stream.shards) {
    MR_ASSIGN_OR_RETURN(const auto found, first_at(streams, shard, time));
    if (found) first = first ? std::min(*first, *found) : *found;
    MR_ASSIGN_OR_RETURN(const auto oldest, first_after(streams, shard, 0));
    has_earlier = has_earlier || (oldest && oldest->committed < time);
  }
  if (!has_earlier) return Stamp{0};  // as the horizon: nothing is missed by starting before everything
  return first ? *first - 1 : streams.head();
}

}  // namespace

Result<FoundRecord> find_record(const streams::Streams& streams, const streams::Stream& stream,
                                const std::string& sequence) {
  const auto stamp = model::parse_sequence_number(sequence);
  if (!stamp || *stamp == 0) return Error(kBadRequest, "'" + sequence + "' is no sequence number of a record");
  for (const auto& shard : stream.shards) {
    MR_ASSIGN_OR_RETURN(const auto record, first_after(streams, shard, *stamp - 1));
    if (!record || record->stamp != *stamp) continue;
    const auto header = model::decode_change_header(record->value);
    if (!header) return Error(kBadRequest, "record " + sequence + " is damaged");
    return FoundRecord{shard.number.value(), header->key_hash};
  }
  return Error(kBadRequest,
               "there is no record " + sequence + " in the stream of table " + stream.table_name + " (any more)");
}

Result<Stamp> stamp_before(const streams::Streams& streams, const streams::Stream& stream, const std::string& place) {
  if (place == "horizon") return Stamp{0};
  if (place == "now") return streams.head();
  if (const auto stamp = model::parse_sequence_number(place)) {
    MR_RETURN_IF_ERROR(find_record(streams, stream, place));
    return *stamp - 1;
  }
  if (const auto time = time_of(streams, place)) return before_time(streams, stream, *time);
  return Error(kBadRequest, "'" + place + "' is no place in a stream; say " + kPlaces);
}

Result<Stamp> stamp_up_to(const streams::Streams& streams, const streams::Stream& stream, const std::string& place) {
  MR_ASSIGN_OR_RETURN(const Stamp before, stamp_before(streams, stream, place));
  return model::parse_sequence_number(place) ? before + 1 : before;
}

}  // namespace millrace::app
