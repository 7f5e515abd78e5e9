// Stacks that are resources of other stacks. Each is a stack of its own, with its own operation; the step of the parent
// waits for it. AWS: an update of a nested stack is cleaned up, or rolled back, together with its parent.
#include <algorithm>

#include "stacks/errors.h"
#include "stacks/internal/documents.h"
#include "stacks/internal/impl.h"

namespace millrace::stacks {
namespace {

constexpr std::size_t kNameBytesMax = 128;              // AWS: of a stack's name
constexpr std::chrono::hours kPatience{24 * 365 * 10};  // its own steps have limits

std::string uuid_of(const std::string& stack_id) { return stack_id.substr(stack_id.rfind('/') + 1); }

std::string text_of(const Document& value) {
  if (value.is_string()) return value.as_string();
  if (!value.is_array()) return value.dump();
  std::string text;
  for (const Document& each : value.as_array()) text += (text.empty() ? "" : ",") + text_of(each);
  return text;
}

// What CreateStack and UpdateStack would be given.
Document input_of(const Work& work, const std::string& name) {
  Document input = Document::object({{"StackName", name}});
  if (const Document* url = work.property("TemplateURL")) input.set("TemplateURL", text_of(*url));
  Document parameters = Document::array();
  if (const Document* given = work.property("Parameters"); given != nullptr && given->is_object()) {
    for (const auto& [key, value] : given->as_object()) {
      parameters.push(Document::object({{"ParameterKey", key}, {"ParameterValue", text_of(value)}}));
    }
  }
  std::map<std::string, std::string> tags;
  for (const auto& [key, value] : work.tags) {
    if (!key.starts_with("aws:")) tags[key] = value;
  }
  for (const auto& [key, value] : tags_of(work.properties)) tags[key] = value;
  input.set("Parameters", std::move(parameters)).set("Tags", tag_list_of(tags)).set("RoleARN", "");
  // What the parent may do was acknowledged for all of it.
  return input.set("Capabilities",
                   Document::array({"CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"}));
}

Error embedded(const Stack& child, const std::string& what) {
  return Error(kResourceFailed, "Embedded stack " + child.id + " was not successfully " + what + ": " + child.reason);
}

Error plain(const Error& error) { return Error(kResourceFailed, error.message()); }

}  // namespace

Result<Resource> Stacks::Impl::Nested::described(const Stack& child) {
  Resource resource;
  resource.physical_id = child.id;
  for (const Document& output : child.outputs) {
    resource.attributes.set("Outputs." + std::string(output.string_or("OutputKey", "")),
                            output.string_or("OutputValue", ""));
  }
  return resource;
}

// The stack of the work's physical id; where that is not known, the one of the name that it would have.
Result<Stack> Stacks::Impl::Nested::child_of(const Work& work) {
  const std::lock_guard lock(impl_.mutex);
  const std::string name = work.generated_name(kNameBytesMax);
  for (const auto& [uuid, stack] : impl_.stacks) {
    const bool is_it = work.physical_id.empty() ? stack.name == name && stack.parent_id == work.stack_id
                                                : stack.id == work.physical_id;
    if (is_it && stack.scope == work.caller.scope && stack.exists()) return stack;
  }
  return no_stack(work.physical_id.empty() ? name : work.physical_id);
}

Result<Stack> Stacks::Impl::Nested::settled(const Work& work, const std::string& uuid) {
  {
    const std::lock_guard lock(impl_.mutex);
    const Stack& child = impl_.kept(uuid);
    if (child.is_settled()) return child;
    impl_.answers[uuid];
  }
  MR_RETURN_IF_ERROR(impl_.await(uuid_of(work.stack_id), uuid, kPatience));
  return impl_.copy(uuid);
}

Result<Resource> Stacks::Impl::Nested::create(const Work& work) {
  const std::string name = work.generated_name(kNameBytesMax);
  const Document input = input_of(work, name);
  Stack child = impl_.new_stack(work.caller, name);
  {
    const Turn turn(impl_, work.caller.scope);
    auto prepared = impl_.prepare(work.caller, input, child);
    if (!prepared.ok()) return plain(prepared.error());
    child.inputs = std::move(prepared->inputs);
    child.description = description_of(prepared->document);
    child.keep_on_failure = true;  // the parent removes it
    child.parent_id = work.stack_id;
    if (const Document* minutes = work.property("TimeoutInMinutes")) {
      child.timeout_minutes = std::strtol(text_of(*minutes).c_str(), nullptr, 10);
    }
    const std::lock_guard lock(impl_.mutex);
    const Stack& parent = impl_.kept(uuid_of(work.stack_id));
    child.root_id = parent.root_id.empty() ? parent.id : parent.root_id;
    child.token = parent.token;
    child.operation_id = parent.operation_id;
    impl_.set_status(child, "CREATE_IN_PROGRESS", "User Initiated");
    impl_.stacks[child.uuid] = child;
    impl_.save(child);
  }
  work.created(child.id);
  impl_.begin(child.uuid);
  auto end = settled(work, child.uuid);
  if (!end.ok()) {
    if (end.error().is(kCancelled)) impl_.cancel(child.uuid, "Resource creation cancelled.");
    return std::move(end).error();
  }
  if (end->status != "CREATE_COMPLETE") return embedded(*end, "created");
  return described(*end);
}

Result<Resource> Stacks::Impl::Nested::update(const Work& work) {
  MR_ASSIGN_OR_RETURN(Stack child, child_of(work));
  MR_ASSIGN_OR_RETURN(child, settled(work, child.uuid));
  bool is_rollback = false;
  {
    const std::lock_guard lock(impl_.mutex);
    is_rollback = impl_.kept(uuid_of(work.stack_id)).status == "UPDATE_ROLLBACK_IN_PROGRESS";
  }
  if (is_rollback && child.is_deferred && child.in_progress()) {
    impl_.roll_back_nested(child.uuid);
    child = impl_.copy(child.uuid);
    if (impl_.stopping()) return Error(kUnavailable, "The server is stopping.");
    if (child.status != "UPDATE_ROLLBACK_COMPLETE") return embedded(child, "rolled back");
    return described(child);
  }
  const Document input = input_of(work, child.name);
  {
    const Turn turn(impl_, work.caller.scope);
    auto prepared = impl_.prepare(work.caller, input, child);
    if (!prepared.ok()) return plain(prepared.error());
    if (prepared->is_same) return described(child);
    // The parent's update before this one was kept half done.
    impl_.finish_nested(child.id);
    child = impl_.copy(child.uuid);
    if (!can_update(child)) return plain(cannot_update(child));
    begin_update(child, std::move(prepared->inputs), impl_.services.scheduler.now());
    child.description = description_of(prepared->document);
    child.keep_on_failure = false;
    child.is_deferred = true;
    const std::lock_guard lock(impl_.mutex);
    child.operation_id = impl_.kept(uuid_of(work.stack_id)).operation_id;
    impl_.set_status(child, "UPDATE_IN_PROGRESS", "User Initiated");
    impl_.stacks[child.uuid] = child;
    impl_.save(child);
  }
  impl_.begin(child.uuid);
  auto end = settled(work, child.uuid);
  if (!end.ok()) {
    if (end.error().is(kCancelled)) impl_.cancel(child.uuid, "Resource update cancelled.");
    return std::move(end).error();
  }
  if (end->status != "UPDATE_COMPLETE" && !end->is_deferred) return embedded(*end, "updated");
  return described(*end);
}

Result<void> Stacks::Impl::Nested::remove(const Work& work) {
  auto found = child_of(work);
  if (!found.ok()) return {};  // gone
  impl_.cancel(found->uuid, "Its parent is being deleted.");
  MR_ASSIGN_OR_RETURN(Stack child, settled(work, found->uuid));
  if (!child.exists()) return {};
  const std::string used = impl_.export_in_use(child);
  if (!used.empty()) return Error(kResourceFailed, used);
  impl_.edit(child.uuid, [&](Stack& stack) {
    stack.change_sets.clear();
    stack.is_deferred = false;
    impl_.set_status(stack, "DELETE_IN_PROGRESS", "User Initiated");
  });
  impl_.begin(child.uuid);
  MR_ASSIGN_OR_RETURN(child, settled(work, child.uuid));
  if (child.exists()) return embedded(child, "deleted");
  return {};
}

void Stacks::Impl::finish_nested(const std::string& stack_id) {
  std::string uuid;
  {
    const std::lock_guard lock(mutex);
    const auto found = stacks.find(uuid_of(stack_id));
    if (found == stacks.end() || found->second.id != stack_id || !found->second.is_deferred) return;
    uuid = found->second.uuid;
  }
  clean_up(uuid, "UPDATE_COMPLETE");
}

void Stacks::Impl::roll_back_nested(const std::string& uuid) {
  edit(uuid, [&](Stack& stack) {
    cancels.erase(uuid);
    stack.is_deferred = false;
    set_status(stack, "UPDATE_ROLLBACK_IN_PROGRESS", "Its parent is rolled back.");
  });
  roll_back(uuid);
}

}  // namespace millrace::stacks
