#include "model/stored.h"

#include <algorithm>

#include "codec/json.h"
#include "crypto/encoding.h"
#include "model/internal/varint.h"
#include "model/limits.h"

namespace millrace::model {
namespace {

using internal::append_varint;
using internal::read_bytes;
using internal::read_varint;

constexpr char kStoredVersion = 1;
constexpr int kReadDepthMax = kNestingMax + 4;  // damaged data must not exhaust the stack

void append_text(std::string& out, std::string_view text) {
  append_varint(out, text.size());
  out += text;
}

void append_body(std::string& out, const Item& item);
void append_value(std::string& out, const AttributeValue& value);

// Puts the length of what `write` appends in front of it.
template <typename F>
void append_sized(std::string& out, F&& write) {
  const std::size_t start = out.size();
  out += '\0';  // most containers are shorter than 128 bytes
  write();
  const std::size_t length = out.size() - start - 1;
  if (length < 0x80) {
    out[start] = static_cast<char>(length);
    return;
  }
  std::string prefix;
  append_varint(prefix, length);
  out.replace(start, 1, prefix);
}

void append_strings(std::string& out, const std::vector<std::string>& values) {
  append_sized(out, [&] {
    append_varint(out, values.size());
    for (const std::string& value : values) append_text(out, value);
  });
}

void append_numbers(std::string& out, const std::vector<Number>& values) {
  append_sized(out, [&] {
    append_varint(out, values.size());
    for (const Number& value : values) value.append_stored(out);
  });
}

void append_list(std::string& out, const List& values) {
  append_sized(out, [&] {
    append_varint(out, values.size());
    for (const AttributeValue& value : values) append_value(out, value);
  });
}

void append_value(std::string& out, const AttributeValue& value) {
  out += static_cast<char>(value.type());
  switch (value.type()) {
    case Type::kNull:
      return;
    case Type::kBool:
      out += value.get<bool>() ? '\1' : '\0';
      return;
    case Type::kString:
      return append_text(out, value.get<std::string>());
    case Type::kNumber:
      return value.get<Number>().append_stored(out);
    case Type::kBinary:
      return append_text(out, value.get<Binary>().bytes);
    case Type::kMap:
      return append_sized(out, [&] { append_body(out, value.get<Item>()); });
    case Type::kList:
      return append_list(out, value.get<List>());
    case Type::kStringSet:
      return append_strings(out, value.get<StringSet>().values);
    case Type::kNumberSet:
      return append_numbers(out, value.get<NumberSet>().values);
    case Type::kBinarySet:
      return append_strings(out, value.get<BinarySet>().values);
  }
}

void append_body(std::string& out, const Item& item) {
  append_varint(out, item.size());
  for (const Attribute& attribute : item) {
    append_text(out, attribute.name);
    append_value(out, attribute.value);
  }
}

bool read_value(std::string_view& in, AttributeValue& out, int depth);

bool read_body(std::string_view& in, Item& out, int depth) {
  std::uint64_t count = 0;
  if (depth > kReadDepthMax || !read_varint(in, count) || count > in.size()) return false;
  Item::Attributes& attributes = out.attributes();
  attributes.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    std::string_view name;
    if (!read_bytes(in, name)) return false;
    if (!attributes.empty() && attributes.back().name >= name) return false;
    Attribute& attribute = attributes.emplace_back();
    attribute.name = name;
    if (!read_value(in, attribute.value, depth)) return false;
  }
  return true;
}

bool read_list(std::string_view in, List& out, int depth) {
  std::uint64_t count = 0;
  if (depth > kReadDepthMax || !read_varint(in, count) || count > in.size()) return false;
  out.resize(count);
  for (AttributeValue& element : out) {
    if (!read_value(in, element, depth)) return false;
  }
  return in.empty();
}

bool read_strings(std::string_view in, std::vector<std::string>& out) {
  std::uint64_t count = 0;
  if (!read_varint(in, count) || count > in.size()) return false;
  out.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    std::string_view text;
    if (!read_bytes(in, text)) return false;
    out.emplace_back(text);
  }
  return in.empty();
}

bool read_numbers(std::string_view in, std::vector<Number>& out) {
  std::uint64_t count = 0;
  if (!read_varint(in, count) || count > in.size()) return false;
  out.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::optional<Number> number = Number::read_stored(in);
    if (!number) return false;
    out.push_back(*number);
  }
  return in.empty();
}

bool read_container(std::string_view& in, Type type, AttributeValue& out, int depth) {
  std::string_view bytes;
  if (!read_bytes(in, bytes)) return false;
  switch (type) {
    case Type::kMap: {
      Item map;
      if (!read_body(bytes, map, depth + 1) || !bytes.empty()) return false;
      out = AttributeValue::map(std::move(map));
      return true;
    }
    case Type::kList: {
      List list;
      if (!read_list(bytes, list, depth + 1)) return false;
      out = AttributeValue::list(std::move(list));
      return true;
    }
    case Type::kNumberSet: {
      NumberSet set;
      if (!read_numbers(bytes, set.values)) return false;
      out = AttributeValue(AttributeValue::Variant(std::move(set)));
      return true;
    }
    case Type::kStringSet: {
      StringSet set;
      if (!read_strings(bytes, set.values)) return false;
      out = AttributeValue(AttributeValue::Variant(std::move(set)));
      return true;
    }
    default: {
      BinarySet set;
      if (!read_strings(bytes, set.values)) return false;
      out = AttributeValue(AttributeValue::Variant(std::move(set)));
      return true;
    }
  }
}

bool read_type(std::string_view& in, Type& type) {
  if (in.empty() || static_cast<unsigned char>(in[0]) > static_cast<unsigned char>(Type::kBinarySet)) return false;
  type = static_cast<Type>(in[0]);
  in.remove_prefix(1);
  return true;
}

bool read_value(std::string_view& in, AttributeValue& out, int depth) {
  Type type{};
  if (!read_type(in, type)) return false;
  switch (type) {
    case Type::kNull:
      out = AttributeValue::null();
      return true;
    case Type::kBool:
      if (in.empty()) return false;
      out = AttributeValue::boolean(in[0] != '\0');
      in.remove_prefix(1);
      return true;
    case Type::kString:
    case Type::kBinary: {
      std::string_view bytes;
      if (!read_bytes(in, bytes)) return false;
      out = type == Type::kString ? AttributeValue::string(std::string(bytes))
                                  : AttributeValue::binary(std::string(bytes));
      return true;
    }
    case Type::kNumber: {
      const std::optional<Number> number = Number::read_stored(in);
      if (!number) return false;
      out = AttributeValue::number(*number);
      return true;
    }
    default:
      return read_container(in, type, out, depth);
  }
}

// Removes one value from the front without building it.
bool skip_value(std::string_view& in) {
  Type type{};
  if (!read_type(in, type)) return false;
  if (type == Type::kNull) return true;
  if (type == Type::kNumber) return Number::read_stored(in).has_value();
  if (type == Type::kBool) {
    if (in.empty()) return false;
    in.remove_prefix(1);
    return true;
  }
  std::string_view bytes;
  return read_bytes(in, bytes);
}

bool add_size(std::string_view& in, std::size_t& total, int depth);

bool add_body_size(std::string_view& in, std::size_t& total, int depth, std::size_t per_member) {
  std::uint64_t count = 0;
  if (depth > kReadDepthMax || !read_varint(in, count) || count > in.size()) return false;
  std::string_view before;
  for (std::uint64_t i = 0; i < count; ++i) {
    std::string_view name;
    if (!read_bytes(in, name) || (i > 0 && before >= name)) return false;
    before = name;
    total += name.size() + per_member;
    if (!add_size(in, total, depth)) return false;
  }
  return true;
}

bool add_elements_size(std::string_view in, Type type, std::size_t& total, int depth) {
  std::uint64_t count = 0;
  const bool deep = type == Type::kList && depth > kReadDepthMax;
  if (deep || !read_varint(in, count) || count > in.size()) return false;
  for (std::uint64_t i = 0; i < count; ++i) {
    std::string_view text;
    switch (type) {
      case Type::kList:
        total += 1;
        if (!add_size(in, total, depth)) return false;
        break;
      case Type::kNumberSet: {
        const std::optional<Number> number = Number::read_stored(in);
        if (!number) return false;
        total += number->size();
        break;
      }
      default:
        if (!read_bytes(in, text)) return false;
        total += text.size();
    }
  }
  return in.empty();
}

// Removes one value from the front and adds what it counts (see limits.h).
bool add_size(std::string_view& in, std::size_t& total, int depth) {
  const std::string_view start = in;
  Type type{};
  if (!read_type(in, type)) return false;
  std::string_view bytes;
  switch (type) {
    case Type::kNull:
    case Type::kBool:
      total += 1;
      in = start;
      return skip_value(in);
    case Type::kNumber: {
      const std::optional<Number> number = Number::read_stored(in);
      if (number) total += number->size();
      return number.has_value();
    }
    case Type::kMap:
      total += 3;
      return read_bytes(in, bytes) && add_body_size(bytes, total, depth + 1, 1) && bytes.empty();
    case Type::kList:
      total += 3;
      [[fallthrough]];
    case Type::kStringSet:
    case Type::kNumberSet:
    case Type::kBinarySet:
      return read_bytes(in, bytes) && add_elements_size(bytes, type, total, depth + 1);
    default:
      if (!read_bytes(in, bytes)) return false;
      total += bytes.size();
      return true;
  }
}

void append_base64_string(std::string& out, std::string_view bytes) {
  out += '"';
  out += crypto::base64_encode(bytes);
  out += '"';
}

bool json_value(std::string& out, std::string_view& in, int depth);

bool json_body(std::string& out, std::string_view& in, int depth) {
  std::uint64_t count = 0;
  if (depth > kReadDepthMax || !read_varint(in, count)) return false;
  out += '{';
  for (std::uint64_t i = 0; i < count; ++i) {
    std::string_view name;
    if (!read_bytes(in, name)) return false;
    if (i > 0) out += ',';
    codec::append_json_string(out, name);
    out += ':';
    if (!json_value(out, in, depth)) return false;
  }
  out += '}';
  return true;
}

// The elements of a list or set, each written by `element`.
template <typename F>
bool json_elements(std::string& out, std::string_view in, F&& element) {
  std::uint64_t count = 0;
  if (!read_varint(in, count)) return false;
  out += '[';
  for (std::uint64_t i = 0; i < count; ++i) {
    if (i > 0) out += ',';
    if (!element(in)) return false;
  }
  out += ']';
  return in.empty();
}

bool json_text(std::string& out, std::string_view& in) {
  std::string_view text;
  if (!read_bytes(in, text)) return false;
  codec::append_json_string(out, text);
  return true;
}

bool json_binary(std::string& out, std::string_view& in) {
  std::string_view bytes;
  if (!read_bytes(in, bytes)) return false;
  append_base64_string(out, bytes);
  return true;
}

bool json_number(std::string& out, std::string_view& in) {
  const std::optional<Number> number = Number::read_stored(in);
  if (!number) return false;
  out += '"';
  number->append_text(out);
  out += '"';
  return true;
}

bool json_container(std::string& out, std::string_view& in, Type type, int depth) {
  std::string_view bytes;
  if (!read_bytes(in, bytes)) return false;
  switch (type) {
    case Type::kMap:
      return json_body(out, bytes, depth + 1) && bytes.empty();
    case Type::kList:
      if (depth >= kReadDepthMax) return false;
      return json_elements(out, bytes, [&](std::string_view& rest) { return json_value(out, rest, depth + 1); });
    case Type::kStringSet:
      return json_elements(out, bytes, [&](std::string_view& rest) { return json_text(out, rest); });
    case Type::kNumberSet:
      return json_elements(out, bytes, [&](std::string_view& rest) { return json_number(out, rest); });
    default:
      return json_elements(out, bytes, [&](std::string_view& rest) { return json_binary(out, rest); });
  }
}

bool json_payload(std::string& out, std::string_view& in, Type type, int depth) {
  switch (type) {
    case Type::kNull:
      out += "true";
      return true;
    case Type::kBool:
      if (in.empty()) return false;
      out += in[0] != '\0' ? "true" : "false";
      in.remove_prefix(1);
      return true;
    case Type::kString:
      return json_text(out, in);
    case Type::kNumber:
      return json_number(out, in);
    case Type::kBinary:
      return json_binary(out, in);
    default:
      return json_container(out, in, type, depth);
  }
}

bool json_value(std::string& out, std::string_view& in, int depth) {
  Type type{};
  if (!read_type(in, type)) return false;
  // As type_name() has them.
  static constexpr std::string_view kOpenings[] = {R"({"NULL":)", R"({"BOOL":)", R"({"S":)",  R"({"N":)",  R"({"B":)",
                                                   R"({"M":)",    R"({"L":)",    R"({"SS":)", R"({"NS":)", R"({"BS":)"};
  out += kOpenings[static_cast<std::size_t>(type)];
  if (!json_payload(out, in, type, depth)) return false;
  out += '}';
  return true;
}

bool take_version(std::string_view& stored) {
  if (stored.empty() || stored[0] != kStoredVersion) return false;
  stored.remove_prefix(1);
  return true;
}

}  // namespace

void append_stored(std::string& out, const Item& item) {
  out += kStoredVersion;
  append_body(out, item);
}

std::string to_stored(const Item& item) {
  std::string out;
  out.reserve(size_of(item) + 3 * item.size() + 8);
  append_stored(out, item);
  return out;
}

std::optional<Item> from_stored(std::string_view stored) {
  std::optional<Item> item(std::in_place);
  if (!take_version(stored) || !read_body(stored, *item, 0) || !stored.empty()) item.reset();
  return item;
}

bool append_json_of_stored(std::string& out, std::string_view stored) {
  // Most items are text; a page grows by doubling.
  if (const std::size_t need = out.size() + stored.size() + stored.size() / 8 + 64; need > out.capacity())
    out.reserve(std::max(need, 2 * out.size()));
  return take_version(stored) && json_body(out, stored, 0) && stored.empty();
}

std::optional<std::size_t> size_of_stored(std::string_view stored) {
  std::size_t total = 0;
  if (!take_version(stored) || !add_body_size(stored, total, 0, 0) || !stored.empty()) return std::nullopt;
  return total;
}

std::optional<AttributeValue> stored_attribute(std::string_view stored, std::string_view name) {
  std::uint64_t count = 0;
  if (!take_version(stored) || !read_varint(stored, count)) return std::nullopt;
  for (std::uint64_t i = 0; i < count; ++i) {
    std::string_view found;
    if (!read_bytes(stored, found) || found > name) return std::nullopt;
    if (found == name) {
      AttributeValue value;
      if (!read_value(stored, value, 0)) return std::nullopt;
      return value;
    }
    if (!skip_value(stored)) return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace millrace::model
