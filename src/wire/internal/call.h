// One request on its way through the dispatcher.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "http/message.h"
#include "platform/clock.h"
#include "wire/codec.h"
#include "wire/dispatcher.h"
#include "wire/internal/router.h"
#include "wire/internal/statistics.h"
#include "wire/service.h"

namespace millrace::wire::internal {

// What all calls share; lives in the dispatcher.
struct Surroundings {
  platform::Scheduler& scheduler;
  platform::Random& random;
  storage::Commits& commits;
  DispatcherOptions options;
  Router router;
  Statistics statistics;
  http::Application* admin = nullptr;
  http::Application* function_urls = nullptr;
  http::Application* resource_answers = nullptr;
  FaultPlan* faults = nullptr;
  telemetry::Counter& conflicts;
  telemetry::Counter& offloaded;
  std::function<std::optional<KnownCaller>(std::string_view)> known_caller;
  std::function<void(const NotFound&)> not_found;
  CallWatch* watch = nullptr;
  std::function<void(const Finished&)> observer;

  Surroundings(platform::Scheduler& scheduler_, platform::Random& random_, storage::Commits& commits_,
               telemetry::Registry& registry, DispatcherOptions options_)
      : scheduler(scheduler_),
        random(random_),
        commits(commits_),
        options(std::move(options_)),
        statistics(registry),
        conflicts(registry.counter("millrace_transaction_conflicts_total", {},
                                   "Writes and transactions answered with a conflict.")),
        offloaded(registry.counter("millrace_reads_offloaded_total", {},
                                   "Requests that went to the pool because what they read was not in memory.")) {}
};

// Shared by the sink, the handler's callback, the fault's timer and the committer's callback; the last one answers.
// Its steps are called in order, each by one thread at a time.
class Call : public std::enable_shared_from_this<Call> {
 public:
  Call(Surroundings& surroundings, std::shared_ptr<const http::RequestHead> head);

  // Routes by the head. false: `error()` says why not; answer it.
  bool begin();
  const Route& route() const { return route_; }
  // nullptr: not known before the form is read, or not served.
  const Service::Entry* entry() const { return entry_; }
  RequestContext& context() { return context_; }
  std::size_t body_bytes_max() const;
  void set_responder(http::Responder responder);  // once the request has arrived

  // Each of these leads to exactly one answer, now or later. REQUIRES: set_responder() was called.
  void serve(std::string body);
  void fail(const Error& error);
  void finish(Result<Reply> result);

  // For streamed uploads: decodes the members of the head, applies faults that refuse, opens the service's sink.
  Result<std::unique_ptr<BodySink>> open_stream();
  Done done();  // finish(), once

 private:
  Result<void> resolve_operation(const std::string& body);
  Result<Document> decode(const std::string& body) const;
  void serve_decoded(std::string body);
  bool takes_raw_body() const;
  void run(const Document& document, const std::string& body);
  void run_handler(const Document& document);
  void finish_handler(Result<Reply> result, const Document& document);
  // Whether the request was answered or is on its way to that.
  bool run_raw(const std::string& body);
  void finish_raw(Result<Reply> result, const std::string& body);
  std::optional<Error> refused_write() const;
  std::optional<Error> apply_fault(const Document& document);
  void set_caller(const Credentials& credentials);
  std::string resource_of(const Document& document) const;
  // Tells whoever wants to know, when `error` says that what `document` names is not there.
  void look_elsewhere(const Error& error, const Document& document) const;
  bool is_watched() const;
  Addressee addressee() const;
  http::Response render(Result<Reply> result);
  void answer(Result<Reply> result);
  // On the connection's I/O thread: the committer has better things to do than to encode answers.
  void answer_held(const Error* failure);

  Surroundings& around_;
  std::shared_ptr<const http::RequestHead> head_;
  std::string scope_service_;
  Route route_;
  Form form_;
  const Service::Entry* entry_ = nullptr;
  RequestContext context_;
  http::Responder responder_;  // set once
  Deadline started_{};
  const std::uint64_t settlements_;  // of the committer, when this was begun
  platform::Busy busy_;
  Milliseconds delay_{0};
  bool lose_answer_ = false;
  std::optional<Result<Reply>> held_;  // until the commit that it waits for is durable
  std::string resource_path_;
  platform::Timer timer_;
};

// Whether an operation of this name writes, and what for; nullopt: it only reads. By its verb, as AWS names them.
std::optional<storage::Commits::Purpose> purpose_of(std::string_view operation);
Error conflict_error(const Document& document);
Error in_progress_error();
// The error that the service itself would throttle with.
Error throttling_error(const ServiceModel& model);
Error internal_error();

}  // namespace millrace::wire::internal
