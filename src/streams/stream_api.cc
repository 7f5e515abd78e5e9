#include "streams/stream_api.h"

#include <algorithm>
#include <utility>

#include "codec/key.h"
#include "crypto/digest.h"
#include "crypto/encoding.h"
#include "telemetry/log.h"

namespace millrace::streams {

namespace {

constexpr std::string_view kIteratorMark = "|1|";
constexpr std::uint8_t kIteratorVersion = 1;

Error stream_not_found(std::string_view arn) {
  return {kResourceNotFound, "Requested resource not found: Stream: " + std::string(arn) + " not found"};
}
Error shard_not_found(std::string_view arn, std::string_view shard) {
  return {kResourceNotFound, "Requested resource not found: Shard: " + std::string(shard) +
                                 " in stream: " + std::string(arn) + " not found"};
}
Error trimmed() { return {kTrimmedDataAccess, "The data you are trying to access has been trimmed."}; }
Error invalid(std::string_view what, std::string_view why = {}) {
  return {kValidation, "Invalid " + std::string(what) + (why.empty() ? "" : ": ") + std::string(why)};
}

Result<Stream> find_stream(const Streams& streams, const Scope& scope, std::string_view arn) {
  if (!is_stream_arn(arn)) return invalid("StreamArn");
  auto known = streams.find(arn);
  auto stream = known ? as_committed(*std::move(known)) : std::nullopt;
  if (!stream) return stream_not_found(arn);
  if (stream->scope != scope) {
    telemetry::log_info("streams", "Stream " + stream->arn + " was asked for with credentials of account " +
                                       scope.account + " and region " + scope.region);
    return stream_not_found(arn);
  }
  if (const Milliseconds delay = stream->chaos.delayed_children; delay.count() > 0) {
    const Time now = streams.now();
    std::erase_if(stream->shards, [&](const Shard& shard) { return shard.parent && shard.created + delay > now; });
  }
  return std::move(*stream);
}

const Shard* shard_of(const Stream& stream, std::string_view id) {
  const auto it = std::find_if(stream.shards.begin(), stream.shards.end(), [&](const Shard& s) { return s.id == id; });
  return it == stream.shards.end() ? nullptr : &*it;
}

std::string checked_part(const ShardIterator& iterator) {
  return codec::KeyWriter()
      .u8(kIteratorVersion)
      .be64(iterator.shard.value())
      .be64(iterator.after)
      .be64(static_cast<std::uint64_t>(to_unix_ms(iterator.issued)))
      .str();
}

// The position for AT and AFTER, checked against the shard and the trim point.
Result<Stamp> position_of(const Streams& streams, const Shard& shard, const IteratorRequest& request) {
  if (!request.sequence_number) {
    return invalid("SequenceNumber", "it is required with AT_SEQUENCE_NUMBER and AFTER_SEQUENCE_NUMBER");
  }
  const auto stamp = model::parse_sequence_number(*request.sequence_number);
  if (!stamp) return invalid("SequenceNumber", *request.sequence_number);
  if (*stamp < shard.start || *stamp > shard.end.value_or(std::max(streams.head(), shard.start))) {
    return invalid("SequenceNumber", std::string(*request.sequence_number) + " is not in the range of the shard");
  }
  const Stamp at = std::max<Stamp>(*stamp - 1, 1);
  MR_ASSIGN_OR_RETURN(const Page page, streams.read(shard.number, at, {.records = 1, .bytes = 1}));
  if (page.trimmed) return trimmed();
  return request.type == IteratorType::kAtSequenceNumber ? at : *stamp;
}

}  // namespace

std::string encode_iterator(const ShardIterator& iterator) {
  std::string bytes = checked_part(iterator);
  const std::uint32_t checksum = crypto::crc32(bytes, crypto::crc32(iterator.arn));
  bytes += codec::KeyWriter().be32(checksum).str();
  return iterator.arn + std::string(kIteratorMark) + crypto::base64_encode(bytes);
}

std::optional<ShardIterator> decode_iterator(std::string_view text) {
  const std::size_t mark = text.find(kIteratorMark);
  if (mark == std::string_view::npos) return std::nullopt;
  ShardIterator out;
  out.arn = text.substr(0, mark);
  const auto bytes = crypto::base64_decode(text.substr(mark + kIteratorMark.size()));
  if (!bytes) return std::nullopt;
  codec::KeyReader reader(*bytes);
  const auto version = reader.u8();
  const auto shard = reader.be64();
  const auto after = reader.be64();
  const auto issued = reader.be64();
  const auto checksum = reader.be32();
  if (version != kIteratorVersion || !checksum || !reader.empty()) return std::nullopt;
  out.shard = ShardNumber(*shard);
  out.after = *after;
  out.issued = from_unix_ms(static_cast<std::int64_t>(*issued));
  if (crypto::crc32(checked_part(out), crypto::crc32(out.arn)) != *checksum) return std::nullopt;
  return out;
}

bool is_stream_arn(std::string_view arn) {
  const auto part = [&](char end) {
    const std::size_t at = arn.find(end);
    const std::string_view taken = arn.substr(0, at);
    arn = at == std::string_view::npos ? std::string_view() : arn.substr(at + 1);
    return taken;
  };
  if (part(':') != "arn" || !part(':').starts_with("aws") || part(':') != "dynamodb") return false;
  if (part(':').empty() || part(':').empty()) return false;
  if (part('/') != "table" || part('/').empty() || part('/') != "stream") return false;
  return !arn.empty() && arn.find('/') == std::string_view::npos;
}

Result<ListPage> list_streams(const Streams& streams, const ListRequest& request) {
  if (!request.exclusive_start_arn.empty() && !is_stream_arn(request.exclusive_start_arn)) {
    return invalid("ExclusiveStartStreamArn");
  }
  ListPage page;
  for (Stream& each : streams.list(request.scope, request.table_name)) {
    if (each.arn <= request.exclusive_start_arn) continue;
    auto stream = as_committed(std::move(each));
    if (!stream) continue;
    if (page.streams.size() == request.limit) {
      page.last_evaluated_arn = page.streams.back().arn;
      break;
    }
    page.streams.push_back(*std::move(stream));
  }
  return page;
}

Result<Description> describe_stream(const Streams& streams, const DescribeRequest& request) {
  MR_ASSIGN_OR_RETURN(Stream stream, find_stream(streams, request.scope, request.arn));
  std::vector<Shard> shards = std::move(stream.shards);
  stream.shards.clear();
  std::sort(shards.begin(), shards.end(), [](const Shard& a, const Shard& b) { return a.id < b.id; });
  Description out{std::move(stream), {}};
  for (Shard& shard : shards) {
    if (shard.id <= request.exclusive_start_shard) continue;
    if (request.children_of && shard.parent_id != *request.children_of) continue;
    if (out.stream.shards.size() == request.limit) {
      out.last_evaluated_shard = out.stream.shards.back().id;
      break;
    }
    out.stream.shards.push_back(std::move(shard));
  }
  return out;
}

Result<std::string> get_shard_iterator(const Streams& streams, const IteratorRequest& request, Time now) {
  MR_ASSIGN_OR_RETURN(const Stream stream, find_stream(streams, request.scope, request.arn));
  const Shard* shard = shard_of(stream, request.shard_id);
  if (shard == nullptr) return shard_not_found(request.arn, request.shard_id);
  ShardIterator iterator{stream.arn, shard->number, 0, now};
  if (request.type == IteratorType::kTrimHorizon || request.type == IteratorType::kLatest) {
    if (request.sequence_number) {
      return invalid("SequenceNumber", "it is not allowed with TRIM_HORIZON and LATEST");
    }
    if (request.type == IteratorType::kLatest) iterator.after = streams.head();
    return encode_iterator(iterator);
  }
  MR_ASSIGN_OR_RETURN(iterator.after, position_of(streams, *shard, request));
  return encode_iterator(iterator);
}

Result<RecordsPage> get_records(Streams& streams, const Scope& scope, std::string_view text, std::size_t limit,
                                Time now) {
  auto iterator = decode_iterator(text);
  if (!iterator) return invalid("ShardIterator");
  if (now > iterator->issued + kIteratorLife) {
    return Error(kExpiredIterator, "The provided iterator exceeds the maximum age allowed.");
  }
  RecordsPage out;
  MR_ASSIGN_OR_RETURN(out.stream, find_stream(streams, scope, iterator->arn));
  const Chaos& chaos = out.stream.chaos;
  if (streams.happens(chaos.throttles)) {
    return Error(kLimitExceeded, "Rate exceeded for a shard of stream " + out.stream.arn);
  }
  if (streams.happens(chaos.expired)) {
    return Error(kExpiredIterator, "The provided iterator exceeds the maximum age allowed.");
  }
  MR_ASSIGN_OR_RETURN(Page page,
                      streams.read(iterator->shard, iterator->after, {.records = limit, .bytes = kPageBytes}));
  if (page.trimmed) return trimmed();
  if (streams.waits_for_parent(iterator->shard, iterator->after)) page = {.records = {}, .read_to = iterator->after};
  out.records = std::move(page.records);
  if (!out.records.empty() && streams.happens(chaos.duplicates)) {
    const std::size_t half = out.records.size() / 2;
    if (half > 0) iterator->after = out.records[half - 1].stamp;
    iterator->issued = now;
    out.next_iterator = encode_iterator(*iterator);
    return out;
  }
  if (page.end_of_shard) {
    streams.note_read_to_end(iterator->shard);
    return out;
  }
  iterator->after = page.read_to;
  iterator->issued = now;
  out.next_iterator = encode_iterator(*iterator);
  return out;
}

}  // namespace millrace::streams
