#include "api/dynamodb/internal/answer.h"

#include <algorithm>

#include "codec/json.h"
#include "expressions/evaluate.h"
#include "model/json.h"
#include "model/stored.h"
#include "wire/arn.h"
#include "wire/generated/dynamodb.h"

namespace millrace::api_dynamodb {
namespace {

void append_units(std::string& out, std::int64_t half_units) {
  out += std::to_string(half_units / 2);
  out += half_units % 2 == 0 ? ".0" : ".5";
}

// {"CapacityUnits":1.0} and, for transactions, the same as reads or writes.
void append_unit_members(ObjectText& object, std::int64_t half_units, CapacityKind kind) {
  if (kind == CapacityKind::kTransactionRead) append_units(object.key("ReadCapacityUnits"), half_units);
  if (kind == CapacityKind::kTransactionWrite) append_units(object.key("WriteCapacityUnits"), half_units);
  append_units(object.key("CapacityUnits"), half_units);
}

void append_units_object(std::string& out, std::int64_t half_units, CapacityKind kind) {
  ObjectText object(out);
  append_unit_members(object, half_units, kind);
  object.end();
}

void append_index_units(ObjectText& object, std::string_view member, const Consumed& consumed,
                        const tables::TableInfo& info, tables::Index::Kind wanted, CapacityKind kind) {
  std::string text;
  ObjectText indexes(text);
  bool any = false;
  for (const auto& [name, units] : consumed.indexes) {
    const tables::Index* index = info.find_index(name);
    if (index == nullptr || index->kind != wanted) continue;
    append_units_object(indexes.key(name), units, kind);
    any = true;
  }
  indexes.end();
  if (any) object.key(member) += text;
}

}  // namespace

Error invalid(std::string message) { return Error(model::kValidationException, std::move(message)); }

std::string& ObjectText::key(std::string_view name) {
  if (!first_) out_ += ',';
  first_ = false;
  codec::append_json_string(out_, name);
  out_ += ':';
  return out_;
}

Result<TableRef> resolve_arn(const Scope& caller, std::string_view text) {
  constexpr std::string_view kTable = "table/";
  const std::optional<wire::Arn> arn = wire::parse_arn(text);
  if (!arn || arn->service != "dynamodb" || !arn->resource.starts_with(kTable) ||
      !is_plain_table_name(std::string_view(arn->resource).substr(kTable.size()))) {
    return invalid("Invalid table ARN: " + std::string(text));
  }
  if (arn->region != caller.region) {
    return invalid("The region of the table ARN " + std::string(text) + " is not the region of the request, " +
                   caller.region);
  }
  if (arn->account != caller.account) {
    return Error(wire::dynamodb::kAccessDeniedException,
                 "Account " + caller.account + " has no access to the resource: " + std::string(text));
  }
  return TableRef{caller, arn->resource.substr(kTable.size())};
}

Result<TableRef> resolve_table(const Scope& caller, std::string_view given) {
  if (is_plain_table_name(given)) return TableRef{caller, std::string(given)};
  if (given.starts_with("arn:")) return resolve_arn(caller, given);
  if (given.size() < 3 || given.size() > 255) {
    return invalid("TableName must be at least 3 characters long and at most 255 characters long");
  }
  return invalid("1 validation error detected: Value '" + std::string(given) +
                 "' at 'tableName' failed to satisfy constraint: Member must satisfy regular expression pattern: "
                 "[a-zA-Z0-9_.-]+");
}

std::int64_t Consumed::total() const {
  std::int64_t sum = table;
  for (const auto& [name, units] : indexes) sum += units;
  return sum;
}

void Consumed::add(const Consumed& other) {
  table += other.table;
  for (const auto& [name, units] : other.indexes) {
    const auto it =
        std::find_if(indexes.begin(), indexes.end(), [&](const auto& entry) { return entry.first == name; });
    if (it == indexes.end()) {
      indexes.emplace_back(name, units);
    } else {
      it->second += units;
    }
  }
}

Consumed written(const tables::WriteUnits& units) {
  Consumed consumed;
  consumed.table = 2 * units.table;
  for (const auto& [name, count] : units.indexes) consumed.indexes.emplace_back(name, 2 * count);
  return consumed;
}

std::int64_t read_half_units(std::size_t bytes, bool consistent) {
  const auto units = std::max<std::int64_t>(1, static_cast<std::int64_t>((bytes + 4095) / 4096));
  return consistent ? 2 * units : units;
}

void append_capacity(std::string& out, std::string_view table, const Consumed& consumed, const tables::TableInfo& info,
                     Capacity capacity, CapacityKind kind) {
  ObjectText object(out);
  codec::append_json_string(object.key("TableName"), table);
  append_unit_members(object, consumed.total(), kind);
  if (capacity == Capacity::kIndexes) {
    append_units_object(object.key("Table"), consumed.table, kind);
    append_index_units(object, "LocalSecondaryIndexes", consumed, info, tables::Index::Kind::kLocal, kind);
    append_index_units(object, "GlobalSecondaryIndexes", consumed, info, tables::Index::Kind::kGlobal, kind);
  }
  object.end();
}

Result<bool> append_collection_metrics(std::string& out, const tables::Tables& tables, const tables::TableInfo& info,
                                       const model::Item& item) {
  const bool local = std::any_of(info.indexes.begin(), info.indexes.end(),
                                 [](const tables::Index& index) { return index.kind == tables::Index::Kind::kLocal; });
  const model::AttributeValue* partition = item.find(info.keys.partition.name);
  if (!local || partition == nullptr) return false;
  MR_ASSIGN_OR_RETURN(const std::int64_t lower, tables.collection_gib(info, *partition));
  ObjectText object(out);
  std::string& key = object.key("ItemCollectionKey");
  model::append_json(key, model::Item{{info.keys.partition.name, *partition}});
  object.key("SizeEstimateRangeGB") += "[" + std::to_string(lower) + ".0," + std::to_string(lower + 1) + ".0]";
  object.end();
  return true;
}

void append_item(std::string& out, std::string_view stored, const std::optional<expressions::Projection>& projection) {
  if (!projection) {
    MR_ASSERT(model::append_json_of_stored(out, stored));
    return;
  }
  const std::optional<model::Item> item = model::from_stored(stored);
  MR_ASSERT(item.has_value());
  model::append_json(out, expressions::project(*item, *projection));
}

}  // namespace millrace::api_dynamodb
