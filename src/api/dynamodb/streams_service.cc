#include "api/dynamodb/streams_service.h"

#include <optional>
#include <string>
#include <utility>

#include "codec/json.h"
#include "model/change_record.h"
#include "streams/stream_api.h"
#include "wire/generated/dynamodbstreams.h"
#include "wire/generated/dynamodbstreams_views.h"

namespace millrace::api_dynamodb {

namespace {

using codec::Json;
using wire::Document;
using wire::Reply;
using wire::RequestContext;
namespace views = wire::dynamodbstreams;

// AWS: upper bounds that the service model does not carry. The validator has seen to the lower one.
Result<std::size_t> streams_limit(std::optional<std::int64_t> given, std::size_t most) {
  const std::int64_t limit = given.value_or(static_cast<std::int64_t>(most));
  if (limit < 1 || limit > static_cast<std::int64_t>(most)) {
    return Error(views::kValidationException,
                 "1 validation error detected: Value '" + std::to_string(limit) +
                     "' at 'limit' failed to satisfy constraint: Member must have value " +
                     (limit < 1 ? "greater than or equal to 1" : "less than or equal to " + std::to_string(most)));
  }
  return static_cast<std::size_t>(limit);
}

Result<Reply> list_streams(streams::Streams& streams, const RequestContext& context, const Document& input) {
  const views::ListStreamsInput request(input);
  MR_ASSIGN_OR_RETURN(const std::size_t limit, streams_limit(request.limit(), streams::kListMax));
  MR_ASSIGN_OR_RETURN(const streams::ListPage page,
                      streams::list_streams(streams, {context.caller.scope, request.table_name().value_or(""),
                                                      request.exclusive_start_stream_arn().value_or(""), limit}));
  Reply reply;
  Json list = Json::array();
  for (const streams::Stream& stream : page.streams) {
    list.push(
        Json::object({{"StreamArn", stream.arn}, {"TableName", stream.table_name}, {"StreamLabel", stream.label}}));
  }
  reply.output.set("Streams", std::move(list));
  reply.output.set_if(!page.last_evaluated_arn.empty(), "LastEvaluatedStreamArn", page.last_evaluated_arn);
  return reply;
}

Json streams_key_schema(const model::KeySchema& schema) {
  Json out = Json::array();
  out.push(Json::object({{"AttributeName", schema.partition.name}, {"KeyType", "HASH"}}));
  if (schema.sort) out.push(Json::object({{"AttributeName", schema.sort->name}, {"KeyType", "RANGE"}}));
  return out;
}

Json shard_document(const streams::Shard& shard) {
  Json range = Json::object({{"StartingSequenceNumber", model::sequence_number(shard.start)}});
  if (shard.end) range.set("EndingSequenceNumber", model::sequence_number(*shard.end));
  Json out = Json::object({{"ShardId", shard.id}, {"SequenceNumberRange", std::move(range)}});
  out.set_if(!shard.parent_id.empty(), "ParentShardId", shard.parent_id);
  return out;
}

// AWS: both members of a ShardFilter are required, though the model says otherwise.
Result<std::optional<std::string_view>> parent_of(const std::optional<views::ShardFilter>& filter) {
  if (!filter) return std::optional<std::string_view>();
  for (const auto& [present, name] : {std::pair(filter->type().has_value(), "shardFilter.type"),
                                      std::pair(filter->shard_id().has_value(), "shardFilter.shardId")}) {
    if (present) continue;
    return Error(views::kValidationException, "1 validation error detected: Value null at '" + std::string(name) +
                                                  "' failed to satisfy constraint: Member must not be null");
  }
  const std::string_view parent = *filter->shard_id();
  if (!parent.starts_with("shardId-")) {
    return Error(views::kValidationException, "1 validation error detected: Value '" + std::string(parent) +
                                                  "' at 'shardFilter.shardId' failed to satisfy constraint: Member "
                                                  "must be the id of a shard");
  }
  return std::optional(parent);
}

Result<Reply> describe_stream(streams::Streams& streams, const RequestContext& context, const Document& input) {
  const views::DescribeStreamInput request(input);
  MR_ASSIGN_OR_RETURN(const std::size_t limit, streams_limit(request.limit(), streams::kListMax));
  MR_ASSIGN_OR_RETURN(const std::optional<std::string_view> parent, parent_of(request.shard_filter()));
  MR_ASSIGN_OR_RETURN(
      const streams::Description found,
      streams::describe_stream(streams, {context.caller.scope, request.stream_arn(),
                                         request.exclusive_start_shard_id().value_or(""), parent, limit}));
  const streams::Stream& stream = found.stream;
  Json shards = Json::array();
  for (const streams::Shard& shard : stream.shards) shards.push(shard_document(shard));
  Json description = Json::object({{"StreamArn", stream.arn},
                                   {"StreamLabel", stream.label},
                                   {"StreamStatus", stream.is_enabled() ? "ENABLED" : "DISABLED"},
                                   {"StreamViewType", model::view_type_name(stream.view)},
                                   {"CreationRequestDateTime", static_cast<double>(to_unix_ms(stream.created)) / 1000},
                                   {"TableName", stream.table_name},
                                   {"KeySchema", streams_key_schema(stream.key_schema)},
                                   {"Shards", std::move(shards)}});
  description.set_if(!found.last_evaluated_shard.empty(), "LastEvaluatedShardId", found.last_evaluated_shard);
  Reply reply;
  reply.output.set("StreamDescription", std::move(description));
  return reply;
}

streams::IteratorType iterator_type(std::string_view name) {
  using enum streams::IteratorType;
  if (name == "LATEST") return kLatest;
  if (name == "AT_SEQUENCE_NUMBER") return kAtSequenceNumber;
  if (name == "AFTER_SEQUENCE_NUMBER") return kAfterSequenceNumber;
  return kTrimHorizon;  // the validator knows no fifth
}

Result<Reply> get_shard_iterator(streams::Streams& streams, const RequestContext& context, const Document& input) {
  const views::GetShardIteratorInput request(input);
  MR_ASSIGN_OR_RETURN(
      std::string iterator,
      streams::get_shard_iterator(streams,
                                  {context.caller.scope, request.stream_arn(), request.shard_id(),
                                   iterator_type(request.shard_iterator_type()), request.sequence_number()},
                                  streams.now()));
  Reply reply;
  reply.output.set("ShardIterator", std::move(iterator));
  return reply;
}

// Written as text straight from the stored records: this is the hot one.
Result<Reply> get_records(streams::Streams& streams, const RequestContext& context, const Document& input) {
  const views::GetRecordsInput request(input);
  MR_ASSIGN_OR_RETURN(const std::size_t limit, streams_limit(request.limit(), streams::kPageRecords));
  MR_ASSIGN_OR_RETURN(
      const streams::RecordsPage page,
      streams::get_records(streams, context.caller.scope, request.shard_iterator(), limit, streams.now()));
  Reply reply;  // holds only what is durable: no need to wait
  reply.json = R"({"Records":[)";
  model::ChangeContext shown{
      .region = page.stream.scope.region, .stream_arn = page.stream.arn, .view = page.stream.view};
  for (const streams::LogRecord& record : page.records) {
    const auto change = model::decode_change(record.value);
    shown.stamp = record.stamp;
    shown.committed = record.committed;
    if (&record != &page.records.front()) reply.json += ',';
    if (!change || !model::append_streams_json(reply.json, *change, shown)) {
      return Error(kInternalError, "The stream record " + model::sequence_number(record.stamp) + " is damaged");
    }
  }
  reply.json += ']';
  if (!page.next_iterator.empty()) {
    reply.json += R"(,"NextShardIterator":)";
    codec::append_json_string(reply.json, page.next_iterator);
  }
  reply.json += '}';
  return reply;
}

}  // namespace

std::unique_ptr<wire::Service> make_dynamodb_streams_service(streams::Streams& streams) {
  auto service = std::make_unique<wire::Service>(views::kModel);
  const auto serve = [&](std::string_view name, auto operation) {
    service->on(name, [&streams, operation](const RequestContext& context, const Document& input) {
      return operation(streams, context, input);
    });
  };
  serve("ListStreams", list_streams);
  serve("DescribeStream", describe_stream);
  serve("GetShardIterator", get_shard_iterator);
  serve("GetRecords", get_records);
  service->reads_disk({"GetRecords"});
  return service;
}

}  // namespace millrace::api_dynamodb
