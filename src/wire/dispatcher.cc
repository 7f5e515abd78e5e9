#include "wire/dispatcher.h"

#include "wire/internal/call.h"
#include "wire/internal/guard.h"

namespace millrace::wire {

using internal::Call;

namespace {

constexpr ErrorType kTooLarge{"RequestEntityTooLargeException", 413, ErrorKind::kClient};
// A refused request's body is read up to here, so that the client can read the answer; then the connection is cut.
constexpr std::size_t kIgnoredBodyBytesMax = 256 * 1024;

Error too_large(std::size_t bytes_max) {
  return Error(kTooLarge, "The request body is larger than " + std::to_string(bytes_max) + " bytes.");
}

// Answers with what was decided from the head.
class RefusingSink : public http::RequestSink {
 public:
  Result<void> body(std::string_view piece) override {
    ignored_ += piece.size();
    // Empty: the client waits to be told whether to send it.
    if (piece.empty() || ignored_ > kIgnoredBodyBytesMax) return Error(kTooLarge, "refused");
    return {};
  }

 private:
  std::size_t ignored_ = 0;
};

class ForbiddenSink final : public RefusingSink {
 public:
  explicit ForbiddenSink(std::string reason) : reason_(std::move(reason)) {}
  void end(http::Responder respond) override {
    http::Response response;
    response.status = 403;
    response.fields.set("Content-Type", "text/plain");
    response.body = reason_ + "\n";
    respond(std::move(response));
  }

 private:
  std::string reason_;
};

class ErrorSink final : public RefusingSink {
 public:
  ErrorSink(std::shared_ptr<Call> call, Error error) : call_(std::move(call)), error_(std::move(error)) {}
  void end(http::Responder respond) override {
    call_->set_responder(std::move(respond));
    call_->fail(error_);
  }

 private:
  std::shared_ptr<Call> call_;
  Error error_;
};

class BufferSink final : public http::RequestSink {
 public:
  explicit BufferSink(std::shared_ptr<Call> call, std::size_t expected) : call_(std::move(call)) {
    body_.reserve(std::min(expected, call_->body_bytes_max()));
  }
  Result<void> body(std::string_view piece) override {
    if (body_.size() + piece.size() > call_->body_bytes_max()) {
      failed_ = true;
      return too_large(call_->body_bytes_max());
    }
    body_ += piece;
    return {};
  }
  void end(http::Responder respond) override {
    call_->set_responder(std::move(respond));
    if (failed_) return call_->fail(too_large(call_->body_bytes_max()));
    call_->serve(std::move(body_));
  }

 private:
  std::shared_ptr<Call> call_;
  std::string body_;
  bool failed_ = false;
};

class UploadSink final : public http::RequestSink {
 public:
  UploadSink(std::shared_ptr<Call> call, std::unique_ptr<BodySink> sink)
      : call_(std::move(call)), sink_(std::move(sink)) {}
  Result<void> body(std::string_view piece) override {
    auto result = sink_->body(piece);
    if (!result.ok()) error_ = result.error();
    return result;
  }
  void end(http::Responder respond) override {
    call_->set_responder(std::move(respond));
    if (error_.has_value()) return call_->fail(*error_);
    sink_->end(call_->done());
  }
  void abort() override { sink_->abort(); }

 private:
  std::shared_ptr<Call> call_;
  std::unique_ptr<BodySink> sink_;
  std::optional<Error> error_;
};

constexpr std::string_view kFunctionUrlPath = "/_millrace/lambda-url/";
constexpr std::string_view kResourceAnswerPath = "/_millrace/custom-resource/";
constexpr std::string_view kResourceAnswerHost = "cloudformation-custom-resource-response-";

bool is_admin_path(std::string_view path) { return path.starts_with("/_millrace/") || path == "/metrics"; }

}  // namespace

class Dispatcher::Impl : public internal::Surroundings {
 public:
  using Surroundings::Surroundings;
};

Dispatcher::Dispatcher(platform::Scheduler& scheduler, platform::Random& random, storage::Commits& commits,
                       telemetry::Registry& registry, DispatcherOptions options)
    : impl_(std::make_unique<Impl>(scheduler, random, commits, registry, std::move(options))) {}

Dispatcher::~Dispatcher() = default;

void Dispatcher::add(const Service& service) {
  impl_->router.add(service);
  impl_->statistics.add(service.model());
}

void Dispatcher::set_admin(http::Application& admin) { impl_->admin = &admin; }
void Dispatcher::set_function_urls(http::Application& urls) { impl_->function_urls = &urls; }
void Dispatcher::set_resource_answers(http::Application& answers) { impl_->resource_answers = &answers; }
void Dispatcher::set_faults(FaultPlan& faults) { impl_->faults = &faults; }
void Dispatcher::set_access_keys(std::function<std::optional<KnownCaller>(std::string_view)> known_caller) {
  impl_->known_caller = std::move(known_caller);
}

void Dispatcher::set_observer(std::function<void(const Finished&)> observer) { impl_->observer = std::move(observer); }

void Dispatcher::set_not_found(std::function<void(const NotFound&)> hook) { impl_->not_found = std::move(hook); }

void Dispatcher::set_watch(CallWatch& watch) { impl_->watch = &watch; }

std::vector<Dispatcher::Served> Dispatcher::served() const {
  std::vector<Served> all;
  for (const auto& served : impl_->router.served())
    all.push_back({std::string(served->model->id), served->service->operations()});
  return all;
}

std::vector<OperationRecord> Dispatcher::records() const { return impl_->statistics.snapshot(); }

std::unique_ptr<http::RequestSink> Dispatcher::begin(std::shared_ptr<const http::RequestHead> head) {
  http::Application* urls = impl_->function_urls;
  if (urls != nullptr && internal::is_function_url(*head, impl_->options.allowed_hosts)) {
    return urls->begin(std::move(head));
  }
  if (auto reason = internal::refusal(*head, impl_->options.allowed_hosts)) {
    return std::make_unique<ForbiddenSink>(std::move(*reason));
  }
  if (urls != nullptr && head->path.starts_with(kFunctionUrlPath)) return urls->begin(std::move(head));
  if (impl_->resource_answers != nullptr &&
      (head->path.starts_with(kResourceAnswerPath) || head->fields.get("host").starts_with(kResourceAnswerHost))) {
    return impl_->resource_answers->begin(std::move(head));
  }
  if (impl_->admin != nullptr && is_admin_path(head->path)) return impl_->admin->begin(std::move(head));
  auto call = std::make_shared<Call>(*impl_, head);
  if (!call->begin()) return std::make_unique<ErrorSink>(call, *call->route().error);
  if (call->entry() != nullptr && call->entry()->stream) {
    auto sink = call->open_stream();
    if (!sink.ok()) return std::make_unique<ErrorSink>(call, sink.error());
    return std::make_unique<UploadSink>(call, std::move(sink).value());
  }
  const std::uint64_t expected = head->content_length.value_or(0);
  if (expected > call->body_bytes_max()) {
    return std::make_unique<ErrorSink>(call, too_large(call->body_bytes_max()));
  }
  return std::make_unique<BufferSink>(call, static_cast<std::size_t>(expected));
}

}  // namespace millrace::wire
