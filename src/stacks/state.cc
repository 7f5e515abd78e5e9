#include "stacks/state.h"

#include "storage/store.h"

namespace millrace::stacks {
namespace {

Document parameters_of(const std::vector<Parameter>& parameters) {
  Document list = Document::array();
  for (const Parameter& parameter : parameters) {
    Document one = Document::object({{"key", parameter.key}, {"text", parameter.text}, {"value", parameter.value}});
    one.set("hidden", parameter.no_echo);
    if (parameter.resolved) one.set("resolved", *parameter.resolved);
    list.push(std::move(one));
  }
  return list;
}

std::vector<Parameter> parameters_from(const Document* list) {
  std::vector<Parameter> parameters;
  if (list == nullptr || !list->is_array()) return parameters;
  for (const Document& one : list->as_array()) {
    Parameter parameter;
    parameter.key = one.string_or("key", "");
    parameter.text = one.string_or("text", "");
    if (const Document* value = one.find("value")) parameter.value = *value;
    parameter.no_echo = one.bool_or("hidden", false);
    if (one.find("resolved") != nullptr) parameter.resolved = std::string(one.string_or("resolved", ""));
    parameters.push_back(std::move(parameter));
  }
  return parameters;
}

Document map_of(const std::map<std::string, std::string>& map) {
  Document out = Document::object();
  for (const auto& [key, value] : map) out.set(key, value);
  return out;
}

std::map<std::string, std::string> map_from(const Document* document) {
  std::map<std::string, std::string> map;
  if (document == nullptr || !document->is_object()) return map;
  for (const auto& [key, value] : document->as_object()) {
    if (value.is_string()) map[key] = value.as_string();
  }
  return map;
}

Document strings_of(const std::vector<std::string>& strings) {
  Document list = Document::array();
  for (const std::string& each : strings) list.push(each);
  return list;
}

std::vector<std::string> strings_from(const Document* list) {
  std::vector<std::string> strings;
  if (list == nullptr || !list->is_array()) return strings;
  for (const Document& each : list->as_array()) {
    if (each.is_string()) strings.push_back(each.as_string());
  }
  return strings;
}

std::vector<Document> documents_from(const Document* list) {
  return list != nullptr && list->is_array() ? list->as_array() : std::vector<Document>();
}

Document member(const Document& document, std::string_view name, Document otherwise) {
  const Document* found = document.find(name);
  return found == nullptr ? std::move(otherwise) : *found;
}

Document document_of(const Owned& owned) {
  Document out = Document::object();
  out.set("logical", owned.logical_id).set("type", owned.type).set("physical", owned.physical_id).set("ref", owned.ref);
  out.set("suffix", owned.suffix).set("status", owned.status).set("reason", owned.reason);
  out.set("updated", to_unix_ms(owned.updated)).set("properties", owned.properties).set("attributes", owned.attributes);
  out.set("deletion", owned.deletion_policy).set("replace", owned.replace_policy);
  out.set("depends", strings_of(owned.depends)).set("metadata", owned.metadata);
  if (owned.hides_attributes) out.set("hides", true);
  out.set_if(owned.skipped, "skipped", true);
  if (owned.is_imported) out.set("imported", true);
  if (owned.is_unmade) out.set("unmade", true);
  if (!owned.attempted.is_null()) out.set("attempted", owned.attempted);
  if (!owned.tags.empty()) out.set("tags", map_of(owned.tags));
  return out;
}

Owned owned_from(const Document& in) {
  Owned owned;
  owned.logical_id = in.string_or("logical", "");
  owned.type = in.string_or("type", "");
  owned.physical_id = in.string_or("physical", "");
  owned.ref = in.string_or("ref", "");
  owned.suffix = in.string_or("suffix", "");
  owned.status = in.string_or("status", "");
  owned.reason = in.string_or("reason", "");
  owned.updated = from_unix_ms(in.int_or("updated", 0));
  owned.properties = member(in, "properties", Document::object());
  owned.attributes = member(in, "attributes", Document::object());
  owned.deletion_policy = in.string_or("deletion", "Delete");
  owned.replace_policy = in.string_or("replace", "Delete");
  owned.depends = strings_from(in.find("depends"));
  owned.metadata = member(in, "metadata", nullptr);
  owned.hides_attributes = in.bool_or("hides", false);
  owned.skipped = in.bool_or("skipped", false);
  owned.is_unmade = in.bool_or("unmade", owned.status == "CREATE_IN_PROGRESS" || owned.status == "CREATE_FAILED");
  owned.is_imported = in.bool_or("imported", false);
  owned.attempted = member(in, "attempted", nullptr);
  owned.tags = map_from(in.find("tags"));
  return owned;
}

Document resources_of(const std::map<std::string, Owned>& resources) {
  Document list = Document::array();
  for (const auto& [id, owned] : resources) list.push(document_of(owned));
  return list;
}

std::map<std::string, Owned> resources_from(const Document* list) {
  std::map<std::string, Owned> resources;
  for (const Document& each : documents_from(list)) {
    Owned owned = owned_from(each);
    const std::string id = owned.logical_id;
    resources[id] = std::move(owned);
  }
  return resources;
}

Document document_of(const Inputs& inputs) {
  Document out = Document::object();
  out.set("template", inputs.template_text).set("parameters", parameters_of(inputs.parameters));
  out.set("tags", map_of(inputs.tags)).set("capabilities", inputs.capabilities).set("role", inputs.role);
  out.set_if(!inputs.original_text.empty(), "original", inputs.original_text);
  return out;
}

Inputs inputs_from(const Document& in) {
  Inputs inputs;
  inputs.template_text = in.string_or("template", "");
  inputs.parameters = parameters_from(in.find("parameters"));
  inputs.tags = map_from(in.find("tags"));
  inputs.capabilities = member(in, "capabilities", Document::array());
  inputs.role = in.string_or("role", "");
  inputs.original_text = in.string_or("original", "");
  return inputs;
}

Document document_of(const ChangeSet& set) {
  Document out = document_of(set.inputs);
  out.set("id", set.id).set("name", set.name).set("description", set.description).set("status", set.status);
  out.set("reason", set.reason).set("execution", set.execution).set("type", set.type);
  out.set("changes", set.changes).set("created", to_unix_ms(set.created));
  out.set_if(!set.on_failure.empty(), "on_failure", set.on_failure);
  if (!set.imports.empty()) out.set("imports", map_of(set.imports));
  return out;
}

ChangeSet change_set_from(const Document& in) {
  ChangeSet set;
  set.id = in.string_or("id", "");
  set.name = in.string_or("name", "");
  set.description = in.string_or("description", "");
  set.status = in.string_or("status", "");
  set.reason = in.string_or("reason", "");
  set.execution = in.string_or("execution", "");
  set.type = in.string_or("type", "");
  set.inputs = inputs_from(in);
  set.changes = member(in, "changes", Document::array());
  set.created = from_unix_ms(in.int_or("created", 0));
  set.on_failure = in.string_or("on_failure", "");
  set.imports = map_from(in.find("imports"));
  return set;
}

}  // namespace

std::string to_text(const Stack& stack) {
  Document out = Document::object();
  out.set("v", 1).set("id", stack.id).set("uuid", stack.uuid).set("name", stack.name);
  out.set("account", stack.scope.account).set("region", stack.scope.region);
  out.set("status", stack.status).set("reason", stack.reason).set("created", to_unix_ms(stack.created));
  if (stack.updated) out.set("updated", to_unix_ms(*stack.updated));
  if (stack.deleted) out.set("deleted", to_unix_ms(*stack.deleted));
  out.set("inputs", document_of(stack.inputs)).set("description", stack.description);
  out.set("outputs", Document::array(stack.outputs)).set("imports", strings_of(stack.imports));
  out.set("protected", stack.is_protected).set("keep", stack.keep_on_failure).set("drop", stack.delete_on_failure);
  out.set("change_set", stack.change_set_id).set("token", stack.token).set("operation", stack.operation_id);
  out.set("resources", resources_of(stack.resources)).set("snapshot", resources_of(stack.snapshot));
  Document leftovers = Document::array();
  for (const Owned& owned : stack.leftovers) leftovers.push(document_of(owned));
  out.set("leftovers", std::move(leftovers));
  if (stack.before) out.set("before", document_of(*stack.before));
  out.set("outputs_before", Document::array(stack.outputs_before));
  Document sets = Document::array();
  for (const auto& [name, set] : stack.change_sets) sets.push(document_of(set));
  out.set("change_sets", std::move(sets)).set("retain", strings_of(stack.retain));
  if (!stack.skip.empty()) out.set("skip", strings_of(stack.skip));
  if (!stack.parent_id.empty()) out.set("parent", stack.parent_id).set("root", stack.root_id);
  if (!stack.importing.empty()) out.set("importing", map_of(stack.importing));
  if (stack.is_deferred) out.set("deferred", true);
  if (stack.timeout_minutes > 0) out.set("timeout_minutes", stack.timeout_minutes);
  return out.dump();
}

Result<Stack> stack_of(std::string_view text) {
  MR_ASSIGN_OR_RETURN(const Document in, codec::parse_json(text));
  if (in.int_or("v", 0) != 1)
    return Error(storage::kStorageFailed, "a stack's record is damaged or of a newer version");
  Stack stack;
  stack.id = in.string_or("id", "");
  stack.uuid = in.string_or("uuid", "");
  stack.name = in.string_or("name", "");
  stack.scope = {std::string(in.string_or("account", "")), std::string(in.string_or("region", ""))};
  stack.status = in.string_or("status", "");
  stack.reason = in.string_or("reason", "");
  stack.created = from_unix_ms(in.int_or("created", 0));
  if (in.find("updated") != nullptr) stack.updated = from_unix_ms(in.int_or("updated", 0));
  if (in.find("deleted") != nullptr) stack.deleted = from_unix_ms(in.int_or("deleted", 0));
  stack.inputs = inputs_from(member(in, "inputs", Document::object()));
  stack.description = in.string_or("description", "");
  stack.outputs = documents_from(in.find("outputs"));
  stack.imports = strings_from(in.find("imports"));
  stack.is_protected = in.bool_or("protected", false);
  stack.keep_on_failure = in.bool_or("keep", false);
  stack.delete_on_failure = in.bool_or("drop", false);
  stack.change_set_id = in.string_or("change_set", "");
  stack.token = in.string_or("token", "");
  stack.operation_id = in.string_or("operation", "");
  stack.resources = resources_from(in.find("resources"));
  stack.snapshot = resources_from(in.find("snapshot"));
  for (const Document& each : documents_from(in.find("leftovers"))) stack.leftovers.push_back(owned_from(each));
  if (const Document* before = in.find("before")) stack.before = inputs_from(*before);
  stack.outputs_before = documents_from(in.find("outputs_before"));
  for (const Document& each : documents_from(in.find("change_sets"))) {
    ChangeSet set = change_set_from(each);
    const std::string name = set.name;
    stack.change_sets[name] = std::move(set);
  }
  stack.retain = strings_from(in.find("retain"));
  stack.skip = strings_from(in.find("skip"));
  stack.parent_id = in.string_or("parent", "");
  stack.root_id = in.string_or("root", "");
  stack.importing = map_from(in.find("importing"));
  stack.is_deferred = in.bool_or("deferred", false);
  stack.timeout_minutes = in.int_or("timeout_minutes", 0);
  return stack;
}

}  // namespace millrace::stacks
