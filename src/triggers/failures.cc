#include "triggers/failures.h"

#include <algorithm>

#include "codec/json.h"
#include "model/change_record.h"
#include "triggers/errors.h"
#include "triggers/pattern.h"

namespace millrace::triggers {
namespace {

using codec::Json;

Error bad(const std::string& what) { return Error(kInvalidParameter, what); }

SequenceNumber sequence_of(const Json& object, std::string_view name) {
  return model::parse_sequence_number(object.string_or(name, "")).value_or(0);
}

// "" when the event has none.
std::string keys_of(const Record& record) {
  const auto json = codec::parse_json(record.event);
  if (!json.ok()) return {};
  const Json* dynamodb = json->find("dynamodb");
  const Json* keys = dynamodb == nullptr ? nullptr : dynamodb->find("Keys");
  return keys == nullptr ? std::string() : keys->dump();
}

Result<ShardInfo> shard_called(EventSource& source, const Mapping& mapping, const std::string& id) {
  MR_ASSIGN_OR_RETURN(const StreamInfo info, source.describe(mapping.stream_arn));
  for (const ShardInfo& shard : info.shards) {
    if (shard.id == id) return shard;
  }
  return bad("shard " + id + " has left the stream");
}

}  // namespace

Result<Failure> parse_failure(std::string_view text) {
  MR_ASSIGN_OR_RETURN(const Json json, codec::parse_json(text));
  if (!json.is_object()) return bad("it is no failure document");
  if (json.string_or("Type", "") == "Notification") return parse_failure(json.string_or("Message", ""));
  const Json* request = json.find("requestContext");
  const Json* batch = json.find("DDBStreamBatchInfo");
  if (request == nullptr || !request->is_object() || batch == nullptr || !batch->is_object()) {
    return bad("it is no failure document of a DynamoDB stream");
  }
  Failure out;
  out.stream_arn = batch->string_or("streamArn", "");
  out.function_arn = request->string_or("functionArn", "");
  out.shard_id = batch->string_or("shardId", "");
  out.first = sequence_of(*batch, "startSequenceNumber");
  out.last = sequence_of(*batch, "endSequenceNumber");
  out.batch_size = static_cast<std::size_t>(std::max<std::int64_t>(0, batch->int_or("batchSize", 0)));
  out.payload = json.string_or("payload", "");
  if (out.first == 0 || out.last < out.first || out.batch_size == 0) return bad("it names no records");
  return out;
}

Result<std::deque<Record>> records_of(std::string_view event) {
  MR_ASSIGN_OR_RETURN(const Json json, codec::parse_json(event));
  const Json* records = json.is_object() ? json.find("Records") : nullptr;
  if (records == nullptr || !records->is_array()) return bad("its payload is no event of a stream");
  std::deque<Record> out;
  for (const Json& each : records->as_array()) {
    const Json* dynamodb = each.is_object() ? each.find("dynamodb") : nullptr;
    if (dynamodb == nullptr || !dynamodb->is_object()) return bad("its payload is no event of a DynamoDB stream");
    out.push_back({.sequence = sequence_of(*dynamodb, "SequenceNumber"), .event = each.dump()});
  }
  return out;
}

Result<std::deque<Record>> read_failed_batch(EventSource& source, const Mapping& mapping, const Failure& failure) {
  MR_ASSIGN_OR_RETURN(const ShardInfo shard, shard_called(source, mapping, failure.shard_id));
  MR_ASSIGN_OR_RETURN(const Filters filters, Filters::compile(mapping.filters));
  ReadRequest request{.stream_arn = mapping.stream_arn,
                      .shard = shard.number,
                      .after = failure.first - 1,
                      .records_max = 1,
                      .bytes_max = kPayloadBytesMax};
  MR_ASSIGN_OR_RETURN(Page page, source.read(request));
  if (page.records.empty() || page.records.front().record.sequence != failure.first) {
    return bad("its records have left the stream, and it does not carry them");
  }
  request.lanes = static_cast<unsigned>(std::max<std::int64_t>(1, mapping.parallelization_factor));
  request.lane = lane_of(page.records.front().key_hash, request.lanes);
  request.records_max = failure.batch_size;
  std::deque<Record> out;
  while (request.after < failure.last) {
    MR_ASSIGN_OR_RETURN(page, source.read(request));
    for (SourceRecord& each : page.records) {
      if (each.record.sequence <= failure.last && filters.pass_text(each.record.event)) {
        out.push_back(std::move(each.record));
      }
    }
    if (page.read_to <= request.after) break;
    request.after = page.read_to;
  }
  if (out.size() != failure.batch_size || out.empty() || out.back().sequence != failure.last) {
    return bad("the mapping selects " + std::to_string(out.size()) + " records of that range by now, not " +
               std::to_string(failure.batch_size) + ": some have left, or filters or lanes have changed");
  }
  return out;
}

bool KeyGate::admits(const std::deque<Record>& records) const {
  return std::none_of(records.begin(), records.end(),
                      [&](const Record& record) { return closed_.count(keys_of(record)) > 0; });
}

void KeyGate::close(const std::deque<Record>& records) {
  for (const Record& record : records) closed_.insert(keys_of(record));
}

}  // namespace millrace::triggers
