// TransactGetItems and TransactWriteItems.
#include <deque>
#include <map>
#include <set>

#include "api/dynamodb/internal/answer.h"
#include "api/dynamodb/operations.h"
#include "codec/json.h"
#include "model/key.h"
#include "model/limits.h"
#include "model/stored.h"
#include "tables/errors.h"
#include "wire/generated/dynamodb_views.h"

namespace millrace::api_dynamodb {
namespace {

namespace shapes = wire::dynamodb;
using wire::Document;
using wire::Reply;

Capacity transaction_capacity(std::optional<std::string_view> name) {
  return !name || *name == "NONE" ? Capacity::kNone : *name == "TOTAL" ? Capacity::kTotal : Capacity::kIndexes;
}

// What a transaction used, by table, in order of first use.
class Usage {
 public:
  void add(const std::string& given, const TableRef& ref, const Consumed& consumed) {
    for (Entry& entry : entries_) {
      if (entry.given == given) return entry.consumed.add(consumed);
    }
    entries_.push_back({given, ref, consumed});
  }
  Result<void> append(const tables::Tables& tables, ObjectText& object, Capacity capacity, CapacityKind kind) const {
    if (capacity == Capacity::kNone) return {};
    std::string text = "[";
    for (const Entry& entry : entries_) {
      if (text.size() > 1) text += ',';
      MR_ASSIGN_OR_RETURN(const auto info, tables.info(entry.ref.scope, entry.ref.name));
      append_capacity(text, entry.given, entry.consumed, *info, capacity, kind);
    }
    object.key("ConsumedCapacity") += text + "]";
    return {};
  }

 private:
  struct Entry {
    std::string given;
    TableRef ref;
    Consumed consumed;
  };
  std::vector<Entry> entries_;
};

// One action of a transaction, read: the call owns what the engine's request points into.
struct Action {
  ItemCall call;
  Parsed parsed;
  TableRef ref;
  tables::WriteKind kind = tables::WriteKind::kPut;
};

constexpr std::pair<std::string_view, tables::WriteKind> kActions[] = {{"ConditionCheck", tables::WriteKind::kCheck},
                                                                       {"Put", tables::WriteKind::kPut},
                                                                       {"Delete", tables::WriteKind::kDelete},
                                                                       {"Update", tables::WriteKind::kUpdate}};

Result<Action> read_action(const Scope& scope, const Document& item) {
  const Document* chosen = nullptr;
  Action action;
  for (const auto& [name, kind] : kActions) {
    const Document* found = item.find(name);
    if (found == nullptr) continue;
    if (chosen != nullptr) {
      return invalid("TransactItems can only contain one of Check, Put, Update or Delete");
    }
    chosen = found;
    action.kind = kind;
  }
  if (chosen == nullptr) {
    return invalid("Invalid Request: TransactWriteRequest should contain Delete or Put or Update request");
  }
  MR_ASSIGN_OR_RETURN(action.call, read_call(*chosen));
  MR_ASSIGN_OR_RETURN(action.parsed, parse_expressions(action.call, action.kind == tables::WriteKind::kUpdate
                                                                        ? "UpdateExpression and ConditionExpression"
                                                                        : "ConditionExpression"));
  MR_ASSIGN_OR_RETURN(action.ref, resolve_table(scope, action.call.table));
  return action;
}

tables::TransactionEntry entry_of(const Action& action) {
  tables::TransactionEntry entry;
  entry.table = action.ref.name;
  entry.request.kind = action.kind;
  entry.request.item = *action.call.item;
  entry.request.condition = pointer_to(action.parsed.condition);
  entry.request.update = pointer_to(action.parsed.update);
  entry.request.return_old_on_failure = action.call.old_on_failure;
  entry.request.count_units = true;
  return entry;
}

// ItemCollectionMetrics of what is to be written; "": there are none.
Result<std::string> metrics_of(const tables::Tables& tables, const std::deque<Action>& actions) {
  std::map<std::string, std::string> by_table;
  for (const Action& action : actions) {
    MR_ASSIGN_OR_RETURN(const auto info, tables.info(action.ref.scope, action.ref.name));
    if (action.kind == tables::WriteKind::kCheck) continue;
    std::string estimate;
    MR_ASSIGN_OR_RETURN(const bool is_told, append_collection_metrics(estimate, tables, *info, *action.call.item));
    if (!is_told) continue;
    std::string& list = by_table[action.call.table];
    if (list.find(estimate) == std::string::npos) list += (list.empty() ? "" : ",") + estimate;
  }
  std::string text;
  if (by_table.empty()) return text;
  ObjectText metrics(text);
  for (const auto& [table, list] : by_table) metrics.key(table) += "[" + list + "]";
  metrics.end();
  return text;
}

std::optional<tables::TransactionToken> token_of(const shapes::TransactWriteItemsInput& input) {
  const auto token = input.client_request_token();
  if (!token) return std::nullopt;
  // AWS: what may differ in a repetition is how much of the answer is wanted.
  return tables::TransactionToken{std::string(*token), model::hash64(input.document().find("TransactItems")->dump())};
}

struct Wanted {
  ItemCall call;
  Parsed parsed;
  TableRef ref;
};

Result<Wanted> read_wanted_item(const Scope& scope, const Document& item) {
  Wanted wanted;
  MR_ASSIGN_OR_RETURN(wanted.call, read_call(*item.find("Get")));
  MR_ASSIGN_OR_RETURN(wanted.parsed, parse_expressions(wanted.call, ""));
  MR_ASSIGN_OR_RETURN(wanted.ref, resolve_table(scope, wanted.call.table));
  return wanted;
}

// AWS: an item may occur once.
Result<void> check_distinct(const tables::Tables& tables, const std::deque<Wanted>& wanted) {
  std::set<std::pair<std::string, std::string>> keys;
  for (const Wanted& one : wanted) {
    MR_ASSIGN_OR_RETURN(const auto info, tables.readable(one.ref.scope, one.ref.name));
    MR_RETURN_IF_ERROR(tables::check_key(info->keys, *one.call.item));
    if (!keys.emplace(one.ref.name, *model::key_bytes(info->keys, *one.call.item)).second) {
      return invalid("Transaction request cannot include multiple operations on one item");
    }
  }
  return {};
}

}  // namespace

Result<Reply> transact_write_items(tables::Tables& tables, const Scope& scope, const Document& document) {
  const shapes::TransactWriteItemsInput input(document);
  std::deque<Action> actions;
  std::vector<tables::TransactionEntry> entries;
  for (const shapes::TransactWriteItem item : input.transact_items()) {
    MR_ASSIGN_OR_RETURN(Action action, read_action(scope, item.document()));
    actions.push_back(std::move(action));
    entries.push_back(entry_of(actions.back()));
  }
  std::string metrics;
  if (input.return_item_collection_metrics() == "SIZE") {
    MR_ASSIGN_OR_RETURN(metrics, metrics_of(tables, actions));
  }
  MR_ASSIGN_OR_RETURN(const tables::TransactionResult result, tables.transact(scope, entries, token_of(input)));
  Reply reply;
  reply.after = result.after_commit;
  ObjectText object(reply.json);
  Usage usage;
  for (std::size_t i = 0; i < actions.size(); ++i) {
    // AWS: a repetition costs reads.
    const Consumed consumed = result.repeated
                                  ? Consumed{2 * read_half_units(model::size_of(*actions[i].call.item), true), {}}
                                  : written(result.units[i]);
    usage.add(actions[i].call.table, actions[i].ref, consumed);
  }
  MR_RETURN_IF_ERROR(usage.append(tables, object, transaction_capacity(input.return_consumed_capacity()),
                                  result.repeated ? CapacityKind::kTransactionRead : CapacityKind::kTransactionWrite));
  if (!metrics.empty()) object.key("ItemCollectionMetrics") += metrics;
  object.end();
  return reply;
}

Result<Reply> transact_get_items(tables::Tables& tables, const Scope& scope, const Document& document) {
  const shapes::TransactGetItemsInput input(document);
  std::deque<Wanted> wanted;
  std::vector<tables::Tables::Wanted> keys;
  for (const shapes::TransactGetItem item : input.transact_items()) {
    MR_ASSIGN_OR_RETURN(Wanted one, read_wanted_item(scope, item.document()));
    wanted.push_back(std::move(one));
    keys.push_back({wanted.back().ref.name, *wanted.back().call.item});
  }
  MR_RETURN_IF_ERROR(check_distinct(tables, wanted));
  MR_ASSIGN_OR_RETURN(const auto found, tables.get_together(scope, keys));
  Reply reply;
  ObjectText object(reply.json);
  std::string responses = "[";
  Usage usage;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const std::optional<std::size_t> bytes = found[i] ? model::size_of_stored(*found[i]) : 0;
    if (!bytes) return tables.damaged(scope, keys[i].table, keys[i].key);
    if (i > 0) responses += ',';
    ObjectText response(responses);
    if (found[i]) append_item(response.key("Item"), *found[i], wanted[i].parsed.projection);
    response.end();
    // AWS: twice a consistent read.
    usage.add(wanted[i].call.table, wanted[i].ref, {2 * read_half_units(*bytes, true), {}});
  }
  MR_RETURN_IF_ERROR(usage.append(tables, object, transaction_capacity(input.return_consumed_capacity()),
                                  CapacityKind::kTransactionRead));
  object.key("Responses") += responses + "]";
  object.end();
  return reply;
}

}  // namespace millrace::api_dynamodb
