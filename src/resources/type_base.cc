#include "resources/type_base.h"

#include <algorithm>

namespace millrace::resources {

Document pick(const Document& from, std::initializer_list<std::string_view> names) {
  Document picked = Document::object();
  copy_members(from, picked, names);
  return picked;
}

std::string text_of(const Document* value) {
  return value == nullptr || value->is_null() ? std::string() : attribute_text(*value);
}

const Document::Array& list_of(const Document* value) {
  static const Document::Array kNone;
  return value != nullptr && value->is_array() ? value->as_array() : kNone;
}

std::set<std::string> texts_of(const Document* list) {
  std::set<std::string> found;
  for (const auto& element : list_of(list)) found.insert(text_of(&element));
  return found;
}

std::set<std::string> texts_of(const Document* list, std::string_view member) {
  std::set<std::string> found;
  for (const auto& element : list_of(list)) found.insert(text_of(element, member));
  return found;
}

bool any_differs(const Work& work, std::initializer_list<std::string_view> properties) {
  return std::ranges::any_of(properties, [&](std::string_view property) { return differs(work, property); });
}

Result<void> update_tags(const Work& work, const Tagging& how, Document tags) {
  const auto call = [&](std::string_view operation, std::string_view member, Document value) -> Result<void> {
    Document input = how.resource;
    MR_RETURN_IF_ERROR(work.call(how.service, operation, std::move(input.set(member, std::move(value)))));
    return {};
  };
  const Document after = tag_map(work, work.properties);
  const Document before = tag_map(work, work.old_properties);
  Document keys = Document::array();
  for (const auto& [key, value] : before.as_object()) {
    if (after.find(key) == nullptr) keys.push(key);
  }
  if (!keys.as_array().empty()) MR_RETURN_IF_ERROR(call(how.untag, how.keys_member, std::move(keys)));
  return after.as_object().empty() ? Result<void>() : call(how.tag, how.tags_member, std::move(tags));
}

}  // namespace millrace::resources
