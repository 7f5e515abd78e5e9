#include "model/json.h"

#include <algorithm>

#include "crypto/encoding.h"
#include "model/limits.h"

namespace millrace::model {
namespace {

using codec::Json;

Error invalid(std::string message) { return Error(kValidationException, std::move(message)); }
Error wrong_kind() { return Error(codec::kMalformedJson, "Unexpected value type in payload"); }

Result<AttributeValue> read_nested(const Json& json, int depth);

Result<Item> read_nested_item(const Json& json, int depth) {
  if (!json.is_object()) return wrong_kind();
  Item::Attributes attributes;
  attributes.reserve(json.as_object().size());
  for (const auto& [name, member] : json.as_object()) {
    MR_ASSIGN_OR_RETURN(AttributeValue value, read_nested(member, depth));
    attributes.push_back(Attribute{name, std::move(value)});
  }
  Item item;
  Item::from_unsorted(std::move(attributes), item);
  return item;
}

Result<std::string> read_blob(const Json& json) {
  if (!json.is_string()) return wrong_kind();
  std::optional<std::string> bytes = crypto::base64_decode(json.as_string());
  if (!bytes) return Error(codec::kMalformedJson, "Invalid length for a base-64 char array or invalid base64 text");
  return *std::move(bytes);
}

Result<Number> read_number(const Json& json) {
  if (!json.is_string()) return wrong_kind();
  if (json.as_string().empty()) return invalid("The parameter cannot be converted to a numeric value");
  return Number::parse(json.as_string());
}

std::string joined(const Json::Array& elements) {
  std::string out = "[";
  for (const Json& element : elements) {
    if (out.size() > 1) out += ", ";
    out += element.as_string();
  }
  return out + "]";
}

Result<AttributeValue> read_string_set(const Json::Array& elements) {
  if (elements.empty()) return invalid("One or more parameter values were invalid: An string set  may not be empty");
  std::vector<std::string> values;
  for (const Json& element : elements) {
    if (!element.is_string()) return wrong_kind();
    if (element.as_string().empty()) {
      return invalid(
          "One or more parameter values were invalid: An string set may not have a empty string as a member");
    }
    values.push_back(element.as_string());
  }
  AttributeValue set = AttributeValue::string_set(std::move(values));
  if (set.get<StringSet>().values.size() != elements.size()) {
    return invalid("One or more parameter values were invalid: Input collection " + joined(elements) +
                   " contains duplicates.");
  }
  return set;
}

Result<AttributeValue> read_number_set(const Json::Array& elements) {
  if (elements.empty()) return invalid("One or more parameter values were invalid: An number set  may not be empty");
  std::vector<Number> values;
  for (const Json& element : elements) {
    MR_ASSIGN_OR_RETURN(const Number number, read_number(element));
    values.push_back(number);
  }
  AttributeValue set = AttributeValue::number_set(std::move(values));
  if (set.get<NumberSet>().values.size() != elements.size()) return invalid("Input collection contains duplicates");
  return set;
}

Result<AttributeValue> read_binary_set(const Json::Array& elements) {
  if (elements.empty()) return invalid("One or more parameter values were invalid: Binary sets should not be empty");
  std::vector<std::string> values;
  for (const Json& element : elements) {
    MR_ASSIGN_OR_RETURN(std::string bytes, read_blob(element));
    if (bytes.empty()) {
      return invalid("One or more parameter values were invalid: Binary sets may not contain null or empty values");
    }
    values.push_back(std::move(bytes));
  }
  AttributeValue set = AttributeValue::binary_set(std::move(values));
  if (set.get<BinarySet>().values.size() != elements.size()) {
    return invalid("One or more parameter values were invalid: Input collection of type BS contains duplicates.");
  }
  return set;
}

Result<AttributeValue> read_list(const Json& json, int depth) {
  if (!json.is_array()) return wrong_kind();
  List list;
  list.reserve(json.as_array().size());
  for (const Json& element : json.as_array()) {
    MR_ASSIGN_OR_RETURN(AttributeValue value, read_nested(element, depth));
    list.push_back(std::move(value));
  }
  return AttributeValue::list(std::move(list));
}

Result<AttributeValue> read_set(std::string_view type, const Json& json) {
  if (!json.is_array()) return wrong_kind();
  if (type == "SS") return read_string_set(json.as_array());
  if (type == "NS") return read_number_set(json.as_array());
  return read_binary_set(json.as_array());
}

Result<AttributeValue> read_scalar(std::string_view type, const Json& json) {
  if (type == "S") {
    if (!json.is_string()) return wrong_kind();
    return AttributeValue::string(json.as_string());
  }
  if (type == "N") {
    MR_ASSIGN_OR_RETURN(const Number number, read_number(json));
    return AttributeValue::number(number);
  }
  if (type == "B") {
    MR_ASSIGN_OR_RETURN(std::string bytes, read_blob(json));
    return AttributeValue::binary(std::move(bytes));
  }
  if (!json.is_bool()) return wrong_kind();
  if (type == "BOOL") return AttributeValue::boolean(json.as_bool());
  if (!json.as_bool()) {
    return invalid("One or more parameter values were invalid: Null attribute value types must have the value of true");
  }
  return AttributeValue::null();
}

bool is_type_name(std::string_view name) {
  constexpr std::string_view kNames[] = {"S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

Result<AttributeValue> read_nested(const Json& json, int depth) {
  if (!json.is_object()) return wrong_kind();
  const Json::Member* found = nullptr;
  for (const Json::Member& member : json.as_object()) {
    if (member.second.is_null() || !is_type_name(member.first)) continue;
    if (found != nullptr) {
      return invalid(
          "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported "
          "datatypes");
    }
    found = &member;
  }
  if (found == nullptr) {
    return invalid("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes");
  }
  const auto& [type, value] = *found;
  if (type == "M" || type == "L") {
    if (depth >= kNestingMax) return invalid("Nesting Levels have exceeded supported limits");
    if (type == "L") return read_list(value, depth + 1);
    MR_ASSIGN_OR_RETURN(Item map, read_nested_item(value, depth + 1));
    return AttributeValue::map(std::move(map));
  }
  return type.size() == 2 ? read_set(type, value) : read_scalar(type, value);
}

template <typename Values, typename F>
void append_elements(std::string& out, const Values& values, F&& append) {
  out += '[';
  bool first = true;
  for (const auto& value : values) {
    if (!std::exchange(first, false)) out += ',';
    append(value);
  }
  out += ']';
}

void append_base64(std::string& out, std::string_view bytes) {
  out += '"';
  out += crypto::base64_encode(bytes);
  out += '"';
}

void append_number(std::string& out, const Number& number) {
  out += '"';
  number.append_text(out);
  out += '"';
}

void append_payload(std::string& out, const AttributeValue& value) {
  switch (value.type()) {
    case Type::kNull:
      out += "true";
      return;
    case Type::kBool:
      out += value.get<bool>() ? "true" : "false";
      return;
    case Type::kString:
      return codec::append_json_string(out, value.get<std::string>());
    case Type::kNumber:
      return append_number(out, value.get<Number>());
    case Type::kBinary:
      return append_base64(out, value.get<Binary>().bytes);
    case Type::kMap:
      return append_json(out, value.get<Item>());
    case Type::kList:
      return append_elements(out, value.get<List>(), [&](const AttributeValue& v) { append_json(out, v); });
    case Type::kStringSet:
      return append_elements(out, value.get<StringSet>().values,
                             [&](const std::string& v) { codec::append_json_string(out, v); });
    case Type::kNumberSet:
      return append_elements(out, value.get<NumberSet>().values, [&](const Number& v) { append_number(out, v); });
    case Type::kBinarySet:
      return append_elements(out, value.get<BinarySet>().values, [&](const std::string& v) { append_base64(out, v); });
  }
}

template <typename Values, typename F>
Json array_of(const Values& values, F&& convert) {
  Json::Array out;
  out.reserve(values.size());
  for (const auto& value : values) out.push_back(convert(value));
  return Json(std::move(out));
}

Json payload_document(const AttributeValue& value) {
  switch (value.type()) {
    case Type::kNull:
      return Json(true);
    case Type::kBool:
      return Json(value.get<bool>());
    case Type::kString:
      return Json(value.get<std::string>());
    case Type::kNumber:
      return Json(value.get<Number>().text());
    case Type::kBinary:
      return Json(crypto::base64_encode(value.get<Binary>().bytes));
    case Type::kMap:
      return to_document(value.get<Item>());
    case Type::kList:
      return array_of(value.get<List>(), [](const AttributeValue& v) { return to_document(v); });
    case Type::kStringSet:
      return array_of(value.get<StringSet>().values, [](const std::string& v) { return Json(v); });
    case Type::kNumberSet:
      return array_of(value.get<NumberSet>().values, [](const Number& v) { return Json(v.text()); });
    case Type::kBinarySet:
      return array_of(value.get<BinarySet>().values,
                      [](const std::string& v) { return Json(crypto::base64_encode(v)); });
  }
  return Json();
}

}  // namespace

Result<AttributeValue> read_value(const Json& json) { return read_nested(json, 0); }
Result<Item> read_item(const Json& json) { return read_nested_item(json, 0); }

void append_json(std::string& out, const AttributeValue& value) {
  out += "{\"";
  out += type_name(value.type());
  out += "\":";
  append_payload(out, value);
  out += '}';
}

void append_json(std::string& out, const Item& item) {
  out += '{';
  bool first = true;
  for (const Attribute& attribute : item) {
    if (!std::exchange(first, false)) out += ',';
    codec::append_json_string(out, attribute.name);
    out += ':';
    append_json(out, attribute.value);
  }
  out += '}';
}

std::string to_json(const Item& item) {
  std::string out;
  out.reserve(size_of(item) + 12 * item.size() + 2);
  append_json(out, item);
  return out;
}

Json to_document(const AttributeValue& value) {
  Json out = Json::object();
  out.set(type_name(value.type()), payload_document(value));
  return out;
}

Json to_document(const Item& item) {
  Json::Object members;
  members.reserve(item.size());
  for (const Attribute& attribute : item) members.emplace_back(attribute.name, to_document(attribute.value));
  return Json(std::move(members));
}

}  // namespace millrace::model
