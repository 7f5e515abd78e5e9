// One operation of a stack, resource by resource. Each step is stored before the next begins, so that a killed server
// knows what to remove: a resource is recorded as CREATE_IN_PROGRESS before it is made.
#include <algorithm>

#include "stacks/errors.h"
#include "stacks/internal/impl.h"
#include "stacks/template.h"
#include "telemetry/log.h"

namespace millrace::stacks {
namespace {

constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

std::string new_suffix(platform::Random& random) {
  std::string suffix;
  std::uint64_t bits = random.next();
  for (int i = 0; i < 12; ++i, bits /= kLetters.size()) suffix += kLetters[bits % kLetters.size()];
  return suffix;
}

// Of the operation that runs on this thread; released while it waits for an answer from outside.
thread_local platform::Busy thread_busy;

// Those that depend on others first.
std::vector<std::string> removal_order(const std::map<std::string, Owned>& resources) {
  std::vector<std::string> order;
  std::set<std::string> done;
  while (order.size() < resources.size()) {
    const std::size_t before = order.size();
    for (const auto& [id, owned] : resources) {
      if (done.contains(id)) continue;
      const bool needed = std::ranges::any_of(resources, [&, &name = id](const auto& other) {
        return !done.contains(other.first) && other.first != name &&
               std::ranges::find(other.second.depends, name) != other.second.depends.end();
      });
      if (needed) continue;
      order.push_back(id);
      done.insert(id);
    }
    if (order.size() > before) continue;
    for (const auto& [id, owned] : resources) {
      if (done.insert(id).second) order.push_back(id);
    }
  }
  return order;
}

// AWS words what a service answered so.
std::string words(const Error& error) {
  if (error.is(kResourceFailed)) return error.message();
  return error.message() + " (Service: millrace, Status Code: " + std::to_string(error.type().http_status) +
         ", Error Code: " + std::string(error.type().name) + ")";
}

std::string failed_text(const std::vector<std::string>& ids, std::string_view verb) {
  std::string text = "The following resource(s) failed to " + std::string(verb) + ": [";
  for (std::size_t i = 0; i < ids.size(); ++i) text += (i == 0 ? "" : ", ") + ids[i];
  return text + "]. ";
}

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

Stack Stacks::Impl::copy(const std::string& uuid) {
  const std::lock_guard lock(mutex);
  return stacks[uuid];
}

void Stacks::Impl::begin(const std::string& uuid) {
  const std::lock_guard lock(mutex);
  if (stopping()) return;
  if (const auto old = threads.find(uuid); old != threads.end()) {
    old->second.join();  // has ended: the stack was in a terminal state
    threads.erase(old);
  }
  threads[uuid] = std::thread([this, uuid, busy = platform::Busy(services.scheduler.busy())]() mutable {
    thread_busy = std::move(busy);
    run(uuid);
    thread_busy.release();
  });
}

void Stacks::Impl::run(const std::string& uuid) {
  const std::string status = copy(uuid).status;
  if (status == "CREATE_IN_PROGRESS" || status == "UPDATE_IN_PROGRESS") return deploy(uuid);
  if (status == "ROLLBACK_IN_PROGRESS") return remove_all(uuid, true);
  if (status == "UPDATE_ROLLBACK_IN_PROGRESS") return roll_back(uuid);
  if (status == "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS") return clean_up(uuid, "UPDATE_COMPLETE");
  if (status == "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS") return clean_up(uuid, "UPDATE_ROLLBACK_COMPLETE");
  if (status == "DELETE_IN_PROGRESS") return remove_all(uuid, false);
}

Result<Document> Stacks::Impl::await(const std::string& token, std::chrono::seconds timeout) {
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
  answered.wait(lock, [&] { return stopping() || answers[token].late || answers[token].document; });
  Answer answer = std::move(answers[token]);
  answers.erase(token);
  thread_busy = std::move(answer.busy);
  if (answer.document) return std::move(*answer.document);
  if (answer.late) return Error(kTimeout, "There was no answer in time.");
  return Error(kUnavailable, "The server is stopping.");
}

Work Stacks::Impl::work_for(const Stack& stack, const Owned& owned, bool is_new) {
  wire::Caller caller;
  caller.scope = stack.scope;
  Work work{services.calls,
            caller,
            stack.name,
            stack.id,
            owned.logical_id,
            owned.type,
            owned.suffix,
            owned.properties,
            Document::object(),
            is_new ? std::string() : owned.physical_id,
            {},
            {},
            {},
            {}};
  work.tags = stack.inputs.tags;
  work.tags["aws:cloudformation:stack-name"] = stack.name;
  work.tags["aws:cloudformation:stack-id"] = stack.id;
  work.tags["aws:cloudformation:logical-id"] = owned.logical_id;
  work.created = [this, uuid = stack.uuid, id = owned.logical_id](const std::string& physical_id) {
    edit(uuid, [&](Stack& changed) { changed.resources[id].physical_id = physical_id; });
  };
  work.endpoint = endpoint;
  work.open_answer = [this] {
    const std::string token = services.random.hex(32);
    const std::lock_guard lock(mutex);
    answers[token];
    return token;
  };
  work.await_answer = [this](const std::string& token, std::chrono::seconds timeout) { return await(token, timeout); };
  return work;
}

// Makes a resource and records it; an owned one of that name becomes a leftover.
Result<void> Stacks::Impl::make(const std::string& uuid, const Document& declared, const std::string& id,
                                Document properties, const std::string& why) {
  Owned owned;
  owned.logical_id = id;
  owned.type = declared.string_or("Type", "");
  owned.suffix = new_suffix(services.random);
  owned.properties = std::move(properties);
  owned.status = "CREATE_IN_PROGRESS";
  owned.updated = services.scheduler.now();
  owned.deletion_policy = declared.string_or("DeletionPolicy", "Delete");
  owned.replace_policy = declared.string_or("UpdateReplacePolicy", "Delete");
  if (const Document* metadata = declared.find("Metadata")) owned.metadata = *metadata;
  const Stack before = copy(uuid);
  MR_ASSIGN_OR_RETURN(const Document document, parse_template(before.inputs.template_text));
  for (const std::string& name : dependencies(document, declared)) owned.depends.push_back(name);
  owned.skipped = services.types.is_skipped(document, owned.type);
  const ResourceType& type = *type_of(owned);
  const Work work = work_for(before, owned, true);
  const std::string verb = why.empty() ? "CREATE" : "UPDATE";
  const auto taken = type.exists(work);
  if (!taken.ok() || *taken) {
    const std::string reason = taken.ok() ? "Resource of type '" + owned.type + "' with identifier '" +
                                                work.generated_name(255) + "' already exists."
                                          : words(taken.error());
    edit(uuid, [&](Stack& stack) {
      emit(stack, id, "", owned.type, verb + "_IN_PROGRESS", "", &owned.properties);
      emit(stack, id, "", owned.type, verb + "_FAILED", reason, &owned.properties);
      if (!stack.resources.contains(id)) {
        owned.status = "CREATE_FAILED";
        owned.reason = reason;
        stack.resources[id] = owned;
      }
    });
    return invalid(reason);
  }
  edit(uuid, [&](Stack& stack) {
    if (const auto old = stack.resources.find(id); old != stack.resources.end()) stack.leftovers.push_back(old->second);
    stack.resources[id] = owned;
    emit(stack, id, "", owned.type, verb + "_IN_PROGRESS", why, &owned.properties);
  });
  auto made = type.create(work);
  if (!made.ok()) {
    if (stopping()) return std::move(made).error();  // continued after the restart
    const std::string reason = words(made.error());
    edit(uuid, [&](Stack& stack) {
      Owned& failed = stack.resources[id];
      failed.status = "CREATE_FAILED";
      failed.reason = reason;
      emit(stack, id, failed.physical_id, owned.type, verb + "_FAILED", reason, &owned.properties);
    });
    return std::move(made).error();
  }
  edit(uuid, [&](Stack& stack) {
    Owned& done = stack.resources[id];
    done.physical_id = made->physical_id;
    done.ref = made->ref;
    done.attributes = made->attributes;
    done.hides_attributes = made->hides_attributes;
    done.status = verb + "_COMPLETE";
    done.updated = services.scheduler.now();
    emit(stack, id, done.physical_id, owned.type, verb + "_IN_PROGRESS", "Resource creation Initiated",
         &owned.properties);
    emit(stack, id, done.physical_id, owned.type, done.status, effect_text(done), &owned.properties);
  });
  return {};
}

// In place. `properties` are those wanted.
Result<void> Stacks::Impl::change(const std::string& uuid, const std::string& id, const Document& properties) {
  const Stack before = copy(uuid);
  const Owned owned = before.resources.at(id);
  const ResourceType& type = *type_of(owned);
  edit(uuid, [&](Stack& stack) {
    stack.resources[id].status = "UPDATE_IN_PROGRESS";
    emit(stack, id, owned.physical_id, owned.type, "UPDATE_IN_PROGRESS", "", &properties);
  });
  Work work = work_for(before, owned, false);
  work.old_properties = owned.properties;
  work.properties = properties;
  auto changed = type.update(work);
  if (!changed.ok()) {
    if (stopping()) return std::move(changed).error();
    const std::string reason = words(changed.error());
    edit(uuid, [&](Stack& stack) {
      stack.resources[id].status = "UPDATE_FAILED";
      stack.resources[id].reason = reason;
      emit(stack, id, owned.physical_id, owned.type, "UPDATE_FAILED", reason, &properties);
    });
    return std::move(changed).error();
  }
  edit(uuid, [&](Stack& stack) {
    Owned& done = stack.resources[id];
    if (changed->physical_id != owned.physical_id) stack.leftovers.push_back(owned);
    done.physical_id = changed->physical_id;
    done.ref = changed->ref;
    done.attributes = changed->attributes;
    done.hides_attributes = changed->hides_attributes;
    done.properties = properties;
    done.status = "UPDATE_COMPLETE";
    done.reason.clear();
    done.updated = services.scheduler.now();
    emit(stack, id, done.physical_id, owned.type, "UPDATE_COMPLETE", effect_text(done), &properties);
  });
  return {};
}

Result<void> Stacks::Impl::apply(const std::string& uuid, const Environment& environment, const std::string& id) {
  const Document& declared = *environment.document->find("Resources")->find(id);
  const Document none = Document::object();
  const Document* given = declared.find("Properties");
  const Stack stack = copy(uuid);
  Environment known = environment;
  know_resources(known, stack.resources, nullptr);
  auto evaluated = evaluate(known, given == nullptr ? none : *given);
  const std::string type_name(declared.string_or("Type", ""));
  if (!evaluated.ok()) {
    edit(uuid, [&](Stack& changed) { emit(changed, id, "", type_name, "CREATE_FAILED", evaluated.error().message()); });
    return std::move(evaluated).error();
  }
  const Document properties = *evaluated && (*evaluated)->is_object() ? **evaluated : none;
  const auto owned = stack.resources.find(id);
  if (owned == stack.resources.end()) return make(uuid, declared, id, properties, "");
  edit(uuid, [&](Stack& changed) {
    Owned& kept = changed.resources[id];
    kept.deletion_policy = declared.string_or("DeletionPolicy", "Delete");
    kept.replace_policy = declared.string_or("UpdateReplacePolicy", "Delete");
    if (const Document* metadata = declared.find("Metadata")) kept.metadata = *metadata;
    kept.depends.clear();
    for (const std::string& name : dependencies(*environment.document, declared)) kept.depends.push_back(name);
  });
  if (owned->second.type != type_name ||
      owned->second.skipped != services.types.is_skipped(*environment.document, type_name)) {
    return make(uuid, declared, id, properties,
                "Requested update requires the creation of a new physical resource; hence creating one.");
  }
  const bool retagged = stack.before && stack.before->tags != stack.inputs.tags;
  if (owned->second.properties == properties && !retagged) return {};
  Work work = work_for(stack, owned->second, false);
  work.old_properties = owned->second.properties;
  work.properties = properties;
  const Update kind = type_of(owned->second)->update_kind(work);
  if (kind == Update::kReplace) {
    return make(uuid, declared, id, properties,
                "Requested update requires the creation of a new physical resource; hence creating one.");
  }
  if (kind == Update::kRefused) {
    const std::string reason = "Update to resource type " + type_name + " is not supported.";
    edit(uuid, [&](Stack& changed) {
      emit(changed, id, owned->second.physical_id, type_name, "UPDATE_FAILED", reason, &properties);
    });
    return invalid(reason);
  }
  return change(uuid, id, properties);
}

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

void Stacks::Impl::deploy(const std::string& uuid) {
  const Stack stack = copy(uuid);
  const bool is_create = stack.status == "CREATE_IN_PROGRESS";
  std::vector<std::string> failed;
  std::string reason;
  const auto document = parse_template(stack.inputs.template_text);
  const auto environment =
      document.ok() ? environment_of(stack, *document, stack.inputs.parameters) : Result<Environment>(document.error());
  if (environment.ok()) {
    const auto order = in_order(*document, wanted_resources(*environment));
    for (const std::string& id : order.ok() ? *order : std::vector<std::string>()) {
      if (stopping()) return;
      if (!apply(uuid, *environment, id).ok()) {
        if (stopping()) return;
        failed.push_back(id);
        break;
      }
    }
    if (!failed.empty()) {
      reason = failed_text(failed, is_create ? "create" : "update");
    } else if (auto outputs = set_outputs(uuid, *environment); !outputs.ok()) {
      reason = outputs.error().message();
    }
  } else {
    reason = environment.error().message();
  }
  if (reason.empty()) {
    if (is_create) return edit(uuid, [&](Stack& done) { set_status(done, "CREATE_COMPLETE"); });
    edit(uuid, [&](Stack& done) {
      const auto wanted = wanted_resources(*environment);
      for (const std::string& id : removal_order(done.resources)) {
        if (wanted.contains(id)) continue;
        done.leftovers.push_back(done.resources[id]);
        done.resources.erase(id);
      }
      set_status(done, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS");
    });
    return clean_up(uuid, "UPDATE_COMPLETE");
  }
  if (stack.keep_on_failure) {
    return edit(uuid, [&](Stack& done) { set_status(done, is_create ? "CREATE_FAILED" : "UPDATE_FAILED", reason); });
  }
  if (!is_create) {
    edit(uuid, [&](Stack& back) { set_status(back, "UPDATE_ROLLBACK_IN_PROGRESS", reason); });
    return roll_back(uuid);
  }
  const bool gone = stack.delete_on_failure;
  edit(uuid, [&](Stack& back) {
    set_status(back, gone ? "DELETE_IN_PROGRESS" : "ROLLBACK_IN_PROGRESS",
               reason + (gone ? "Delete requested by user." : "Rollback requested by user."));
  });
  remove_all(uuid, !gone);
}

// Back to the snapshot: what was made is a leftover, what was replaced comes back, what was changed is changed back.
void Stacks::Impl::roll_back(const std::string& uuid) {
  edit(uuid, [&](Stack& stack) {
    std::vector<Owned> old;
    std::swap(old, stack.leftovers);
    for (const auto& [id, owned] : stack.resources) {
      const auto before = stack.snapshot.find(id);
      if (before == stack.snapshot.end() || before->second.physical_id != owned.physical_id) {
        if (owned.may_exist()) stack.leftovers.push_back(owned);
      }
    }
    // A second pass after a restart finds leftovers that were made by the update.
    for (const Owned& owned : old) {
      const auto before = stack.snapshot.find(owned.logical_id);
      if (before == stack.snapshot.end() || before->second.physical_id != owned.physical_id)
        stack.leftovers.push_back(owned);
    }
    std::map<std::string, Owned> resources = stack.snapshot;
    for (auto& [id, owned] : resources) {
      const auto now = stack.resources.find(id);
      // The properties that are in effect, so that they are changed back below; an interrupted change counts as one.
      if (now == stack.resources.end() || now->second.physical_id != owned.physical_id) continue;
      owned.status = now->second.status;
      if (now->second.status.starts_with("UPDATE_") && now->second.status != "UPDATE_COMPLETE") continue;
      owned.properties = now->second.properties;
    }
    stack.resources = std::move(resources);
    if (stack.before) stack.inputs = *stack.before;
    stack.outputs = stack.outputs_before;
  });
  const Stack stack = copy(uuid);
  std::vector<std::string> failed;
  for (const auto& [id, before] : stack.snapshot) {
    if (stopping()) return;
    const Owned& now = stack.resources.at(id);
    const bool interrupted = now.status == "UPDATE_FAILED" || now.status == "UPDATE_IN_PROGRESS";
    if (now.properties == before.properties && !interrupted) continue;
    if (!change(uuid, id, before.properties).ok()) {
      if (stopping()) return;
      failed.push_back(id);
    }
  }
  if (!failed.empty()) {
    return edit(uuid, [&](Stack& done) { set_status(done, "UPDATE_ROLLBACK_FAILED", failed_text(failed, "update")); });
  }
  edit(uuid, [&](Stack& done) { set_status(done, "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"); });
  clean_up(uuid, "UPDATE_ROLLBACK_COMPLETE");
}

Result<void> Stacks::Impl::drop(const std::string& uuid, Owned owned) {
  const Stack stack = copy(uuid);
  edit(uuid, [&](Stack& changed) {
    emit(changed, owned.logical_id, owned.physical_id, owned.type, "DELETE_IN_PROGRESS", "");
  });
  const ResourceType* type = type_of(owned);
  Result<void> removed = type == nullptr ? Result<void>(invalid("Resource type " + owned.type + " is not supported."))
                                         : type->remove(work_for(stack, owned, false));
  if (!removed.ok() && stopping()) return removed;
  edit(uuid, [&](Stack& changed) {
    emit(changed, owned.logical_id, owned.physical_id, owned.type, removed.ok() ? "DELETE_COMPLETE" : "DELETE_FAILED",
         removed.ok() ? "" : words(removed.error()));
  });
  return removed;
}

// Removes leftovers. AWS: what can not be removed stays, with an event, and the stack is complete.
void Stacks::Impl::clean_up(const std::string& uuid, const std::string& final_status) {
  while (true) {
    const Stack stack = copy(uuid);
    if (stack.leftovers.empty()) break;
    if (stopping()) return;
    const Owned& owned = stack.leftovers.front();
    const bool replaced = stack.resources.contains(owned.logical_id);
    const std::string& policy = replaced ? owned.replace_policy : owned.deletion_policy;
    const bool rolled_back = final_status != "UPDATE_COMPLETE";
    if (policy == "Retain" || (policy == "RetainExceptOnCreate" && !rolled_back)) {
      edit(uuid, [&](Stack& changed) {
        emit(changed, owned.logical_id, owned.physical_id, owned.type, "DELETE_SKIPPED", "");
      });
    } else if (!drop(uuid, owned).ok() && stopping()) {
      return;
    }
    edit(uuid, [&](Stack& changed) { changed.leftovers.erase(changed.leftovers.begin()); });
  }
  edit(uuid, [&](Stack& done) {
    done.before.reset();
    done.snapshot.clear();
    done.outputs_before.clear();
    set_status(done, final_status);
  });
}

void Stacks::Impl::remove_all(const std::string& uuid, bool is_rollback) {
  std::vector<std::string> failed;
  std::set<std::string> blocked;
  // What an interrupted update left over belongs to the stack, too.
  for (const Owned& owned : copy(uuid).leftovers) {
    if (drop(uuid, owned).ok()) continue;
    if (stopping()) return;
    failed.push_back(owned.logical_id);
  }
  const Stack stack = copy(uuid);
  for (const std::string& id : removal_order(stack.resources)) {
    if (stopping()) return;
    const Owned owned = stack.resources.at(id);
    const bool asked = std::ranges::find(stack.retain, id) != stack.retain.end();
    const bool kept =
        owned.deletion_policy == "Retain" || (owned.deletion_policy == "RetainExceptOnCreate" && !is_rollback);
    if (asked || (kept && owned.may_exist())) {
      edit(uuid, [&](Stack& changed) {
        emit(changed, id, owned.physical_id, owned.type, "DELETE_SKIPPED", "");
        changed.resources.erase(id);
      });
      continue;
    }
    if (blocked.contains(id)) {
      for (const std::string& name : owned.depends) blocked.insert(name);
      continue;  // something that needs it is still there
    }
    auto removed = owned.may_exist() ? drop(uuid, owned) : Result<void>();
    if (removed.ok()) {
      edit(uuid, [&](Stack& changed) { changed.resources.erase(id); });
      continue;
    }
    if (stopping()) return;
    failed.push_back(id);
    for (const std::string& name : owned.depends) blocked.insert(name);
    edit(uuid, [&](Stack& changed) {
      changed.resources[id].status = "DELETE_FAILED";
      changed.resources[id].reason = words(removed.error());
    });
  }
  edit(uuid, [&](Stack& done) {
    if (!failed.empty()) {
      return set_status(done, is_rollback ? "ROLLBACK_FAILED" : "DELETE_FAILED", failed_text(failed, "delete"));
    }
    done.leftovers.clear();
    done.outputs.clear();
    done.imports.clear();
    if (is_rollback) return set_status(done, "ROLLBACK_COMPLETE");
    done.deleted = services.scheduler.now();
    set_status(done, "DELETE_COMPLETE");
  });
}

}  // namespace millrace::stacks
