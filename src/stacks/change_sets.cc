// Change sets: planned now, executed later.
#include <algorithm>

#include "stacks/errors.h"
#include "stacks/internal/documents.h"
#include "stacks/internal/impl.h"
#include "stacks/template.h"

namespace millrace::stacks {
namespace {

// By name within a stack, or by ARN.
template <typename Impl>
std::pair<Stack*, ChangeSet*> find_change_set(Impl& impl, const Scope& scope, const Document& input) {
  const std::string wanted(input.string_or("ChangeSetName", ""));
  const std::string stack_name = name_of(input);
  for (auto& [uuid, stack] : impl.stacks) {
    if (stack.scope != scope || !stack.exists()) continue;
    if (!stack_name.empty() && stack.name != stack_name && stack.id != stack_name) continue;
    for (auto& [name, set] : stack.change_sets) {
      if (set.id == wanted || (name == wanted && !stack_name.empty())) return {&stack, &set};
    }
  }
  return {nullptr, nullptr};
}

Error no_change_set(const Document& input) {
  return Error(kChangeSetNotFound,
               "ChangeSet [" + std::string(input.string_or("ChangeSetName", "")) + "] does not exist");
}

}  // namespace

Result<std::map<std::string, std::string>> Stacks::Impl::imports_of(const wire::Caller& caller, const Document& input,
                                                                    const Stack& stack, Prepared& prepared) {
  std::map<std::string, std::string> imports;
  const Document& resources = *prepared.document.find("Resources");
  const bool is_import = input.string_or("ChangeSetType", "UPDATE") == "IMPORT";
  const Document* given = input.find("ResourcesToImport");
  for (const Document& each : given == nullptr ? Document::Array{} : given->as_array()) {
    const std::string id(each.string_or("LogicalResourceId", ""));
    const Document* declared = resources.find(id);
    const Document* identifier = each.find("ResourceIdentifier");
    if (!is_import) return invalid("ResourcesToImport is only valid with ChangeSetType IMPORT.");
    if (declared == nullptr || declared->string_or("Type", "") != each.string_or("ResourceType", "")) {
      return invalid("Resources [" + id + "] to import are not in the template with that type.");
    }
    if (declared->find("DeletionPolicy") == nullptr) {
      return invalid("Resources [" + id + "] to import must have DeletionPolicy attribute specified in the template.");
    }
    if (identifier == nullptr || !identifier->is_object() || identifier->as_object().empty()) {
      return invalid("Resources [" + id + "] to import must have a ResourceIdentifier.");
    }
    imports[id] = identifier->as_object()[0].second.as_string();
  }
  const bool takes_existing = input.bool_or("ImportExistingResources", false);
  for (Change& change : prepared.changes) {
    if (is_import && change.action == Change::Action::kAdd && !imports.contains(change.logical_id)) {
      return invalid("Resources [" + change.logical_id + "] is missing from ResourceToImport list");
    }
    if (is_import && change.action != Change::Action::kAdd) {
      return invalid("You have modified resources [" + change.logical_id +
                     "] in your template that are not being imported. Update, create or delete operations cannot be "
                     "executed during import operations.");
    }
    if (change.action != Change::Action::kAdd || (!is_import && !takes_existing)) continue;
    const std::string name = given_name(change.type, change.wanted);
    if (!is_import && (name.empty() || name.find(kUnknown) != std::string::npos)) continue;
    Owned owned;
    owned.logical_id = change.logical_id;
    owned.type = change.type;
    owned.properties = change.wanted;
    if (is_import) owned.physical_id = imports[change.logical_id];
    owned.skipped = services.types.is_skipped(prepared.document, change.type);
    if (owned.skipped) continue;
    Work work = work_for({stack.uuid, stack.name, stack.id, stack.scope, {}}, owned);
    work.caller = caller;
    const auto found = services.types.find(change.type)->read(work);
    if (!found.ok() && is_import) return invalid(found.error().message());
    if (!found.ok() || !owner_of(stack.scope, change.type, found->physical_id).empty()) continue;
    change.action = Change::Action::kImport;
    change.physical_id = found->physical_id;
    imports[change.logical_id] = found->physical_id;
  }
  return imports;
}

// The id of the stack that has the resource; "": none.
std::string Stacks::Impl::owner_of(const Scope& scope, const std::string& type, const std::string& physical_id) {
  const std::lock_guard lock(mutex);
  for (const auto& [uuid, stack] : stacks) {
    for (const auto& [id, owned] : stack.resources) {
      if (stack.scope == scope && owned.type == type && owned.physical_id == physical_id) return stack.id;
    }
  }
  return "";
}

Result<Document> Stacks::create_change_set(const wire::Caller& caller, const Document& input) {
  MR_RETURN_IF_ERROR(check_unsupported(input));
  const Impl::Turn turn(*impl_, caller.scope);
  const std::string name = name_of(input);
  const std::string type(input.string_or("ChangeSetType", "UPDATE"));
  Stack stack;
  {
    const std::lock_guard lock(impl_->mutex);
    const Stack* found = impl_->find(caller.scope, name);
    if (type == "CREATE" && found != nullptr && found->status != "REVIEW_IN_PROGRESS") {
      return Error(kAlreadyExists, "Stack [" + name +
                                       "] already exists and cannot be created again with the changeSet [" +
                                       std::string(input.string_or("ChangeSetName", "")) + "].");
    }
    if (type == "UPDATE" && found == nullptr) return invalid("Stack [" + name + "] does not exist");
    if (type != "CREATE" && found != nullptr && found->status != "REVIEW_IN_PROGRESS" && !can_update(*found)) {
      return cannot_update(*found);
    }
    if (found != nullptr) stack = *found;
  }
  if (stack.id.empty()) stack = impl_->new_stack(caller, name);
  ChangeSet set;
  set.name = input.string_or("ChangeSetName", "");
  if (stack.change_sets.contains(set.name)) {
    return Error(kAlreadyExists, "ChangeSet [" + set.name + "] already exists");
  }
  MR_ASSIGN_OR_RETURN(auto prepared, impl_->prepare(caller, input, stack));
  MR_ASSIGN_OR_RETURN(set.imports, impl_->imports_of(caller, input, stack, prepared));
  set.id = "arn:aws:cloudformation:" + caller.scope.region + ":" + caller.scope.account + ":changeSet/" + set.name +
           "/" + impl_->services.random.uuid();
  set.description = input.string_or("Description", "");
  set.type = type;
  set.inputs = std::move(prepared.inputs);
  set.on_failure = input.string_or("OnStackFailure", "");
  if (!set.on_failure.empty() && type != "CREATE") {
    return invalid("OnStackFailure is only valid with ChangeSetType CREATE.");
  }
  set.created = impl_->services.scheduler.now();
  for (const Change& change : prepared.changes) set.changes.push(change_document(change));
  const bool nothing = type == "UPDATE" && prepared.is_same;
  set.status = nothing ? "FAILED" : "CREATE_COMPLETE";
  set.execution = nothing ? "UNAVAILABLE" : "AVAILABLE";
  if (nothing) {
    set.reason =
        "The submitted information didn't contain changes. Submit different information to create a change set.";
  }
  const std::lock_guard lock(impl_->mutex);
  if (stack.status.empty()) impl_->set_status(stack, "REVIEW_IN_PROGRESS", "User Initiated");
  Document out = Document::object({{"Id", set.id}, {"StackId", stack.id}});
  const std::string set_name = set.name;
  stack.change_sets[set_name] = std::move(set);
  impl_->stacks[stack.uuid] = stack;
  impl_->save(stack);
  return out;
}

Result<Document> Stacks::describe_change_set(const wire::Caller& caller, const Document& input) {
  const std::lock_guard lock(impl_->mutex);
  const auto [stack, set] = find_change_set(*impl_, caller.scope, input);
  if (set == nullptr) return no_change_set(input);
  Document out = Document::object({{"ChangeSetName", set->name}, {"ChangeSetId", set->id}});
  out.set("StackId", stack->id).set("StackName", stack->name);
  out.set_if(!set->description.empty(), "Description", set->description);
  out.set("Parameters", parameter_list(set->inputs.parameters)).set("CreationTime", seconds_of(set->created));
  out.set_if(!set->on_failure.empty(), "OnStackFailure", set->on_failure);
  out.set("ExecutionStatus", set->execution).set("Status", set->status);
  out.set_if(!set->reason.empty(), "StatusReason", set->reason);
  out.set("NotificationARNs", Document::array()).set("RollbackConfiguration", Document::object());
  out.set("Capabilities", set->inputs.capabilities).set("Tags", tag_list_of(set->inputs.tags));
  out.set("Changes", set->changes);
  return out.set("IncludeNestedStacks", false);
}

Result<Document> Stacks::execute_change_set(const wire::Caller& caller, const Document& input) {
  MR_RETURN_IF_ERROR(check_unsupported(input));
  const Impl::Turn turn(*impl_, caller.scope);
  std::string uuid;
  {
    const std::lock_guard lock(impl_->mutex);
    const auto [stack, set] = find_change_set(*impl_, caller.scope, input);
    if (set == nullptr) return no_change_set(input);
    if (set->execution != "AVAILABLE") {
      return Error(kInvalidChangeSetStatus,
                   "ChangeSet [" + set->id + "] cannot be executed in its current status of [" + set->status + "]");
    }
    if (stack->status != "REVIEW_IN_PROGRESS" && !can_update(*stack)) return cannot_update(*stack);
    uuid = stack->uuid;
    const ChangeSet chosen = *set;
    const bool is_create = stack->status == "REVIEW_IN_PROGRESS";
    if (is_create) {
      stack->inputs = chosen.inputs;
    } else {
      begin_update(*stack, chosen.inputs, impl_->services.scheduler.now());
    }
    const auto document = parse_template(chosen.inputs.template_text);
    if (document.ok()) stack->description = description_of(*document);
    stack->change_sets.clear();  // AWS: the others are obsolete then
    stack->change_set_id = chosen.id;
    stack->keep_on_failure = input.bool_or("DisableRollback", false) || chosen.on_failure == "DO_NOTHING";
    stack->delete_on_failure = chosen.on_failure == "DELETE";
    stack->token = input.string_or("ClientRequestToken", "");
    stack->operation_id = impl_->services.random.uuid();
    stack->importing = chosen.imports;
    const bool is_import = chosen.type == "IMPORT";
    impl_->set_status(*stack,
                      is_import   ? "IMPORT_IN_PROGRESS"
                      : is_create ? "CREATE_IN_PROGRESS"
                                  : "UPDATE_IN_PROGRESS",
                      "User Initiated");
    impl_->save(*stack);
  }
  impl_->begin(uuid);
  return Document::object();
}

Result<Document> Stacks::delete_change_set(const wire::Caller& caller, const Document& input) {
  const Impl::Turn turn(*impl_, caller.scope);
  const std::lock_guard lock(impl_->mutex);
  const std::string name = name_of(input);
  if (!name.empty() && impl_->find(caller.scope, name) == nullptr)
    return invalid("Stack [" + name + "] does not exist");
  const auto [stack, set] = find_change_set(*impl_, caller.scope, input);
  if (set == nullptr) return Document::object();  // AWS: deleted already
  stack->change_sets.erase(std::string(set->name));
  impl_->save(*stack);
  return Document::object();
}

Result<Document> Stacks::list_change_sets(const wire::Caller& caller, const Document& input) {
  const std::lock_guard lock(impl_->mutex);
  const Stack* found = impl_->find(caller.scope, name_of(input));
  if (found == nullptr) return invalid("Stack [" + name_of(input) + "] does not exist");
  Document list = Document::array();
  for (const auto& [name, set] : found->change_sets) {
    Document one = Document::object({{"StackId", found->id}, {"StackName", found->name}});
    one.set("ChangeSetId", set.id).set("ChangeSetName", name).set("ExecutionStatus", set.execution);
    one.set("Status", set.status).set_if(!set.reason.empty(), "StatusReason", set.reason);
    list.push(one.set("CreationTime", seconds_of(set.created)));
  }
  return Document::object({{"Summaries", std::move(list)}});
}

}  // namespace millrace::stacks
