#include "sqs/message.h"

#include <algorithm>
#include <set>

#include "crypto/digest.h"
#include "delivery/delivery.h"
#include "sqs/errors.h"
#include "sqs/limits.h"

namespace millrace::sqs {
namespace {

void append_block(std::string& out, std::string_view text) {
  const auto size = static_cast<std::uint32_t>(text.size());
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(size >> shift));
  out += text;
}

// Length of the UTF-8 sequence at the start of `text` if it is well formed and a character of XML 1.0, else 0.
std::size_t xml_character_bytes(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return first >= 0x20 || first == 9 || first == 10 || first == 13 ? 1 : 0;
  const std::size_t bytes = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < bytes) return 0;
  std::uint32_t code = first & (0xFFU >> (bytes + 1));
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3F);
  }
  if (bytes == 3 && (code < 0x800 || (code >= 0xD800 && code <= 0xDFFF) || code > 0xFFFD)) return 0;
  if (bytes == 4 && (code < 0x10000 || code > 0x10FFFF)) return 0;
  return bytes;
}

bool has_only_xml_characters(std::string_view text) {
  while (!text.empty()) {
    const std::size_t bytes = xml_character_bytes(text);
    if (bytes == 0) return false;
    text.remove_prefix(bytes);
  }
  return true;
}

bool is_number(std::string_view text) {
  std::size_t i = 0;
  const auto digits = [&] {
    const std::size_t start = i;
    while (i < text.size() && text[i] >= '0' && text[i] <= '9') ++i;
    return i - start;
  };
  if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
  std::size_t count = digits();
  if (i < text.size() && text[i] == '.') {
    ++i;
    count += digits();
  }
  if (count == 0 || count > 38) return false;
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
    if (digits() == 0) return false;
  }
  return i == text.size();
}

Result<void> check_attribute(const MessageAttribute& attribute) {
  const auto invalid = [&](std::string text) { return Error(kInvalidParameterValue, std::move(text)); };
  const std::string quoted = "'" + attribute.name + "'";
  if (!delivery::is_attribute_name(attribute.name)) {
    return invalid("The message attribute name " + quoted +
                   " is invalid. It may have up to 256 characters: letters, digits, underscores, hyphens and single "
                   "periods that are neither first nor last.");
  }
  std::string lower = attribute.name;
  std::ranges::transform(lower, lower.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  if (lower.starts_with("aws.") || lower.starts_with("amazon.")) {
    return invalid("The message attribute name " + quoted + " must not start with a reserved prefix: AWS. or Amazon.");
  }
  if (attribute.type.empty()) {
    return invalid("The message attribute " + quoted + " must contain non-empty message attribute type.");
  }
  const std::string_view kind = std::string_view(attribute.type).substr(0, attribute.type.find('.'));
  if ((kind != "String" && kind != "Number" && kind != "Binary") || attribute.type.size() > 256) {
    return invalid("The message attribute " + quoted +
                   " has an invalid message attribute type, the set of supported type prefixes is Binary, Number, "
                   "and String.");
  }
  if (attribute.value.empty()) {
    return invalid("The message attribute " + quoted +
                   " must contain a non-empty message attribute value for message attribute type '" + attribute.type +
                   "'.");
  }
  if (kind == "Number" && !is_number(attribute.value)) {
    return invalid("Can't cast the value of message (user) attribute " + quoted + " to a number.");
  }
  if (kind != "Binary" && !has_only_xml_characters(attribute.value)) {
    return invalid("The message attribute " + quoted + " has invalid characters in its value.");
  }
  return {};
}

bool asks_for(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::any_of(names, [&](const std::string& wanted) {
    if (wanted == "All" || wanted == ".*" || wanted == name) return true;
    return wanted.ends_with(".*") && name.starts_with(std::string_view(wanted).substr(0, wanted.size() - 2));
  });
}

}  // namespace

std::size_t message_bytes(std::string_view body, const std::vector<MessageAttribute>& attributes) {
  std::size_t bytes = body.size();
  for (const auto& a : attributes) bytes += a.name.size() + a.type.size() + a.value.size();
  return bytes;
}

std::string attributes_md5(std::vector<MessageAttribute> attributes) {
  if (attributes.empty()) return "";
  std::ranges::sort(attributes, {}, &MessageAttribute::name);
  std::string text;
  for (const auto& a : attributes) {
    append_block(text, a.name);
    append_block(text, a.type);
    text.push_back(a.is_binary() ? '\x02' : '\x01');
    append_block(text, a.value);
  }
  return crypto::md5_hex(text);
}

Result<void> check_body(std::string_view body) {
  if (body.empty()) return Error(kMissingParameter, "The request must contain the parameter MessageBody.");
  if (!has_only_xml_characters(body)) {
    return Error(kInvalidMessageContents,
                 "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to "
                 "#xFFFD | #x10000 to #x10FFFF.");
  }
  return {};
}

Result<void> check_attributes(const std::vector<MessageAttribute>& attributes) {
  if (attributes.size() > kMessageAttributesMax) {
    return Error(kInvalidParameterValue, "Number of message attributes [" + std::to_string(attributes.size()) +
                                             "] exceeds the allowed maximum [10].");
  }
  std::set<std::string_view> seen;
  for (const auto& attribute : attributes) {
    MR_RETURN_IF_ERROR(check_attribute(attribute));
    if (!seen.insert(attribute.name).second) {
      return Error(kInvalidParameterValue, "Message attribute name '" + attribute.name + "' already exists.");
    }
  }
  return {};
}

std::vector<MessageAttribute> select_attributes(const std::vector<MessageAttribute>& attributes,
                                                const std::vector<std::string>& names) {
  std::vector<MessageAttribute> selected;
  for (const auto& attribute : attributes) {
    if (asks_for(names, attribute.name)) selected.push_back(attribute);
  }
  return selected;
}

}  // namespace millrace::sqs
