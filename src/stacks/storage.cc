#include <algorithm>

#include "stacks/errors.h"
#include "stacks/internal/documents.h"
#include "stacks/internal/impl.h"
#include "storage/scan.h"

namespace millrace::stacks {
namespace {

constexpr std::string_view kStackPrefix = "stacks/stack/";
constexpr std::chrono::hours kDeletedFor{90 * 24};  // AWS: deleted stacks are shown for 90 days
constexpr std::string_view kEventPrefix = "stacks/event/";

std::string event_key(const std::string& uuid, std::size_t number) {
  std::string digits = std::to_string(number);
  return std::string(kEventPrefix) + uuid + "/" + std::string(10 - std::min<std::size_t>(10, digits.size()), '0') +
         digits;
}

void erase_records(storage::WriteBatch& batch, const std::string& uuid) {
  batch.erase(storage::Family::kCatalogue, std::string(kStackPrefix) + uuid);
  const std::string events = std::string(kEventPrefix) + uuid + "/";
  batch.erase_range(storage::Family::kCatalogue, events, storage::prefix_end(events));
}

}  // namespace

Result<void> Stacks::Impl::load() {
  const std::lock_guard lock(mutex);
  return read_all();
}

Result<void> Stacks::Impl::restore() {
  const std::lock_guard lock(mutex);
  frozen.store(true);
  answered.notify_all();
  for (auto& [uuid, waiting] : std::exchange(when_settled, {})) {
    for (auto& then : waiting) services.scheduler.post(std::move(then));
  }
  return read_all();
}

Result<void> Stacks::Impl::read_all() {
  std::map<std::string, Stack> stored;
  std::map<std::string, std::vector<Document>> told;
  const auto each = [this](std::string_view prefix, const auto& take) -> Result<void> {
    auto iterator =
        services.store.iterate(storage::Family::kCatalogue, {std::string(prefix), storage::prefix_end(prefix)});
    for (iterator->seek(prefix); iterator->valid(); iterator->next()) {
      MR_RETURN_IF_ERROR(take(std::string(iterator->key().substr(prefix.size())), iterator->value()));
    }
    return iterator->status();
  };
  MR_RETURN_IF_ERROR(each(kStackPrefix, [&](const std::string& uuid, std::string_view value) -> Result<void> {
    auto stack = stack_of(value);
    if (!stack.ok() || stack->uuid != uuid) return storage::damaged("stack", std::string(kStackPrefix) + uuid);
    stored[uuid] = *std::move(stack);
    return {};
  }));
  MR_RETURN_IF_ERROR(each(kEventPrefix, [&](const std::string& key, std::string_view value) -> Result<void> {
    auto event = codec::parse_json(value);
    const Document* timestamp = event.ok() ? event->find("Timestamp") : nullptr;
    if (timestamp == nullptr || !timestamp->is_number())
      return storage::damaged("event of a stack", std::string(kEventPrefix) + key);
    told[key.substr(0, key.find('/'))].push_back(*std::move(event));
    return {};
  }));
  stacks = std::move(stored);
  events = std::move(told);
  return {};
}

Result<void> Stacks::reset(std::string_view account) {
  const std::lock_guard lock(impl_->mutex);
  if (impl_->changing == account) return invalid("A stack is being changed: reset when it has settled");
  for (const auto& [uuid, stack] : impl_->stacks) {
    if (stack.scope.account == account && stack.in_progress()) {
      return invalid("Stack [" + stack.name + "] is in " + stack.status + ": reset when it has settled");
    }
  }
  storage::WriteBatch batch;
  std::erase_if(impl_->stacks, [&](const auto& each) {
    if (each.second.scope.account != account) return false;
    erase_records(batch, each.first);
    impl_->events.erase(each.first);
    return true;
  });
  impl_->commits.submit(std::move(batch));
  return {};
}

void Stacks::Impl::forget_old() {
  if (!commits.may_write(storage::Commits::Purpose::kFrees)) return;  // the next call comes back to it
  const Time limit = services.scheduler.now() - kDeletedFor;
  const std::lock_guard lock(mutex);
  for (auto at = stacks.begin(); at != stacks.end();) {
    const Stack& stack = at->second;
    if (stack.exists() || !stack.deleted || *stack.deleted > limit) {
      ++at;
      continue;
    }
    storage::WriteBatch batch;
    erase_records(batch, stack.uuid);
    commits.submit(std::move(batch));
    events.erase(stack.uuid);
    if (auto ended = threads.extract(stack.uuid)) ended.mapped().join();  // at once: it ended with the deletion
    at = stacks.erase(at);
  }
}

void Stacks::Impl::save(const Stack& stack) {
  storage::WriteBatch batch;
  batch.put(storage::Family::kCatalogue, std::string(kStackPrefix) + stack.uuid, to_text(stack));
  commits.submit(std::move(batch));
}

void Stacks::Impl::emit(Stack& stack, const std::string& logical_id, const std::string& physical_id,
                        const std::string& type, const std::string& status, const std::string& reason,
                        const Document* properties) {
  Document event = Document::object({{"StackId", stack.id}, {"StackName", stack.name}});
  const bool is_stack = physical_id == stack.id;
  event.set("EventId", is_stack ? services.random.uuid() : logical_id + "-" + status + "-" + services.random.hex(12));
  event.set("LogicalResourceId", logical_id).set("PhysicalResourceId", physical_id).set("ResourceType", type);
  // Later than the event before, by a millisecond if need be: clients sort by it.
  auto& list = events[stack.uuid];
  double timestamp = seconds_of(services.scheduler.now());
  if (!list.empty()) timestamp = std::max(timestamp, list.back().find("Timestamp")->as_double() + 0.001);
  event.set("Timestamp", timestamp).set("ResourceStatus", status);
  event.set_if(!reason.empty(), "ResourceStatusReason", reason);
  if (properties != nullptr) event.set("ResourceProperties", properties->dump());
  event.set_if(!stack.token.empty(), "ClientRequestToken", stack.token);
  event.set_if(!stack.operation_id.empty(), "OperationId", stack.operation_id);
  storage::WriteBatch batch;
  batch.put(storage::Family::kCatalogue, event_key(stack.uuid, list.size()), event.dump());
  commits.submit(std::move(batch));
  list.push_back(std::move(event));
}

void Stacks::Impl::set_status(Stack& stack, const std::string& status, const std::string& reason) {
  stack.status = status;
  stack.reason = reason;
  emit(stack, stack.name, stack.id, "AWS::CloudFormation::Stack", status, reason);
  if (!stack.is_settled()) return;
  // A parent may be waiting for it.
  if (const auto found = answers.find(stack.uuid); found != answers.end() && !found->second.document) {
    found->second.document = Document(status);
    found->second.busy = platform::Busy(services.scheduler.busy());
    answered.notify_all();
  }
  if (stack.in_progress()) return;
  if (auto waiting = when_settled.extract(stack.uuid)) {
    for (auto& then : waiting.mapped()) services.scheduler.post(std::move(then));
  }
}

// A deleted stack is found by its id only.
Stack* Stacks::Impl::find(const Scope& scope, std::string_view name_or_id) {
  for (auto& [uuid, stack] : stacks) {
    if (stack.scope == scope && (stack.id == name_or_id || (stack.name == name_or_id && stack.exists()))) return &stack;
  }
  return nullptr;
}

const Stack& Stacks::Impl::kept(const std::string& uuid) const {
  static const Stack kNone;
  const auto found = stacks.find(uuid);
  return found == stacks.end() ? kNone : found->second;
}

Result<Document> Stacks::Impl::exported(const Scope& scope, const std::string& name) {
  const std::lock_guard lock(mutex);
  for (const auto& [uuid, stack] : stacks) {
    if (stack.scope != scope || !stack.exists()) continue;
    for (const Document& output : stack.outputs) {
      if (output.string_or("ExportName", "") == name) return Document(output.string_or("OutputValue", ""));
    }
  }
  return invalid("No export named " + name + " found.");
}

std::vector<std::string> Stacks::Impl::importers(const Scope& scope, const std::string& name) {
  std::vector<std::string> names;
  const std::lock_guard lock(mutex);
  for (const auto& [uuid, stack] : stacks) {
    if (stack.scope == scope && stack.exists() && std::ranges::find(stack.imports, name) != stack.imports.end()) {
      names.push_back(stack.name);
    }
  }
  return names;
}

std::string Stacks::Impl::export_in_use(const Stack& stack) {
  for (const Document& output : stack.outputs) {
    const std::string name(output.string_or("ExportName", ""));
    const auto users = name.empty() ? std::vector<std::string>() : importers(stack.scope, name);
    if (!users.empty()) return "Export " + name + " cannot be deleted as it is in use by " + users[0];
  }
  return "";
}

}  // namespace millrace::stacks
