// What is set on a function beside its code and configuration: concurrency, asynchronous events, permissions, tags.
#include <algorithm>

#include "functions/errors.h"
#include "functions/internal/entry.h"
#include "functions/service.h"

namespace millrace::functions {

// ---- concurrency

int Functions::unreserved_limit(const Scope& scope, const FunctionName* without) const {
  int left = options_.account_concurrency;
  for (auto it = functions_.lower_bound({scope, ""}); it != functions_.end() && it->first.scope == scope; ++it) {
    if (without == nullptr || it->first != *without) left -= it->second->function.reserved_concurrency.value_or(0);
  }
  return left;
}

Result<void> Functions::put_concurrency(const FunctionName& name, int reserved) {
  {
    const std::lock_guard lock(mutex_);
    MR_ASSIGN_OR_RETURN(const EntryPointer entry, find(name));
    if (reserved > 0 && unreserved_limit(name.scope, &name) - reserved < kUnreservedConcurrencyMin) {
      return Error(kInvalidParameterValue,
                   "Specified ReservedConcurrentExecutions for function decreases account's "
                   "UnreservedConcurrentExecution below its minimum value of [" +
                       std::to_string(kUnreservedConcurrencyMin) + "].");
    }
    entry->function.reserved_concurrency = reserved;
    save(*entry);
  }
  queue_.wake(name);
  return {};
}

Result<void> Functions::delete_concurrency(const FunctionName& name) {
  {
    const std::lock_guard lock(mutex_);
    MR_ASSIGN_OR_RETURN(const EntryPointer entry, find(name));
    entry->function.reserved_concurrency.reset();
    save(*entry);
  }
  queue_.wake(name);
  return {};
}

// ---- asynchronous configuration

namespace {

std::string config_key(const FunctionReference& target) {
  return target.qualifier.empty() ? kLatest : target.qualifier;
}

Error no_config(const FunctionReference& target) {
  return Error(kResourceNotFound, "The function " + target.function.arn() + ":" + config_key(target) +
                                      " doesn't have an EventInvokeConfig");
}

}  // namespace

Result<EventInvokeConfig> Functions::put_event_invoke(const FunctionReference& target,
                                                      const EventInvokeChange& change) {
  MR_RETURN_IF_ERROR(
      check_destination(services_.delivery, target.function, change.on_success.value_or(""), "destination"));
  MR_RETURN_IF_ERROR(
      check_destination(services_.delivery, target.function, change.on_failure.value_or(""), kFailureDestination));
  EventInvokeConfig config;
  {
    const std::lock_guard lock(mutex_);
    const auto found = find_qualified(target);
    if (!found.ok()) return Error(kResourceNotFound, "The function doesn't exist.");
    Entry& entry = **found;
    if (!change.retries_max && !change.age_seconds_max && !change.on_success && !change.on_failure) {
      return Error(kInvalidParameterValue, "You must specify at least one of error handling or destination setting.");
    }
    const auto present = entry.attached.event_invokes.find(config_key(target));
    if (!change.replace && present == entry.attached.event_invokes.end()) return no_config(target);
    if (!change.replace) config = present->second;
    if (change.retries_max) config.retries_max = change.retries_max;
    if (change.age_seconds_max) config.age_seconds_max = change.age_seconds_max;
    if (change.on_success) config.on_success = *change.on_success;
    if (change.on_failure) config.on_failure = *change.on_failure;
    config.last_modified = services_.scheduler.now();
    entry.attached.event_invokes[config_key(target)] = config;
    save(entry);
  }
  queue_.wake(target.function);
  return config;
}

Result<EventInvokeConfig> Functions::get_event_invoke(const FunctionReference& target) const {
  const std::lock_guard lock(mutex_);
  const auto found = find_qualified(target);
  if (!found.ok()) return no_config(target);
  const auto config = (*found)->attached.event_invokes.find(config_key(target));
  if (config == (*found)->attached.event_invokes.end()) return no_config(target);
  return config->second;
}

Result<void> Functions::delete_event_invoke(const FunctionReference& target) {
  const std::lock_guard lock(mutex_);
  const auto found = find_qualified(target);
  if (!found.ok() || (*found)->attached.event_invokes.erase(config_key(target)) == 0) return no_config(target);
  save(**found);
  return {};
}

std::map<std::string, EventInvokeConfig> Functions::event_invokes(const FunctionName& name) const {
  const std::lock_guard lock(mutex_);
  const auto it = functions_.find(name);
  return it == functions_.end() ? std::map<std::string, EventInvokeConfig>() : it->second->attached.event_invokes;
}

// ---- permissions

namespace {

Error no_policy() { return Error(kResourceNotFound, "The resource you requested does not exist."); }

Result<void> check_policy_revision(const std::string& present, const std::optional<std::string>& given) {
  if (!given || *given == present) return {};
  return Error(kPreconditionFailed,
               "The Revision Id provided does not match the latest Revision Id. Call the GetPolicy API to retrieve the "
               "latest Revision Id");
}

}  // namespace

Result<codec::Json> Functions::add_permission(const FunctionReference& target, const Permission& permission,
                                              const std::optional<std::string>& revision) {
  if (target.qualifier == kLatest) {
    return Error(kInvalidParameterValue, "We currently do not support adding policies for $LATEST.");
  }
  const std::lock_guard lock(mutex_);
  MR_ASSIGN_OR_RETURN(const EntryPointer entry, find_qualified(target));
  Policy& policy = entry->attached.policies[target.qualifier];
  const auto checked = check_policy_revision(policy.revision, revision);
  const bool taken = policy.find(permission.sid) != nullptr;
  codec::Json statement = statement_of(permission, target.arn());
  Policy longer = policy;
  longer.statements.push_back(statement);
  const bool too_long = longer.document().size() > kPolicyBytesMax;
  if (!checked.ok() || taken || too_long) {
    if (policy.statements.empty()) entry->attached.policies.erase(target.qualifier);
    if (!checked.ok()) return checked.error();
    if (too_long) return Error(kPolicyLengthExceeded, "The final policy size is bigger than the limit (20480).");
    return statement_exists(permission.sid);
  }
  policy = std::move(longer);
  policy.revision = services_.random.uuid();
  save(*entry);
  return statement;
}

Result<void> Functions::remove_permission(const FunctionReference& target, const std::string& sid,
                                          const std::optional<std::string>& revision) {
  const std::lock_guard lock(mutex_);
  MR_ASSIGN_OR_RETURN(const EntryPointer entry, find_qualified(target));
  const auto policy = entry->attached.policies.find(target.qualifier);
  if (policy == entry->attached.policies.end()) {
    return Error(kResourceNotFound, "No policy is associated with the given resource.");
  }
  MR_RETURN_IF_ERROR(check_policy_revision(policy->second.revision, revision));
  MR_RETURN_IF_ERROR(remove_statement(policy->second, sid));
  policy->second.revision = services_.random.uuid();
  if (policy->second.statements.empty()) entry->attached.policies.erase(policy);
  save(*entry);
  return {};
}

Result<Policy> Functions::policy(const FunctionReference& target) const {
  const std::lock_guard lock(mutex_);
  MR_ASSIGN_OR_RETURN(const EntryPointer entry, find_qualified(target));
  const auto policy = entry->attached.policies.find(target.qualifier);
  if (policy == entry->attached.policies.end()) return no_policy();
  return policy->second;
}

// ---- tags

Result<void> Functions::tag(const FunctionName& name, const StringMap& tags) {
  const std::lock_guard lock(mutex_);
  MR_ASSIGN_OR_RETURN(const EntryPointer entry, find(name));
  for (const auto& [key, value] : tags) entry->function.tags[key] = value;
  save(*entry);
  return {};
}

Result<void> Functions::untag(const FunctionName& name, const std::vector<std::string>& keys) {
  const std::lock_guard lock(mutex_);
  MR_ASSIGN_OR_RETURN(const EntryPointer entry, find(name));
  for (const auto& key : keys) entry->function.tags.erase(key);
  save(*entry);
  return {};
}

}  // namespace millrace::functions
