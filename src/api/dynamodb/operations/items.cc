// PutItem, UpdateItem, DeleteItem, GetItem.
#include "api/dynamodb/internal/answer.h"
#include "api/dynamodb/operations.h"
#include "expressions/evaluate.h"
#include "model/json.h"
#include "model/stored.h"

namespace millrace::api_dynamodb {
namespace {

using tables::StoredItem;
using tables::WriteKind;
using wire::Reply;

Result<void> check_return_values(const ItemCall& call) {
  if (call.return_values == ReturnValues::kNone || call.return_values == ReturnValues::kAllOld) return {};
  return invalid("ReturnValues can only be ALL_OLD or NONE");
}

void append_selected(ObjectText& object, const StoredItem& item, const Parsed& parsed) {
  if (!item.exists() || !parsed.update) return;
  expressions::Projection paths;
  for (const expressions::UpdateAction& action : parsed.update->actions) paths.push_back(action.path);
  const model::Item selected = expressions::project(item.item(), paths);
  if (!selected.empty()) model::append_json(object.key("Attributes"), selected);
}

void append_attributes(ObjectText& object, const ItemCall& call, const Parsed& parsed,
                       const tables::WriteResult& result) {
  switch (call.return_values) {
    case ReturnValues::kNone:
      return;
    case ReturnValues::kAllOld:
      if (result.before.exists()) append_item(object.key("Attributes"), result.before.bytes(), std::nullopt);
      return;
    case ReturnValues::kAllNew:
      if (result.after.exists()) append_item(object.key("Attributes"), result.after.bytes(), std::nullopt);
      return;
    case ReturnValues::kUpdatedOld:
      return append_selected(object, result.before, parsed);
    case ReturnValues::kUpdatedNew:
      return append_selected(object, result.after, parsed);
  }
}

Result<Reply> write_item(tables::Tables& tables, const Scope& scope, ItemCall& call, const Parsed& parsed,
                         WriteKind kind) {
  MR_ASSIGN_OR_RETURN(const TableRef ref, resolve_table(scope, call.table));
  tables::WriteRequest request;
  request.kind = kind;
  request.item = std::move(*call.item);
  request.condition = pointer_to(parsed.condition);
  request.update = pointer_to(parsed.update);
  request.return_old_on_failure = call.old_on_failure;
  request.count_units = true;  // for the metrics
  std::string metrics;
  if (call.metrics) {
    MR_ASSIGN_OR_RETURN(const auto info, tables.info(ref.scope, ref.name));
    MR_RETURN_IF_ERROR(append_collection_metrics(metrics, tables, *info, request.item));
  }
  MR_ASSIGN_OR_RETURN(const tables::WriteResult result, tables.write(ref.scope, ref.name, request));
  Reply reply;
  reply.after = result.after_commit;
  reply.usage.write_half_units = written(result.units).total();
  ObjectText object(reply.json);
  append_attributes(object, call, parsed, result);
  if (call.capacity != Capacity::kNone) {
    MR_ASSIGN_OR_RETURN(const auto info, tables.info(ref.scope, ref.name));
    append_capacity(object.key("ConsumedCapacity"), call.table, written(result.units), *info, call.capacity);
  }
  if (!metrics.empty()) object.key("ItemCollectionMetrics") += metrics;
  object.end();
  return reply;
}

}  // namespace

Result<Reply> put_item(tables::Tables& tables, const Scope& scope, ItemCall call) {
  MR_RETURN_IF_ERROR(check_return_values(call));
  MR_ASSIGN_OR_RETURN(const Parsed parsed, parse_expressions(call, "ConditionExpression"));
  return write_item(tables, scope, call, parsed, WriteKind::kPut);
}

Result<Reply> update_item(tables::Tables& tables, const Scope& scope, ItemCall call) {
  MR_ASSIGN_OR_RETURN(const Parsed parsed, parse_expressions(call, "UpdateExpression and ConditionExpression"));
  return write_item(tables, scope, call, parsed, WriteKind::kUpdate);
}

Result<Reply> delete_item(tables::Tables& tables, const Scope& scope, ItemCall call) {
  MR_RETURN_IF_ERROR(check_return_values(call));
  MR_ASSIGN_OR_RETURN(const Parsed parsed, parse_expressions(call, "ConditionExpression"));
  return write_item(tables, scope, call, parsed, WriteKind::kDelete);
}

Result<Reply> get_item(tables::Tables& tables, const Scope& scope, ItemCall call) {
  MR_ASSIGN_OR_RETURN(const Parsed parsed, parse_expressions(call, ""));
  MR_ASSIGN_OR_RETURN(const TableRef ref, resolve_table(scope, call.table));
  MR_ASSIGN_OR_RETURN(const std::optional<std::string> found, tables.get(ref.scope, ref.name, *call.item));
  Reply reply;
  const std::optional<std::size_t> bytes = found ? model::size_of_stored(*found) : 0;
  if (!bytes) return tables.damaged(ref.scope, ref.name, *call.item);
  reply.usage.read_half_units = read_half_units(*bytes, call.consistent);
  ObjectText object(reply.json);
  if (found) append_item(object.key("Item"), *found, parsed.projection);
  if (call.capacity != Capacity::kNone) {
    MR_ASSIGN_OR_RETURN(const auto info, tables.readable(ref.scope, ref.name));
    append_capacity(object.key("ConsumedCapacity"), call.table, {reply.usage.read_half_units, {}}, *info,
                    call.capacity);
  }
  object.end();
  return reply;
}

}  // namespace millrace::api_dynamodb
