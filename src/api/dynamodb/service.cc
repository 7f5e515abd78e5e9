#include "api/dynamodb/service.h"

#include "api/dynamodb/operations.h"
#include "wire/generated/dynamodb.h"

namespace millrace::api_dynamodb {
namespace {

using wire::Document;
using wire::Reply;
using wire::RequestContext;

using ItemOperation = Result<Reply> (*)(tables::Tables&, const Scope&, ItemCall);

// Serves an operation both ways: from the document always, from the text when its members are all of `common`.
void serve_item(wire::Service& service, tables::Tables& tables, std::string_view name, ItemOperation operation,
                std::initializer_list<std::string_view> common, bool (*complete)(const ItemCall&)) {
  service.on(name, [&tables, operation](const RequestContext& context, const Document& input) -> Result<Reply> {
    MR_ASSIGN_OR_RETURN(ItemCall call, read_call(input));
    context.resource = call.table;
    return operation(tables, context.caller.scope, std::move(call));
  });
  const auto raw = [&tables, operation, common = std::vector<std::string_view>(common), complete](
                       const RequestContext& context, std::string_view body) -> std::optional<Result<Reply>> {
    std::optional<ItemCall> call = read_call(body, common);
    if (!call || !complete(*call)) return std::nullopt;
    context.resource = call->table;
    return operation(tables, context.caller.scope, *std::move(call));
  };
  service.on_raw(name, raw);
}

void serve_items(wire::Service& service, tables::Tables& tables) {
  const auto has_item = [](const ItemCall& call) { return call.item.has_value(); };
  const auto any = [](const ItemCall&) { return true; };
  serve_item(
      service, tables, "PutItem", put_item,
      {"TableName", "Item", "ConditionExpression", "ExpressionAttributeNames", "ExpressionAttributeValues",
       "ReturnValues", "ReturnConsumedCapacity", "ReturnItemCollectionMetrics", "ReturnValuesOnConditionCheckFailure"},
      has_item);
  serve_item(service, tables, "UpdateItem", update_item,
             {"TableName", "Key", "UpdateExpression", "ConditionExpression", "ExpressionAttributeNames",
              "ExpressionAttributeValues", "ReturnValues", "ReturnConsumedCapacity", "ReturnItemCollectionMetrics",
              "ReturnValuesOnConditionCheckFailure"},
             has_item);
  serve_item(
      service, tables, "DeleteItem", delete_item,
      {"TableName", "Key", "ConditionExpression", "ExpressionAttributeNames", "ExpressionAttributeValues",
       "ReturnValues", "ReturnConsumedCapacity", "ReturnItemCollectionMetrics", "ReturnValuesOnConditionCheckFailure"},
      has_item);
  serve_item(service, tables, "GetItem", get_item,
             {"TableName", "Key", "ConsistentRead", "ProjectionExpression", "ExpressionAttributeNames",
              "ReturnConsumedCapacity"},
             has_item);
  serve_item(service, tables, "Query", query,
             {"TableName", "IndexName", "KeyConditionExpression", "FilterExpression", "ProjectionExpression",
              "ExpressionAttributeNames", "ExpressionAttributeValues", "ExclusiveStartKey", "Limit", "ScanIndexForward",
              "ConsistentRead", "Select", "ReturnConsumedCapacity"},
             any);
  serve_item(
      service, tables, "Scan", scan,
      {"TableName", "IndexName", "FilterExpression", "ProjectionExpression", "ExpressionAttributeNames",
       "ExpressionAttributeValues", "ExclusiveStartKey", "Limit", "ConsistentRead", "Select", "ReturnConsumedCapacity"},
      any);
}

using DocumentOperation = Result<Reply> (*)(tables::Tables&, const Scope&, const Document&);

void serve_documents(wire::Service& service, tables::Tables& tables) {
  constexpr std::pair<std::string_view, DocumentOperation> kOperations[] = {
      {"BatchGetItem", batch_get_item},
      {"BatchWriteItem", batch_write_item},
      {"TransactGetItems", transact_get_items},
      {"TransactWriteItems", transact_write_items},
      {"CreateTable", create_table},
      {"DescribeTable", describe_table},
      {"ListTables", list_tables},
      {"UpdateTable", update_table},
      {"DeleteTable", delete_table},
      {"UpdateTimeToLive", update_time_to_live},
      {"DescribeTimeToLive", describe_time_to_live},
      {"TagResource", tag_resource},
      {"UntagResource", untag_resource},
      {"ListTagsOfResource", list_tags_of_resource},
      {"DescribeLimits", describe_limits}};
  for (const auto& [name, operation] : kOperations) {
    service.on(name, [&tables, operation = operation](const RequestContext& context, const Document& input) {
      context.resource = input.string_or("TableName", "");
      return operation(tables, context.caller.scope, input);
    });
  }
}

}  // namespace

std::unique_ptr<wire::Service> make_dynamodb_service(tables::Tables& tables) {
  auto service = std::make_unique<wire::Service>(wire::dynamodb::kModel);
  serve_items(*service, tables);
  serve_documents(*service, tables);
  service->on_raw("BatchWriteItem", [&tables](const RequestContext& context, std::string_view body) {
    return batch_write_item(tables, context.caller.scope, body);
  });
  service->on("DescribeEndpoints",
              [](const RequestContext& context, const Document&) { return describe_endpoints(context); });
  return service;
}

}  // namespace millrace::api_dynamodb
