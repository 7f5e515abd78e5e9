#include "wire/internal/call.h"

#include <algorithm>

#include "codec/gzip.h"
#include "storage/no_blocking.h"
#include "telemetry/log.h"
#include "wire/internal/guard.h"
#include "wire/validator.h"

namespace millrace::wire::internal {
namespace {

bool is_account(std::string_view key) {
  return key.size() == 12 && key.find_first_not_of("0123456789") == std::string_view::npos;
}

// What may stand in ARNs and storage keys.
bool is_region(std::string_view region) {
  return !region.empty() && region.size() <= 32 && region != "aws-global" &&
         region.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string_view::npos;
}

// The checksum fields of these speak of the object, not of the request's body.
bool is_completion(const OperationModel& operation) {
  return operation.name == "CompleteMultipartUpload" || operation.name == "CopyObject" || operation.method == "GET" ||
         operation.method == "HEAD";
}

// AWS: S3 names are one namespace, so that somebody else's bucket is a matter of access.
bool is_not_found(const Error& error) {
  for (const std::string_view name : {"ResourceNotFoundException", "QueueDoesNotExist", "NoSuchBucket", "AccessDenied"})
    if (error.type().name == name) return true;
  return false;
}

// Runs a handler without waiting for the disk, if it was written for that.
template <typename Work>
auto try_here(const Service::Entry& entry, const Work& work) {
  std::optional<storage::NoBlocking> here;
  if (entry.disk == Service::Disk::kPerhaps) here.emplace();
  return work();
}

bool is_refused(const Result<Reply>& result) { return !result.ok() && result.error().is(storage::kWouldBlock); }

std::string_view bucket_of(const Labels& labels) {
  for (const auto& [name, value] : labels) {
    if (name == "Bucket") return value;
  }
  return {};
}

}  // namespace

std::optional<storage::Commits::Purpose> purpose_of(std::string_view operation) {
  using Purpose = storage::Commits::Purpose;
  const auto begins = [operation](std::initializer_list<std::string_view> words) {
    return std::ranges::any_of(words, [operation](std::string_view word) { return operation.starts_with(word); });
  };
  if (operation == "GetSessionToken") return Purpose::kAdds;
  if (begins({"Get", "List", "Describe", "Head", "Query", "Scan", "BatchGet", "TransactGet", "Filter", "Simulate"})) {
    return std::nullopt;
  }
  // Who receives messages is about to delete them.
  return begins({"Delete", "Purge", "Abort", "Remove", "Receive"}) ? Purpose::kFrees : Purpose::kAdds;
}

// AWS: every item that conflicts is a reason; the fault says all do.
Error conflict_error(const Document& document) {
  static constexpr ErrorType kConflict{"TransactionConflictException", 400, ErrorKind::kClient};
  static constexpr ErrorType kCanceled{"TransactionCanceledException", 400, ErrorKind::kClient};
  const Document* items = document.find("TransactItems");
  if (items == nullptr || !items->is_array()) {
    return Error(kConflict, "Transaction is ongoing for the item");
  }
  std::string codes;
  std::string reasons;
  for (std::size_t i = 0; i < items->as_array().size(); ++i) {
    codes += codes.empty() ? "TransactionConflict" : ", TransactionConflict";
    reasons += reasons.empty() ? "[" : ",";
    reasons += R"({"Code":"TransactionConflict","Message":"Transaction is ongoing for the item"})";
  }
  return Error(kCanceled,
               "Transaction cancelled, please refer cancellation reasons for specific reasons [" + codes + "]")
      .with("CancellationReasons", reasons + "]");
}

Error in_progress_error() {
  static constexpr ErrorType kInProgress{"TransactionInProgressException", 400, ErrorKind::kClient};
  return Error(kInProgress, "The transaction with the given request token is already in progress.");
}

Error internal_error() {
  return Error(kInternalError, "The request processing has failed because of an unknown error.");
}

Error throttling_error(const ServiceModel& model) {
  static constexpr ErrorType kThroughput{"ProvisionedThroughputExceededException", 400, ErrorKind::kThrottled};
  static constexpr ErrorType kThrottling{"ThrottlingException", 400, ErrorKind::kThrottled};
  static constexpr ErrorType kQueryThrottling{"Throttling", 400, ErrorKind::kThrottled};
  static constexpr ErrorType kTooManyRequests{"TooManyRequestsException", 429, ErrorKind::kThrottled};
  static constexpr ErrorType kRequestThrottled{"RequestThrottled", 400, ErrorKind::kThrottled};
  static constexpr ErrorType kSlowDown{"SlowDown", 503, ErrorKind::kThrottled};
  if (model.id == "dynamodb") {
    return Error(kThroughput,
                 "The level of configured provisioned throughput for the table was exceeded. Consider increasing your "
                 "provisioning level with the UpdateTable API.");
  }
  if (model.id == "lambda") return Error(kTooManyRequests, "Rate Exceeded.");
  if (model.id == "s3") return Error(kSlowDown, "Please reduce your request rate.");
  if (model.id == "sqs") return Error(kRequestThrottled, "Request is throttled.");
  return Error(model.protocol == Protocol::kQuery ? kQueryThrottling : kThrottling, "Rate exceeded");
}

Call::Call(Surroundings& surroundings, std::shared_ptr<const http::RequestHead> head)
    : around_(surroundings),
      head_(std::move(head)),
      started_(surroundings.scheduler.monotonic_now()),
      settlements_(surroundings.commits.settlements()) {}

void Call::set_responder(http::Responder responder) {
  responder_ = std::move(responder);
  busy_ = platform::Busy(around_.scheduler.busy());  // a request counts once it has arrived whole
}

void Call::set_caller(const Credentials& credentials) {
  Caller& caller = context_.caller;
  caller.access_key = credentials.access_key;
  caller.session_token = credentials.session_token;
  caller.scope.region =
      is_region(credentials.region) ? std::string(credentials.region) : around_.options.default_region;
  caller.scope.account = around_.options.default_account;
  if (is_account(credentials.access_key)) {
    caller.scope.account = credentials.access_key;
  } else if (around_.known_caller && !credentials.access_key.empty()) {
    if (auto known = around_.known_caller(credentials.access_key)) {
      caller.scope.account = std::move(known->account);
      caller.principal = std::move(known->principal);
    }
  }
}

bool Call::begin() {
  const Credentials credentials = credentials_of(*head_);
  scope_service_ = credentials.service;
  set_caller(credentials);
  route_ = around_.router.route(*head_, credentials, around_.options.allowed_hosts);
  context_.head = head_;
  context_.operation = route_.operation;
  context_.request_id = around_.random.uuid();
  if (route_.protocol == Protocol::kRestXml) {
    // AWS: S3's ids are 16 upper-case hexadecimal digits.
    context_.request_id = around_.random.hex(16);
    for (char& c : context_.request_id) c = c >= 'a' && c <= 'f' ? static_cast<char>(c - 32) : c;
  }
  const std::string_view host = head_->fields.get("host");
  // The redirection of old SDKs inside functions catches https only, so AWS host names stay https.
  context_.service_host = std::string(is_aws_host(host_of(host)) ? "https://" : "http://") +
                          (host.empty() ? around_.options.default_host : std::string(host));
  if (route_.served != nullptr && route_.operation != nullptr) {
    entry_ = route_.served->service->find(route_.operation->name);
  }
  return !route_.error.has_value();
}

std::size_t Call::body_bytes_max() const {
  if (route_.served == nullptr) return kBodyBytesMax;
  const std::string_view id = route_.served->model->id;
  if (id == "lambda") return kLambdaBodyBytesMax;
  if (id == "dynamodb") return kDynamoDbBodyBytesMax;
  return id == "s3" ? kS3BodyBytesMax : kBodyBytesMax;
}

Addressee Call::addressee() const {
  Addressee to;
  to.model = route_.served == nullptr ? nullptr : route_.served->model;
  to.operation = route_.operation;
  to.protocol = route_.protocol;
  to.request_id = context_.request_id;
  to.resource = head_->path;
  to.head_method = head_->method == "HEAD";
  return to;
}

Result<void> Call::resolve_operation(const std::string& body) {
  if (route_.protocol != Protocol::kQuery) return {};
  MR_ASSIGN_OR_RETURN(form_, parse_form(body));
  for (const auto& [name, value] : head_->query) form_.emplace_back(name, value);
  if (route_.operation == nullptr) around_.router.route_form(route_, form_, scope_service_);
  if (route_.error.has_value()) return *route_.error;
  context_.operation = route_.operation;
  entry_ = route_.served->service->find(route_.operation->name);
  // AWS: SQS's query protocol is posted to the queue's own URL; the parameter may be left out.
  if (route_.served->model->also_query && head_->path.size() > 1 &&
      std::ranges::none_of(form_, [](const auto& each) { return each.first == "QueueUrl"; })) {
    form_.emplace_back("QueueUrl", context_.service_host + head_->path);
  }
  return {};
}

void Call::serve(std::string body) {
  if (http::equals_ignore_case(head_->fields.get("content-encoding"), "gzip")) {
    auto plain = codec::gunzip(body, body_bytes_max());
    if (!plain.ok()) return fail(plain.error());
    body = std::move(plain).value();
  }
  if (route_.protocol == Protocol::kRestXml && route_.operation != nullptr && !is_completion(*route_.operation)) {
    if (auto intact = check_digests(*head_, body); !intact.ok()) return fail(intact.error());
  }
  if (auto resolved = resolve_operation(body); !resolved.ok()) return fail(resolved.error());
  serve_decoded(std::move(body));
}

Result<Document> Call::decode(const std::string& body) const {
  const ServiceModel& model = *route_.served->model;
  Incoming incoming;
  incoming.head = head_.get();
  incoming.labels = &route_.labels;
  incoming.form = &form_;
  incoming.body = body;
  MR_ASSIGN_OR_RETURN(Document document, decode_request(model, *route_.operation, route_.protocol, incoming));
  if (route_.operation->input != kNoShape) {
    MR_RETURN_IF_ERROR(validate(model, model.shape(route_.operation->input), document));
  }
  return document;
}

void Call::serve_decoded(std::string body) {
  if (entry_ == nullptr || (!entry_->handler && !entry_->async && !entry_->raw)) {
    static constexpr ErrorType kUnknown{"UnknownOperationException", 400, ErrorKind::kClient};
    static constexpr ErrorType kUnknownRest{"UnknownOperationException", 404, ErrorKind::kClient};
    static constexpr ErrorType kInvalidAction{"InvalidAction", 400, ErrorKind::kClient};
    static constexpr ErrorType kNotImplemented{"NotImplemented", 501, ErrorKind::kClient};
    const ErrorType& type = route_.protocol == Protocol::kRestXml    ? kNotImplemented
                            : route_.protocol == Protocol::kQuery    ? kInvalidAction
                            : route_.protocol == Protocol::kRestJson ? kUnknownRest
                                                                     : kUnknown;
    return fail(Error(type, std::string(route_.operation->name) + " of " +
                                std::string(route_.served->model->full_name) + " is not implemented by millrace."));
  }
  if (auto refused = refused_write()) return fail(*refused);
  const bool faults = around_.faults != nullptr && !around_.faults->empty();
  if (entry_->raw && !faults && route_.protocol == Protocol::kJson) {
    if (run_raw(body)) return;
  }
  auto document = decode(body);
  if (!document.ok()) return fail(document.error());
  if (faults) {
    if (auto error = apply_fault(*document)) return fail(*error);
  }
  if (delay_ > Milliseconds(0)) {
    busy_.release();  // waiting for a timer is not work
    timer_ = around_.scheduler.at(around_.scheduler.now() + delay_,
                                  [self = shared_from_this(), document = std::move(*document), body = std::move(body)] {
                                    self->busy_ = platform::Busy(self->around_.scheduler.busy());
                                    self->run(document, body);
                                  });
    return;
  }
  run(*document, body);
}

// Blob payloads, and all bodies of S3: their digests are in header fields.
bool Call::takes_raw_body() const {
  if (route_.protocol == Protocol::kRestXml) return true;
  if (route_.operation->input == kNoShape) return false;
  const ServiceModel& model = *route_.served->model;
  const Shape& input = model.shape(route_.operation->input);
  return input.payload >= 0 &&
         model.shape(model.members_of(input)[static_cast<std::size_t>(input.payload)].shape).kind == Kind::kBlob;
}

void Call::run(const Document& document, const std::string& body) {
  if (entry_->raw && route_.protocol == Protocol::kJson && !(entry_->handler || entry_->async)) {
    if (!run_raw(body)) finish(internal_error());
    return;
  }
  if (takes_raw_body()) context_.payload = std::make_shared<const std::string>(body);
  if (entry_->handler) return run_handler(document);
  busy_.release();  // long polls and invocations account for their own work
  Conversation conversation;
  conversation.done = done();
  if (around_.not_found)
    conversation.done = [self = shared_from_this(), document, done = done()](Result<Reply> result) {
      if (!result.ok()) self->look_elsewhere(result.error(), document);
      done(std::move(result));
    };
  conversation.closed = [self = shared_from_this()] { return self->responder_.closed(); };
  conversation.on_close = [self = shared_from_this()](std::function<void()> f) {
    if (self->responder_) self->responder_.on_close(std::move(f));
  };
  entry_->async(context_, document, std::move(conversation));
}

void Call::run_handler(const Document& document) {
  if (entry_->disk != Service::Disk::kAlways) {
    auto result = try_here(*entry_, [&] { return entry_->handler(context_, document); });
    if (!is_refused(result)) return finish_handler(std::move(result), document);
    around_.offloaded.add();
  }
  around_.scheduler.offload(
      [self = shared_from_this(), document] {
        self->finish_handler(self->entry_->handler(self->context_, document), document);
      },
      [] {});
}

void Call::finish_handler(Result<Reply> result, const Document& document) {
  if (!result.ok()) look_elsewhere(result.error(), document);
  if (result.ok() && is_watched()) {
    around_.watch->succeeded(context_.caller, route_.operation->name, document);
  }
  finish(std::move(result));
}

bool Call::run_raw(const std::string& body) {
  auto result = try_here(*entry_, [&] { return entry_->raw(context_, body); });
  if (!result) return false;
  if (!is_refused(*result)) {
    finish_raw(std::move(*result), body);
    return true;
  }
  around_.offloaded.add();
  if (entry_->async) return false;
  around_.scheduler.offload(
      [self = shared_from_this(), body] {
        auto again = self->entry_->raw(self->context_, body);
        self->finish_raw(again ? std::move(*again) : internal_error(), body);
      },
      [] {});
  return true;
}

Done Call::done() {
  auto answered = std::make_shared<std::atomic<bool>>(false);
  return [self = shared_from_this(), answered](Result<Reply> result) {
    if (!answered->exchange(true)) self->finish(std::move(result));
  };
}

std::string Call::resource_of(const Document& document) const {
  for (const std::string_view name : {"TableName", "FunctionName", "QueueName", "QueueUrl", "StreamArn", "RoleName",
                                      "logGroupName", "EventSourceArn", "UUID"}) {
    std::string_view value = document.string_or(name, "");
    if (value.empty()) continue;
    if (name == "QueueUrl") value = value.substr(value.rfind('/') + 1);
    return std::string(value);
  }
  const std::string_view bucket = document.string_or("Bucket", "");
  const std::string_view key = document.string_or("Key", "");
  return key.empty() ? std::string(bucket) : std::string(bucket) + "/" + std::string(key);
}

std::optional<Error> Call::apply_fault(const Document& document) {
  if (around_.faults == nullptr || around_.faults->empty()) return std::nullopt;
  const ServiceModel& model = *route_.served->model;
  const auto fault = around_.faults->next(model.id, route_.operation->name, resource_of(document));
  if (!fault.has_value()) return std::nullopt;
  switch (fault->action) {
    case FaultAction::kThrottle:
      return throttling_error(model);
    case FaultAction::kError:
      return internal_error();
    case FaultAction::kDelay:
      delay_ = fault->delay;
      return std::nullopt;
    case FaultAction::kLoseAnswer:
      lose_answer_ = true;
      return std::nullopt;
    case FaultAction::kConflict:
      around_.conflicts.add();
      return conflict_error(document);
    case FaultAction::kInProgress:
      return in_progress_error();
  }
  return std::nullopt;
}

Result<std::unique_ptr<BodySink>> Call::open_stream() {
  const ServiceModel& model = *route_.served->model;
  Incoming incoming;
  incoming.head = head_.get();
  incoming.labels = &route_.labels;
  MR_ASSIGN_OR_RETURN(Document members, decode_head(model, *route_.operation, incoming));
  if (auto refused = refused_write()) return std::move(*refused);
  if (auto error = apply_fault(members)) return std::move(*error);
  auto sink = entry_->stream(context_, members);
  if (!sink.ok()) look_elsewhere(sink.error(), members);
  return sink;
}

void Call::finish_raw(Result<Reply> result, const std::string& body) {
  if (!result.ok() && around_.not_found && is_not_found(result.error())) {
    if (const auto document = decode(body); document.ok()) look_elsewhere(result.error(), *document);
  }
  if (result.ok() && is_watched()) {
    if (const auto document = decode(body); document.ok()) {
      around_.watch->succeeded(context_.caller, route_.operation->name, *document);
    }
  }
  finish(std::move(result));
}

// AWS: access keys of temporary credentials begin with ASIA.
bool Call::is_watched() const {
  return around_.watch != nullptr && context_.caller.access_key.starts_with("ASIA") &&
         route_.served->model->id == "dynamodb" && around_.watch->wants(context_.caller, route_.operation->name);
}

void Call::look_elsewhere(const Error& error, const Document& document) const {
  if (!around_.not_found || !is_not_found(error) || route_.served == nullptr) return;
  NotFound missing{route_.served->model->id, context_.caller.scope, {}};
  if (auto name = resource_of(document); !name.empty()) missing.names.push_back(std::move(name));
  if (const Document* tables = document.find("RequestItems"); tables != nullptr && tables->is_object())
    for (const auto& [name, _] : tables->as_object()) missing.names.push_back(name);
  if (const Document* items = document.find("TransactItems"); items != nullptr && items->is_array())
    for (const auto& item : items->as_array())
      for (const auto& [kind, action] : item.as_object())
        if (action.is_object()) missing.names.emplace_back(action.string_or("TableName", ""));
  around_.not_found(missing);
}

// What would not be acknowledged is not begun. Reads do not ask: while writes are refused, asking takes a lock and a
// look at the disk.
std::optional<Error> Call::refused_write() const {
  const auto purpose = purpose_of(route_.operation->name);
  return purpose ? around_.commits.refusal(*purpose) : std::nullopt;
}

void Call::fail(const Error& error) { finish(error); }

void Call::finish(Result<Reply> result) {
  // A refusal, too, may rest on a write that is not durable yet (a failed condition).
  const storage::CommitNumber after = result.ok() ? result->after : result.error().held_until();
  if (after == 0 || after <= around_.commits.durable() || around_.commits.is_settled(after, settlements_)) {
    return answer(std::move(result));
  }
  held_ = std::move(result);
  around_.commits.when_answerable(after, [self = shared_from_this()](const Error* error) { self->answer_held(error); });
}

void Call::answer_held(const Error* failure) {
  if (failure != nullptr) {
    const std::string name(route_.operation->name);
    if (purpose_of(name)) {
      telemetry::log_error("wire", "a commit failed, the outcome of " + name + " is unknown: " + failure->message());
      held_ = Error(kInternalError, failure->message());
    } else {
      held_ = Error(kInternalError,
                    name + " would show a change that was in flight and may not be on the disk. " + failure->message());
    }
  }
  http::Responder responder = responder_;
  responder.answer_with([self = shared_from_this()] {
    http::Response response = self->render(*std::move(self->held_));
    self->busy_.release();
    return response;
  });
}

http::Response Call::render(Result<Reply> result) {
  const bool throttled = !result.ok() && result.error().type().kind == ErrorKind::kThrottled;
  const std::string_view error = result.ok() ? std::string_view() : result.error().type().name;
  const Usage usage = result.ok() ? result->usage : Usage();
  http::Response response =
      result.ok() ? encode_reply(addressee(), std::move(result).value()) : encode_error(addressee(), result.error());
  if (route_.served != nullptr && route_.operation != nullptr) {
    const std::chrono::duration<double, std::milli> elapsed = around_.scheduler.monotonic_now() - started_;
    around_.statistics.of(route_.served->number, *route_.operation).record(response.status, throttled, elapsed.count());
    if (around_.observer) {
      around_.observer({route_.served->model->id, context_, error, throttled, response.status, elapsed.count(), usage,
                        bucket_of(route_.labels)});
    }
  }
  if (lose_answer_) {
    response = http::Response();
    response.abandon = true;  // even a head would tell that it was done
  }
  return response;
}

void Call::answer(Result<Reply> result) {
  http::Responder responder = responder_;  // a copy: closed() may be asked from another thread meanwhile
  responder(render(std::move(result)));
  busy_.release();
}

}  // namespace millrace::wire::internal
