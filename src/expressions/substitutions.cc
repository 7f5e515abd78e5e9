#include "expressions/substitutions.h"

#include <algorithm>

namespace millrace::expressions {
namespace {

bool is_word(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

template <typename Entries>
auto find_and_mark(Entries& entries, std::string_view placeholder) -> decltype(&entries.front().value) {
  for (auto& entry : entries) {
    if (entry.placeholder == placeholder) {
      entry.used = true;
      return &entry.value;
    }
  }
  return nullptr;
}

template <typename Entries>
std::string unused(const Entries& entries) {
  std::string out;
  for (const auto& entry : entries) {
    if (!entry.used) out += (out.empty() ? "" : ", ") + entry.placeholder;
  }
  return out;
}

Error unused_error(std::string_view member, const std::string& keys) {
  return Error(kValidationException,
               "Value provided in " + std::string(member) + " unused in expressions: keys: {" + keys + "}");
}

Result<void> check_placeholder(std::string_view member, std::string_view placeholder, char sigil) {
  if (placeholder.size() > 1 && placeholder[0] == sigil && is_word(placeholder.substr(1))) return {};
  return Error(kValidationException,
               std::string(member) + " contains invalid key: Syntax error; key: \"" + std::string(placeholder) + "\"");
}

}  // namespace

Result<void> Substitutions::add_name(std::string_view placeholder, std::string name) {
  MR_RETURN_IF_ERROR(check_placeholder("ExpressionAttributeNames", placeholder, '#'));
  names_.push_back({std::string(placeholder), std::move(name)});
  return {};
}

Result<void> Substitutions::add_value(std::string_view placeholder, model::AttributeValue value) {
  MR_RETURN_IF_ERROR(check_placeholder("ExpressionAttributeValues", placeholder, ':'));
  values_.push_back({std::string(placeholder), std::move(value)});
  return {};
}

const std::string* Substitutions::name(std::string_view placeholder) { return find_and_mark(names_, placeholder); }
const model::AttributeValue* Substitutions::value(std::string_view placeholder) {
  return find_and_mark(values_, placeholder);
}

const model::AttributeValue* Substitutions::own(model::AttributeValue value) {
  return &values_.emplace_back(Entry<model::AttributeValue>{"", std::move(value), true}).value;
}

Result<void> Substitutions::check_all_used() const {
  if (std::string keys = unused(names_); !keys.empty()) return unused_error("ExpressionAttributeNames", keys);
  if (std::string keys = unused(values_); !keys.empty()) return unused_error("ExpressionAttributeValues", keys);
  return {};
}

}  // namespace millrace::expressions
