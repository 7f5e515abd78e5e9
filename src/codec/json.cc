#include "codec/json.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <unordered_map>

#include <simdjson.h>

#include "codec/json_text.h"

namespace millrace::codec {
namespace {

// A parser of this thread is kept for small documents; a large one must not pin its buffers for ever.
constexpr std::size_t kKeptParserBytes = 64 * 1024;
// simdjson counts scalars as a level of their own.
constexpr std::size_t kParserDepth = static_cast<std::size_t>(kJsonDepthMax) + 1;
// Above this many members a duplicate is looked for in an index instead of by walking the object.
constexpr std::size_t kLinearMembersMax = 24;

Error malformed(std::string_view reason) {
  std::string text = "could not parse JSON: ";
  text += reason;
  return Error(kMalformedJson, std::move(text));
}

Json convert(const simdjson::dom::element& element);

Json convert_object(const simdjson::dom::object& object) {
  Json::Object members;
  members.reserve(object.size());
  std::unordered_map<std::string_view, std::size_t> places;  // keys live in simdjson's tape
  for (const auto [key, value] : object) {
    std::size_t place = members.size();
    if (members.size() <= kLinearMembersMax) {
      for (std::size_t i = 0; i < members.size(); ++i) {
        if (members[i].first == key) place = i;
      }
      places.emplace(key, place);
    } else {
      place = places.emplace(key, place).first->second;
    }
    if (place == members.size()) {
      members.emplace_back(std::string(key), convert(value));
    } else {
      members[place].second = convert(value);
    }
  }
  return members;
}

Json convert(const simdjson::dom::element& element) {
  using simdjson::dom::element_type;
  switch (element.type()) {
    case element_type::ARRAY: {
      Json::Array elements;
      const simdjson::dom::array array = element.get_array().value_unsafe();
      elements.reserve(array.size());
      for (const auto each : array) elements.push_back(convert(each));
      return elements;
    }
    case element_type::OBJECT:
      return convert_object(element.get_object().value_unsafe());
    case element_type::INT64:
      return element.get_int64().value_unsafe();
    case element_type::UINT64:
      return static_cast<double>(element.get_uint64().value_unsafe());
    case element_type::DOUBLE:
      return element.get_double().value_unsafe();
    case element_type::STRING:
      return element.get_string().value_unsafe();
    case element_type::BOOL:
      return element.get_bool().value_unsafe();
    case element_type::NULL_VALUE:
      return nullptr;
  }
  return nullptr;
}

// simdjson refuses integers beyond 64 bits: give each integer of 19 or more digits an exponent, which makes it a
// double.
std::string with_big_integers_as_doubles(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 16);
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string && c == '\\' && i + 1 < text.size()) {
      out += c;
      out += text[++i];
      continue;
    }
    if (c == '"') in_string = !in_string;
    if (in_string || c < '0' || c > '9') {
      out += c;
      continue;
    }
    const std::size_t end = std::min(text.find_first_not_of("0123456789.eE+-", i), text.size());
    const std::string_view token = text.substr(i, end - i);
    out += token;
    if (token.size() >= 19 && token.find_first_of(".eE") == std::string_view::npos) out += "e0";
    i = end - 1;
  }
  return out;
}

Result<Json> parse_with(simdjson::dom::parser& parser, std::string_view text) {
  if (parser.max_depth() != kParserDepth || parser.capacity() < text.size()) {
    if (parser.allocate(std::max<std::size_t>(text.size(), 4096), kParserDepth) != simdjson::SUCCESS) {
      return malformed("the document is too large");
    }
  }
  simdjson::dom::element root;
  const auto error = parser.parse(text.data(), text.size(), true).get(root);
  if (error != simdjson::SUCCESS) return malformed(simdjson::error_message(error));
  return convert(root);
}

Result<Json> parse_text(std::string_view text) {
  if (text.data() == nullptr) text = "";  // the parser copies from it
  if (text.size() <= kKeptParserBytes) {
    thread_local simdjson::dom::parser kept;
    return parse_with(kept, text);
  }
  simdjson::dom::parser parser;
  return parse_with(parser, text);
}

}  // namespace

std::int64_t Json::as_int() const {
  const auto* value = std::get_if<double>(&value_);
  if (value == nullptr) return std::get<std::int64_t>(value_);
  constexpr double kEnd = 0x1p63;
  if (*value >= kEnd) return std::numeric_limits<std::int64_t>::max();
  if (*value < -kEnd) return std::numeric_limits<std::int64_t>::min();
  return static_cast<std::int64_t>(*value);
}

double Json::as_double() const {
  if (const auto* value = std::get_if<std::int64_t>(&value_)) return static_cast<double>(*value);
  return std::get<double>(value_);
}

const Json* Json::find(std::string_view name) const {
  const auto* object = std::get_if<Object>(&value_);
  if (object == nullptr) return nullptr;
  for (const auto& member : *object) {
    if (member.first == name) return &member.second;
  }
  return nullptr;
}

Json* Json::find(std::string_view name) { return const_cast<Json*>(std::as_const(*this).find(name)); }

std::string_view Json::string_or(std::string_view name, std::string_view otherwise) const {
  const Json* member = find(name);
  return member != nullptr && member->is_string() ? std::string_view(member->as_string()) : otherwise;
}

std::int64_t Json::int_or(std::string_view name, std::int64_t otherwise) const {
  const Json* member = find(name);
  return member != nullptr && member->is_number() ? member->as_int() : otherwise;
}

bool Json::bool_or(std::string_view name, bool otherwise) const {
  const Json* member = find(name);
  return member != nullptr && member->is_bool() ? member->as_bool() : otherwise;
}

Json& Json::set(std::string_view name, Json value) {
  if (is_null()) value_ = Object();
  if (Json* member = find(name)) {
    *member = std::move(value);
  } else {
    std::get<Object>(value_).emplace_back(std::string(name), std::move(value));
  }
  return *this;
}

bool Json::erase(std::string_view name) {
  auto* object = std::get_if<Object>(&value_);
  if (object == nullptr) return false;
  for (auto it = object->begin(); it != object->end(); ++it) {
    if (it->first != name) continue;
    object->erase(it);
    return true;
  }
  return false;
}

Json& Json::push(Json value) {
  if (is_null()) value_ = Array();
  std::get<Array>(value_).push_back(std::move(value));
  return *this;
}

std::string Json::dump() const {
  std::string out;
  dump_to(out);
  return out;
}

void Json::dump_to(std::string& out) const {
  switch (value_.index()) {
    case 0:
      out += "null";
      return;
    case 1:
      out += as_bool() ? "true" : "false";
      return;
    case 2:
      out += std::to_string(std::get<std::int64_t>(value_));
      return;
    case 3:
      return append_json_number(out, std::get<double>(value_));
    case 4:
      return append_json_string(out, as_string());
    case 5: {
      char separator = '[';
      for (const Json& element : as_array()) {
        out += std::exchange(separator, ',');
        element.dump_to(out);
      }
      out += separator == '[' ? "[]" : "]";
      return;
    }
    default: {
      char separator = '{';
      for (const auto& [name, value] : as_object()) {
        out += std::exchange(separator, ',');
        append_json_string(out, name);
        out += ':';
        value.dump_to(out);
      }
      out += separator == '{' ? "{}" : "}";
    }
  }
}

namespace {

void dump_pretty_to(const Json& json, std::string& out, std::size_t indent) {
  if (json.is_array() && !json.as_array().empty()) {
    std::string_view separator = "[\n";
    for (const Json& element : json.as_array()) {
      out += std::exchange(separator, ",\n");
      out.append(indent + 2, ' ');
      dump_pretty_to(element, out, indent + 2);
    }
    out += '\n';
    out.append(indent, ' ');
    out += ']';
  } else if (json.is_object() && !json.as_object().empty()) {
    std::string_view separator = "{\n";
    for (const auto& [name, value] : json.as_object()) {
      out += std::exchange(separator, ",\n");
      out.append(indent + 2, ' ');
      append_json_string(out, name);
      out += ": ";
      dump_pretty_to(value, out, indent + 2);
    }
    out += '\n';
    out.append(indent, ' ');
    out += '}';
  } else {
    json.dump_to(out);
  }
}

}  // namespace

std::string Json::dump_pretty() const {
  std::string out;
  dump_pretty_to(*this, out, 0);
  return out;
}

Result<Json> parse_json(std::string_view text) {
  auto parsed = parse_text(text);
  if (parsed.ok()) return parsed;
  const std::string rewritten = with_big_integers_as_doubles(text);
  if (rewritten.size() == text.size()) return parsed;
  return parse_text(rewritten);
}

void append_json_string(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  if (skip_plain_json(text.data(), text.data() + text.size()) == text.data() + text.size()) {  // most are
    out.append(text).append(1, '"');
    return;
  }
  std::size_t start = 0;  // of the run that needs no escape
  const char* const end = text.data() + text.size();
  for (std::size_t i = 0; i < text.size(); ++i) {
    i = static_cast<std::size_t>(skip_plain_json(text.data() + i, end) - text.data());
    if (i == text.size()) break;
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x80) continue;
    out.append(text, start, i - start);
    start = i + 1;
    out += '\\';
    switch (c) {
      case '\n':
        out += 'n';
        break;
      case '\r':
        out += 'r';
        break;
      case '\t':
        out += 't';
        break;
      case '\b':
        out += 'b';
        break;
      case '\f':
        out += 'f';
        break;
      case '"':
      case '\\':
        out += static_cast<char>(c);
        break;
      default:
        out += "u00";
        out += kHex[c >> 4];
        out += kHex[c & 15];
    }
  }
  out.append(text, start, text.size() - start);
  out += '"';
}

void append_json_number(std::string& out, double value) {
  if (!std::isfinite(value)) {  // JSON has no such number
    out += "null";
    return;
  }
  const double magnitude = std::abs(value);
  const bool fixed = value == 0 || (magnitude >= 1e-7 && magnitude < 1e21);
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value,
                                 fixed ? std::chars_format::fixed : std::chars_format::scientific);
  out.append(buffer, end.ptr);
}

}  // namespace millrace::codec
