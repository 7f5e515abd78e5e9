// Outputs, exports and imports of a stack whose resources are there.
#include <algorithm>

#include "stacks/errors.h"
#include "stacks/internal/impl.h"

namespace millrace::stacks {
namespace {

void add_imports(const Environment& environment, const Document& value, std::vector<std::string>& names) {
  if (value.is_array()) {
    for (const Document& each : value.as_array()) add_imports(environment, each, names);
  } else if (value.is_object()) {
    for (const auto& [name, inner] : value.as_object()) {
      if (name == "Fn::ImportValue") {
        const auto found = evaluate(environment, inner);
        if (found.ok() && *found && (*found)->is_string()) names.push_back((*found)->as_string());
      }
      add_imports(environment, inner, names);
    }
  }
}

}  // namespace

Result<void> Stacks::Impl::set_outputs(const std::string& uuid, const Environment& environment) {
  const Stack stack = copy(uuid);
  Environment known = environment;
  know_resources(known, stack.resources, nullptr);
  std::vector<Document> outputs;
  std::vector<std::string> imports;
  add_imports(known, *environment.document->find("Resources"), imports);
  if (const Document* declared = environment.document->find("Outputs")) {
    add_imports(known, *declared, imports);
    for (const auto& [key, output] : declared->as_object()) {
      const std::string condition(output.string_or("Condition", ""));
      if (!condition.empty()) {
        const auto holds = environment.conditions.find(condition);
        if (holds == environment.conditions.end())
          return format_error("Unresolved condition dependency " + condition + " in the Outputs block of the template");
        if (!holds->second) continue;
      }
      const Document* value = output.find("Value");
      if (value == nullptr)
        return format_error("Output " + key + " is malformed. Every Outputs member must contain a Value object.");
      MR_ASSIGN_OR_RETURN(const auto found, evaluate(known, *value));
      if (!found || found->is_object() || found->is_array()) {
        return format_error("The Value field of every Outputs member must evaluate to a String.");
      }
      Document one = Document::object(
          {{"OutputKey", key}, {"OutputValue", found->is_string() ? *found : Document(found->dump())}});
      if (const Document* description = output.find("Description")) one.set("Description", *description);
      if (const Document* exported_as = output.find("Export");
          exported_as != nullptr && exported_as->find("Name") != nullptr) {
        MR_ASSIGN_OR_RETURN(const auto name, evaluate(known, *exported_as->find("Name")));
        if (!name || !name->is_string()) return format_error("The Name of an Export must evaluate to a String.");
        const std::lock_guard lock(mutex);
        for (const auto& [other_uuid, other] : stacks) {
          if (other_uuid == uuid || other.scope != stack.scope || !other.exists()) continue;
          for (const Document& each : other.outputs) {
            if (each.string_or("ExportName", "") == name->as_string()) {
              return invalid("Export with name " + name->as_string() + " is already exported by stack " + other.name +
                             ". Rollback requested by user.");
            }
          }
        }
        one.set("ExportName", *name);
      }
      outputs.push_back(std::move(one));
    }
  }
  for (const Document& old : stack.outputs) {
    const std::string name(old.string_or("ExportName", ""));
    if (name.empty()) continue;
    const bool same = std::ranges::any_of(outputs, [&](const Document& each) {
      return each.string_or("ExportName", "") == name &&
             each.string_or("OutputValue", "") == old.string_or("OutputValue", "");
    });
    if (same) continue;
    const auto users = importers(stack.scope, name);
    if (users.empty()) continue;
    const bool kept =
        std::ranges::any_of(outputs, [&](const Document& each) { return each.string_or("ExportName", "") == name; });
    return invalid(kept ? "Cannot update export " + name + " as it is in use by " + users[0]
                        : "Cannot delete export " + name + " as it is in use by " + users[0]);
  }
  edit(uuid, [&](Stack& changed) {
    changed.outputs = outputs;
    changed.imports = imports;
  });
  return {};
}

}  // namespace millrace::stacks
