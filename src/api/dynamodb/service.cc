#include "api/dynamodb/service.h"

#include <deque>
#include <mutex>
#include <utility>

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

// Reads long pages on the pool, one after the other.
class LongPages : public std::enable_shared_from_this<LongPages> {
 public:
  explicit LongPages(platform::Scheduler& scheduler) : scheduler_(scheduler) {}

  void run(std::function<void()> work) {
    {
      const std::lock_guard lock(mutex_);
      waiting_.push_back(std::move(work));
      if (std::exchange(running_, true)) return;
    }
    next();
  }

 private:
  void next() {
    std::function<void()> work;
    {
      const std::lock_guard lock(mutex_);
      running_ = !waiting_.empty();
      if (!running_) return;
      work = std::move(waiting_.front());
      waiting_.pop_front();
    }
    scheduler_.offload(std::move(work), [self = shared_from_this()] { self->next(); });
  }

  platform::Scheduler& scheduler_;
  std::mutex mutex_;  // guards below; what waits is bounded by the number of connections
  std::deque<std::function<void()>> waiting_;
  bool running_ = false;
};

using PageOperation = Result<Reply> (*)(tables::Tables&, const Scope&, ItemCall, std::optional<std::size_t>);

// Short pages from the text, at once; what is long or not common on the pool.
void serve_page(wire::Service& service, tables::Tables& tables, const std::shared_ptr<LongPages>& pages,
                std::string_view name, PageOperation operation, std::initializer_list<std::string_view> common) {
  const auto raw = [&tables, operation, common = std::vector<std::string_view>(common)](
                       const RequestContext& context, std::string_view body) -> std::optional<Result<Reply>> {
    std::optional<ItemCall> call = read_call(body, common);
    if (!call) return std::nullopt;
    context.resource = call->table;
    auto reply = operation(tables, context.caller.scope, *std::move(call), kPageBytesHere);
    if (!reply.ok() && reply.error().is(tables::kReadTooLong)) return std::nullopt;
    return reply;
  };
  service.on_raw(name, raw);
  const auto on_pool = [&tables, operation, pages](const RequestContext& context, const Document& input,
                                                   wire::Conversation conversation) {
    context.resource = input.string_or("TableName", "");
    const auto work = [&tables, operation, scope = context.caller.scope, document = std::make_shared<Document>(input),
                       done = std::move(conversation.done)] {
      Result<ItemCall> call = read_call(*document);
      done(call.ok() ? operation(tables, scope, *std::move(call), std::nullopt) : call.error());
    };
    pages->run(work);
  };
  service.on_async(name, on_pool);
}

void serve_items(wire::Service& service, tables::Tables& tables) {
  const auto has_item = [](const ItemCall& call) { return call.item.has_value(); };
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
}

void serve_pages(wire::Service& service, tables::Tables& tables, const std::shared_ptr<LongPages>& pages) {
  serve_page(service, tables, pages, "Query", query,
             {"TableName", "IndexName", "KeyConditionExpression", "FilterExpression", "ProjectionExpression",
              "ExpressionAttributeNames", "ExpressionAttributeValues", "ExclusiveStartKey", "Limit", "ScanIndexForward",
              "ConsistentRead", "Select", "ReturnConsumedCapacity"});
  serve_page(service, tables, pages, "Scan", scan,
             {"TableName", "IndexName", "FilterExpression", "ProjectionExpression", "ExpressionAttributeNames",
              "ExpressionAttributeValues", "ExclusiveStartKey", "Limit", "ConsistentRead", "Select",
              "ReturnConsumedCapacity"});
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

std::unique_ptr<wire::Service> make_dynamodb_service(tables::Tables& tables, platform::Scheduler& scheduler) {
  auto service = std::make_unique<wire::Service>(wire::dynamodb::kModel);
  serve_items(*service, tables);
  serve_pages(*service, tables, std::make_shared<LongPages>(scheduler));
  serve_documents(*service, tables);
  service->on_raw("BatchWriteItem", [&tables](const RequestContext& context, std::string_view body) {
    return batch_write_item(tables, context.caller.scope, body);
  });
  service->on("DescribeEndpoints",
              [](const RequestContext& context, const Document&) { return describe_endpoints(context); });
  return service;
}

}  // namespace millrace::api_dynamodb
