#include "stacks/stacks.h"

#include <algorithm>

#include "stacks/errors.h"
#include "stacks/internal/impl.h"
#include "stacks/template.h"
#include "telemetry/log.h"

namespace millrace::stacks {
namespace {

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
    one.set("ParameterValue", parameter.no_echo ? "****" : parameter.text);
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
  return out.set("DriftInformation", Document::object({{"StackDriftStatus", "NOT_CHECKED"}}));
}

Document change_document(const Change& change) {
  constexpr std::string_view kActions[] = {"Add", "Modify", "Remove"};
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
        "ResourceTypes", "TimeoutInMinutes", "ResourcesToImport", "RetainExceptOnCreate", "DisableValidation",
        "DeploymentMode"}) {
    const Document* value = input.find(name);
    const bool given = value != nullptr && !(value->is_array() && value->as_array().empty()) &&
                       !(value->is_bool() && !value->as_bool());
    if (given) return invalid(std::string(name) + " is not supported by millrace.");
  }
  for (const auto& [name, only] : {std::pair("OnStackFailure", "ROLLBACK"), std::pair("DeletionMode", "STANDARD")}) {
    if (const std::string_view value = input.string_or(name, only); value != only)
      return invalid(std::string(name) + " " + std::string(value) + " is not supported by millrace.");
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
       {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_FAILED", "CREATE_FAILED"}) {
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

}  // namespace

Stacks::Stacks(Services services) : impl_(std::make_unique<Impl>(std::move(services))) {}
Stacks::~Stacks() { stop(); }
Result<void> Stacks::load() { return impl_->load(); }
storage::CommitNumber Stacks::last_commit() const { return impl_->last_commit.load(); }

void Stacks::start() {
  std::vector<std::string> unfinished;
  {
    const std::lock_guard lock(impl_->mutex);
    for (const auto& [uuid, stack] : impl_->stacks) {
      if (stack.in_progress()) unfinished.push_back(uuid);
    }
  }
  for (const std::string& uuid : unfinished) impl_->begin(uuid);
}

void Stacks::stop() {
  std::map<std::string, std::thread> running;
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopped.store(true);
    impl_->answered.notify_all();
    running.swap(impl_->threads);
  }
  if (impl_->services.transformer != nullptr) impl_->services.transformer->stop();
  impl_->worker.stop();
  for (auto& [uuid, thread] : running) thread.join();
}

bool Stacks::run(std::function<void()> work, std::function<void()> done) {
  auto busy = std::make_shared<platform::Busy>(impl_->services.scheduler.busy());
  return impl_->worker.add([this, work = std::move(work), done = std::move(done), busy = std::move(busy)]() mutable {
    work();
    impl_->services.scheduler.post([done = std::move(done), busy] { done(); });
  });
}

void Stacks::set_endpoint(std::string endpoint) { impl_->endpoint = std::move(endpoint); }

void Stacks::when_settled(const Scope& scope, const std::string& stack, std::function<void()> then) {
  const std::lock_guard lock(impl_->mutex);
  const Stack* found = impl_->find(scope, stack);
  for (const auto& [uuid, each] : impl_->stacks) {
    if (found == nullptr && each.scope == scope && each.change_set_id == stack) found = &each;
  }
  if (found == nullptr || !found->in_progress()) return impl_->services.scheduler.post(std::move(then));
  impl_->when_settled[found->uuid].push_back(std::move(then));
}

bool Stacks::answer(const std::string& token, Document document) {
  const std::lock_guard lock(impl_->mutex);
  const auto found = impl_->answers.find(token);
  if (found == impl_->answers.end()) return false;
  if (found->second.document || found->second.late) return false;
  found->second.document = std::move(document);
  found->second.busy = platform::Busy(impl_->services.scheduler.busy());
  impl_->answered.notify_all();
  return true;
}

Result<Document> Stacks::create(const wire::Caller& caller, const Document& input) {
  MR_RETURN_IF_ERROR(check_unsupported(input));
  const std::lock_guard one(impl_->api_mutex);
  const std::string name = name_of(input);
  {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->find(caller.scope, name) != nullptr) return Error(kAlreadyExists, "Stack [" + name + "] already exists");
  }
  Stack stack = impl_->new_stack(caller, name);
  MR_ASSIGN_OR_RETURN(const auto prepared, impl_->prepare(caller, input, stack));
  stack.inputs = {prepared.text,
                  prepared.parameters,
                  tags_of(input),
                  capabilities_of(input),
                  std::string(input.string_or("RoleARN", "")),
                  prepared.original};
  stack.description = description_of(prepared.document);
  stack.is_protected = input.bool_or("EnableTerminationProtection", false);
  const std::string_view on_failure = input.string_or("OnFailure", "ROLLBACK");
  stack.keep_on_failure = input.bool_or("DisableRollback", false) || on_failure == "DO_NOTHING";
  stack.delete_on_failure = on_failure == "DELETE";
  stack.token = input.string_or("ClientRequestToken", "");
  stack.operation_id = impl_->services.random.uuid();
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->set_status(stack, "CREATE_IN_PROGRESS", "User Initiated");
    impl_->stacks[stack.uuid] = stack;
    impl_->save(stack);
  }
  impl_->begin(stack.uuid);
  return Document::object({{"StackId", stack.id}, {"OperationId", stack.operation_id}});
}

Result<Document> Stacks::update(const wire::Caller& caller, const Document& input) {
  MR_RETURN_IF_ERROR(check_unsupported(input));
  const std::lock_guard one(impl_->api_mutex);
  const std::string name = name_of(input);
  Stack stack;
  {
    const std::lock_guard lock(impl_->mutex);
    const Stack* found = impl_->find(caller.scope, name);
    if (found == nullptr || !found->exists()) return invalid("Stack [" + name + "] does not exist");
    if (!can_update(*found)) return cannot_update(*found);
    stack = *found;
  }
  MR_ASSIGN_OR_RETURN(const auto prepared, impl_->prepare(caller, input, stack));
  const auto tags = input.find("Tags") == nullptr ? stack.inputs.tags : tags_of(input);
  if (prepared.changes.empty() && !prepared.outputs_differ && tags == stack.inputs.tags) {
    return invalid("No updates are to be performed.");
  }
  begin_update(stack,
               {prepared.text, prepared.parameters, tags, capabilities_of(input),
                std::string(input.string_or("RoleARN", stack.inputs.role)), prepared.original},
               impl_->services.scheduler.now());
  stack.description = description_of(prepared.document);
  stack.keep_on_failure = input.bool_or("DisableRollback", false);
  stack.token = input.string_or("ClientRequestToken", "");
  stack.operation_id = impl_->services.random.uuid();
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->set_status(stack, "UPDATE_IN_PROGRESS", "User Initiated");
    impl_->stacks[stack.uuid] = stack;
    impl_->save(stack);
  }
  impl_->begin(stack.uuid);
  return Document::object({{"StackId", stack.id}, {"OperationId", stack.operation_id}});
}

// AWS: a stack that does not exist is deleted already.
Result<Document> Stacks::remove(const wire::Caller& caller, const Document& input) {
  MR_RETURN_IF_ERROR(check_unsupported(input));
  const std::lock_guard one(impl_->api_mutex);
  std::string uuid;
  std::vector<std::string> exports;
  {
    const std::lock_guard lock(impl_->mutex);
    const Stack* found = impl_->find(caller.scope, name_of(input));
    if (found == nullptr || !found->exists() || found->status == "DELETE_IN_PROGRESS") return Document::object();
    if (found->is_protected) {
      return invalid("Stack [" + found->name + "] cannot be deleted while TerminationProtection is enabled");
    }
    if (found->in_progress()) {
      return invalid("Stack [" + found->name + "] cannot be deleted while in status " + found->status);
    }
    const Document* retain = input.find("RetainResources");
    if (retain != nullptr && !retain->as_array().empty() && found->status != "DELETE_FAILED") {
      return invalid("Invalid operation on stack [" + found->id +
                     "]. Only stacks in DELETE_FAILED state can be deleted with RetainResources.");
    }
    uuid = found->uuid;
    for (const Document& output : found->outputs) exports.emplace_back(output.string_or("ExportName", ""));
  }
  for (const std::string& name : exports) {
    const auto users = name.empty() ? std::vector<std::string>() : impl_->importers(caller.scope, name);
    if (!users.empty()) return invalid("Export " + name + " cannot be deleted as it is in use by " + users[0]);
  }
  impl_->edit(uuid, [&](Stack& stack) {
    stack.token = input.string_or("ClientRequestToken", "");
    stack.operation_id = impl_->services.random.uuid();
    stack.change_sets.clear();
    stack.retain.clear();
    if (const Document* retain = input.find("RetainResources")) {
      for (const Document& each : retain->as_array()) stack.retain.push_back(each.as_string());
    }
    impl_->set_status(stack, "DELETE_IN_PROGRESS", "User Initiated");
  });
  impl_->begin(uuid);
  return Document::object();
}

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
  const auto stage = [original](const auto& of) {
    return original && !of.original_text.empty() ? of.original_text : of.template_text;
  };
  std::string text = stage(found->inputs);
  if (const std::string set(input.string_or("ChangeSetName", "")); !set.empty()) {
    text.clear();
    for (const auto& [name, each] : found->change_sets) {
      if (name == set || each.id == set) text = stage(each);
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
    text = found->inputs.original_text.empty() ? found->inputs.template_text : found->inputs.original_text;
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

Result<Document> Stacks::create_change_set(const wire::Caller& caller, const Document& input) {
  MR_RETURN_IF_ERROR(check_unsupported(input));
  const std::lock_guard one(impl_->api_mutex);
  const std::string name = name_of(input);
  const std::string type(input.string_or("ChangeSetType", "UPDATE"));
  if (type == "IMPORT") return invalid("ChangeSetType IMPORT is not supported by millrace.");
  Stack stack;
  {
    const std::lock_guard lock(impl_->mutex);
    const Stack* found = impl_->find(caller.scope, name);
    if (type == "CREATE" && found != nullptr && found->status != "REVIEW_IN_PROGRESS") {
      return Error(kAlreadyExists, "Stack [" + name +
                                       "] already exists and cannot be created again with the changeSet [" +
                                       std::string(input.string_or("ChangeSetName", "")) + "].");
    }
    if (type != "CREATE" && found == nullptr) return invalid("Stack [" + name + "] does not exist");
    if (type != "CREATE" && !can_update(*found)) return cannot_update(*found);
    if (found != nullptr) stack = *found;
  }
  if (stack.id.empty()) stack = impl_->new_stack(caller, name);
  ChangeSet set;
  set.name = input.string_or("ChangeSetName", "");
  if (stack.change_sets.contains(set.name)) {
    return Error(kAlreadyExists, "ChangeSet [" + set.name + "] already exists");
  }
  MR_ASSIGN_OR_RETURN(const auto prepared, impl_->prepare(caller, input, stack));
  set.id = "arn:aws:cloudformation:" + caller.scope.region + ":" + caller.scope.account + ":changeSet/" + set.name +
           "/" + impl_->services.random.uuid();
  set.description = input.string_or("Description", "");
  set.type = type;
  set.template_text = prepared.text;
  set.original_text = prepared.original;
  set.parameters = prepared.parameters;
  set.tags = input.find("Tags") == nullptr ? stack.inputs.tags : tags_of(input);
  set.capabilities = capabilities_of(input);
  set.role = input.string_or("RoleARN", stack.inputs.role);
  set.created = impl_->services.scheduler.now();
  for (const Change& change : prepared.changes) set.changes.push(change_document(change));
  const bool nothing =
      type != "CREATE" && prepared.changes.empty() && !prepared.outputs_differ && set.tags == stack.inputs.tags;
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

Result<Document> Stacks::describe_change_set(const wire::Caller& caller, const Document& input) {
  const std::lock_guard lock(impl_->mutex);
  const auto [stack, set] = find_change_set(*impl_, caller.scope, input);
  if (set == nullptr) return no_change_set(input);
  Document out = Document::object({{"ChangeSetName", set->name}, {"ChangeSetId", set->id}});
  out.set("StackId", stack->id).set("StackName", stack->name);
  out.set_if(!set->description.empty(), "Description", set->description);
  out.set("Parameters", parameter_list(set->parameters)).set("CreationTime", seconds_of(set->created));
  out.set("ExecutionStatus", set->execution).set("Status", set->status);
  out.set_if(!set->reason.empty(), "StatusReason", set->reason);
  out.set("NotificationARNs", Document::array()).set("RollbackConfiguration", Document::object());
  out.set("Capabilities", set->capabilities).set("Tags", tag_list_of(set->tags)).set("Changes", set->changes);
  return out.set("IncludeNestedStacks", false);
}

Result<Document> Stacks::execute_change_set(const wire::Caller& caller, const Document& input) {
  MR_RETURN_IF_ERROR(check_unsupported(input));
  const std::lock_guard one(impl_->api_mutex);
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
    Inputs inputs{chosen.template_text, chosen.parameters, chosen.tags,
                  chosen.capabilities,  chosen.role,       chosen.original_text};
    if (is_create) {
      stack->inputs = std::move(inputs);
    } else {
      begin_update(*stack, std::move(inputs), impl_->services.scheduler.now());
    }
    const auto document = parse_template(chosen.template_text);
    if (document.ok()) stack->description = description_of(*document);
    stack->change_sets.clear();  // AWS: the others are obsolete then
    stack->change_set_id = chosen.id;
    stack->keep_on_failure = input.bool_or("DisableRollback", false);
    stack->token = input.string_or("ClientRequestToken", "");
    stack->operation_id = impl_->services.random.uuid();
    impl_->set_status(*stack, is_create ? "CREATE_IN_PROGRESS" : "UPDATE_IN_PROGRESS", "User Initiated");
    impl_->save(*stack);
  }
  impl_->begin(uuid);
  return Document::object();
}

Result<Document> Stacks::delete_change_set(const wire::Caller& caller, const Document& input) {
  const std::lock_guard one(impl_->api_mutex);
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

Result<Document> Stacks::protect(const wire::Caller& caller, const Document& input) {
  const std::lock_guard one(impl_->api_mutex);
  const std::lock_guard lock(impl_->mutex);
  Stack* found = impl_->find(caller.scope, name_of(input));
  if (found == nullptr) return invalid("Stack [" + name_of(input) + "] does not exist");
  found->is_protected = input.bool_or("EnableTerminationProtection", false);
  impl_->save(*found);
  return Document::object({{"StackId", found->id}});
}

}  // namespace millrace::stacks
