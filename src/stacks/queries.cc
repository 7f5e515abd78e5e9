// What is asked about stacks and templates.
#include <algorithm>

#include "stacks/errors.h"
#include "stacks/internal/documents.h"
#include "stacks/internal/impl.h"
#include "stacks/template.h"

namespace millrace::stacks {

Result<Document> Stacks::describe(const wire::Caller& caller, const Document& input) {
  const std::lock_guard lock(impl_->mutex);
  Document list = Document::array();
  const std::string name = name_of(input);
  if (!name.empty()) {
    const Stack* found = impl_->find(caller.scope, name);
    if (found == nullptr) return no_stack(name);
    list.push(stack_document(*found));
  } else {
    for (const auto& [uuid, stack] : impl_->stacks) {
      if (stack.scope == caller.scope && stack.exists()) list.push(stack_document(stack));
    }
  }
  return Document::object({{"Stacks", std::move(list)}});
}

Result<Document> Stacks::describe_events(const wire::Caller& caller, const Document& input) {
  const std::lock_guard lock(impl_->mutex);
  const Stack* found = impl_->find(caller.scope, name_of(input));
  if (found == nullptr) return invalid("Stack [" + name_of(input) + "] does not exist");
  const auto& all = impl_->events[found->uuid];
  // AWS: newest first, a page of 100; the token is the number of events that are older.
  const std::string token(input.string_or("NextToken", ""));
  if (!std::ranges::all_of(token, [](unsigned char c) { return std::isdigit(c); }) || token.size() > 9) {
    return invalid("Invalid NextToken");
  }
  std::size_t left = token.empty() ? all.size() : std::min<std::size_t>(std::stoul(token), all.size());
  Document list = Document::array();
  for (int i = 0; i < 100 && left > 0; ++i) list.push(all[--left]);
  Document out = Document::object({{"StackEvents", std::move(list)}});
  return out.set_if(left > 0, "NextToken", std::to_string(left));
}

Result<Document> Stacks::describe_resource(const wire::Caller& caller, const Document& input) {
  const std::lock_guard lock(impl_->mutex);
  const Stack* found = impl_->find(caller.scope, name_of(input));
  if (found == nullptr) return invalid("Stack '" + name_of(input) + "' does not exist");
  const std::string id(input.string_or("LogicalResourceId", ""));
  const auto owned = found->resources.find(id);
  if (owned == found->resources.end()) return invalid("Resource " + id + " does not exist for stack " + found->name);
  Document detail = resource_document(*found, owned->second, "LastUpdatedTimestamp");
  detail.set("StackId", found->id).set("StackName", found->name);
  detail.set("Metadata", owned->second.metadata.is_null() ? std::string("{}") : owned->second.metadata.dump());
  return Document::object({{"StackResourceDetail", std::move(detail)}});
}

Result<Document> Stacks::describe_resources(const wire::Caller& caller, const Document& input) {
  const std::lock_guard lock(impl_->mutex);
  const std::string name = name_of(input);
  const std::string logical(input.string_or("LogicalResourceId", ""));
  const std::string physical(input.string_or("PhysicalResourceId", ""));
  const Stack* found = name.empty() ? nullptr : impl_->find(caller.scope, name);
  if (name.empty()) {
    for (const auto& [uuid, stack] : impl_->stacks) {
      for (const auto& [id, owned] : stack.resources) {
        if (stack.scope == caller.scope && !physical.empty() && owned.physical_id == physical) found = &stack;
      }
    }
    if (found == nullptr) return invalid("Stack for " + physical + " does not exist");
  }
  if (found == nullptr) return no_stack(name);
  Document list = Document::array();
  for (const auto& [id, owned] : found->resources) {
    if (logical.empty() || id == logical) list.push(resource_document(*found, owned, "Timestamp"));
  }
  return Document::object({{"StackResources", std::move(list)}});
}

Result<Document> Stacks::list_resources(const wire::Caller& caller, const Document& input) {
  const std::lock_guard lock(impl_->mutex);
  const Stack* found = impl_->find(caller.scope, name_of(input));
  if (found == nullptr) return no_stack(name_of(input));
  Document list = Document::array();
  for (const auto& [id, owned] : found->resources) {
    list.push(resource_document(*found, owned, "LastUpdatedTimestamp"));
  }
  return Document::object({{"StackResourceSummaries", std::move(list)}});
}

Result<Document> Stacks::list(const wire::Caller& caller, const Document& input) {
  const std::lock_guard lock(impl_->mutex);
  const Document* filter = input.find("StackStatusFilter");
  Document list = Document::array();
  for (const auto& [uuid, stack] : impl_->stacks) {
    const bool wanted = filter == nullptr || filter->as_array().empty() ||
                        std::ranges::find(filter->as_array(), Document(stack.status)) != filter->as_array().end();
    if (stack.scope != caller.scope || !wanted) continue;
    Document one = Document::object({{"StackId", stack.id}, {"StackName", stack.name}});
    one.set_if(!stack.description.empty(), "TemplateDescription", stack.description);
    one.set("CreationTime", seconds_of(stack.created)).set("StackStatus", stack.status);
    if (!stack.parent_id.empty()) one.set("ParentId", stack.parent_id).set("RootId", stack.root_id);
    if (stack.updated) one.set("LastUpdatedTime", seconds_of(*stack.updated));
    if (stack.deleted) one.set("DeletionTime", seconds_of(*stack.deleted));
    one.set_if(!stack.reason.empty(), "StackStatusReason", stack.reason);
    list.push(one.set("DriftInformation", Document::object({{"StackDriftStatus", "NOT_CHECKED"}})));
  }
  return Document::object({{"StackSummaries", std::move(list)}});
}

Result<Document> Stacks::get_template(const wire::Caller& caller, const Document& input) {
  const std::lock_guard lock(impl_->mutex);
  const Stack* found = impl_->find(caller.scope, name_of(input));
  if (found == nullptr) return no_stack(name_of(input));
  // AWS: processed by default.
  const bool original = input.string_or("TemplateStage", "Processed") == "Original";
  const auto stage = [original](const Inputs& of) { return original ? of.written_text() : of.template_text; };
  std::string text = stage(found->inputs);
  if (const std::string set(input.string_or("ChangeSetName", "")); !set.empty()) {
    text.clear();
    for (const auto& [name, each] : found->change_sets) {
      if (name == set || each.id == set) text = stage(each.inputs);
    }
    if (text.empty()) return Error(kChangeSetNotFound, "ChangeSet [" + set + "] does not exist");
  }
  return Document::object(
      {{"TemplateBody", text.empty() ? "{}" : text}, {"StagesAvailable", Document::array({"Original", "Processed"})}});
}

Result<Document> Stacks::template_summary(const wire::Caller& caller, const Document& input) {
  std::string text;
  if (const std::string name = name_of(input); !name.empty()) {
    const std::lock_guard lock(impl_->mutex);
    const Stack* found = impl_->find(caller.scope, name);
    if (found == nullptr) return no_stack(name);
    text = found->inputs.written_text();
  } else {
    MR_ASSIGN_OR_RETURN(text, impl_->template_text(caller, input, nullptr));
  }
  MR_ASSIGN_OR_RETURN(const Document document, parse_template(text));
  Document parameters = Document::array();
  if (const Document* declared = document.find("Parameters"); declared != nullptr && declared->is_object()) {
    for (const auto& [key, one] : declared->as_object()) {
      Document shown = Document::object({{"ParameterKey", key}, {"ParameterType", one.string_or("Type", "String")}});
      if (const Document* value = one.find("Default"))
        shown.set("DefaultValue", value->is_string() ? *value : Document(value->dump()));
      const Document* hidden = one.find("NoEcho");
      shown.set("NoEcho", hidden != nullptr && (*hidden == Document(true) || *hidden == Document("true")));
      if (const Document* text_of_it = one.find("Description")) shown.set("Description", *text_of_it);
      Document constraints = Document::object();
      if (const Document* allowed = one.find("AllowedValues")) constraints.set("AllowedValues", *allowed);
      parameters.push(shown.set("ParameterConstraints", std::move(constraints)));
    }
  }
  std::set<std::string> types;
  if (const Document* resources = document.find("Resources"); resources != nullptr && resources->is_object()) {
    for (const auto& [id, resource] : resources->as_object()) types.insert(std::string(resource.string_or("Type", "")));
  }
  Document type_list = Document::array();
  for (const std::string& type : types) type_list.push(type);
  Document out = Document::object({{"Parameters", std::move(parameters)}, {"ResourceTypes", std::move(type_list)}});
  out.set_if(!description_of(document).empty(), "Description", description_of(document));
  out.set_if(document.find("AWSTemplateFormatVersion") != nullptr, "Version", "2010-09-09");
  if (const Document* metadata = document.find("Metadata")) out.set("Metadata", metadata->dump());
  Document capabilities = Document::array();
  std::string reason;
  if (const std::string needed = needed_capability(document); !needed.empty()) {
    capabilities.push(needed);
    reason = "AWS::IAM::Role";
  }
  if (const Document* transform = document.find("Transform")) {
    out.set("DeclaredTransforms", transform->is_array() ? *transform : Document::array({*transform}));
    capabilities.push("CAPABILITY_AUTO_EXPAND");
    reason += (reason.empty() ? "" : ", ") + std::string(kServerlessTransform);
  }
  if (!reason.empty()) {
    out.set("Capabilities", std::move(capabilities));
    out.set("CapabilitiesReason", "The following resource(s) require capabilities: [" + reason + "]");
  }
  return out;
}

Result<Document> Stacks::validate_template(const wire::Caller& caller, const Document& input) {
  MR_ASSIGN_OR_RETURN(const std::string text, impl_->template_text(caller, input, nullptr));
  MR_ASSIGN_OR_RETURN(const Document written, parse_template(text));
  MR_ASSIGN_OR_RETURN(const Document document, impl_->transformed(caller.scope, written, {}));
  MR_RETURN_IF_ERROR(check_template(document, impl_->services.types));
  MR_ASSIGN_OR_RETURN(Document out, template_summary(caller, Document::object({{"TemplateBody", text}})));
  for (const std::string_view name : {"ResourceTypes", "Version", "Metadata"}) out.erase(name);
  for (Document& parameter : out.find("Parameters")->as_array()) {
    parameter.erase("ParameterType");
    parameter.erase("ParameterConstraints");
  }
  return out;
}

Result<Document> Stacks::list_exports(const wire::Caller& caller, const Document&) {
  const std::lock_guard lock(impl_->mutex);
  Document list = Document::array();
  for (const auto& [uuid, stack] : impl_->stacks) {
    if (stack.scope != caller.scope || !stack.exists()) continue;
    for (const Document& output : stack.outputs) {
      if (output.find("ExportName") == nullptr) continue;
      list.push(Document::object({{"ExportingStackId", stack.id},
                                  {"Name", output.string_or("ExportName", "")},
                                  {"Value", output.string_or("OutputValue", "")}}));
    }
  }
  return Document::object({{"Exports", std::move(list)}});
}

Result<Document> Stacks::list_imports(const wire::Caller& caller, const Document& input) {
  const std::string name(input.string_or("ExportName", ""));
  const auto users = impl_->importers(caller.scope, name);
  if (users.empty()) return invalid("Export '" + name + "' is not imported by any stack.");
  Document list = Document::array();
  for (const std::string& user : users) list.push(user);
  return Document::object({{"Imports", std::move(list)}});
}

}  // namespace millrace::stacks
