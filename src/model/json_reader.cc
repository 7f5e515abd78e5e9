#include <charconv>
#include <cstdint>

#include "codec/json_text.h"
#include "crypto/encoding.h"
#include "model/json.h"
#include "model/limits.h"

namespace millrace::model {
namespace {

constexpr int kSkipDepthMax = 2 * kNestingMax + 16;

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

// Length of the well-formed UTF-8 sequence at `at` (2 to 4 bytes; ASCII is handled by the caller), 0 if malformed.
std::size_t utf8_length(const char* at, const char* end) {
  const auto byte = [&](int i) { return static_cast<unsigned char>(at[i]); };
  const auto continues = [&](int i) { return (byte(i) & 0xC0) == 0x80; };
  const unsigned char lead = byte(0);
  const auto available = end - at;
  if (lead >= 0xC2 && lead <= 0xDF) return available >= 2 && continues(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    if (available < 3 || !continues(1) || !continues(2)) return 0;
    if (lead == 0xE0 && byte(1) < 0xA0) return 0;  // overlong
    if (lead == 0xED && byte(1) > 0x9F) return 0;  // surrogates
    return 3;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    if (available < 4 || !continues(1) || !continues(2) || !continues(3)) return 0;
    if (lead == 0xF0 && byte(1) < 0x90) return 0;
    if (lead == 0xF4 && byte(1) > 0x8F) return 0;
    return 4;
  }
  return 0;
}

bool read_hex4(const char*& at, const char* end, std::uint32_t& out) {
  if (end - at < 4) return false;
  const auto [stop, error] = std::from_chars(at, at + 4, out, 16);
  if (error != std::errc() || stop != at + 4) return false;
  at += 4;
  return true;
}

void append_utf8(std::string& out, std::uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | (code >> 6));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | (code >> 12));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (code >> 18));
    out += static_cast<char>(0x80 | ((code >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

}  // namespace

void JsonReader::skip_space() {
  while (at_ != end_ && is_space(*at_)) ++at_;
}

bool JsonReader::consume(char c) {
  if (!peek(c)) return false;
  ++at_;
  return true;
}

bool JsonReader::peek(char c) {
  skip_space();
  return at_ != end_ && *at_ == c;
}

bool JsonReader::at_end() {
  skip_space();
  return at_ == end_;
}

bool JsonReader::read_string(std::string& out) {
  if (!consume('"')) return false;
  out.clear();
  while (true) {
    const char* const start = at_;
    at_ = codec::skip_plain_json(at_, end_);
    out.append(start, at_);
    if (at_ == end_ || static_cast<unsigned char>(*at_) < 0x20) return false;
    if (*at_ == '"') {
      ++at_;
      return true;
    }
    if (*at_ == '\\') {
      if (!read_escape(out)) return false;
    } else {
      const std::size_t length = utf8_length(at_, end_);
      if (length == 0) return false;
      out.append(at_, length);
      at_ += length;
    }
  }
}

bool JsonReader::read_escape(std::string& out) {
  if (end_ - at_ < 2) return false;
  const char kind = at_[1];
  at_ += 2;
  switch (kind) {
    case '"':
    case '\\':
    case '/':
      out += kind;
      return true;
    case 'b':
      out += '\b';
      return true;
    case 'f':
      out += '\f';
      return true;
    case 'n':
      out += '\n';
      return true;
    case 'r':
      out += '\r';
      return true;
    case 't':
      out += '\t';
      return true;
    case 'u':
      break;
    default:
      return false;
  }
  std::uint32_t code = 0;
  if (!read_hex4(at_, end_, code)) return false;
  if (code >= 0xDC00 && code <= 0xDFFF) return false;
  if (code >= 0xD800 && code <= 0xDBFF) {
    if (end_ - at_ < 6 || at_[0] != '\\' || at_[1] != 'u') return false;
    at_ += 2;
    std::uint32_t low = 0;
    if (!read_hex4(at_, end_, low) || low < 0xDC00 || low > 0xDFFF) return false;
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
  }
  append_utf8(out, code);
  return true;
}

bool JsonReader::read_bool(bool& out) {
  skip_space();
  const std::string_view rest(at_, static_cast<std::size_t>(end_ - at_));
  if (rest.starts_with("true")) {
    out = true;
    at_ += 4;
    return true;
  }
  if (rest.starts_with("false")) {
    out = false;
    at_ += 5;
    return true;
  }
  return false;
}

bool JsonReader::read_int(std::int64_t& out) {
  skip_space();
  const auto [stop, error] = std::from_chars(at_, end_, out);
  if (error != std::errc() || stop == at_) return false;
  const std::string_view digits(at_, static_cast<std::size_t>(stop - at_));
  if (digits.size() > 1 && (digits[0] == '0' || digits.starts_with("-0"))) return false;
  at_ = stop;
  return at_ == end_ || (*at_ != '.' && *at_ != 'e' && *at_ != 'E');
}

bool JsonReader::skip_value() { return skip_value(0); }

bool JsonReader::skip_value(int depth) {
  if (depth > kSkipDepthMax) return false;
  skip_space();
  if (at_ == end_) return false;
  switch (*at_) {
    case '{':
      return read_object([&](std::string_view) { return skip_value(depth + 1); });
    case '[':
      return read_array([&] { return skip_value(depth + 1); });
    case '"': {
      std::string ignored;
      return read_string(ignored);
    }
    case 't':
    case 'f': {
      bool ignored = false;
      return read_bool(ignored);
    }
    case 'n':
      if (std::string_view(at_, static_cast<std::size_t>(end_ - at_)).starts_with("null")) {
        at_ += 4;
        return true;
      }
      return false;
    default: {
      std::int64_t ignored = 0;  // other numbers are the generic path's
      return read_int(ignored);
    }
  }
}

bool JsonReader::read_number(Number& out) {
  std::string text;
  if (!read_string(text)) return false;
  Result<Number> number = Number::parse(text);
  if (!number.ok()) return false;
  out = *number;
  return true;
}

bool JsonReader::read_item(Item& out, int depth) {
  if (!consume('{')) return false;
  Item::Attributes attributes;
  attributes.reserve(depth == 0 ? 8 : 2);
  if (!consume('}')) {
    do {
      Attribute& attribute = attributes.emplace_back();
      if (!read_string(attribute.name) || !consume(':') || !read_value(attribute.value, depth)) return false;
    } while (consume(','));
    if (!consume('}')) return false;
  }
  return Item::from_unsorted(std::move(attributes), out);
}

bool JsonReader::read_value(AttributeValue& out, int depth) {
  std::string type;
  return consume('{') && read_string(type) && consume(':') && read_typed(type, out, depth) && consume('}');
}

bool JsonReader::read_typed(std::string_view type, AttributeValue& out, int depth) {
  if (type == "S" || type == "B") {
    std::string text;
    if (!read_string(text)) return false;
    if (type == "S") {
      out = AttributeValue::string(std::move(text));
      return true;
    }
    std::optional<std::string> bytes = crypto::base64_decode(text);
    if (bytes) out = AttributeValue::binary(*std::move(bytes));
    return bytes.has_value();
  }
  if (type == "N") {
    Number number;
    if (!read_number(number)) return false;
    out = AttributeValue::number(number);
    return true;
  }
  if (type == "BOOL" || type == "NULL") {
    bool value = false;
    if (!read_bool(value) || (type == "NULL" && !value)) return false;
    out = type == "BOOL" ? AttributeValue::boolean(value) : AttributeValue::null();
    return true;
  }
  return read_collection(type, out, depth);
}

bool JsonReader::read_collection(std::string_view type, AttributeValue& out, int depth) {
  if (type == "M") {
    Item map;
    if (depth >= kNestingMax || !read_item(map, depth + 1)) return false;
    out = AttributeValue::map(std::move(map));
    return true;
  }
  if (type == "L") {
    List list;
    if (depth >= kNestingMax) return false;
    if (!read_array([&] { return read_value(list.emplace_back(), depth + 1); })) return false;
    out = AttributeValue::list(std::move(list));
    return true;
  }
  if (type == "NS") {
    std::vector<Number> values;
    if (!read_array([&] { return read_number(values.emplace_back()); })) return false;
    const std::size_t count = values.size();
    out = AttributeValue::number_set(std::move(values));
    return count > 0 && out.get<NumberSet>().values.size() == count;
  }
  if (type != "SS" && type != "BS") return false;
  std::vector<std::string> values;
  bool usable = true;
  if (!read_array([&] { return read_string(values.emplace_back()) && !values.back().empty(); })) return false;
  const std::size_t count = values.size();
  if (type == "SS") {
    out = AttributeValue::string_set(std::move(values));
    return count > 0 && out.get<StringSet>().values.size() == count;
  }
  for (std::string& value : values) {
    std::optional<std::string> bytes = crypto::base64_decode(value);
    usable = usable && bytes && !bytes->empty();
    if (usable) value = *std::move(bytes);
  }
  if (!usable) return false;
  out = AttributeValue::binary_set(std::move(values));
  return count > 0 && out.get<BinarySet>().values.size() == count;
}

}  // namespace millrace::model
