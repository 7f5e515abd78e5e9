// Query and Scan.
#include "api/dynamodb/internal/answer.h"
#include "api/dynamodb/operations.h"
#include "model/json.h"

namespace millrace::api_dynamodb {
namespace {

using wire::Reply;

std::string_view select_name(Select select) {
  switch (select) {
    case Select::kAllAttributes:
      return "ALL_ATTRIBUTES";
    case Select::kAllProjected:
      return "ALL_PROJECTED_ATTRIBUTES";
    case Select::kCount:
      return "only the Count";
    default:
      return "SPECIFIC_ATTRIBUTES";
  }
}

Result<void> check_select(const ItemCall& call, std::string_view verb) {
  const bool legacy = call.legacy.attributes_to_get != nullptr;
  const bool chosen = call.projection.has_value() || legacy;
  if (call.select == Select::kAllProjected && call.index.empty()) {
    return invalid("ALL_PROJECTED_ATTRIBUTES can be used only when " + std::string(verb) + " using an IndexName");
  }
  if (call.select == Select::kSpecific && !chosen) {
    return invalid("Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES");
  }
  if (chosen && call.select != Select::kSpecific && call.select != Select::kDefault) {
    return invalid("Cannot specify the " + std::string(legacy ? "AttributesToGet" : "ProjectionExpression") +
                   " when choosing to get " + std::string(select_name(call.select)));
  }
  return {};
}

Result<void> check_segments(const ItemCall& call) {
  if (call.segment && !call.total_segments) {
    return invalid(
        "The TotalSegments parameter is required but was not present in the request when Segment parameter is "
        "present");
  }
  if (!call.segment && call.total_segments) {
    return invalid(
        "The Segment parameter is required but was not present in the request when parameter TotalSegments is "
        "present");
  }
  if (call.segment && *call.segment >= *call.total_segments) {
    return invalid("The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: " +
                   std::to_string(*call.segment) +
                   " is not less than TotalSegments: " + std::to_string(*call.total_segments));
  }
  return {};
}

void fill_request(ItemCall& call, const Parsed& parsed, tables::ReadRequest& request) {
  request.index = call.index;
  request.filter = pointer_to(parsed.filter);
  request.projection = pointer_to(parsed.projection);
  request.count_only = call.select == Select::kCount;
  request.all_attributes = call.select == Select::kAllAttributes;
  request.consistent = call.consistent;
  request.limit = call.limit;
  request.exclusive_start = std::move(call.start);
}

Result<Reply> page_reply(const tables::Tables& tables, const TableRef& ref, const ItemCall& call, tables::Page page) {
  Reply reply;
  reply.json.reserve(page.items_json.size() + 256);
  reply.usage = {read_half_units(page.bytes, call.consistent), 0, static_cast<std::int64_t>(page.count)};
  ObjectText object(reply.json);
  if (call.select != Select::kCount) object.key("Items") += page.items_json;
  object.key("Count") += std::to_string(page.count);
  object.key("ScannedCount") += std::to_string(page.scanned);
  if (page.last_key) model::append_json(object.key("LastEvaluatedKey"), *page.last_key);
  if (call.capacity != Capacity::kNone) {
    MR_ASSIGN_OR_RETURN(const auto info, tables.readable(ref.scope, ref.name));
    const std::int64_t units = read_half_units(page.bytes, call.consistent);
    Consumed consumed;
    if (call.index.empty()) {
      consumed.table = units;
    } else {
      consumed.indexes.emplace_back(call.index, units);
    }
    append_capacity(object.key("ConsumedCapacity"), call.table, consumed, *info, call.capacity);
  }
  object.end();
  return reply;
}

}  // namespace

Result<Reply> query(tables::Tables& tables, const Scope& scope, ItemCall call,
                    std::optional<std::size_t> give_up_bytes) {
  MR_RETURN_IF_ERROR(check_select(call, "Querying"));
  MR_ASSIGN_OR_RETURN(const Parsed parsed, parse_expressions(call, "FilterExpression and KeyConditionExpression"));
  if (!parsed.key_condition) {
    return invalid("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.");
  }
  MR_ASSIGN_OR_RETURN(const TableRef ref, resolve_table(scope, call.table));
  tables::QueryRequest request;
  fill_request(call, parsed, request);
  request.key_condition = &*parsed.key_condition;
  request.forward = call.forward;
  request.give_up_bytes = give_up_bytes;
  MR_ASSIGN_OR_RETURN(tables::Page page, tables.query(ref.scope, ref.name, request));
  return page_reply(tables, ref, call, std::move(page));
}

Result<Reply> scan(tables::Tables& tables, const Scope& scope, ItemCall call,
                   std::optional<std::size_t> give_up_bytes) {
  MR_RETURN_IF_ERROR(check_select(call, "Scanning"));
  MR_RETURN_IF_ERROR(check_segments(call));
  MR_ASSIGN_OR_RETURN(const Parsed parsed, parse_expressions(call, "FilterExpression"));
  MR_ASSIGN_OR_RETURN(const TableRef ref, resolve_table(scope, call.table));
  tables::ScanRequest request;
  fill_request(call, parsed, request);
  request.segment = call.segment.value_or(0);
  request.total_segments = call.total_segments.value_or(1);
  request.give_up_bytes = give_up_bytes;
  request.long_run = !give_up_bytes.has_value();
  MR_ASSIGN_OR_RETURN(tables::Page page, tables.scan(ref.scope, ref.name, request));
  return page_reply(tables, ref, call, std::move(page));
}

}  // namespace millrace::api_dynamodb
