#include "tables/plan.h"

#include "base/assert.h"
#include "codec/key.h"
#include "expressions/evaluate.h"
#include "model/json.h"
#include "model/limits.h"
#include "model/stored.h"
#include "tables/errors.h"
#include "tables/keys.h"

namespace millrace::tables {
namespace {

using model::AttributeValue;
using model::Item;
using storage::Family;
using storage::WriteBatch;

bool is_empty(const AttributeValue& value) {
  if (const auto* text = value.get_if<std::string>()) return text->empty();
  if (const auto* binary = value.get_if<model::Binary>()) return binary->bytes.empty();
  return false;
}

std::size_t size_of_key(const AttributeValue& value) { return model::size_of(value); }

// The texts are AWS's, with the missing space of the first.
Result<void> check_key_size(const AttributeValue& value, bool partition) {
  const std::size_t max = partition ? model::kPartitionKeyBytesMax : model::kSortKeyBytesMax;
  if (size_of_key(value) <= max) return {};
  return invalid(std::string("One or more parameter values were invalid: ") +
                 (partition ? "Size of hashkey has exceeded the maximum size limit of"
                            : "Aggregated size of all range keys has exceeded the size limit of ") +
                 std::to_string(max) + " bytes");
}

Result<void> check_key_value(const model::KeyAttribute& attribute, const AttributeValue& value, bool partition) {
  if (is_empty(value)) {
    return invalid(
        "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty " +
        std::string(value.is(model::Type::kBinary) ? "binary" : "string") + " value. Key: " + attribute.name);
  }
  return check_key_size(value, partition);
}

Result<void> check_key_attribute(const model::KeyAttribute& attribute, const Item& item, bool partition) {
  const AttributeValue* value = item.find(attribute.name);
  if (value == nullptr) {
    return invalid("One or more parameter values were invalid: Missing the key " + attribute.name + " in the item");
  }
  if (!model::matches(attribute.type, *value)) {
    return invalid("One or more parameter values were invalid: Type mismatch for key " + attribute.name +
                   " expected: " + std::string(model::key_type_name(attribute.type)) +
                   " actual: " + std::string(model::type_name(value->type())));
  }
  return check_key_value(attribute, *value, partition);
}

Result<void> check_index_attribute(const Index& index, const model::KeyAttribute& attribute, const Item& item,
                                   bool partition) {
  const AttributeValue* value = item.find(attribute.name);
  if (value == nullptr) return {};
  if (!model::matches(attribute.type, *value)) {
    return invalid("One or more parameter values were invalid: Type mismatch for Index Key " + attribute.name +
                   " Expected: " + std::string(model::key_type_name(attribute.type)) +
                   " Actual: " + std::string(model::type_name(value->type())) + " IndexName: " + index.name);
  }
  if (is_empty(*value)) {
    return invalid(
        "One or more parameter values are not valid. A value specified for a secondary index key is not supported. The "
        "AttributeValue for a key attribute cannot contain an empty " +
        std::string(value->is(model::Type::kBinary) ? "binary" : "string") + " value. IndexName: " + index.name +
        ", IndexKey: " + attribute.name);
  }
  return check_key_size(*value, partition);
}

Result<void> check_index_keys(const TableInfo& info, const Item& item) {
  for (const Index& index : info.indexes) {
    MR_RETURN_IF_ERROR(check_index_attribute(index, index.keys.partition, item, true));
    if (index.keys.sort) MR_RETURN_IF_ERROR(check_index_attribute(index, *index.keys.sort, item, false));
  }
  return {};
}

int depth_of(const AttributeValue& value) {
  int deepest = 0;
  if (const auto* map = value.get_if<Item>()) {
    for (const model::Attribute& attribute : *map) deepest = std::max(deepest, depth_of(attribute.value));
    return deepest + 1;
  }
  if (const auto* list = value.get_if<model::List>()) {
    for (const AttributeValue& element : *list) deepest = std::max(deepest, depth_of(element));
    return deepest + 1;
  }
  return 0;
}

Error condition_failed(const WriteRequest& request, const StoredItem& before) {
  Error error(kConditionalCheckFailed, "The conditional request failed");
  if (request.return_old_on_failure && before.exists()) {
    return std::move(error).with("Item", model::to_json(before.item()));
  }
  return error;
}

Result<Outcome> decide_update(const TableInfo& info, const WriteRequest& request, const StoredItem& before) {
  Item item = before.exists() ? before.item() : request.item;
  if (request.update != nullptr) {
    MR_ASSIGN_OR_RETURN(Item updated, expressions::apply(*request.update, item));
    if (!before.exists() && updated == request.item) {
      // AWS: an update that only takes away creates no item.
      bool creates = request.update->actions.empty();
      for (const expressions::UpdateAction& action : request.update->actions) {
        creates = creates || action.kind == expressions::UpdateAction::Kind::kSet ||
                  action.kind == expressions::UpdateAction::Kind::kAdd;
      }
      if (!creates) return Outcome{};
    }
    item = std::move(updated);
    MR_RETURN_IF_ERROR(check_index_keys(info, item));
    MR_RETURN_IF_ERROR(check_item_size(item, WriteKind::kUpdate));
    for (const expressions::UpdateAction& action : request.update->actions) {
      const AttributeValue* root = item.find(action.path.root());
      if (root != nullptr && depth_of(*root) > model::kNestingMax) {
        return invalid("Nesting Levels have exceeded supported limits");
      }
    }
  }
  Outcome outcome;
  outcome.after = StoredItem::of(std::move(item));
  outcome.changed = !before.exists() || before.bytes() != outcome.after.bytes();
  return outcome;
}

// --- batch entries ------------------------------------------------------------------------------------------------

struct IndexEntry {
  std::optional<std::string> key;
  std::shared_ptr<const std::string> stored;  // null: there is no entry
  const std::string& value() const { return *stored; }
  std::size_t size() const { return model::size_of_stored(*stored).value_or(0); }
};

IndexEntry index_entry(const TableInfo& info, const Index& index, const StoredItem& item) {
  IndexEntry entry;
  if (!item.exists()) return entry;
  entry.key = index_key(info, index, item.item());
  if (!entry.key) return entry;
  entry.stored =
      index.projection.kind == IndexProjection::Kind::kAll
          ? item.shared()
          : std::make_shared<const std::string>(model::to_stored(project_for_index(info, index, item.item())));
  return entry;
}

// AWS: one write for an entry that appears, vanishes or changes in place, two when its key moves.
std::int64_t index_units(const IndexEntry& before, const IndexEntry& after) {
  if (before.key && after.key && *before.key == *after.key) {
    return before.value() == after.value() ? 0 : write_units(std::max(before.size(), after.size()));
  }
  return (before.key ? write_units(before.size()) : 0) + (after.key ? write_units(after.size()) : 0);
}

void add_counts(const TableInfo& info, std::uint16_t index, std::int64_t items, std::int64_t bytes, WriteBatch& batch) {
  if (items != 0) batch.add(count_key(info.id, index, 'i'), items);
  if (bytes != 0) batch.add(count_key(info.id, index, 'b'), bytes);
}

// What the entry costs.
std::int64_t append_index_change(const TableInfo& info, const Index& index, const Change& change, WriteBatch& batch) {
  const IndexEntry before = index_entry(info, index, change.before);
  const IndexEntry after = index_entry(info, index, change.after);
  const std::int64_t units = index_units(before, after);
  const bool counted = before.key && index.number != change.unindexed;
  if (units == 0 && counted == after.key.has_value()) return 0;
  if (before.key && before.key != after.key) batch.erase(Family::kItems, *before.key);
  if (after.key) batch.put(Family::kItems, *after.key, after.value());
  const std::int64_t items = (after.key ? 1 : 0) - (counted ? 1 : 0);
  const auto bytes =
      static_cast<std::int64_t>(after.key ? after.size() : 0) - static_cast<std::int64_t>(counted ? before.size() : 0);
  add_counts(info, index.number, items, bytes, batch);
  return units;
}

void append_expiry_change(const TableInfo& info, const Change& change, WriteBatch& batch) {
  if (!info.ttl.enabled) return;
  const std::optional<std::int64_t> before = expiry_of(info, change.before);
  const std::optional<std::int64_t> after = expiry_of(info, change.after);
  if (before == after) return;
  if (before) batch.erase(Family::kQueue, expiry_key({*before, info.id, change.key_bytes}));
  if (after) batch.put(Family::kQueue, expiry_key({*after, info.id, change.key_bytes}), "");
}

// The key attributes alone, without building the rest of the item.
Item key_of_stored(const model::KeySchema& keys, std::string_view stored) {
  Item key;
  key.set(keys.partition.name, model::stored_attribute(stored, keys.partition.name).value_or(AttributeValue()));
  if (keys.sort) key.set(keys.sort->name, model::stored_attribute(stored, keys.sort->name).value_or(AttributeValue()));
  return key;
}

void append_record(const TableInfo& info, const Change& change, std::uint64_t shard, WriteBatch& batch) {
  const Item keys = key_of_stored(info.keys, (change.after.exists() ? change.after : change.before).bytes());
  const std::string stored_keys = model::to_stored(keys);
  model::ChangeRecord record;
  record.event = !change.before.exists()  ? model::ChangeEvent::kInsert
                 : !change.after.exists() ? model::ChangeEvent::kRemove
                                          : model::ChangeEvent::kModify;
  record.origin = change.origin;
  record.key_hash = hash_of_key_bytes(change.key_bytes);
  record.keys = stored_keys;
  std::size_t size = model::size_of(keys);
  if (has_new_image(info.stream->view) && change.after.exists()) {
    record.new_image = change.after.bytes();
    size += change.after.size();
  }
  if (has_old_image(info.stream->view) && change.before.exists()) {
    record.old_image = change.before.bytes();
    size += change.before.size();
  }
  record.size_bytes = static_cast<std::uint32_t>(size);
  batch.log_framed(shard, model::encode_change(record, storage::kLogHeaderBytes));
}

}  // namespace

std::int64_t write_units(std::size_t bytes) {
  return std::max<std::int64_t>(1, static_cast<std::int64_t>((bytes + 1023) / 1024));
}

StoredItem StoredItem::of(Item item) {
  StoredItem out(model::to_stored(item));
  out.item_ = std::move(item);
  return out;
}

std::optional<StoredItem> StoredItem::read(const model::KeySchema& keys, std::string_view key_bytes,
                                           std::string bytes) {
  StoredItem out(std::move(bytes));
  out.size_ = model::size_of_stored(out.bytes());
  if (!out.size_ || model::key_bytes(keys, key_of_stored(keys, out.bytes())) != key_bytes) return std::nullopt;
  return out;
}

const Item& StoredItem::item() const {
  if (!item_) {
    item_ = bytes_ ? model::from_stored(*bytes_) : std::optional<Item>(std::in_place);
    MR_ASSERT(item_.has_value());
  }
  return *item_;
}

std::size_t StoredItem::size() const {
  if (!bytes_) return 0;
  if (!size_) size_ = model::size_of_stored(*bytes_).value_or(0);
  return *size_;
}

Result<void> check_item(const TableInfo& info, const Item& item) {
  MR_RETURN_IF_ERROR(check_key_attribute(info.keys.partition, item, true));
  if (info.keys.sort) MR_RETURN_IF_ERROR(check_key_attribute(*info.keys.sort, item, false));
  return check_index_keys(info, item);
}

Result<void> check_key(const model::KeySchema& keys, const Item& key) {
  const std::size_t expected = keys.sort ? 2 : 1;
  const auto matches = [&](const model::KeyAttribute& attribute) {
    const AttributeValue* value = key.find(attribute.name);
    return value != nullptr && model::matches(attribute.type, *value);
  };
  if (key.size() != expected || !matches(keys.partition) || (keys.sort && !matches(*keys.sort))) {
    return invalid("The provided key element does not match the schema");
  }
  MR_RETURN_IF_ERROR(check_key_value(keys.partition, *key.find(keys.partition.name), true));
  if (keys.sort) return check_key_value(*keys.sort, *key.find(keys.sort->name), false);
  return {};
}

Result<void> check_item_size(const Item& item, WriteKind kind) {
  if (model::size_of(item) <= model::kItemBytesMax) return {};
  return invalid(kind == WriteKind::kUpdate ? "Item size to update has exceeded the maximum allowed size"
                                            : "Item size has exceeded the maximum allowed size");
}

Result<void> check_update_paths(const TableInfo& info, const expressions::Update& update) {
  for (const expressions::UpdateAction& action : update.actions) {
    if (!info.keys.has(action.path.root())) continue;
    return invalid("One or more parameter values were invalid: Cannot update attribute " + action.path.root() +
                   ". This attribute is part of the key");
  }
  return {};
}

Result<Outcome> decide(const TableInfo& info, const WriteRequest& request, const StoredItem& before) {
  if (request.condition != nullptr && !expressions::matches(*request.condition, before.item())) {
    return condition_failed(request, before);
  }
  switch (request.kind) {
    case WriteKind::kPut: {
      Outcome outcome;
      outcome.after = StoredItem(model::to_stored(request.item));
      outcome.changed = !before.exists() || before.bytes() != outcome.after.bytes();
      return outcome;
    }
    case WriteKind::kUpdate:
      return decide_update(info, request, before);
    case WriteKind::kDelete: {
      Outcome outcome;
      outcome.changed = before.exists();
      return outcome;
    }
    case WriteKind::kCheck:
      break;
  }
  return Outcome{false, before};
}

void append_change(const TableInfo& info, const Change& change, std::optional<std::uint64_t> shard, WriteBatch& batch,
                   WriteUnits* units) {
  const std::string key = item_key(info.id, change.key_bytes);
  if (change.after.exists()) {
    batch.put(Family::kItems, key, change.after.bytes());
  } else {
    batch.erase(Family::kItems, key);
  }
  const std::int64_t items = (change.after.exists() ? 1 : 0) - (change.before.exists() ? 1 : 0);
  const auto bytes = static_cast<std::int64_t>(change.after.size()) - static_cast<std::int64_t>(change.before.size());
  add_counts(info, 0, items, bytes, batch);
  for (const Index& index : info.indexes) {
    const std::int64_t used = append_index_change(info, index, change, batch);
    if (units != nullptr && used > 0) units->indexes.emplace_back(index.name, used);
  }
  append_expiry_change(info, change, batch);
  if (shard) append_record(info, change, *shard, batch);
}

bool append_index_entry(const TableInfo& info, const Index& index, const StoredItem& item, WriteBatch& batch) {
  const IndexEntry entry = index_entry(info, index, item);
  if (!entry.key) return false;
  batch.put(Family::kItems, *entry.key, entry.value());
  add_counts(info, index.number, 1, static_cast<std::int64_t>(entry.size()), batch);
  return true;
}

std::optional<std::int64_t> expiry_of(const TableInfo& info, const StoredItem& item) {
  if (!info.ttl.enabled || !item.exists()) return std::nullopt;
  const std::optional<AttributeValue> value = model::stored_attribute(item.bytes(), info.ttl.attribute);
  if (!value || !value->is(model::Type::kNumber)) return std::nullopt;
  const model::Number& number = value->get<model::Number>();
  const std::optional<std::int64_t> whole = number.to_int64();
  // Milliseconds by mistake mean far future; what has no int64 never comes.
  if (!whole || *whole < 0 || *whole > std::int64_t{1} << 53) return std::nullopt;
  return *whole + (number.is_integer() ? 0 : 1);
}

Item project_for_index(const TableInfo& info, const Index& index, const Item& item) {
  if (index.projection.kind == IndexProjection::Kind::kAll) return item;
  const auto included = [&](const std::string& name) {
    return info.keys.has(name) || index.keys.has(name) ||
           std::find(index.projection.attributes.begin(), index.projection.attributes.end(), name) !=
               index.projection.attributes.end();
  };
  Item out;
  for (const model::Attribute& attribute : item) {
    if (included(attribute.name)) out.append(attribute.name, attribute.value);
  }
  return out;
}

std::uint64_t hash_of_key_bytes(std::string_view key_bytes) { return codec::KeyReader(key_bytes).be64().value_or(0); }

}  // namespace millrace::tables
