#include "stacks/internal/documents.h"

#include "stacks/errors.h"

namespace millrace::stacks {

double seconds_of(Time time) { return static_cast<double>(to_unix_ms(time)) / 1000.0; }

Document tag_list_of(const std::map<std::string, std::string>& tags) {
  Document list = Document::array();
  for (const auto& [key, value] : tags) list.push(Document::object({{"Key", key}, {"Value", value}}));
  return list;
}

Document parameter_list(const std::vector<Parameter>& parameters) {
  Document list = Document::array();
  for (const Parameter& parameter : parameters) {
    Document one = Document::object({{"ParameterKey", parameter.key}});
    one.set("ParameterValue", parameter.no_echo ? std::string(kHidden) : parameter.text);
    if (parameter.resolved) one.set("ResolvedValue", *parameter.resolved);
    list.push(std::move(one));
  }
  return list;
}

Document stack_document(const Stack& stack) {
  Document out = Document::object({{"StackId", stack.id}, {"StackName", stack.name}});
  out.set_if(!stack.change_set_id.empty(), "ChangeSetId", stack.change_set_id);
  out.set_if(!stack.description.empty(), "Description", stack.description);
  out.set("Parameters", parameter_list(stack.inputs.parameters)).set("CreationTime", seconds_of(stack.created));
  if (stack.deleted) out.set("DeletionTime", seconds_of(*stack.deleted));
  if (stack.updated) out.set("LastUpdatedTime", seconds_of(*stack.updated));
  out.set("RollbackConfiguration", Document::object()).set("StackStatus", stack.status);
  out.set_if(!stack.reason.empty(), "StackStatusReason", stack.reason);
  out.set("DisableRollback", stack.keep_on_failure).set("NotificationARNs", Document::array());
  out.set("Capabilities", stack.inputs.capabilities).set("Outputs", Document::array(stack.outputs));
  out.set_if(!stack.inputs.role.empty(), "RoleARN", stack.inputs.role);
  out.set("Tags", tag_list_of(stack.inputs.tags)).set("EnableTerminationProtection", stack.is_protected);
  if (stack.timeout_minutes > 0) out.set("TimeoutInMinutes", stack.timeout_minutes);
  if (!stack.parent_id.empty()) out.set("ParentId", stack.parent_id).set("RootId", stack.root_id);
  return out.set("DriftInformation", Document::object({{"StackDriftStatus", "NOT_CHECKED"}}));
}

Document change_document(const Change& change) {
  constexpr std::string_view kActions[] = {"Add", "Modify", "Remove", "Import"};
  Document out = Document::object(
      {{"Action", kActions[static_cast<int>(change.action)]}, {"LogicalResourceId", change.logical_id}});
  out.set_if(!change.physical_id.empty(), "PhysicalResourceId", change.physical_id).set("ResourceType", change.type);
  Document details = Document::array();
  Document scope = Document::array();
  if (change.action == Change::Action::kModify) {
    out.set("Replacement", !change.replaces ? "False" : change.depends_on_unknown ? "Conditional" : "True");
    if (change.retags) scope.push("Tags");
    for (const std::string& name : change.properties) {
      Document target = Document::object({{"Attribute", "Properties"}, {"Name", name}});
      target.set("RequiresRecreation", change.replaces ? "Conditionally" : "Never");
      details.push(Document::object({{"Target", std::move(target)},
                                     {"Evaluation", change.depends_on_unknown ? "Dynamic" : "Static"},
                                     {"ChangeSource", "DirectModification"}}));
    }
    if (!change.properties.empty() || change.replaces) scope.push("Properties");
  }
  out.set("Scope", std::move(scope)).set("Details", std::move(details));
  return Document::object({{"Type", "Resource"}, {"ResourceChange", std::move(out)}});
}

// What is taken by the model and not done here is refused by name.
Result<void> check_unsupported(const Document& input) {
  for (const std::string_view name :
       {"StackPolicyBody", "StackPolicyURL", "StackPolicyDuringUpdateBody", "StackPolicyDuringUpdateURL",
        "ResourceTypes", "RetainExceptOnCreate", "DisableValidation", "DeploymentMode"}) {
    const Document* value = input.find(name);
    const bool given = value != nullptr && !(value->is_array() && value->as_array().empty()) &&
                       !(value->is_bool() && !value->as_bool());
    if (given) return invalid(std::string(name) + " is not supported by millrace.");
  }
  if (const std::string_view mode = input.string_or("DeletionMode", "STANDARD"); mode != "STANDARD") {
    return invalid("DeletionMode " + std::string(mode) + " is not supported by millrace.");
  }
  // The CDK sends Mode=STANDARD, which is what is done here.
  if (const Document* config = input.find("DeploymentConfig"); config != nullptr && config->is_object()) {
    for (const auto& [name, value] : config->as_object()) {
      if (name != "Mode" || value != Document("STANDARD"))
        return invalid("DeploymentConfig." + name + " is not supported by millrace.");
    }
  }
  const Document* topics = input.find("NotificationARNs");
  if (topics != nullptr && topics->is_array() && !topics->as_array().empty()) {
    return invalid("NotificationARNs is not supported by millrace.");
  }
  const Document* rollback = input.find("RollbackConfiguration");
  const Document* triggers = rollback == nullptr ? nullptr : rollback->find("RollbackTriggers");
  if (triggers != nullptr && triggers->is_array() && !triggers->as_array().empty()) {
    return invalid("RollbackConfiguration.RollbackTriggers is not supported by millrace.");
  }
  return {};
}

Document capabilities_of(const Document& input) {
  const Document* found = input.find("Capabilities");
  return found == nullptr ? Document::array() : *found;
}

std::string description_of(const Document& document) { return std::string(document.string_or("Description", "")); }

bool can_update(const Stack& stack) {
  for (const std::string_view status :
       {"CREATE_COMPLETE", "IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE",
        "UPDATE_FAILED", "CREATE_FAILED"}) {
    if (stack.status == status) return true;
  }
  return false;
}

Error cannot_update(const Stack& stack) {
  return invalid("Stack:" + stack.id + " is in " + stack.status + " state and can not be updated.");
}

void begin_update(Stack& stack, Inputs inputs, Time now) {
  // AWS: a rollback leads to the last state that was complete. There is none if the creation has failed.
  if (stack.status != "UPDATE_FAILED" && stack.status != "CREATE_FAILED") {
    stack.before = stack.inputs;
    stack.snapshot = stack.resources;
    stack.outputs_before = stack.outputs;
  }
  stack.is_deferred = false;
  stack.inputs = std::move(inputs);
  stack.updated = now;
}

std::string name_of(const Document& input) { return std::string(input.string_or("StackName", "")); }

Error no_stack(const std::string& name) { return invalid("Stack with id " + name + " does not exist"); }

Document resource_document(const Stack& stack, const Owned& owned, std::string_view time_name) {
  Document out = Document::object({{"LogicalResourceId", owned.logical_id}});
  out.set_if(!owned.physical_id.empty(), "PhysicalResourceId", owned.physical_id).set("ResourceType", owned.type);
  out.set(time_name, seconds_of(owned.updated)).set("ResourceStatus", owned.status);
  out.set_if(!owned.reason.empty(), "ResourceStatusReason", owned.reason);
  out.set("DriftInformation", Document::object({{"StackResourceDriftStatus", "NOT_CHECKED"}}));
  if (time_name != "LastUpdatedTimestamp" || stack.id.empty())
    out.set("StackId", stack.id).set("StackName", stack.name);
  return out;
}

}  // namespace millrace::stacks
