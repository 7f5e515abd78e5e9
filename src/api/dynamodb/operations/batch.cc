// BatchGetItem and BatchWriteItem.
#include <algorithm>
#include <set>

#include "api/dynamodb/internal/answer.h"
#include "api/dynamodb/operations.h"
#include "codec/json.h"
#include "model/json.h"
#include "model/key.h"
#include "model/stored.h"
#include "storage/no_blocking.h"
#include "tables/errors.h"
#include "wire/generated/dynamodb_views.h"

namespace millrace::api_dynamodb {
namespace {

namespace shapes = wire::dynamodb;
using codec::Json;
using wire::Document;
using wire::Reply;

constexpr std::size_t kBatchWritesMax = 25;  // AWS
constexpr std::size_t kBatchGetsMax = 100;   // AWS

Error duplicate_keys() { return invalid("Provided list of item keys contains duplicates"); }

// --- BatchWriteItem -------------------------------------------------------------------------------------------------

// What the answer says of a table's writes.
struct Written {
  Consumed consumed;
  std::string unprocessed;  // elements of UnprocessedItems
  std::string metrics;      // elements of ItemCollectionMetrics
  std::set<std::string> collections;
};
struct BatchTable {
  std::string given;
  TableRef ref;
  std::shared_ptr<const tables::TableInfo> info;
  std::vector<tables::WriteRequest> writes;  // kPut, kDelete
  std::size_t next = 0;                      // of `writes`: those before it are done
  Written done;
};
struct BatchWrite {
  std::vector<BatchTable> tables;
  Capacity capacity = Capacity::kNone;
  bool metrics = false;
  storage::CommitNumber after = 0;
  std::size_t writes() const {
    std::size_t count = 0;
    for (const BatchTable& table : tables) count += table.writes.size();
    return count;
  }
};

// The whole batch is checked before the first write: AWS refuses it whole.
Result<void> check_batch(const tables::Tables& tables, const Scope& scope, BatchWrite& batch) {
  if (batch.writes() > kBatchWritesMax) return invalid("Too many items requested for the BatchWriteItem call");
  for (BatchTable& table : batch.tables) {
    MR_ASSIGN_OR_RETURN(table.ref, resolve_table(scope, table.given));
    MR_ASSIGN_OR_RETURN(table.info, tables.info(table.ref.scope, table.ref.name));
    std::set<std::string> keys;
    for (tables::WriteRequest& write : table.writes) {
      write.count_units = batch.capacity != Capacity::kNone;
      if (write.kind == tables::WriteKind::kPut) {
        MR_RETURN_IF_ERROR(tables::check_item(*table.info, write.item));
        MR_RETURN_IF_ERROR(tables::check_item_size(write.item, write.kind));
      } else {
        MR_RETURN_IF_ERROR(tables::check_key(table.info->keys, write.item));
      }
      if (!keys.insert(*model::key_bytes(table.info->keys, write.item)).second) return duplicate_keys();
    }
  }
  return {};
}

void append_write_request(std::string& out, const tables::WriteRequest& write) {
  const bool put = write.kind == tables::WriteKind::kPut;
  out += put ? R"({"PutRequest":{"Item":)" : R"({"DeleteRequest":{"Key":)";
  model::append_json(out, write.item);
  out += "}}";
}

// A throttled write is left to the client to send again, as on AWS; another error ends the batch, whose earlier writes
// stay.
Result<void> write_table(tables::Tables& tables, BatchWrite& batch, BatchTable& table) {
  Written& done = table.done;
  for (; table.next < table.writes.size(); ++table.next) {
    const tables::WriteRequest& write = table.writes[table.next];
    std::string estimate;
    if (batch.metrics) MR_RETURN_IF_ERROR(append_collection_metrics(estimate, tables, *table.info, write.item));
    auto result = tables.write(table.ref.scope, table.ref.name, write);
    if (!result.ok()) {
      if (result.error().type().kind != ErrorKind::kThrottled) return std::move(result).error();
      if (!done.unprocessed.empty()) done.unprocessed += ',';
      append_write_request(done.unprocessed, write);
      continue;
    }
    batch.after = std::max(batch.after, result->after_commit);
    done.consumed.add(written(result->units));
    if (!estimate.empty() && done.collections.insert(estimate).second) {
      done.metrics += (done.metrics.empty() ? "" : ",") + estimate;
    }
  }
  return {};
}

// From where an earlier call stopped, if it did.
Result<Reply> write_rest(tables::Tables& tables, BatchWrite& batch) {
  Reply reply;
  std::string unprocessed;
  std::string metrics;
  std::string capacities;
  ObjectText unprocessed_items(unprocessed);
  ObjectText all_metrics(metrics);
  for (BatchTable& table : batch.tables) {
    MR_RETURN_IF_ERROR(write_table(tables, batch, table));
    const Written& done = table.done;
    if (!done.unprocessed.empty()) unprocessed_items.key(table.given) += "[" + done.unprocessed + "]";
    if (!done.metrics.empty()) all_metrics.key(table.given) += "[" + done.metrics + "]";
    if (batch.capacity == Capacity::kNone) continue;
    if (!capacities.empty()) capacities += ',';
    append_capacity(capacities, table.given, done.consumed, *table.info, batch.capacity);
  }
  unprocessed_items.end();
  all_metrics.end();
  reply.after = batch.after;
  ObjectText object(reply.json);
  object.key("UnprocessedItems") += unprocessed;
  if (metrics != "{}") object.key("ItemCollectionMetrics") += metrics;
  if (batch.capacity != Capacity::kNone) object.key("ConsumedCapacity") += "[" + capacities + "]";
  object.end();
  return reply;
}

Result<Reply> write_batch(tables::Tables& tables, const Scope& scope, BatchWrite batch,
                          std::shared_ptr<void>& done_before) {
  MR_RETURN_IF_ERROR(check_batch(tables, scope, batch));
  auto reply = write_rest(tables, batch);
  if (!reply.ok() && reply.error().is(storage::kWouldBlock)) {
    done_before = std::make_shared<BatchWrite>(std::move(batch));
  }
  return reply;
}

Result<Reply> go_on(tables::Tables& tables, const std::shared_ptr<void>& done_before) {
  return write_rest(tables, *std::static_pointer_cast<BatchWrite>(done_before));
}

Result<tables::WriteRequest> read_write_request(const shapes::WriteRequest& view) {
  const Document* put = view.document().find("PutRequest");
  const Document* remove = view.document().find("DeleteRequest");
  if (put == nullptr && remove == nullptr) {
    return invalid("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes");
  }
  if (put != nullptr && remove != nullptr) {
    return invalid(
        "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes");
  }
  tables::WriteRequest write;
  write.kind = put != nullptr ? tables::WriteKind::kPut : tables::WriteKind::kDelete;
  const Document& item = put != nullptr ? *put->find("Item") : *remove->find("Key");
  MR_ASSIGN_OR_RETURN(write.item, model::read_item(item));
  return write;
}

Capacity capacity_of(std::optional<std::string_view> name) {
  return !name || *name == "NONE" ? Capacity::kNone : *name == "TOTAL" ? Capacity::kTotal : Capacity::kIndexes;
}

// --- BatchWriteItem from text ---------------------------------------------------------------------------------------

using model::JsonReader;

bool read_write_request(JsonReader& reader, std::vector<tables::WriteRequest>& writes) {
  bool read = false;
  const auto request = [&](std::string_view kind) {
    if (read || (kind != "PutRequest" && kind != "DeleteRequest")) return false;
    const bool put = kind == "PutRequest";
    tables::WriteRequest& write = writes.emplace_back();
    write.kind = put ? tables::WriteKind::kPut : tables::WriteKind::kDelete;
    return reader.read_object([&](std::string_view member) {
      if (read || member != (put ? "Item" : "Key")) return false;
      return read = reader.read_item(write.item);
    });
  };
  return reader.read_object(request) && read;
}

bool read_request_items(JsonReader& reader, BatchWrite& batch) {
  return reader.read_object([&](std::string_view given) {
    if (!is_plain_table_name(given) || batch.tables.size() == kBatchWritesMax) return false;
    for (const BatchTable& earlier : batch.tables) {
      if (earlier.given == given) return false;
    }
    BatchTable& table = batch.tables.emplace_back();
    table.given = given;
    const bool read = reader.read_array([&] { return read_write_request(reader, table.writes); });
    return read && !table.writes.empty() && table.writes.size() <= kBatchWritesMax;
  });
}

// --- BatchGetItem ---------------------------------------------------------------------------------------------------

struct WantedItems {
  std::string given;
  TableRef ref;
  std::shared_ptr<const tables::TableInfo> info;
  const Document* request = nullptr;  // KeysAndAttributes
  std::vector<model::Item> keys;
  bool consistent = false;
  Parsed parsed;
};

Result<WantedItems> read_wanted(const Scope& scope, std::string_view given, const Document& request) {
  WantedItems wanted;
  wanted.given = given;
  wanted.request = &request;
  MR_ASSIGN_OR_RETURN(wanted.ref, resolve_table(scope, given));
  MR_ASSIGN_OR_RETURN(ItemCall call, read_call(request));
  wanted.consistent = call.consistent;
  MR_ASSIGN_OR_RETURN(wanted.parsed, parse_expressions(call, ""));
  for (const Document& key : request.find("Keys")->as_array()) {
    MR_ASSIGN_OR_RETURN(model::Item item, model::read_item(key));
    wanted.keys.push_back(std::move(item));
  }
  return wanted;
}

Result<void> check_wanted(const tables::Tables& tables, WantedItems& wanted) {
  MR_ASSIGN_OR_RETURN(wanted.info, tables.readable(wanted.ref.scope, wanted.ref.name));
  std::set<std::string> keys;
  for (const model::Item& key : wanted.keys) {
    MR_RETURN_IF_ERROR(tables::check_key(wanted.info->keys, key));
    if (!keys.insert(*model::key_bytes(wanted.info->keys, key)).second) return duplicate_keys();
  }
  return {};
}

struct Fetched {
  std::string items;       // elements
  std::size_t keys = 0;    // looked at; the others are left to the client
  std::int64_t units = 0;  // halves
};

Result<Fetched> fetch(const tables::Tables& tables, const WantedItems& wanted, std::size_t& budget) {
  Fetched fetched;
  for (const model::Item& key : wanted.keys) {
    MR_ASSIGN_OR_RETURN(const auto stored, tables.get(wanted.ref.scope, wanted.ref.name, key));
    const std::optional<std::size_t> bytes = stored ? model::size_of_stored(*stored) : 0;
    if (!bytes) return tables.damaged(wanted.ref.scope, wanted.ref.name, key);
    if (*bytes > budget) {
      budget = 0;
      return fetched;
    }
    budget -= *bytes;
    ++fetched.keys;
    fetched.units += read_half_units(*bytes, wanted.consistent);
    if (!stored) continue;
    if (!fetched.items.empty()) fetched.items += ',';
    append_item(fetched.items, *stored, wanted.parsed.projection);
  }
  return fetched;
}

// The request again, with the keys that were not looked at.
Document remaining(const WantedItems& wanted, std::size_t from) {
  Document rest = *wanted.request;
  const Document::Array& keys = wanted.request->find("Keys")->as_array();
  rest.set("Keys", Document::Array(keys.begin() + static_cast<std::ptrdiff_t>(from), keys.end()));
  return rest;
}

Result<Reply> answer_wanted(const tables::Tables& tables, const std::vector<WantedItems>& wanted, Capacity capacity) {
  std::size_t budget = tables::kBatchBytesMax;
  std::string responses;
  std::string capacities;
  Document unprocessed = Document::object();
  ObjectText by_table(responses);
  for (const WantedItems& table : wanted) {
    MR_ASSIGN_OR_RETURN(const Fetched fetched, fetch(tables, table, budget));
    by_table.key(table.given) += "[" + fetched.items + "]";
    if (fetched.keys < table.keys.size()) unprocessed.set(table.given, remaining(table, fetched.keys));
    if (capacity == Capacity::kNone) continue;
    if (!capacities.empty()) capacities += ',';
    append_capacity(capacities, table.given, {fetched.units, {}}, *table.info, capacity);
  }
  by_table.end();
  Reply reply;
  ObjectText object(reply.json);
  object.key("Responses") += responses;
  unprocessed.dump_to(object.key("UnprocessedKeys"));
  if (capacity != Capacity::kNone) object.key("ConsumedCapacity") += "[" + capacities + "]";
  object.end();
  return reply;
}

}  // namespace

Result<Reply> batch_write_item(tables::Tables& tables, const Scope& scope, const Document& document,
                               std::shared_ptr<void>& done_before) {
  if (done_before != nullptr) return go_on(tables, done_before);
  const shapes::BatchWriteItemInput input(document);
  BatchWrite batch;
  batch.capacity = capacity_of(input.return_consumed_capacity());
  batch.metrics = input.return_item_collection_metrics() == "SIZE";
  for (const auto& [given, requests] : input.request_items()) {
    BatchTable& table = batch.tables.emplace_back();
    table.given = given;
    for (const shapes::WriteRequest request : requests) {
      MR_ASSIGN_OR_RETURN(tables::WriteRequest write, read_write_request(request));
      table.writes.push_back(std::move(write));
    }
  }
  return write_batch(tables, scope, std::move(batch), done_before);
}

std::optional<Result<Reply>> batch_write_item(tables::Tables& tables, const Scope& scope, std::string_view body,
                                              std::shared_ptr<void>& done_before) {
  if (done_before != nullptr) return go_on(tables, done_before);
  BatchWrite batch;
  JsonReader reader(body);
  const bool read = reader.read_object([&](std::string_view name) {
    if (name == "RequestItems") return batch.tables.empty() && read_request_items(reader, batch);
    std::string text;
    if (!reader.read_string(text)) return false;
    if (name == "ReturnConsumedCapacity" && (text == "NONE" || text == "TOTAL" || text == "INDEXES")) {
      batch.capacity = capacity_of(text);
      return true;
    }
    return name == "ReturnItemCollectionMetrics" && text == "NONE";
  });
  if (!read || !reader.at_end() || batch.tables.empty()) return std::nullopt;
  return write_batch(tables, scope, std::move(batch), done_before);
}

Result<Reply> batch_get_item(tables::Tables& tables, const Scope& scope, const Document& document) {
  const shapes::BatchGetItemInput input(document);
  std::vector<WantedItems> wanted;
  std::size_t keys = 0;
  for (const auto& [given, request] : input.request_items()) {
    MR_ASSIGN_OR_RETURN(WantedItems table, read_wanted(scope, given, request.document()));
    keys += table.keys.size();
    wanted.push_back(std::move(table));
  }
  if (keys > kBatchGetsMax) return invalid("Too many items requested for the BatchGetItem call");
  for (WantedItems& table : wanted) MR_RETURN_IF_ERROR(check_wanted(tables, table));
  return answer_wanted(tables, wanted, capacity_of(input.return_consumed_capacity()));
}

}  // namespace millrace::api_dynamodb
