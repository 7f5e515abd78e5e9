// Single resources: made, changed, removed. Each step is stored before the next begins, so that a killed server knows
// what to remove or to change back: a resource is recorded as in progress before its type is asked for anything.
#include <algorithm>

#include "stacks/errors.h"
#include "stacks/internal/impl.h"

namespace millrace::stacks {
namespace {

constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
constexpr std::string_view kReplacing =
    "Requested update requires the creation of a new physical resource; hence creating one.";

std::string new_suffix(platform::Random& random) {
  std::string suffix;
  std::uint64_t bits = random.next();
  for (int i = 0; i < 12; ++i, bits /= kLetters.size()) suffix += kLetters[bits % kLetters.size()];
  return suffix;
}

bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

bool says_taken(const Error& error) {
  const std::string_view name = error.type().name;
  return contains(name, "AlreadyExists") || contains(name, "Conflict") || contains(name, "InUse") ||
         contains(name, "AlreadyOwned") || contains(name, "NameExists");
}

// AWS: the error codes of resource handlers.
std::string_view handler_code(const Error& error) {
  const std::string_view name = error.type().name;
  if (says_taken(error)) return "AlreadyExists";
  if (contains(name, "NotFound") || contains(name, "NoSuch") || contains(name, "NonExistent")) return "NotFound";
  if (contains(name, "AccessDenied")) return "AccessDenied";
  if (contains(name, "Throttl") || contains(name, "TooManyRequests")) return "Throttling";
  if (contains(name, "LimitExceeded")) return "ServiceLimitExceeded";
  return error.type().http_status >= 500 ? "ServiceInternalError" : "InvalidRequest";
}

void take_over(Owned& owned, const Resource& made) {
  owned.physical_id = made.physical_id;
  owned.ref = made.ref;
  // None from an update: as they were, since what only the creation told (a secret) is not known any more.
  // A custom resource's function says all of them each time.
  if (owned.is_custom() || !made.attributes.as_object().empty()) owned.attributes = made.attributes;
  owned.hides_attributes = made.hides_attributes;
}

void describe_by(Owned& owned, const Document& declared, const std::vector<std::string>& depends) {
  owned.deletion_policy = declared.string_or("DeletionPolicy", "Delete");
  owned.replace_policy = declared.string_or("UpdateReplacePolicy", "Delete");
  const Document* metadata = declared.find("Metadata");
  owned.metadata = metadata == nullptr ? Document() : *metadata;
  owned.depends = depends;
}

}  // namespace

std::string Stacks::Impl::taken_text(const Facts& facts, const Owned& owned) {
  const std::string name = given_name(owned.type, owned.properties);
  {
    const std::lock_guard lock(mutex);
    for (const auto& [uuid, stack] : stacks) {
      for (const auto& [id, each] : stack.resources) {
        if (stack.scope == facts.scope && each.type == owned.type && !each.physical_id.empty() &&
            given_name(each.type, each.properties) == name && !each.is_same(owned)) {
          return name + " already exists in stack " + stack.id;
        }
      }
    }
  }
  return "Resource handler returned message: \"Resource of type '" + owned.type + "' with identifier '" + name +
         "' already exists.\" (RequestToken: " + services.random.uuid() + ", HandlerErrorCode: AlreadyExists)";
}

// AWS words what a service answered so.
std::string Stacks::Impl::words(const std::string& type, const Error& error) {
  if (error.is(kResourceFailed)) return error.message();
  std::string service = type.substr(std::min(type.find("::"), type.size() - 2) + 2);
  service = service.substr(0, service.find("::"));
  if (service == "SQS" || service == "SNS" || service == "SSM" || service == "IAM") {
    for (std::size_t i = 1; i < service.size(); ++i) service[i] = static_cast<char>(service[i] + 32);
  }
  return "Resource handler returned message: \"" + error.message() + " (Service: " + service +
         ", Status Code: " + std::to_string(error.type().http_status) +
         ", Error Code: " + std::string(error.type().name) + ")\" (RequestToken: " + services.random.uuid() +
         ", HandlerErrorCode: " + std::string(handler_code(error)) + ")";
}

Stacks::Impl::Facts Stacks::Impl::facts(const std::string& uuid) {
  const std::lock_guard lock(mutex);
  const Stack& stack = kept(uuid);
  return {uuid, stack.name, stack.id, stack.scope, stack.inputs.tags};
}

Result<Document> Stacks::Impl::await(const std::string& uuid, const std::string& token, std::chrono::seconds timeout) {
  const auto timer = services.scheduler.at(services.scheduler.now() + timeout, [this, token] {
    const std::lock_guard lock(mutex);
    const auto found = answers.find(token);
    if (found == answers.end()) return;
    found->second.late = true;
    found->second.busy = platform::Busy(services.scheduler.busy());
    answered.notify_all();
  });
  thread_busy.release();
  std::unique_lock lock(mutex);
  answered.wait(lock,
                [&] { return stopping() || answers[token].late || answers[token].document || cancels.contains(uuid); });
  Answer answer = std::move(answers[token]);
  answers.erase(token);
  thread_busy = std::move(answer.busy);
  if (answer.document) return std::move(*answer.document);
  if (stopping()) return Error(kUnavailable, "The server is stopping.");
  if (answer.late) return Error(kTimeout, "There was no answer in time.");
  thread_busy = platform::Busy(services.scheduler.busy());
  return Error(kCancelled, "The operation has been cancelled.");
}

Work Stacks::Impl::work_for(const Facts& stack, const Owned& owned) {
  wire::Caller caller;
  caller.scope = stack.scope;
  Work work{.calls = services.calls,
            .caller = caller,
            .stack_name = stack.name,
            .stack_id = stack.id,
            .logical_id = owned.logical_id,
            .type = owned.type,
            .suffix = owned.suffix,
            .properties = owned.properties,
            .physical_id = owned.physical_id,
            .tags = stack.tags,
            .created = {},
            .open_answer = {},
            .await_answer = {}};
  for (auto* tags : {&work.tags, &work.old_tags}) {
    if (tags == &work.old_tags) *tags = owned.tags;
    (*tags)["aws:cloudformation:stack-name"] = stack.name;
    (*tags)["aws:cloudformation:stack-id"] = stack.id;
    (*tags)["aws:cloudformation:logical-id"] = owned.logical_id;
  }
  work.created = [this, uuid = stack.uuid, id = owned.logical_id](const std::string& physical_id) {
    edit(uuid, [&](Stack& changed) { changed.resources[id].physical_id = physical_id; });
  };
  work.endpoint = endpoint;
  work.nested = &nested;
  work.open_answer = [this] {
    const std::string token = services.random.hex(32);
    const std::lock_guard lock(mutex);
    answers[token];
    return token;
  };
  work.await_answer = [this, uuid = stack.uuid](const std::string& token, std::chrono::seconds timeout) {
    return await(uuid, token, timeout);
  };
  return work;
}

// Makes a resource and records it; an owned one of that name becomes a leftover, or stays if this fails.
bool Stacks::Impl::make(const Step& step, const std::string& why) {
  const auto& [stack, id, declared, depends, is_skipped, properties, shown] = step;
  Owned owned;
  owned.logical_id = id;
  owned.type = declared.string_or("Type", "");
  owned.suffix = new_suffix(services.random);
  owned.properties = properties;
  owned.is_unmade = true;
  owned.skipped = is_skipped;
  owned.tags = stack.tags;
  describe_by(owned, declared, depends);
  const std::string verb = why.empty() ? "CREATE" : "UPDATE";
  owned.status = verb + "_IN_PROGRESS";
  owned.updated = services.scheduler.now();
  const ResourceType& type = *type_of(owned);
  const Work work = work_for(stack, owned);
  const auto taken = type.exists(work);
  if (!taken.ok() || *taken) {
    return fail_to_make(step, owned, taken.ok(),
                        taken.ok() ? taken_text(stack, owned) : words(owned.type, taken.error()));
  }
  edit(stack.uuid, [&](Stack& changed) {
    if (const auto old = changed.resources.find(id); old != changed.resources.end()) {
      changed.leftovers.push_back(old->second);
    }
    changed.resources[id] = owned;
    emit(changed, id, "", owned.type, owned.status, why, &shown);
  });
  const auto made = type.create(work);
  if (!made.ok()) {
    if (stopping()) return false;  // continued after the restart
    return fail_to_make(step, owned, says_taken(made.error()),
                        made.error().is(kCancelled) ? "Resource creation cancelled" : words(owned.type, made.error()));
  }
  edit(stack.uuid, [&](Stack& changed) {
    Owned& done = changed.resources[id];
    take_over(done, *made);
    done.is_unmade = false;
    done.status = verb + "_COMPLETE";
    done.updated = services.scheduler.now();
    emit(changed, id, done.physical_id, owned.type, verb + "_IN_PROGRESS", "Resource creation Initiated", &shown);
    emit(changed, id, done.physical_id, owned.type, done.status, effect_text(done), &shown);
  });
  return true;
}

bool Stacks::Impl::fail_to_make(const Step& step, const Owned& owned, bool is_taken, std::string reason) {
  const bool replaces = owned.status.starts_with("UPDATE");
  const std::string name = given_name(owned.type, owned.properties);
  if (replaces && is_taken && !name.empty()) {
    reason = "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename " + name +
             " and update the stack again.";
  }
  edit(step.stack.uuid, [&](Stack& stack) {
    Owned& now = stack.resources[step.id];
    const bool begun = now.suffix == owned.suffix;
    if (!begun)
      emit(stack, step.id, "", owned.type, owned.status, replaces ? std::string(kReplacing) : "", &step.shown);
    if (replaces) {
      const auto old = std::ranges::find_if(stack.leftovers.rbegin(), stack.leftovers.rend(), [&](const Owned& each) {
        return each.logical_id == step.id && each.suffix != owned.suffix;
      });
      if (begun && old != stack.leftovers.rend()) {
        std::swap(now, *old);
        if (old->physical_id.empty()) stack.leftovers.erase(std::next(old).base());
      }
    } else if (!begun) {
      now = owned;
    }
    now.status = replaces ? "UPDATE_FAILED" : "CREATE_FAILED";
    now.reason = reason;
    emit(stack, step.id, now.physical_id, owned.type, now.status, reason, &step.shown);
  });
  return false;
}

// Takes over what is there already.
bool Stacks::Impl::import(const Step& step, const std::string& physical_id) {
  Owned owned;
  owned.logical_id = step.id;
  owned.type = step.declared.string_or("Type", "");
  owned.suffix = new_suffix(services.random);
  owned.properties = step.properties;
  owned.physical_id = physical_id;
  owned.is_imported = true;
  owned.tags = step.stack.tags;
  owned.updated = services.scheduler.now();
  describe_by(owned, step.declared, step.depends);
  const ResourceType& type = *type_of(owned);
  const auto found = type.read(work_for(step.stack, owned));
  edit(step.stack.uuid, [&](Stack& stack) {
    emit(stack, step.id, physical_id, owned.type, "IMPORT_IN_PROGRESS", "Resource import started.", &step.shown);
    if (!found.ok()) {
      return emit(stack, step.id, physical_id, owned.type, "IMPORT_FAILED", words(owned.type, found.error()),
                  &step.shown);
    }
    take_over(owned, *found);
    owned.status = "IMPORT_COMPLETE";
    stack.resources[step.id] = owned;
    emit(stack, step.id, owned.physical_id, owned.type, owned.status, "Resource import completed.", &step.shown);
  });
  return found.ok();
}

// In place, from `old_properties` to those of the step.
bool Stacks::Impl::change(const Step& step, const Owned& owned, const Document& old_properties) {
  const std::string& id = step.id;
  const ResourceType& type = *type_of(owned);
  edit(step.stack.uuid, [&](Stack& stack) {
    stack.resources[id].status = "UPDATE_IN_PROGRESS";
    stack.resources[id].properties = old_properties;
    stack.resources[id].attempted = step.properties;
    emit(stack, id, owned.physical_id, owned.type, "UPDATE_IN_PROGRESS", "", &step.shown);
  });
  Work work = work_for(step.stack, owned);
  work.old_properties = old_properties;
  work.properties = step.properties;
  const auto changed = type.update(work);
  if (!changed.ok()) {
    if (stopping()) return false;
    const std::string reason =
        changed.error().is(kCancelled) ? "Resource update cancelled" : words(owned.type, changed.error());
    edit(step.stack.uuid, [&](Stack& stack) {
      stack.resources[id].status = "UPDATE_FAILED";
      stack.resources[id].reason = reason;
      emit(stack, id, owned.physical_id, owned.type, "UPDATE_FAILED", reason, &step.shown);
    });
    return false;
  }
  edit(step.stack.uuid, [&](Stack& stack) {
    Owned& done = stack.resources[id];
    if (changed->physical_id != owned.physical_id) {
      stack.leftovers.push_back(owned);
      stack.leftovers.back().properties = old_properties;
    }
    take_over(done, *changed);
    done.properties = step.properties;
    done.attempted = nullptr;
    done.tags = step.stack.tags;
    done.status = "UPDATE_COMPLETE";
    done.reason.clear();
    done.updated = services.scheduler.now();
    emit(stack, id, done.physical_id, owned.type, "UPDATE_COMPLETE", effect_text(done), &step.shown);
  });
  return true;
}

// What the template wants of one resource, in comparison with what there is.
bool Stacks::Impl::apply(const std::string& uuid, const Blueprint& print, const std::string& id) {
  const Document& declared = *print.document.find("Resources")->find(id);
  const std::set<std::string>& names = print.waits.at(id);
  Step step{facts(uuid), id, declared, {names.begin(), names.end()}};
  const std::string type_name(declared.string_or("Type", ""));
  step.is_skipped = services.types.is_skipped(print.document, type_name);
  std::map<std::string, Owned> known;
  std::optional<Owned> owned;
  std::optional<std::string> importing;
  {
    const std::lock_guard lock(mutex);
    const Stack& stack = kept(uuid);
    if (const auto found = stack.importing.find(id); found != stack.importing.end()) importing = found->second;
    for (const auto& [name, each] : stack.resources) {
      if (names.contains(name)) known[name] = each;
      if (name == id) owned = each;
    }
  }
  const auto evaluated = resolve(step, print, known);
  if (!evaluated.ok()) {
    edit(uuid, [&](Stack& stack) {
      Owned& failed = stack.resources[id];
      if (!owned) {
        failed.logical_id = id;
        failed.type = type_name;
        failed.is_unmade = true;
        describe_by(failed, declared, step.depends);
      }
      failed.status = owned ? "UPDATE_FAILED" : "CREATE_FAILED";
      failed.reason = evaluated.error().message();
      failed.updated = services.scheduler.now();
      emit(stack, id, failed.physical_id, type_name, failed.status, failed.reason);
    });
    return false;
  }
  if (owned && owned->is_unmade) {
    // It failed to be made, and was kept so.
    if (owned->may_exist() && !drop(uuid, *owned).ok()) return false;
    edit(uuid, [&](Stack& stack) { stack.resources.erase(id); });
    owned.reset();
  }
  if (!owned && importing) return import(step, *importing);
  if (!owned) return make(step, "");
  edit(uuid, [&](Stack& stack) { describe_by(stack.resources[id], declared, step.depends); });
  if (!owned->attempted.is_null()) {
    // Nobody knows how far it came: back to what is known first.
    const Step back{step.stack, id, declared, step.depends, owned->skipped, owned->properties, owned->properties};
    if (!change(back, *owned, owned->attempted)) return false;
    owned = copy(uuid).resources[id];
  }
  const bool is_same_type = owned->type == type_name && owned->skipped == step.is_skipped;
  const ResourceType& type = *type_of(*owned);
  const bool retagged = owned->tags != step.stack.tags && takes_tags(type);
  if (is_same_type && owned->properties == step.properties && !retagged && !type.always_updates()) return true;
  Work work = work_for(step.stack, *owned);
  work.old_properties = owned->properties;
  work.properties = step.properties;
  const Update kind = is_same_type ? type.update_kind(work) : Update::kReplace;
  if (kind == Update::kReplace) return make(step, std::string(kReplacing));
  if (kind == Update::kInPlace) return change(step, *owned, owned->properties);
  edit(uuid, [&](Stack& stack) {
    Owned& refused = stack.resources[id];
    refused.status = "UPDATE_FAILED";
    refused.reason = "Update to resource type " + type_name + " is not supported.";
    emit(stack, id, refused.physical_id, type_name, refused.status, refused.reason, &step.shown);
  });
  return false;
}

// Evaluates the properties, as they are and as events show them.
Result<void> Stacks::Impl::resolve(Step& step, const Blueprint& print, const std::map<std::string, Owned>& known) {
  const Document* given = step.declared.find("Properties");
  if (given == nullptr) return {};
  Environment environment = print.environment;
  know_resources(environment, known, nullptr);
  MR_ASSIGN_OR_RETURN(const auto evaluated, evaluate(environment, *given));
  if (evaluated && evaluated->is_object()) step.properties = *evaluated;
  Environment masked = print.shown;
  std::map<std::string, Owned> hidden = known;
  for (auto& [name, owned] : hidden) {
    if (!owned.hides_attributes) continue;
    for (auto& [attribute, value] : owned.attributes.as_object()) value = kHidden;
  }
  know_resources(masked, hidden, nullptr);
  const auto shown = evaluate(masked, *given);
  if (shown.ok() && *shown && (*shown)->is_object()) step.shown = **shown;
  return {};
}

// Brings a resource that an update has changed back to the snapshot.
bool Stacks::Impl::revert(const std::string& uuid, const std::string& id) {
  std::optional<Owned> now;
  Document wanted;
  {
    const std::lock_guard lock(mutex);
    const Stack& stack = kept(uuid);
    const auto owned = stack.resources.find(id);
    const auto before = stack.snapshot.find(id);
    if (owned == stack.resources.end() || before == stack.snapshot.end()) return true;
    now = owned->second;
    wanted = before->second.properties;
  }
  const Document declared;
  const Step step{facts(uuid), id, declared, now->depends, now->skipped, wanted, wanted};
  const ResourceType* type = type_of(*now);
  if (type == nullptr) return true;
  const bool retagged = now->tags != step.stack.tags && takes_tags(*type);
  if (now->attempted.is_null() && now->properties == wanted && !retagged && !type->always_updates()) return true;
  // An attempt that was interrupted may have brought any part of what it was to bring.
  const bool is_attempted = !now->attempted.is_null() && now->attempted != wanted;
  return change(step, *now, is_attempted ? now->attempted : now->properties);
}

Result<void> Stacks::Impl::drop(const std::string& uuid, const Owned& owned) {
  const auto tell = [&](const std::string& status, const std::string& reason) {
    edit(uuid, [&](Stack& stack) {
      emit(stack, owned.logical_id, owned.physical_id, owned.type, status, reason);
      const auto found = stack.resources.find(owned.logical_id);
      if (found == stack.resources.end() || !found->second.is_same(owned)) return;
      found->second.status = status;
      found->second.reason = reason;
      found->second.updated = services.scheduler.now();
    });
  };
  if (!owned.may_exist()) return {};
  tell("DELETE_IN_PROGRESS", "");
  const ResourceType* type = type_of(owned);
  Result<void> removed = type == nullptr ? Result<void>(invalid("Resource type " + owned.type + " is not supported."))
                                         : type->remove(work_for(facts(uuid), owned));
  if (!removed.ok() && stopping()) return removed;
  tell(removed.ok() ? "DELETE_COMPLETE" : "DELETE_FAILED", removed.ok() ? "" : words(owned.type, removed.error()));
  return removed;
}

}  // namespace millrace::stacks
