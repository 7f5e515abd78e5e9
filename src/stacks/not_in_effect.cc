// What stands in a stack's template without having an effect here: properties that are only recorded, types all of
// whose properties are, and skipped types.
#include <algorithm>

#include "stacks/errors.h"
#include "stacks/internal/impl.h"

namespace millrace::stacks {
namespace {

std::vector<std::string> recorded_properties(const ResourceType& type, const Document& properties) {
  std::vector<std::string> names;
  for (const Property& property : type.properties()) {
    if (property.effect == Effect::kRecorded && properties.find(property.name) != nullptr) {
      names.emplace_back(property.name);
    }
  }
  return names;
}

bool is_record_only(const ResourceType& type) {
  const auto properties = type.properties();
  return !properties.empty() &&
         std::ranges::all_of(properties, [](const Property& property) { return property.effect == Effect::kRecorded; });
}

constexpr const char* kSkippedText = "Skipped, not in effect in millrace";
constexpr const char* kRecordText = "Recorded, not in effect in millrace";

}  // namespace

const ResourceType* Stacks::Impl::type_of(const Owned& owned) const {
  return owned.skipped ? &skipped_type() : services.types.find(owned.type);
}

std::string Stacks::Impl::effect_text(const Owned& owned) const {
  if (owned.skipped) return kSkippedText;
  const ResourceType* type = type_of(owned);
  if (type == nullptr) return "";
  if (is_record_only(*type)) return kRecordText;
  std::string names;
  for (const std::string& name : recorded_properties(*type, owned.properties)) {
    names += (names.empty() ? "" : ", ") + name;
  }
  return names.empty() ? "" : std::string(kRecordText) + ": " + names;
}

Result<Document> Stacks::not_in_effect(const wire::Caller& caller, const Document& input) {
  const std::lock_guard lock(impl_->mutex);
  const std::string name(input.string_or("StackName", ""));
  const Stack* stack = impl_->find(caller.scope, name);
  if (stack == nullptr) return invalid("Stack with id " + name + " does not exist");
  Document list = Document::array();
  for (const auto& [id, owned] : stack->resources) {
    const ResourceType* type = impl_->type_of(owned);
    if (type == nullptr) continue;
    Document one = Document::object({{"LogicalResourceId", id}, {"ResourceType", owned.type}});
    if (owned.skipped || is_record_only(*type)) {
      list.push(one.set("Reason", owned.skipped ? "skipped" : "recorded only"));
      continue;
    }
    Document names = Document::array();
    for (std::string& property : recorded_properties(*type, owned.properties)) names.push(std::move(property));
    if (!names.as_array().empty()) list.push(one.set("Properties", std::move(names)));
  }
  return Document::object({{"NotInEffect", std::move(list)}});
}

}  // namespace millrace::stacks
