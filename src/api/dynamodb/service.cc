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
  service.reads_disk({name});
}

// Reads pages on the pool: long ones one after the other, so that they leave threads to the short ones.
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
  // For threads of the pool, which must not wait for room in its queue.
  void run_later(std::function<void()> work) {
    scheduler_.post([self = shared_from_this(), work = std::move(work)] { self->run(work); });
  }
  void run_short(std::function<void()> work) {
    scheduler_.offload(std::move(work), [] {});
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

// Short pages at once, if they are in memory, or on the pool; long ones there too, one after the other. Both need the
// text's members to be all of `common`, else the page is read on the pool.
void serve_page(wire::Service& service, tables::Tables& tables, const std::shared_ptr<LongPages>& pages,
                std::string_view name, PageOperation operation, std::initializer_list<std::string_view> common) {
  const auto raw = [&tables, operation, common = std::vector<std::string_view>(common)](
                       const RequestContext& context, std::string_view body) -> std::optional<Result<Reply>> {
    std::optional<ItemCall> call = read_call(body, common);
    if (!call) return std::nullopt;
    context.resource = call->table;
    auto reply = operation(tables, context.caller.scope, *std::move(call), kPageBytesHere);
    context.takes_long = !reply.ok() && reply.error().is(tables::kReadTooLong);
    if (context.takes_long) return std::nullopt;
    return reply;
  };
  service.on_raw(name, raw);
  struct Work {
    Scope scope;
    Document document;
    wire::Done done;
  };
  const auto read = [&tables, operation](const Work& work, std::optional<std::size_t> give_up_bytes) -> Result<Reply> {
    MR_ASSIGN_OR_RETURN(ItemCall call, read_call(work.document));
    return operation(tables, work.scope, std::move(call), give_up_bytes);
  };
  const auto on_pool = [read, pages](const RequestContext& context, const Document& input,
                                     wire::Conversation conversation) {
    context.resource = input.string_or("TableName", "");
    const auto work = std::make_shared<const Work>(Work{context.caller.scope, input, std::move(conversation.done)});
    const auto read_long = [read, work] { work->done(read(*work, std::nullopt)); };
    if (context.takes_long) return pages->run(read_long);
    pages->run_short([read, work, pages, read_long] {
      auto reply = read(*work, kPageBytesHere);
      if (!reply.ok() && reply.error().is(tables::kReadTooLong)) return pages->run_later(read_long);
      work->done(std::move(reply));
    });
  };
  service.on_async(name, on_pool);
  service.reads_disk({name});
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
  service->on("BatchWriteItem", [&tables](const RequestContext& context, const Document& input) {
    return batch_write_item(tables, context.caller.scope, input, context.done_before);
  });
  service->on_raw("BatchWriteItem", [&tables](const RequestContext& context, std::string_view body) {
    return batch_write_item(tables, context.caller.scope, body, context.done_before);
  });
  service->reads_disk({"BatchGetItem", "BatchWriteItem", "TransactGetItems", "TransactWriteItems", "DescribeTable",
                       "UpdateTable", "DeleteTable", "DescribeTimeToLive", "ListTagsOfResource"});
  service->on("DescribeEndpoints",
              [](const RequestContext& context, const Document&) { return describe_endpoints(context); });
  return service;
}

}  // namespace millrace::api_dynamodb
