#include "stacks/resource_type.h"

#include <algorithm>

namespace millrace::stacks {

std::string Work::generated_name(std::size_t bytes_max, bool lower_case) const {
  // AWS shortens the stack's name first, then the logical id.
  const std::size_t room = bytes_max > suffix.size() + 2 ? bytes_max - suffix.size() - 2 : 2;
  std::string stack = stack_name;
  std::string logical = logical_id;
  if (stack.size() + logical.size() > room)
    stack.resize(std::min(stack.size(), std::max(room / 2, room > logical.size() ? room - logical.size() : 0)));
  if (stack.size() + logical.size() > room) logical.resize(room - stack.size());
  std::string name = stack + "-" + logical + "-" + suffix;
  if (lower_case) {
    for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
  return name;
}

std::string Work::name_or_generated(std::string_view property_name, std::size_t bytes_max, bool lower_case) const {
  if (!physical_id.empty()) return physical_id;
  const Document* given = property(property_name);
  if (given != nullptr && given->is_string()) return given->as_string();
  if (given != nullptr && given->is_number()) return given->dump();
  return generated_name(bytes_max, lower_case);
}

Result<Resource> ResourceType::read(const Work& work) const {
  return Error(kNotFound,
               "Resource of type '" + work.type + "' with identifier '" + work.physical_id + "' was not found.");
}

Update ResourceType::update_kind(const Work& work) const {
  Update strongest = Update::kInPlace;
  for (const Property& property : properties()) {
    const Document* before = work.old_properties.find(property.name);
    const Document* after = work.properties.find(property.name);
    if ((before == nullptr) == (after == nullptr) && (before == nullptr || *before == *after)) continue;
    if (property.update == Update::kRefused) return Update::kRefused;
    if (property.update == Update::kReplace) strongest = Update::kReplace;
  }
  return strongest;
}

void TypeRegistry::add(std::unique_ptr<ResourceType> type) {
  const std::string name(type->name());
  types_[name] = std::move(type);
}

const ResourceType* TypeRegistry::find(std::string_view name) const {
  if (const auto found = types_.find(name); found != types_.end()) return found->second.get();
  if (name.starts_with("Custom::")) {
    if (const auto found = types_.find("Custom::*"); found != types_.end()) return found->second.get();
  }
  return nullptr;
}

std::vector<std::string_view> TypeRegistry::names() const {
  std::vector<std::string_view> names;
  for (const auto& [name, type] : types_) names.push_back(name);
  return names;
}

}  // namespace millrace::stacks
