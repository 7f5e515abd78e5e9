// Invocations: who may run, on which runtime, and what is remembered of it.
#include <algorithm>

#include "codec/json.h"
#include "functions/errors.h"
#include "functions/internal/entry.h"
#include "functions/service.h"
#include "telemetry/log.h"

namespace millrace::functions {
namespace {

constexpr std::size_t kErrorTextBytes = 1000;  // of an error document, in the history

Error too_large(std::size_t bytes, std::string_view type, std::size_t limit) {
  return Error(kRequestEntityTooLarge, std::to_string(bytes) + " byte payload is too large for the " +
                                           std::string(type) + " invocation type (service limit " +
                                           std::to_string(limit) + " bytes)");
}

Result<void> check_payload(std::string& payload) {
  if (payload.empty()) payload = "{}";
  const auto parsed = codec::parse_json(payload);
  if (parsed.ok()) return {};
  return Error(kInvalidRequestContent, "Could not parse request body into json: " + parsed.error().message());
}

traces::End end_of(const runtimes::Outcome& outcome) {
  traces::End end{.ran = outcome.kind == runtimes::Outcome::Kind::kAnswered,
                  .init_began = outcome.init_began_at,
                  .init_ended = outcome.init_ended_at,
                  .delivered = outcome.delivered_at,
                  .ended = outcome.ended_at,
                  .memory_used_mb = outcome.memory_used_mb};
  if (!outcome.function_error.empty()) end.error = outcome.payload;
  return end;
}

Error stopping() { return Error(kServiceError, "The server is stopping."); }

}  // namespace

Error throttled(std::string_view reason) {
  return Error(kTooManyRequests, "Rate Exceeded.")
      .with("Reason", "\"" + std::string(reason) + "\"")
      .with("Type", "\"User\"");
}

Error not_found(const FunctionReference& reference) {
  return Error(kResourceNotFound, "Function not found: " + reference.arn());
}

Functions::UnitPointer Functions::Entry::unit(const EntryPointer& entry, const std::string& version) {
  if (version == kLatest) return entry;
  if (!is_version(version)) return nullptr;
  const auto it = entry->versions.find(std::stoi(version));
  return it == entry->versions.end() || it->second->function.version != version ? nullptr : it->second;
}

Functions::UnitPointer Functions::Entry::resolve(const EntryPointer& entry, const std::string& qualifier) {
  if (qualifier.empty()) return entry;
  const auto alias = entry->attached.aliases.find(qualifier);
  return unit(entry, alias == entry->attached.aliases.end() ? qualifier : alias->second.version);
}

Result<Functions::EntryPointer> Functions::find_qualified(const FunctionReference& reference) const {
  auto found = find(reference.function);
  if (found.ok() && Entry::resolve(*found, reference.qualifier) == nullptr) return not_found(reference);
  return found;
}

Result<Functions::Target> Functions::find_target(const FunctionReference& reference) const {
  FunctionReference qualified = reference;
  if (qualified.qualifier.empty()) qualified.qualifier = kLatest;
  const auto found = find(reference.function);
  if (!found.ok()) return not_found(qualified);
  const auto alias = (*found)->attached.aliases.find(reference.qualifier);
  UnitPointer unit = alias == (*found)->attached.aliases.end()
                         ? Entry::unit(*found, qualified.qualifier)
                         : Entry::unit(*found, pick_version(alias->second, services_.random.next()));
  if (unit == nullptr) return not_found(qualified);
  return Target{*found, std::move(unit)};
}

Result<void> Functions::check_invoke(const FunctionReference& target) const {
  const std::lock_guard lock(mutex_);
  MR_RETURN_IF_ERROR(find_target(target));
  return {};
}

Result<Functions::Target> Functions::admit(const FunctionReference& target) {
  const std::lock_guard lock(mutex_);
  MR_ASSIGN_OR_RETURN(Target found, find_target(target));
  const EntryPointer& entry = found.entry;
  const auto& reserved = entry->function.reserved_concurrency;
  if (reserved) {
    if (entry->running >= *reserved) return throttled("ReservedFunctionConcurrentInvocationLimitExceeded");
  } else {
    const Scope& scope = target.function.scope;
    int running = 0;
    for (auto it = functions_.lower_bound({scope, ""}); it != functions_.end() && it->first.scope == scope; ++it) {
      if (!it->second->function.reserved_concurrency) running += it->second->running;
    }
    if (running >= unreserved_limit(scope, nullptr)) return throttled("ConcurrentInvocationLimitExceeded");
  }
  ++entry->running;
  return found;
}

runtimes::FunctionSpec Functions::spec_of(const Function& function, std::string code_folder,
                                          std::string opt_folder) const {
  const Settings& settings = function.settings;
  runtimes::FunctionSpec spec{.scope = function.name.scope,
                              .name = function.name.name,
                              .version = function.version,
                              .arn = function.name.arn(),
                              .runtime = settings.runtime,
                              .handler = settings.handler,
                              .code_folder = std::move(code_folder),
                              .layer_folder = std::move(opt_folder),
                              .memory_mb = settings.memory_mb,
                              .ephemeral_storage_mb = settings.ephemeral_storage_mb,
                              .timeout = Seconds(settings.timeout_seconds),
                              .variables = {settings.variables.begin(), settings.variables.end()},
                              .log_group = function.log_group(),
                              .log_format = settings.log_format,
                              .log_level = settings.application_log_level,
                              .endpoint_url = endpoint_,
                              .tracing_daemon = tracing_daemon_};
  if (options_.credentials) {
    spec.credentials = [credentials = options_.credentials, name = function.name, role = settings.role] {
      return credentials(name, role);
    };
  }
  return spec;
}

// An invocation that was admitted.
struct Functions::Start {
  EntryPointer entry;
  UnitPointer unit;
  InvokeRequest request;
  std::string request_id;
  std::string source;
  InvokeDone done;
  platform::Busy busy;
};

// No runtime: it has to be made.
Functions::Ready Functions::present_runtime(const Start& start) const {
  const std::lock_guard lock(mutex_);
  // A folder of hot reload is looked at every time.
  const bool is_hot = !start.unit->function.code.hot_folder.empty();
  return {is_hot ? nullptr : start.unit->runtime, start.entry->commit};
}

Result<Functions::Ready> Functions::make_runtime(const Start& start) {
  Unit& unit = *start.unit;
  Function function;
  Ready ready;
  {
    const std::lock_guard lock(mutex_);
    function = unit.function;
    ready.commit = start.entry->commit;
  }
  std::string folder = function.code.hot_folder;
  const std::uint64_t fingerprint = folder.empty() ? 0 : folder_fingerprint(folder);
  if (folder.empty()) {
    MR_ASSIGN_OR_RETURN(const auto unpacked, code_.unpacked(function.name, function.code.id));
    folder = unpacked.string();
  }
  MR_ASSIGN_OR_RETURN(std::string opt, layers_.opt_folder(function.settings.layers));
  const std::lock_guard lock(mutex_);
  const bool is_present = unit.function.revision == function.revision;
  if (is_present && unit.runtime && unit.hot_fingerprint == fingerprint) {
    ready.runtime = unit.runtime;
    return ready;
  }
  ready.runtime = services_.runtimes.create(spec_of(function, std::move(folder), std::move(opt)));
  if (is_present) {  // else it was changed meanwhile, and this one is for this invocation only
    unit.runtime = ready.runtime;
    unit.hot_fingerprint = fingerprint;
  }
  return ready;
}

void Functions::invoke(InvokeRequest request, InvokeDone done) {
  if (request.payload.size() > kSyncPayloadBytesMax) {
    return done(too_large(request.payload.size(), "RequestResponse", kSyncPayloadBytesMax));
  }
  if (auto checked = check_invoke(request.target); !checked.ok()) return done(std::move(checked).error());
  if (auto checked = check_payload(request.payload); !checked.ok()) return done(std::move(checked).error());
  auto target = admit(request.target);
  if (!target.ok()) {
    if (target.error().is(kTooManyRequests)) count_throttle(request.target);
    return done(std::move(target).error());
  }
  const std::string id = request.request_id.empty() ? services_.random.uuid() : request.request_id;
  start(*target, std::move(request), id, "sync", std::move(done));
}

// REQUIRES: admitted.
void Functions::start(const Target& target, InvokeRequest request, std::string request_id, std::string source,
                      InvokeDone done) {
  auto start =
      std::make_shared<Start>(Start{target.entry, target.unit, std::move(request), std::move(request_id),
                                    std::move(source), std::move(done), platform::Busy(services_.scheduler.busy())});
  if (auto present = present_runtime(*start); present.runtime != nullptr) {
    return launch_durably(std::move(start), std::move(present));
  }
  const auto made = std::make_shared<std::optional<Result<Ready>>>();
  services_.scheduler.offload([this, start, made] { *made = make_runtime(*start); },
                              [this, start, made] {
                                if (!(*made)->ok()) return give_up(*start, (*made)->error());
                                launch_durably(start, std::move(***made));
                              });
}

// What runs may be seen by anybody, so it must be what a power cut cannot undo: a change of the function that is on its
// way to the disk is waited for. A disk without room ends the wait.
void Functions::launch_durably(std::shared_ptr<Start> start, Ready ready) {
  if (ready.commit <= services_.commits.durable()) return launch(std::move(start), ready.runtime);
  services_.commits.when_answerable(ready.commit, [this, start, runtime = ready.runtime](const Error* error) {
    const auto failure = error == nullptr ? std::nullopt : std::optional<Error>(*error);
    services_.scheduler.post([this, start, runtime, failure] {
      if (!failure) return launch(start, runtime);
      give_up(*start, Error(kServiceError, "The last change of the function is not durable: " + failure->message()));
    });
  });
}

void Functions::give_up(const Start& start, const Error& why) {
  {
    const std::lock_guard lock(mutex_);
    --start.entry->running;
  }
  start.done(why);
}

void Functions::launch(std::shared_ptr<Start> start, const std::shared_ptr<runtimes::Runtime>& runtime) {
  InvokeRequest& request = start->request;
  const Target target{start->entry, start->unit};
  measure_concurrency(target.entry, request.target.resource());
  const Time started = services_.scheduler.now();
  std::string header;
  const auto trace = begin_trace(target, request, start->request_id, header);
  runtimes::Invocation invocation{.request_id = start->request_id,
                                  .payload = std::move(request.payload),
                                  .client_context = std::move(request.client_context),
                                  .trace_id = std::move(header),
                                  .invoked_arn = request.target.arn()};
  if (trace != nullptr) {
    invocation.delivered = [recorder = recorder_, trace](std::string_view key) { recorder->delivered(trace, key); };
  }
  PastInvocation past{.time = started,
                      .machine_start = services_.scheduler.machine_now(),
                      .request_id = start->request_id,
                      .source = std::move(start->source),
                      .version = target.unit->function.version};
  runtime->invoke(std::move(invocation),
                  [this, start, target, trace, past = std::move(past)](runtimes::Outcome outcome) mutable {
                    if (trace != nullptr) recorder_->end(trace, end_of(outcome));
                    finish(target, start->request.target, std::move(past), outcome);
                    switch (outcome.kind) {
                      case runtimes::Outcome::Kind::kStopped:
                        return start->done(stopping());
                      case runtimes::Outcome::Kind::kNoCapacity:
                        return start->done(throttled("ConcurrentInvocationLimitExceeded"));
                      case runtimes::Outcome::Kind::kAnswered:
                        return start->done(InvokeResult{.request_id = start->request_id,
                                                        .payload = std::move(outcome.payload),
                                                        .function_error = std::move(outcome.function_error),
                                                        .executed_version = target.unit->function.version,
                                                        .log_tail = std::move(outcome.log_tail),
                                                        .duration = outcome.duration});
                    }
                  });
}

// AWS gives every invocation a trace header, sampled or not.
traces::Recorder::Handle Functions::begin_trace(const Target& target, const InvokeRequest& request,
                                                const std::string& request_id, std::string& header) {
  if (recorder_ == nullptr) {
    header = request.trace_id;
    return nullptr;
  }
  bool is_active = false;
  {
    const std::lock_guard lock(mutex_);
    is_active = target.unit->function.settings.tracing == kActive;
  }
  auto decided = recorder_->decide(request.trace_id, is_active, request.target.function.name);
  auto handle = recorder_->begin({.scope = request.target.function.scope,
                                  .function = request.target.function.name,
                                  .version = target.unit->function.version,
                                  .arn = request.target.arn(),
                                  .request_id = request_id,
                                  .cause = request.cause},
                                 decided);
  header = traces::format_header(decided);
  return handle;
}

// All attempts of an event are one trace, so it is decided when it comes.
std::string Functions::event_trace(const FunctionReference& target, std::string header) {
  if (recorder_ == nullptr) return header;
  bool is_active = false;
  {
    const std::lock_guard lock(mutex_);
    const auto found = find_target(target);
    if (!found.ok()) return header;
    is_active = found->unit->function.settings.tracing == kActive;
  }
  if (header.empty() && !is_active) return header;
  return traces::format_header(recorder_->decide(header, is_active, target.function.name));
}

void Functions::set_tracing(traces::Recorder& recorder, std::string daemon) {
  recorder_ = &recorder;
  const std::lock_guard lock(mutex_);
  tracing_daemon_ = std::move(daemon);
}

void Functions::finish(const Target& target, const FunctionReference& invoked, PastInvocation past,
                       const runtimes::Outcome& outcome) {
  if (outcome.kind == runtimes::Outcome::Kind::kNoCapacity) count_throttle(invoked);
  if (outcome.kind == runtimes::Outcome::Kind::kAnswered) measure_invocation(invoked, past, outcome);
  Entry& entry = *target.entry;
  const std::lock_guard lock(mutex_);
  --entry.running;
  if (outcome.kind != runtimes::Outcome::Kind::kAnswered) return;
  past.machine_end = services_.scheduler.machine_now();
  past.duration = outcome.duration;
  past.init_duration = outcome.init_duration;
  past.memory_mb = outcome.memory_used_mb;
  if (!outcome.function_error.empty()) past.error = outcome.payload.substr(0, kErrorTextBytes);
  entry.history.push_front(std::move(past));
  if (entry.history.size() > kHistoryLength) entry.history.pop_back();
}

void Functions::measure_invocation(const FunctionReference& target, const PastInvocation& past,
                                   const runtimes::Outcome& outcome) {
  const telemetry::Labels labels{{"function", target.function.name}, {"region", target.function.scope.region}};
  const bool failed = !outcome.function_error.empty();
  const auto duration = static_cast<double>(outcome.duration.count());
  services_.registry.counter("lambda_invocations_total", labels).add();
  if (failed) services_.registry.counter("lambda_errors_total", labels).add();
  services_.registry.histogram("lambda_duration_ms", labels, "Duration of invocations.").record(duration);
  Measurement one{.metric = Metric::kInvocations,
                  .time = past.time,
                  .function = target.function,
                  .resource = target.resource(),
                  .executed_version = past.version};
  measure(one);
  one.metric = Metric::kErrors;
  one.value = failed ? 1 : 0;
  measure(one);
  one.metric = Metric::kDuration;
  one.value = duration;
  measure(std::move(one));
}

void Functions::measure(Measurement measurement) {
  if (observer_ == nullptr) return;
  if (measurement.time == Time{}) measurement.time = services_.scheduler.now();
  observer_->observe(measurement);
}

void Functions::count_throttle(const FunctionReference& target) {
  const FunctionName& name = target.function;
  services_.registry.counter("lambda_throttles_total", {{"function", name.name}, {"region", name.scope.region}}).add();
  measure({.metric = Metric::kThrottles, .function = name, .resource = target.resource()});
}

void Functions::measure_concurrency(const EntryPointer& entry, const std::string& resource) {
  if (observer_ == nullptr) return;
  FunctionName name;
  int own = 0, all = 0, unreserved = 0;
  {
    const std::lock_guard lock(mutex_);
    name = entry->function.name;
    own = entry->running;
    const Scope& scope = name.scope;
    for (auto it = functions_.lower_bound({scope, ""}); it != functions_.end() && it->first.scope == scope; ++it) {
      all += it->second->running;
      if (!it->second->function.reserved_concurrency) unreserved += it->second->running;
    }
  }
  measure({.metric = Metric::kConcurrentExecutions, .function = name, .resource = resource, .value = double(own)});
  name.name.clear();
  measure({.metric = Metric::kAccountConcurrentExecutions, .function = name, .value = double(all)});
  measure({.metric = Metric::kUnreservedConcurrentExecutions, .function = name, .value = double(unreserved)});
}

// ---- asynchronous

Result<std::string> Functions::invoke_async(InvokeRequest request) {
  if (request.payload.size() > options_.async_payload_bytes_max) {
    return too_large(request.payload.size(), "Event", options_.async_payload_bytes_max);
  }
  MR_RETURN_IF_ERROR(check_invoke(request.target));
  MR_RETURN_IF_ERROR(check_payload(request.payload));
  std::string trace = event_trace(request.target, std::move(request.trace_id));
  const Event event{.function = std::move(request.target),
                    .request_id = request.request_id.empty() ? services_.random.uuid() : request.request_id,
                    .payload = std::move(request.payload),
                    .client_context = std::move(request.client_context),
                    .trace_id = std::move(trace),
                    .received = services_.scheduler.now()};
  queue_.enqueue(event);
  return event.request_id;
}

Result<delivery::AfterCommit> Functions::stage_event(const FunctionReference& target, std::string payload,
                                                     storage::WriteBatch& batch) {
  if (payload.size() > options_.async_payload_bytes_max) {
    return too_large(payload.size(), "Event", options_.async_payload_bytes_max);
  }
  MR_RETURN_IF_ERROR(check_invoke(target));
  return queue_.stage({.function = target,
                       .request_id = services_.random.uuid(),
                       .payload = std::move(payload),
                       .trace_id = event_trace(target, ""),
                       .received = services_.scheduler.now()},
                      batch);
}

std::optional<EventPolicy> Functions::policy_of(const FunctionReference& reference) {
  const std::lock_guard lock(mutex_);
  const auto it = functions_.find(reference.function);
  if (it == functions_.end()) return std::nullopt;
  const UnitPointer unit = Entry::resolve(it->second, reference.qualifier);
  if (unit == nullptr) return std::nullopt;
  EventPolicy policy{.in_flight_max = std::min(it->second->function.reserved_concurrency.value_or(kAsyncInFlightMax),
                                               kAsyncInFlightMax),
                     .dead_letter_arn = unit->function.settings.dead_letter_arn};
  const auto& configs = it->second->attached.event_invokes;
  const auto config = configs.find(reference.qualifier.empty() ? kLatest : reference.qualifier);
  if (config != configs.end()) {
    policy.retries_max = config->second.retries_max.value_or(policy.retries_max);
    if (config->second.age_seconds_max) policy.age_max = Seconds(*config->second.age_seconds_max);
    policy.on_success = config->second.on_success;
    policy.on_failure = config->second.on_failure;
  }
  return policy;
}

void Functions::run(const Event& event, std::function<void(EventAnswer)> done) {
  if (draining_) return done({.kind = EventAnswer::Kind::kDeferred});
  const auto target = admit(event.function);
  if (!target.ok()) {
    const bool gone = target.error().is(kResourceNotFound);
    if (!gone) count_throttle(event.function);
    return done({.kind = gone ? EventAnswer::Kind::kGone : EventAnswer::Kind::kDeferred});
  }
  start(*target,
        {.target = event.function,
         .payload = event.payload,
         .client_context = event.client_context,
         .trace_id = event.trace_id,
         .cause = {.kind = traces::Cause::Kind::kAsync, .attempt = event.attempt, .written = event.received}},
        event.request_id, "async", [this, done = std::move(done)](Result<InvokeResult> result) {
          const bool failed = result.ok() && !result->function_error.empty();
          if (!result.ok() || (failed && draining_)) return done({.kind = EventAnswer::Kind::kDeferred});
          done({.kind = failed ? EventAnswer::Kind::kFailed : EventAnswer::Kind::kSucceeded,
                .payload = std::move(result->payload),
                .executed_version = std::move(result->executed_version)});
        });
}

// ---- mappings

void Functions::invoke_for_mapping(const std::string& function_arn, std::string request_id, std::string payload,
                                   traces::Cause cause, std::function<void(MappingResult)> done) {
  using Kind = MappingResult::Kind;
  const auto answer = [this, done = std::move(done)](MappingResult result) {
    services_.scheduler.post([done, result = std::move(result)] { done(result); });
  };
  const auto target = parse_reference({}, function_arn);
  if (!target) return answer({.kind = Kind::kMissing, .message = "Not the ARN of a function: " + function_arn});
  if (payload.size() > kSyncPayloadBytesMax) {
    return answer({.kind = Kind::kUnavailable,
                   .message = too_large(payload.size(), "RequestResponse", kSyncPayloadBytesMax).message()});
  }
  if (draining_) return answer({.kind = Kind::kUnavailable, .message = stopping().message()});
  const auto admitted = admit(*target);
  if (!admitted.ok()) {
    const bool missing = admitted.error().is(kResourceNotFound);
    if (!missing) count_throttle(*target);
    return answer({.kind = missing ? Kind::kMissing : Kind::kThrottled, .message = admitted.error().message()});
  }
  double memory_mb = 0;
  {
    const std::lock_guard lock(mutex_);
    memory_mb = admitted->unit->function.settings.memory_mb;
  }
  std::string upstream = std::move(cause.upstream);
  start(*admitted,
        {.target = *target, .payload = std::move(payload), .trace_id = std::move(upstream), .cause = std::move(cause)},
        std::move(request_id), "mapping", [answer, memory_mb](Result<InvokeResult> result) {
          if (result.ok())
            return answer({.kind = Kind::kInvoked, .answer = std::move(result).value(), .memory_mb = memory_mb});
          const bool throttle = result.error().is(kTooManyRequests);
          answer({.kind = throttle ? Kind::kThrottled : Kind::kUnavailable, .message = result.error().message()});
        });
}

// ---- what people ask

Concurrency Functions::concurrency(const Scope& scope) const {
  const std::lock_guard lock(mutex_);
  Concurrency result{.limit = options_.account_concurrency, .unreserved = unreserved_limit(scope, nullptr)};
  for (auto it = functions_.lower_bound({scope, ""}); it != functions_.end() && it->first.scope == scope; ++it) {
    result.running += it->second->running;
  }
  return result;
}

int Functions::running(const FunctionName& name) const {
  const std::lock_guard lock(mutex_);
  const auto it = functions_.find(name);
  return it == functions_.end() ? 0 : it->second->running;
}

bool Functions::exists(const std::string& function_arn) const {
  const auto target = parse_reference({}, function_arn);
  return target && check_invoke(*target).ok();
}

std::vector<PastInvocation> Functions::history(const FunctionName& name) const {
  const std::lock_guard lock(mutex_);
  const auto it = functions_.find(name);
  if (it == functions_.end()) return {};
  return {it->second->history.begin(), it->second->history.end()};
}

std::string Functions::interpreter_of(const std::string& runtime) const { return services_.runtimes.describe(runtime); }

}  // namespace millrace::functions
