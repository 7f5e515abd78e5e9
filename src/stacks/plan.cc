#include "stacks/plan.h"

#include <algorithm>

#include "stacks/errors.h"
#include "stacks/template.h"

namespace millrace::stacks {
namespace {

std::vector<std::string> different(const Document& before, const Document& after) {
  std::vector<std::string> names;
  for (const auto& [name, value] : after.as_object()) {
    const Document* old = before.find(name);
    if (old == nullptr || !(*old == value)) names.push_back(name);
  }
  for (const auto& [name, value] : before.as_object()) {
    if (after.find(name) == nullptr) names.push_back(name);
  }
  return names;
}

wire::Calls& no_calls() {
  class None final : public wire::Calls {
    Result<Document> call(std::string_view, std::string_view, const wire::Caller&, Document) override {
      return Error(kInternalError, "planning calls nothing");
    }
  };
  static None none;
  return none;
}

}  // namespace

void know_resources(Environment& environment, const std::map<std::string, Owned>& resources,
                    const std::set<std::string>* pending, const std::set<std::string>* changing) {
  const Document* document = environment.document;
  environment.ref = [&resources, pending, document](const std::string& id) -> std::optional<Document> {
    const auto found = resources.find(id);
    if (pending != nullptr && (pending->contains(id) || found == resources.end())) {
      return document->find("Resources")->find(id) == nullptr ? std::nullopt : std::optional<Document>(kUnknown);
    }
    if (found == resources.end()) return std::nullopt;
    return Document(found->second.ref.empty() ? found->second.physical_id : found->second.ref);
  };
  environment.attribute = [&resources, pending, changing, scope = environment.scope](
                              const std::string& id, const std::string& name) -> Result<Document> {
    const auto found = resources.find(id);
    if (pending != nullptr && (pending->contains(id) || found == resources.end())) return Document(kUnknown);
    if (found == resources.end()) {
      return template_error("instance of Fn::GetAtt references undefined resource " + id);
    }
    const Owned& owned = found->second;
    const bool is_changing = changing != nullptr && changing->contains(id);
    if (is_changing && owned.is_custom()) return Document(kUnknown);
    if (const Document* value = owned.attributes.find(name)) return *value;
    if (is_changing) return Document(kUnknown);  // the change may bring it: a table's StreamArn
    if (owned.skipped) return skipped_attribute(scope, owned.type, owned.physical_id, owned.properties, name);
    if (owned.is_custom()) {
      return invalid("CustomResource attribute error: Vendor response doesn't contain " + name + " attribute");
    }
    return invalid("Attribute '" + name + "' does not exist for resource " + id);
  };
}

std::string given_name(const std::string& type, const Document& properties) {
  const std::string kind = type.substr(type.rfind(':') + 1);
  for (const std::string& property : {kind + "Name", std::string("Name")}) {
    const std::string_view name = properties.string_or(property, "");
    if (!name.empty()) return std::string(name);
  }
  return "";
}

bool takes_tags(const ResourceType& type) {
  return std::ranges::any_of(type.properties(), [](const Property& property) { return property.name == "Tags"; });
}

std::set<std::string> wanted_resources(const Environment& environment) {
  std::set<std::string> wanted;
  for (const auto& [id, resource] : environment.document->find("Resources")->as_object()) {
    const std::string condition(resource.string_or("Condition", ""));
    const auto holds = environment.conditions.find(condition);
    if (condition.empty() || (holds != environment.conditions.end() && holds->second)) wanted.insert(id);
  }
  return wanted;
}

Result<std::vector<Change>> plan(Environment environment, const std::map<std::string, Owned>& resources,
                                 const TypeRegistry& types, const std::map<std::string, std::string>& tags) {
  const auto wanted = wanted_resources(environment);
  MR_ASSIGN_OR_RETURN(const auto order, in_order(*environment.document, wanted));
  std::set<std::string> pending;
  std::set<std::string> changing;
  know_resources(environment, resources, &pending, &changing);
  std::vector<Change> changes;
  for (const std::string& id : order) {
    const Document& declared = *environment.document->find("Resources")->find(id);
    const Document* given = declared.find("Properties");
    const Document none = Document::object();
    MR_ASSIGN_OR_RETURN(const auto properties, evaluate(environment, given == nullptr ? none : *given));
    if (!properties || !properties->is_object()) {
      return format_error("[/Resources/" + id + "/Properties] must evaluate to an object.");
    }
    Change change;
    change.logical_id = id;
    change.type = declared.string_or("Type", "");
    change.wanted = *properties;
    const auto owned = resources.find(id);
    if (owned == resources.end() || owned->second.is_unmade) {
      changes.push_back(std::move(change));
      continue;
    }
    change.action = Change::Action::kModify;
    change.physical_id = owned->second.physical_id;
    change.properties = different(owned->second.properties, *properties);
    const bool skipped = types.is_skipped(*environment.document, change.type);
    change.replaces = owned->second.type != change.type || owned->second.skipped != skipped;
    const ResourceType* type = types.find_in(*environment.document, change.type);
    change.retags = type != nullptr && takes_tags(*type) && owned->second.tags != tags;
    const bool is_settled = owned->second.attempted.is_null();
    if (change.properties.empty() && !change.replaces && !change.retags && is_settled &&
        (type == nullptr || !type->always_updates())) {
      continue;
    }
    if (type == nullptr) return format_error("Unrecognized resource types: [" + change.type + "]");
    Work work{.calls = no_calls(),
              .caller = {},
              .stack_name = {},
              .stack_id = {},
              .logical_id = id,
              .type = change.type,
              .suffix = {},
              .properties = *properties,
              .old_properties = owned->second.properties,
              .physical_id = change.physical_id,
              .tags = {},
              .created = {},
              .open_answer = {},
              .await_answer = {}};
    change.replaces = change.replaces || type->update_kind(work) == Update::kReplace;
    for (const std::string& name : change.properties) {
      const Document* value = properties->find(name);
      if (value != nullptr && value->dump().find(kUnknown) != std::string::npos) change.depends_on_unknown = true;
    }
    (change.replaces ? pending : changing).insert(id);
    changes.push_back(std::move(change));
  }
  std::vector<Change> removals;
  for (const auto& [id, owned] : resources) {
    if (wanted.contains(id)) continue;
    Change change;
    change.action = Change::Action::kRemove;
    change.logical_id = id;
    change.type = owned.type;
    change.physical_id = owned.physical_id;
    removals.push_back(std::move(change));
  }
  changes.insert(changes.end(), removals.rbegin(), removals.rend());
  return changes;
}

}  // namespace millrace::stacks
