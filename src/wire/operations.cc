#include "wire/operations.h"

#include <charconv>
#include <optional>

#include "wire/validator.h"

namespace millrace::wire {
namespace {

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<double> decimal_number(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

Document coerce_scalar(Kind kind, const Document& value) {
  switch (kind) {
    case Kind::kString:
      if (value.is_bool() || value.is_number()) return value.dump();
      return value;
    case Kind::kInteger:
    case Kind::kLong:
      if (value.is_string()) {
        if (const auto number = whole_number(value.as_string())) return *number;
      }
      return value;
    case Kind::kDouble:
    case Kind::kTimestamp:
      if (value.is_string()) {
        if (const auto number = decimal_number(value.as_string())) return *number;
      }
      return value;
    case Kind::kBoolean:
      if (value.is_string() && (value.as_string() == "true" || value.as_string() == "True")) return true;
      if (value.is_string() && (value.as_string() == "false" || value.as_string() == "False")) return false;
      return value;
    default:
      return value;
  }
}

bool reads(std::string_view operation) {
  for (const std::string_view word : {"Get", "List", "Describe", "Head", "Query", "Scan"}) {
    if (operation.starts_with(word)) return true;
  }
  return false;
}

}  // namespace

Result<Document> coerce(const ServiceModel& model, const Shape& shape, const Document& value) {
  if (shape.kind == Kind::kStructure && value.is_object()) {
    Document out = Document::object();
    for (const auto& [name, member_value] : value.as_object()) {
      const Member* found = nullptr;
      for (const Member& member : model.members_of(shape)) {
        if (member.name == name) found = &member;
      }
      if (found == nullptr) return Error(kValidationError, "Encountered unsupported property " + name);
      if (member_value.is_null()) continue;
      MR_ASSIGN_OR_RETURN(Document inner, coerce(model, model.shape(found->shape), member_value));
      out.set(name, std::move(inner));
    }
    return out;
  }
  if (shape.kind == Kind::kList && value.is_array()) {
    Document out = Document::array();
    for (const Document& element : value.as_array()) {
      MR_ASSIGN_OR_RETURN(Document inner, coerce(model, model.shape(model.element_of(shape).shape), element));
      out.push(std::move(inner));
    }
    return out;
  }
  if (shape.kind == Kind::kMap && value.is_object()) {
    Document out = Document::object();
    for (const auto& [name, element] : value.as_object()) {
      MR_ASSIGN_OR_RETURN(Document inner, coerce(model, model.shape(model.element_of(shape).shape), element));
      out.set(name, std::move(inner));
    }
    return out;
  }
  return coerce_scalar(shape.kind, value);
}

void Operations::add(const Service& service) { services_[std::string(service.model().id)] = &service; }

void Operations::stop() {
  const std::lock_guard lock(waiting_->mutex);
  waiting_->stopped = true;
  waiting_->changed.notify_all();
}

Result<Document> Operations::call(std::string_view service_id, std::string_view operation_name, const Caller& caller,
                                  Document input) {
  const auto found = services_.find(service_id);
  const OperationModel* operation =
      found == services_.end() ? nullptr : found->second->model().find_operation(operation_name);
  const Service::Entry* entry = operation == nullptr ? nullptr : found->second->find(operation_name);
  if (entry == nullptr) {
    return Error(kInternalError,
                 std::string(operation_name) + " of " + std::string(service_id) + " is not served by millrace.");
  }
  const ServiceModel& model = found->second->model();
  if (operation->input != kNoShape) {
    const Shape& shape = model.shape(operation->input);
    MR_ASSIGN_OR_RETURN(input, coerce(model, shape, input));
    MR_RETURN_IF_ERROR(validate(model, shape, input));
  }
  if (!reads(operation_name)) {
    const auto purpose =
        operation_name.starts_with("Delete") ? storage::Commits::Purpose::kFrees : storage::Commits::Purpose::kAdds;
    if (auto refused = commits_.refusal(purpose)) return std::move(*refused);
  }
  RequestContext context;
  context.operation = operation;
  context.caller = caller;
  context.request_id = random_.uuid();
  context.service_host = service_host_;
  auto head = std::make_shared<http::RequestHead>();
  head->method = std::string(operation->method);
  head->target = head->path = "/";
  context.head = std::move(head);
  context.payload = std::make_shared<const std::string>();
  if (entry->handler) return finish(model, *operation, entry->handler(context, input));
  if (!entry->async) {
    auto answered = entry->raw ? entry->raw(context, input.dump()) : std::nullopt;
    if (!answered) return Error(kInternalError, std::string(operation_name) + " can not be called from inside.");
    return finish(model, *operation, std::move(*answered));
  }
  struct Answer {
    std::optional<Result<Reply>> result;
  };
  const auto answer = std::make_shared<Answer>();
  Conversation conversation;
  conversation.done = [answer, waiting = waiting_](Result<Reply> result) {
    const std::lock_guard lock(waiting->mutex);
    if (!answer->result) answer->result.emplace(std::move(result));
    waiting->changed.notify_all();
  };
  conversation.closed = [waiting = waiting_] {
    const std::lock_guard lock(waiting->mutex);
    return waiting->stopped;
  };
  conversation.on_close = [](std::function<void()>) {};
  entry->async(context, input, std::move(conversation));
  std::unique_lock lock(waiting_->mutex);
  waiting_->changed.wait(lock, [&] { return waiting_->stopped || answer->result.has_value(); });
  if (!answer->result) return Error(kUnavailable, "The server is stopping.");
  Result<Reply> result = std::move(*answer->result);
  lock.unlock();
  return finish(model, *operation, std::move(result));
}

Result<Document> Operations::finish(const ServiceModel& model, const OperationModel& operation, Result<Reply> result) {
  const storage::CommitNumber after = result.ok() ? result->after : result.error().held_until();
  if (after > commits_.durable()) {
    struct Outcome {
      bool known = false;
      std::optional<Error> failure;
    };
    const auto outcome = std::make_shared<Outcome>();
    commits_.when_answerable(after, [outcome, waiting = waiting_](const Error* error) {
      const std::lock_guard lock(waiting->mutex);
      outcome->known = true;
      if (error != nullptr) outcome->failure = *error;
      waiting->changed.notify_all();
    });
    std::unique_lock lock(waiting_->mutex);
    waiting_->changed.wait(lock, [&] { return waiting_->stopped || outcome->known; });
    if (!outcome->known) return Error(kUnavailable, "The server is stopping.");
    if (outcome->failure) return *outcome->failure;
  }
  if (!result.ok()) return std::move(result).error();
  if (!result->json.empty()) return codec::parse_json(result->json);
  Document output = std::move(result->output);
  if (operation.output != kNoShape && !result->payload.empty()) {
    const Shape& shape = model.shape(operation.output);
    if (shape.payload >= 0) {
      output.set(model.members_of(shape)[static_cast<std::size_t>(shape.payload)].name, result->payload);
    }
  }
  return output;
}

}  // namespace millrace::wire
