// Operations of a stack: created or updated, rolled back, cleaned up, deleted. Each is a walk over the graph of its
// resources, several at a time (walk.h), and can be begun again from what is stored after a restart.
#include <algorithm>

#include "stacks/errors.h"
#include "stacks/internal/impl.h"
#include "stacks/template.h"

namespace millrace::stacks {
namespace {

constexpr std::string_view kOthersFailed = "another resource has failed";

std::string failed_text(const std::vector<std::string>& ids, std::string_view verb) {
  if (ids.empty()) return "";
  std::string text = "The following resource(s) failed to " + std::string(verb) + ": [";
  for (std::size_t i = 0; i < ids.size(); ++i) text += (i == 0 ? "" : ", ") + ids[i];
  return text + "]. ";
}

// Each after what needs it.
Waits removal_waits(const std::map<std::string, Owned>& resources) {
  Waits waits;
  for (const auto& [id, owned] : resources) waits[id].insert(owned.depends.begin(), owned.depends.end());
  without_cycles(waits);
  return reversed(waits);
}

// AWS: what a DeletionPolicy or UpdateReplacePolicy means.
bool is_retained(const std::string& policy, bool is_rollback) {
  return policy == "Retain" || (policy == "RetainExceptOnCreate" && !is_rollback);
}

bool is_in(const std::vector<std::string>& list, const std::string& name) {
  return std::ranges::find(list, name) != list.end();
}

}  // namespace

Stack Stacks::Impl::copy(const std::string& uuid) {
  const std::lock_guard lock(mutex);
  return kept(uuid);
}

void Stacks::Impl::begin(const std::string& uuid) {
  std::unique_lock lock(mutex);
  while (auto old = threads.extract(uuid)) {
    lock.unlock();
    old.mapped().join();  // has ended, or is about to: the stack was in a terminal state
    lock.lock();
  }
  if (stopping()) return;
  cancels.erase(uuid);
  threads[uuid] =
      std::thread([this, uuid, status = kept(uuid).status, busy = platform::Busy(services.scheduler.busy())]() mutable {
        thread_busy = std::move(busy);
        run(uuid, status);
        thread_busy.release();
      });
}

// What is to be done in a status. The status is that which the caller has set: once it is a terminal one, the next
// operation may have begun.
void Stacks::Impl::run(const std::string& uuid, const std::string& status) {
  if (status == "CREATE_IN_PROGRESS" || status == "UPDATE_IN_PROGRESS" || status == "IMPORT_IN_PROGRESS") {
    return deploy(uuid);
  }
  if (status == "ROLLBACK_IN_PROGRESS") return remove_all(uuid, true);
  if (status == "UPDATE_ROLLBACK_IN_PROGRESS") return roll_back(uuid);
  if (status == "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS") {
    // Of a nested stack: its parent decides.
    if (!copy(uuid).is_deferred) clean_up(uuid, "UPDATE_COMPLETE");
    return;
  }
  if (status == "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS") return clean_up(uuid, "UPDATE_ROLLBACK_COMPLETE");
  if (status == "DELETE_IN_PROGRESS") return remove_all(uuid, false);
}

void Stacks::Impl::cancel(const std::string& uuid, const std::string& reason) {
  const std::lock_guard lock(mutex);
  const std::string& status = kept(uuid).status;
  if (status != "CREATE_IN_PROGRESS" && status != "UPDATE_IN_PROGRESS") return;  // others go on to their end
  cancels.emplace(uuid, reason);
  answered.notify_all();
}

std::optional<std::string> Stacks::Impl::cancelled(const std::string& uuid) {
  const std::lock_guard lock(mutex);
  const auto found = cancels.find(uuid);
  return found == cancels.end() ? std::nullopt : std::optional(found->second);
}

std::set<std::string> Stacks::Impl::take_steps(const std::string& uuid, const Waits& waits,
                                               const std::function<bool(const std::string&)>& step,
                                               bool cancels_others) {
  return take(services.scheduler.busy(), {.waits = waits,
                                          .step = step,
                                          .may_begin = [&] { return !stopping() && !cancelled(uuid); },
                                          .on_failure =
                                              [&](const std::string&) {
                                                if (cancels_others) cancel(uuid, std::string(kOthersFailed));
                                              }});
}

Result<std::unique_ptr<Stacks::Impl::Blueprint>> Stacks::Impl::blueprint(const Stack& stack) {
  auto print = std::make_unique<Blueprint>();
  MR_ASSIGN_OR_RETURN(print->document, parse_template(stack.inputs.template_text));
  MR_ASSIGN_OR_RETURN(print->environment, environment_of(stack, print->document, stack.inputs.parameters));
  print->shown = print->environment;
  for (const Parameter& parameter : stack.inputs.parameters) {
    if (parameter.no_echo) print->shown.parameters[parameter.key] = Document(kHidden);
  }
  print->wanted = wanted_resources(print->environment);
  for (const std::string& id : print->wanted) {
    print->waits[id] = dependencies(print->document, *print->document.find("Resources")->find(id));
  }
  return print;
}

// What to say of the stack: which resources failed in what, or why the operation was given up.
std::string Stacks::Impl::failures(const std::string& uuid, const std::set<std::string>& failed) {
  const Stack stack = copy(uuid);
  std::vector<std::string> made;
  std::vector<std::string> changed;
  std::vector<std::string> imported;
  for (const std::string& id : failed) {
    const auto found = stack.resources.find(id);
    const bool is_missing = found == stack.resources.end();
    (is_missing ? imported : found->second.status == "CREATE_FAILED" ? made : changed).push_back(id);
  }
  std::string text = failed_text(made, "create") + failed_text(changed, "update") + failed_text(imported, "import");
  const auto why = cancelled(uuid);
  return why && *why != kOthersFailed ? *why + (text.empty() ? "" : " ") + text : text;
}

// What a stopped server was doing to resources. Nobody knows how far it came: what was being made is removed, what was
// being changed has failed.
std::string Stacks::Impl::interrupted(const std::string& uuid) {
  std::string names;
  const Stack stack = copy(uuid);
  for (const auto& [id, owned] : stack.resources) {
    if (!owned.is_busy()) continue;
    names += (names.empty() ? "" : ", ") + id;
    if (owned.is_unmade && !drop(uuid, owned).ok()) continue;  // its event says so
    edit(uuid, [&, &id = id, &owned = owned](Stack& changed) {
      Owned& now = changed.resources[id];
      const auto old = std::ranges::find(changed.leftovers, id, &Owned::logical_id);
      if (owned.is_unmade && old != changed.leftovers.end()) {
        now = *old;
        changed.leftovers.erase(old);
      } else if (owned.is_unmade) {
        now.physical_id.clear();
      }
      now.status = now.is_unmade ? "CREATE_FAILED" : "UPDATE_FAILED";
      now.reason = "The server stopped.";
      emit(changed, id, now.physical_id, now.type, now.status, now.reason);
    });
  }
  return names.empty() ? "" : "The server stopped while these were in progress: [" + names + "]. ";
}

void Stacks::Impl::deploy(const std::string& uuid) {
  const std::string left = interrupted(uuid);
  if (stopping()) return;
  if (!left.empty()) return go_back(uuid, left);
  const Stack stack = copy(uuid);
  const bool is_create = stack.status == "CREATE_IN_PROGRESS";
  const bool is_import = stack.status == "IMPORT_IN_PROGRESS";
  platform::Timer timeout;
  if (is_create && stack.timeout_minutes > 0) {
    timeout =
        services.scheduler.at(services.scheduler.now() + std::chrono::minutes(stack.timeout_minutes),
                              [this, uuid] { cancel(uuid, "Stack creation time exceeded the specified timeout."); });
  }
  std::string reason;
  const auto print = blueprint(stack);
  if (print.ok()) {
    const auto failed = take_steps(
        uuid, (*print)->waits, [&](const std::string& id) { return apply(uuid, **print, id); }, true);
    if (stopping()) return;
    reason = failures(uuid, failed);
    if (reason.empty()) {
      const auto outputs = set_outputs(uuid, (*print)->environment);
      if (!outputs.ok()) reason = outputs.error().message() + " ";
    }
  } else {
    reason = print.error().message() + " ";
  }
  if (!reason.empty() && is_import) return forget_imports(uuid, reason);
  if (!reason.empty()) return go_back(uuid, reason);
  if (is_create || is_import) {
    return edit(uuid, [&](Stack& done) {
      for (auto& [id, owned] : done.resources) owned.is_imported = false;
      done.before.reset();
      done.snapshot.clear();
      set_status(done, is_create ? "CREATE_COMPLETE" : "IMPORT_COMPLETE");
    });
  }
  edit(uuid, [&](Stack& done) {
    for (auto at = done.resources.begin(); at != done.resources.end();) {
      if ((*print)->wanted.contains(at->first)) {
        ++at;
      } else {
        done.leftovers.push_back(at->second);
        at = done.resources.erase(at);
      }
    }
    set_status(done, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS");
  });
  if (!stack.is_deferred) clean_up(uuid, "UPDATE_COMPLETE");
}

// Nothing but imports was done: the resources stay, the stack forgets them.
void Stacks::Impl::forget_imports(const std::string& uuid, const std::string& reason) {
  edit(uuid, [&](Stack& stack) {
    set_status(stack, "IMPORT_ROLLBACK_IN_PROGRESS", reason);
    std::erase_if(stack.resources, [](const auto& each) { return each.second.is_imported; });
    if (stack.before) {
      stack.inputs = *stack.before;
      stack.outputs = stack.outputs_before;
    }
    stack.before.reset();
    stack.snapshot.clear();
    set_status(stack, "IMPORT_ROLLBACK_COMPLETE");
  });
}

// After a failure: stays as it is, goes back to the last state that was complete, or away.
void Stacks::Impl::go_back(const std::string& uuid, const std::string& reason) {
  const Stack stack = copy(uuid);
  const bool is_create = stack.status == "CREATE_IN_PROGRESS";
  std::string next;
  edit(uuid, [&](Stack& back) {
    cancels.erase(uuid);
    if (stack.keep_on_failure) {
      set_status(back, is_create ? "CREATE_FAILED" : "UPDATE_FAILED", reason);
    } else if (stack.before) {
      set_status(back, "UPDATE_ROLLBACK_IN_PROGRESS", reason);
    } else if (stack.delete_on_failure) {
      set_status(back, "DELETE_IN_PROGRESS", reason + "Delete requested by user.");
    } else {
      set_status(back, "ROLLBACK_IN_PROGRESS", reason + "Rollback requested by user.");
    }
    next = back.status;
  });
  run(uuid, next);
}

// Back to the snapshot: what was made is a leftover, what was replaced comes back, what was changed is changed back.
// Begun again, it finds what is left to do.
void Stacks::Impl::roll_back(const std::string& uuid) {
  edit(uuid, [&](Stack& stack) {
    std::map<std::string, Owned> resources = stack.snapshot;
    for (auto& [id, now] : stack.resources) {
      const auto before = resources.find(id);
      // The function behind a custom resource may have given it another id; it is asked to change it back.
      const bool is_changed = before != resources.end() && (before->second.physical_id == now.physical_id ||
                                                            (now.is_custom() && before->second.suffix == now.suffix));
      if (is_changed) {
        now.deletion_policy = before->second.deletion_policy;
        now.replace_policy = before->second.replace_policy;
        now.metadata = before->second.metadata;
        now.depends = before->second.depends;
        before->second = now;
      } else if (now.may_exist() && !now.is_imported) {
        stack.leftovers.push_back(now);
      }
    }
    std::erase_if(stack.leftovers, [&](const Owned& owned) {
      const auto kept = resources.find(owned.logical_id);
      return kept != resources.end() && kept->second.is_same(owned);
    });
    stack.resources = std::move(resources);
    if (stack.before) stack.inputs = *stack.before;
    stack.outputs = stack.outputs_before;
  });
  const Stack stack = copy(uuid);
  const auto failed = take_steps(
      uuid, removal_waits(stack.resources),
      [&](const std::string& id) {
        if (!is_in(stack.skip, id)) return revert(uuid, id);
        edit(uuid, [&](Stack& changed) {
          Owned& skipped = changed.resources[id];
          skipped.properties = changed.snapshot[id].properties;
          skipped.attempted = nullptr;
          skipped.status = "UPDATE_COMPLETE";
          emit(changed, id, skipped.physical_id, skipped.type, skipped.status,
               "Rollback of this resource was skipped.");
        });
        return true;
      },
      false);
  if (stopping()) return;
  if (!failed.empty()) {
    return edit(uuid, [&](Stack& done) {
      set_status(done, "UPDATE_ROLLBACK_FAILED", failed_text({failed.begin(), failed.end()}, "update"));
    });
  }
  edit(uuid, [&](Stack& done) { set_status(done, "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"); });
  clean_up(uuid, "UPDATE_ROLLBACK_COMPLETE");
}

// Removes what the stack owns no more, but what `is_kept`; what has been dealt with is forgotten. Returns the logical
// ids of those that could not be removed.
std::set<std::string> Stacks::Impl::remove_leftovers(const std::string& uuid,
                                                     const std::function<bool(const Owned&)>& is_kept) {
  const Stack stack = copy(uuid);
  Waits waits;
  std::map<std::string, Owned> leftovers;
  for (std::size_t i = 0; i < stack.leftovers.size(); ++i) {
    const Owned& owned = stack.leftovers[i];
    const std::string step = owned.logical_id + " " + std::to_string(i);
    leftovers[step] = owned;
    for (std::size_t j = 0; j < stack.leftovers.size(); ++j) {
      if (is_in(stack.leftovers[j].depends, owned.logical_id)) {
        waits[step].insert(stack.leftovers[j].logical_id + " " + std::to_string(j));
      }
    }
    waits[step];
  }
  without_cycles(waits);
  std::set<std::string> failed;
  std::mutex failing;
  const auto remove = [&](const std::string& step) {
    const Owned& owned = leftovers[step];
    const auto current = stack.resources.find(owned.logical_id);
    const bool is_current = current != stack.resources.end() && current->second.type == owned.type &&
                            current->second.physical_id == owned.physical_id && !owned.physical_id.empty();
    if (is_kept(owned) && !is_current) {
      edit(uuid, [&](Stack& changed) {
        emit(changed, owned.logical_id, owned.physical_id, owned.type, "DELETE_SKIPPED", "");
      });
    } else if (!is_current && !drop(uuid, owned).ok()) {
      if (stopping()) return true;
      const std::lock_guard lock(failing);
      failed.insert(owned.logical_id);
    }
    edit(uuid, [&](Stack& changed) {
      const auto found =
          std::ranges::find_if(changed.leftovers, [&](const Owned& each) { return each.is_same(owned); });
      if (found != changed.leftovers.end()) changed.leftovers.erase(found);
    });
    return true;
  };
  take_steps(uuid, waits, remove, false);
  return failed;
}

// AWS: what cannot be removed stays, with an event, and the stack is complete.
void Stacks::Impl::clean_up(const std::string& uuid, const std::string& final_status) {
  const Stack stack = copy(uuid);
  const bool is_rollback = final_status != "UPDATE_COMPLETE";
  for (const auto& [id, owned] : stack.resources) finish_nested(owned.physical_id);
  if (stopping()) return;
  remove_leftovers(uuid, [&](const Owned& owned) {
    const bool is_replaced = !is_rollback && stack.resources.contains(owned.logical_id);
    return is_retained(is_replaced ? owned.replace_policy : owned.deletion_policy, is_rollback);
  });
  if (stopping()) return;
  edit(uuid, [&](Stack& done) {
    done.before.reset();
    done.snapshot.clear();
    done.outputs_before.clear();
    done.skip.clear();
    done.is_deferred = false;
    for (auto& [id, owned] : done.resources) owned.is_imported = false;
    set_status(done, final_status);
  });
}

void Stacks::Impl::remove_all(const std::string& uuid, bool is_rollback) {
  // What an interrupted update left over belongs to the stack, too.
  std::set<std::string> failed = remove_leftovers(uuid, [](const Owned&) { return false; });
  if (stopping()) return;
  const Stack stack = copy(uuid);
  const auto remove = [&](const std::string& id) {
    const Owned& owned = stack.resources.at(id);
    const bool is_kept = is_retained(owned.deletion_policy, is_rollback);
    if (is_in(stack.retain, id) || (is_rollback && owned.is_imported) || (is_kept && owned.may_exist())) {
      edit(uuid, [&](Stack& changed) {
        emit(changed, id, owned.physical_id, owned.type, "DELETE_SKIPPED", "");
        changed.resources.erase(id);
      });
      return true;
    }
    if (!drop(uuid, owned).ok()) return false;
    edit(uuid, [&](Stack& changed) { changed.resources.erase(id); });
    return true;
  };
  const auto kept = take_steps(uuid, removal_waits(stack.resources), remove, false);
  if (stopping()) return;
  failed.insert(kept.begin(), kept.end());
  edit(uuid, [&](Stack& done) {
    if (!failed.empty()) {
      return set_status(done, is_rollback ? "ROLLBACK_FAILED" : "DELETE_FAILED",
                        failed_text({failed.begin(), failed.end()}, "delete"));
    }
    done.outputs.clear();
    done.imports.clear();
    if (is_rollback) return set_status(done, "ROLLBACK_COMPLETE");
    done.deleted = services.scheduler.now();
    set_status(done, "DELETE_COMPLETE");
  });
}

}  // namespace millrace::stacks
