// Two ways of reading the same members.
#include <algorithm>

#include "api/dynamodb/internal/item_call.h"

namespace millrace::api_dynamodb {
namespace {

using codec::Json;
using model::JsonReader;

constexpr std::size_t kNameBytesMax = 65535;  // AWS: AttributeName

template <typename T>
struct Spelled {
  std::string_view text;
  T value;
};
constexpr Spelled<Capacity> kCapacities[] = {
    {"NONE", Capacity::kNone}, {"TOTAL", Capacity::kTotal}, {"INDEXES", Capacity::kIndexes}};
constexpr Spelled<ReturnValues> kReturnValues[] = {{"NONE", ReturnValues::kNone},
                                                   {"ALL_OLD", ReturnValues::kAllOld},
                                                   {"ALL_NEW", ReturnValues::kAllNew},
                                                   {"UPDATED_OLD", ReturnValues::kUpdatedOld},
                                                   {"UPDATED_NEW", ReturnValues::kUpdatedNew}};
constexpr Spelled<Select> kSelects[] = {{"ALL_ATTRIBUTES", Select::kAllAttributes},
                                        {"ALL_PROJECTED_ATTRIBUTES", Select::kAllProjected},
                                        {"SPECIFIC_ATTRIBUTES", Select::kSpecific},
                                        {"COUNT", Select::kCount}};
constexpr Spelled<bool> kMetrics[] = {{"NONE", false}, {"SIZE", true}};
constexpr Spelled<bool> kOnFailure[] = {{"NONE", false}, {"ALL_OLD", true}};

// False: not one of them (the validator has seen to that in documents).
template <typename T, std::size_t N>
bool spelled(const Spelled<T> (&table)[N], std::string_view text, T& out) {
  for (const Spelled<T>& entry : table) {
    if (entry.text != text) continue;
    out = entry.value;
    return true;
  }
  return false;
}

// The string members that are kept as they are.
std::optional<std::string>* expression_member(ItemCall& call, std::string_view name) {
  if (name == "UpdateExpression") return &call.update;
  if (name == "ConditionExpression") return &call.condition;
  if (name == "KeyConditionExpression") return &call.key_condition;
  if (name == "FilterExpression") return &call.filter;
  if (name == "ProjectionExpression") return &call.projection;
  return nullptr;
}

// True: `name` was an enum member with that text.
bool set_enum(ItemCall& call, std::string_view name, std::string_view text) {
  if (name == "ReturnValues") return spelled(kReturnValues, text, call.return_values);
  if (name == "ReturnConsumedCapacity") return spelled(kCapacities, text, call.capacity);
  if (name == "ReturnItemCollectionMetrics") return spelled(kMetrics, text, call.metrics);
  if (name == "ReturnValuesOnConditionCheckFailure") return spelled(kOnFailure, text, call.old_on_failure);
  if (name == "Select") return spelled(kSelects, text, call.select);
  return false;
}

bool is_enum(std::string_view name) { return name.starts_with("Return") || name == "Select"; }

bool* bool_member(ItemCall& call, std::string_view name) {
  if (name == "ConsistentRead") return &call.consistent;
  if (name == "ScanIndexForward") return &call.forward;
  return nullptr;
}

std::optional<model::Item>* item_member(ItemCall& call, std::string_view name) {
  if (name == "Item" || name == "Key") return &call.item;
  if (name == "ExclusiveStartKey") return &call.start;
  return nullptr;
}

const Json** legacy_member(ItemCall& call, std::string_view name) {
  ItemCall::Legacy& legacy = call.legacy;
  if (name == "AttributesToGet") return &legacy.attributes_to_get;
  if (name == "AttributeUpdates") return &legacy.attribute_updates;
  if (name == "ScanFilter") return &legacy.scan_filter;
  if (name == "QueryFilter") return &legacy.query_filter;
  if (name == "KeyConditions") return &legacy.key_conditions;
  if (name == "Expected") return &legacy.expected;
  if (name == "ConditionalOperator") return &legacy.conditional_operator;
  return nullptr;
}

// False: no such member.
bool set_number(ItemCall& call, std::string_view name, std::int64_t value) {
  if (name == "Limit") {
    call.limit = static_cast<std::size_t>(value);
  } else if (name == "Segment") {
    call.segment = static_cast<std::uint32_t>(value);
  } else if (name == "TotalSegments") {
    call.total_segments = static_cast<std::uint32_t>(value);
  } else {
    return false;
  }
  return true;
}

// --- from documents -------------------------------------------------------------------------------------------------

Result<void> read_values(const Json& json, ItemCall& call) {
  call.values.emplace();
  for (const auto& [placeholder, value] : json.as_object()) {
    Result<model::AttributeValue> read = model::read_value(value);
    if (!read.ok()) {
      if (!read.error().is(model::kValidationException)) return read.error();
      return Error(model::kValidationException, "ExpressionAttributeValues contains invalid value: " +
                                                    read.error().message() + " for key " + placeholder);
    }
    call.values->emplace_back(placeholder, std::move(*read));
  }
  return {};
}

void read_names(const Json& json, ItemCall& call) {
  call.names.emplace();
  for (const auto& [placeholder, name] : json.as_object()) call.names->emplace_back(placeholder, name.as_string());
}

Result<void> read_member(const std::string& name, const Json& json, ItemCall& call) {
  if (auto* const expression = expression_member(call, name)) {
    *expression = json.as_string();
  } else if (auto* const item = item_member(call, name)) {
    MR_ASSIGN_OR_RETURN(*item, model::read_item(json));
  } else if (auto* const flag = bool_member(call, name)) {
    *flag = json.as_bool();
  } else if (const Json** const legacy = legacy_member(call, name)) {
    *legacy = &json;
  } else if (name == "TableName") {
    call.table = json.as_string();
  } else if (name == "IndexName") {
    call.index = json.as_string();
  } else if (name == "ExpressionAttributeNames") {
    read_names(json, call);
  } else if (name == "ExpressionAttributeValues") {
    return read_values(json, call);
  } else if (json.is_number()) {
    set_number(call, name, json.as_int());
  } else if (is_enum(name)) {
    set_enum(call, name, json.as_string());
  }
  return {};
}

// --- from text ------------------------------------------------------------------------------------------------------

// What AWS limits and the expression parser does not look at again.
bool is_common(const ItemCall& call) {
  const auto short_names = [](const std::optional<model::Item>& item) {
    return !item || std::all_of(item->begin(), item->end(), [](const model::Attribute& attribute) {
      return attribute.name.size() <= kNameBytesMax;
    });
  };
  return is_plain_table_name(call.table) && short_names(call.item) && short_names(call.start);
}

bool read_names(JsonReader& reader, ItemCall& call) {
  call.names.emplace();
  return reader.read_object([&](std::string_view placeholder) {
    std::string name;
    for (const auto& [earlier, unused] : *call.names) {
      if (earlier == placeholder) return false;
    }
    std::string key(placeholder);
    if (!reader.read_string(name) || name.size() > kNameBytesMax) return false;
    call.names->emplace_back(std::move(key), std::move(name));
    return true;
  });
}

bool read_values(JsonReader& reader, ItemCall& call) {
  call.values.emplace();
  return reader.read_object([&](std::string_view placeholder) {
    for (const auto& [earlier, unused] : *call.values) {
      if (earlier == placeholder) return false;
    }
    auto& entry = call.values->emplace_back(std::string(placeholder), model::AttributeValue());
    return reader.read_value(entry.second);
  });
}

bool read_limit(JsonReader& reader, ItemCall& call) {
  std::int64_t limit = 0;
  if (!reader.read_int(limit) || limit < 1) return false;
  call.limit = static_cast<std::size_t>(limit);
  return true;
}

bool read_member(std::string_view name, JsonReader& reader, ItemCall& call) {
  if (auto* const expression = expression_member(call, name)) return reader.read_string(expression->emplace());
  if (auto* const item = item_member(call, name)) return reader.read_item(item->emplace());
  if (auto* const flag = bool_member(call, name)) return reader.read_bool(*flag);
  if (name == "TableName") return reader.read_string(call.table);
  if (name == "IndexName") return reader.read_string(call.index) && is_plain_table_name(call.index);
  if (name == "ExpressionAttributeNames") return read_names(reader, call);
  if (name == "ExpressionAttributeValues") return read_values(reader, call);
  if (name == "Limit") return read_limit(reader, call);
  std::string text;
  return is_enum(name) && reader.read_string(text) && set_enum(call, name, text);
}

}  // namespace

bool is_plain_table_name(std::string_view name) {
  return name.size() >= 3 && name.size() <= 255 && std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
                  c == '.';
         });
}

Result<ItemCall> read_call(const Json& document) {
  ItemCall call;
  for (const auto& [name, member] : document.as_object()) MR_RETURN_IF_ERROR(read_member(name, member, call));
  return call;
}

std::optional<ItemCall> read_call(std::string_view body, const std::vector<std::string_view>& members) {
  std::optional<ItemCall> call(std::in_place);
  JsonReader reader(body);
  std::uint32_t seen = 0;
  const bool read = reader.read_object([&](std::string_view name) {
    const auto it = std::find(members.begin(), members.end(), name);
    if (it == members.end()) return false;
    const std::uint32_t bit = 1U << static_cast<unsigned>(it - members.begin());
    if ((seen & bit) != 0) return false;
    seen |= bit;
    return read_member(*it, reader, *call);
  });
  if (!read || !reader.at_end() || !is_common(*call)) call.reset();
  return call;
}

}  // namespace millrace::api_dynamodb
