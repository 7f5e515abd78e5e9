#include "stacks/stacks.h"

#include <algorithm>

#include "stacks/errors.h"
#include "stacks/internal/documents.h"
#include "stacks/internal/impl.h"
#include "stacks/template.h"
#include "telemetry/log.h"

namespace millrace::stacks {

Stacks::Stacks(Services services) : impl_(std::make_unique<Impl>(std::move(services))) {}
Stacks::~Stacks() { stop(); }
Result<void> Stacks::load() { return impl_->load(); }
storage::CommitNumber Stacks::last_commit() const { return impl_->commits.last(); }

void Stacks::start() {
  std::vector<std::string> unfinished;
  {
    const std::lock_guard lock(impl_->mutex);
    for (const auto& [uuid, stack] : impl_->stacks) {
      if (stack.is_settled()) continue;
      // Nested ones first: their parents look for them.
      unfinished.insert(stack.parent_id.empty() ? unfinished.end() : unfinished.begin(), uuid);
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
  impl_->forget_old();
  const Impl::Turn turn(*impl_, caller.scope);
  const std::string name = name_of(input);
  {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->find(caller.scope, name) != nullptr) return Error(kAlreadyExists, "Stack [" + name + "] already exists");
  }
  Stack stack = impl_->new_stack(caller, name);
  MR_ASSIGN_OR_RETURN(auto prepared, impl_->prepare(caller, input, stack));
  stack.inputs = std::move(prepared.inputs);
  stack.description = description_of(prepared.document);
  stack.is_protected = input.bool_or("EnableTerminationProtection", false);
  const std::string_view on_failure = input.string_or("OnFailure", "ROLLBACK");
  stack.keep_on_failure = input.bool_or("DisableRollback", false) || on_failure == "DO_NOTHING";
  stack.delete_on_failure = on_failure == "DELETE";
  stack.timeout_minutes = input.int_or("TimeoutInMinutes", 0);
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
  const Impl::Turn turn(*impl_, caller.scope);
  const std::string name = name_of(input);
  Stack stack;
  {
    const std::lock_guard lock(impl_->mutex);
    const Stack* found = impl_->find(caller.scope, name);
    if (found == nullptr || !found->exists()) return invalid("Stack [" + name + "] does not exist");
    if (!can_update(*found)) return cannot_update(*found);
    stack = *found;
  }
  MR_ASSIGN_OR_RETURN(auto prepared, impl_->prepare(caller, input, stack));
  if (prepared.is_same) return invalid("No updates are to be performed.");
  begin_update(stack, std::move(prepared.inputs), impl_->services.scheduler.now());
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
  const Impl::Turn turn(*impl_, caller.scope);
  Stack stack;
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
    stack = *found;
  }
  if (const std::string used = impl_->export_in_use(stack); !used.empty()) return invalid(used);
  impl_->edit(stack.uuid, [&](Stack& leaving) {
    leaving.token = input.string_or("ClientRequestToken", "");
    leaving.operation_id = impl_->services.random.uuid();
    leaving.change_sets.clear();
    leaving.retain.clear();
    if (const Document* retain = input.find("RetainResources")) {
      for (const Document& each : retain->as_array()) leaving.retain.push_back(each.as_string());
    }
    impl_->set_status(leaving, "DELETE_IN_PROGRESS", "User Initiated");
  });
  impl_->begin(stack.uuid);
  return Document::object();
}

Result<Document> Stacks::cancel_update(const wire::Caller& caller, const Document& input) {
  const Impl::Turn turn(*impl_, caller.scope);
  std::string uuid;
  {
    const std::lock_guard lock(impl_->mutex);
    const Stack* found = impl_->find(caller.scope, name_of(input));
    if (found == nullptr) return invalid("Stack [" + name_of(input) + "] does not exist");
    if (found->status != "UPDATE_IN_PROGRESS") {
      return invalid("CancelUpdateStack cannot be called from current stack status");
    }
    uuid = found->uuid;
  }
  impl_->cancel(uuid, "User Initiated");
  return Document::object();
}

Result<Document> Stacks::continue_rollback(const wire::Caller& caller, const Document& input) {
  MR_RETURN_IF_ERROR(go_back(caller, input, {"UPDATE_ROLLBACK_FAILED"}));
  return Document::object();
}

Result<Document> Stacks::rollback(const wire::Caller& caller, const Document& input) {
  MR_RETURN_IF_ERROR(check_unsupported(input));
  return go_back(caller, input, {"CREATE_FAILED", "UPDATE_FAILED"});
}

Result<Document> Stacks::go_back(const wire::Caller& caller, const Document& input,
                                 const std::set<std::string>& statuses) {
  const Impl::Turn turn(*impl_, caller.scope);
  std::string uuid;
  Document out = Document::object();
  {
    const std::lock_guard lock(impl_->mutex);
    Stack* stack = impl_->find(caller.scope, name_of(input));
    if (stack == nullptr) return invalid("Stack [" + name_of(input) + "] does not exist");
    if (!statuses.contains(stack->status)) {
      return invalid("Stack:" + stack->id + " is in " + stack->status + " state and can not be rolled back.");
    }
    stack->skip.clear();
    const Document* skipped = input.find("ResourcesToSkip");
    for (const Document& each : skipped == nullptr ? Document::Array{} : skipped->as_array()) {
      const auto resource = stack->resources.find(each.as_string());
      if (resource == stack->resources.end() || resource->second.status != "UPDATE_FAILED") {
        return invalid("Resource [" + each.as_string() + "] cannot be skipped: it is not in UPDATE_FAILED state.");
      }
      stack->skip.push_back(each.as_string());
    }
    stack->token = input.string_or("ClientRequestToken", "");
    stack->operation_id = impl_->services.random.uuid();
    impl_->set_status(*stack, stack->before ? "UPDATE_ROLLBACK_IN_PROGRESS" : "ROLLBACK_IN_PROGRESS", "User Initiated");
    impl_->save(*stack);
    uuid = stack->uuid;
    out.set("StackId", stack->id).set("OperationId", stack->operation_id);
  }
  impl_->begin(uuid);
  return out;
}

Result<Document> Stacks::protect(const wire::Caller& caller, const Document& input) {
  const Impl::Turn turn(*impl_, caller.scope);
  const std::lock_guard lock(impl_->mutex);
  Stack* found = impl_->find(caller.scope, name_of(input));
  if (found == nullptr) return invalid("Stack [" + name_of(input) + "] does not exist");
  found->is_protected = input.bool_or("EnableTerminationProtection", false);
  impl_->save(*found);
  return Document::object({{"StackId", found->id}});
}

}  // namespace millrace::stacks
