#include "resources/helpers.h"

#include <map>

namespace millrace::resources {
namespace {

std::map<std::string, std::string> all_tags(const Work& work, const Document& properties) {
  std::map<std::string, std::string> tags = &properties == &work.old_properties ? work.old_tags : work.tags;
  const Document* own = properties.find("Tags");
  if (own == nullptr) return tags;
  if (own->is_object()) {
    for (const auto& [key, value] : own->as_object()) tags[key] = attribute_text(value);
  } else if (own->is_array()) {
    for (const Document& tag : own->as_array()) tags[text_of(tag, "Key")] = text_of(tag, "Value");
  }
  return tags;
}

}  // namespace

Document tag_list(const Work& work, const Document& properties) {
  Document list = Document::array();
  for (const auto& [key, value] : all_tags(work, properties)) {
    if (!key.starts_with("aws:")) list.push(Document::object({{"Key", key}, {"Value", value}}));
  }
  return list;
}

Document tag_map(const Work& work, const Document& properties) {
  Document map = Document::object();
  for (const auto& [key, value] : all_tags(work, properties)) {
    if (!key.starts_with("aws:")) map.set(key, value);
  }
  return map;
}

void copy_members(const Document& from, Document& to, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    if (const Document* value = from.find(name)) to.set(name, *value);
  }
}

std::string attribute_text(const Document& value) { return value.is_string() ? value.as_string() : value.dump(); }

std::string text_of(const Document& document, std::string_view name) {
  const Document* value = document.find(name);
  return value == nullptr ? std::string() : attribute_text(*value);
}

bool differs(const Work& work, std::string_view name) {
  const Document* before = work.old_properties.find(name);
  const Document* after = work.properties.find(name);
  if (before == nullptr || after == nullptr) return before != after;
  return !(*before == *after);
}

bool tags_differ(const Work& work) { return tag_map(work, work.properties) != tag_map(work, work.old_properties); }

bool is_gone(const Error& error) {
  const std::string_view name = error.type().name;
  return name.find("NotFound") != std::string_view::npos || name.find("NoSuch") != std::string_view::npos ||
         name.find("DoesNotExist") != std::string_view::npos || name.find("NonExistent") != std::string_view::npos;
}

Result<void> ignore_gone(Result<Document> result) {
  if (result.ok() || is_gone(result.error())) return {};
  return std::move(result).error();
}

}  // namespace millrace::resources
