#include "app/internal/stream_source.h"

#include <algorithm>

#include "model/change_record.h"

namespace millrace::app {
namespace {

constexpr std::size_t kScannedMax = 20'000;   // records per read
constexpr std::size_t kCountedMax = 100'000;  // records per backlog

constexpr ErrorType kDamagedRecord{"InternalServerError", 500, ErrorKind::kServer};

// Appends `record` as an element of Records[] if it belongs to the requested lane.
Result<void> add_record(const streams::LogRecord& record, const streams::Stream& stream,
                        const triggers::ReadRequest& request, triggers::Page& page, std::size_t& bytes) {
  const auto change = model::decode_change(record.value);
  if (!change)
    return Error(kDamagedRecord,
                 "record " + model::sequence_number(record.stamp) + " of " + stream.arn + " is damaged");
  if (request.lanes > 1 && triggers::lane_of(change->key_hash, request.lanes) != request.lane) return {};
  triggers::SourceRecord out;
  out.key_hash = change->key_hash;
  out.record.sequence = record.stamp;
  out.record.created = record.committed;
  const model::ChangeContext context{record.stamp, record.committed, stream.scope.region, stream.arn, stream.view};
  if (!model::append_lambda_json(out.record.event, *change, context))
    return Error(kDamagedRecord,
                 "record " + model::sequence_number(record.stamp) + " of " + stream.arn + " is damaged");
  bytes += out.record.event.size();
  page.records.push_back(std::move(out));
  return {};
}

}  // namespace

Result<triggers::StreamInfo> StreamSource::describe(const std::string& stream_arn) {
  const auto stream = streams_.find(stream_arn);
  if (!stream) return Error(kNotFound, "Requested resource not found: Stream: " + stream_arn + " not found");
  triggers::StreamInfo info;
  info.retention = streams_.retention_of(*stream);
  for (const auto& shard : stream->shards) {
    const auto listed = [&](const std::optional<streams::ShardNumber>& parent) -> std::uint64_t {
      const bool is_listed =
          parent && std::any_of(stream->shards.begin(), stream->shards.end(),
                                [&](const streams::Shard& other) { return other.number == *parent; });
      return is_listed ? parent->value() : 0;
    };
    info.shards.push_back({shard.id, shard.number.value(), listed(shard.parent), listed(shard.second_parent)});
  }
  return info;
}

Result<triggers::Page> StreamSource::read(const triggers::ReadRequest& request) {
  const auto stream = streams_.find(request.stream_arn);
  if (!stream) return Error(kNotFound, "Requested resource not found: Stream: " + request.stream_arn + " not found");
  triggers::Page page;
  page.read_to = request.after;
  std::size_t scanned = 0, bytes = 0;
  while (page.records.size() < request.records_max && bytes < request.bytes_max && scanned < kScannedMax) {
    const std::size_t wanted = request.lanes > 1 ? std::min<std::size_t>(kScannedMax - scanned, 1000)
                                                 : request.records_max - page.records.size();
    MR_ASSIGN_OR_RETURN(const streams::Page read, streams_.read(streams::ShardNumber(request.shard), page.read_to,
                                                                {wanted, request.bytes_max - bytes}));
    if (read.trimmed && request.after != 0) ++page.lost;
    scanned += read.records.size();
    bool full = false;
    for (const auto& record : read.records) {
      if (page.records.size() >= request.records_max || (bytes >= request.bytes_max && !page.records.empty())) {
        full = true;
        break;
      }
      if (auto added = add_record(record, *stream, request, page, bytes); !added.ok()) {
        if (page.records.empty()) return std::move(added).error();
        full = true;  // what comes before it is delivered first
        break;
      }
      page.read_to = record.stamp;
    }
    if (full) break;
    page.read_to = std::max(page.read_to, read.read_to);
    page.ended = read.end_of_shard;
    page.at_tail = !read.more;
    if (!read.more) break;
  }
  return page;
}

triggers::Backlog StreamSource::backlog(const std::string&, std::uint64_t shard, triggers::SequenceNumber after) {
  triggers::Backlog result;
  const auto first = streams_.read(streams::ShardNumber(shard), after, {1, 1});
  if (!first.ok() || first->records.empty()) return result;
  result.oldest = first->records.front().committed;
  const auto count = streams_.backlog(streams::ShardNumber(shard), after, kCountedMax);
  result.records = count.ok() ? *count : 1;
  result.is_lower_bound = result.records >= kCountedMax;
  return result;
}

triggers::Subscription StreamSource::subscribe(const std::string& stream_arn, std::function<void(std::uint64_t)> grew) {
  const auto stream = streams_.find(stream_arn);
  if (!stream) return nullptr;
  auto wake = [this, id = stream->id, grew = std::move(grew)](const streams::Wake& what) {
    for (const auto shard : what.shards) grew(shard.value());
    if (!what.lineage) return;
    if (const auto now = streams_.find(id))
      for (const auto& shard : now->shards) grew(shard.number.value());
  };
  return std::make_shared<streams::Subscription>(streams_.subscribe(stream->id, std::move(wake)));
}

}  // namespace millrace::app
