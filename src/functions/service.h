// Lambda functions: registry, limits of concurrency, synchronous and asynchronous invocation.
//
// A function's record is in Family::kCatalogue under "functions/<account>/<region>/<name>" (JSON), those of its
// published versions under "function-versions/<account>/<region>/<name>/<number>", code in files
// (functions/code_store.h). Code has an id of its own, so that $LATEST and versions can share it; it goes with the last
// of them.
//
// Thread-safe: one mutex. Changes are submitted under it; an answer that shows one must be held until last_commit() is
// durable. What writes or unpacks code runs on the pool. Invocations count as busy while they run. Runtimes are created
// at the first invocation and dropped when code or configuration change; running invocations finish on the old one.
//
// Lifetime: the scheduler has stopped and the runtime factory's processes have ended before this is destroyed.
#pragma once

#include <algorithm>
#include <atomic>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "functions/async_queue.h"
#include "functions/attachments.h"
#include "functions/code_store.h"
#include "functions/configuration.h"
#include "functions/layers.h"
#include "functions/limits.h"
#include "functions/observer.h"
#include "platform/clock.h"
#include "platform/random.h"
#include "runtimes/runtime.h"
#include "traces/recorder.h"

namespace millrace::functions {

struct Services {
  storage::Store& store;
  storage::Commits& commits;
  platform::Scheduler& scheduler;
  platform::Random& random;
  telemetry::Registry& registry;
  delivery::Delivery& delivery;
  runtimes::RuntimeFactory& runtimes;
};

struct Options {
  std::filesystem::path folder;  // for code
  std::size_t async_payload_bytes_max = kAsyncPayloadBytesDefault;
  int account_concurrency = 1000;
  std::string architecture = "x86_64";  // of this machine
  // The bytes of an S3 object; called on the pool. The error's type and message go into the answer.
  std::function<Result<std::string>(const Scope&, const std::string& bucket, const std::string& key,
                                    const std::string& version)>
      fetch_object;
  // Credentials of a function's role, whenever a process starts; thread-safe.
  std::function<runtimes::Credentials(const FunctionName&, const std::string& role_arn)> credentials;
};

struct CodeSource {
  std::string archive;  // the zip, or:
  std::string bucket;   // "hot-reload": `key` is the absolute path of a folder
  std::string key;
  std::string version;
};

struct CreateRequest {
  FunctionName name;
  SettingsChange settings;
  CodeSource code;
  StringMap tags;
  bool publish = false;  // version 1 at once; it is what the answer shows
};

struct UpdateCodeRequest {
  FunctionName name;
  CodeSource code;
  std::optional<std::string> architecture;
  std::optional<std::string> revision;  // must be the present one
  bool dry_run = false;
  bool publish = false;  // as publish(); the version is what the answer shows
};

struct PublishRequest {
  FunctionName name;
  std::optional<std::string> description;  // of the version; absent: the function's
  std::optional<std::string> code_sha256;  // must be the present one, as must
  std::optional<std::string> revision;
};

// Members to change; absent ones stay.
struct AliasChange {
  std::optional<std::string> version;
  std::optional<std::string> description;
  std::optional<std::map<std::string, double>> weights;  // of additional versions: none or one
  std::optional<std::string> revision;                   // must be the present one
};

struct EventInvokeChange {
  bool replace = false;  // PUT: what is absent becomes unset
  std::optional<int> retries_max;
  std::optional<int> age_seconds_max;
  std::optional<std::string> on_success;
  std::optional<std::string> on_failure;
};

// Members to change; absent ones stay.
struct UrlChange {
  std::optional<std::string> auth_type;
  std::optional<Cors> cors;
};

struct InvokeRequest {
  FunctionReference target;
  std::string payload;     // JSON text; empty = {}
  std::string request_id;  // empty = a new one
  std::string client_context;
  std::string trace_id;  // X-Amzn-Trace-Id as it came, or ""
  traces::Cause cause = {};
};

struct InvokeResult {
  std::string request_id;
  std::string payload;
  std::string function_error;  // "" or "Unhandled"
  std::string executed_version = kLatest;
  std::string log_tail;
  Milliseconds duration{0};
};

// For the trigger engine.
struct MappingResult {
  enum class Kind {
    kInvoked,
    kThrottled,
    kMissing,      // no such function
    kUnavailable,  // the server could not run it (stopping)
  };
  Kind kind = Kind::kInvoked;
  InvokeResult answer;   // of kInvoked
  double memory_mb = 0;  // configured; of kInvoked
  std::string message;   // of the others
};

struct PastInvocation {
  Time time{};           // of the start
  Time machine_start{};  // by the machine's clock, which cannot be moved
  Time machine_end{};
  std::string request_id;
  std::string source;  // "sync", "async", "mapping"
  std::string version = kLatest;
  Milliseconds duration{0};
  Milliseconds init_duration{0};
  std::int64_t memory_mb = 0;
  std::string error;  // "" or the first part of the error document
};

struct Concurrency {
  int limit = 0;       // of the account in the region
  int unreserved = 0;  // what is not reserved
  int running = 0;
};

using FunctionDone = std::function<void(Result<Function>)>;
using InvokeDone = std::function<void(Result<InvokeResult>)>;

class Functions final : private EventRunner {
 public:
  Functions(const Services& services, Options options);
  ~Functions() override;
  Functions(const Functions&) = delete;
  Functions& operator=(const Functions&) = delete;

  // Reads the registry and the queue, removes code nobody refers to. Once, before anything else.
  Result<void> load();
  // Where functions reach this server: "http://127.0.0.1:4566". Before the first invocation.
  void set_endpoint(std::string url);
  // Told of every measurement from now on; outlives this. Before the first invocation.
  void set_observer(Observer& observer) { observer_ = &observer; }
  // Traces invocations from now on; outlives this. `daemon`: "127.0.0.1:2000", where functions send segments. Before
  // the first invocation.
  void set_tracing(traces::Recorder& recorder, std::string daemon);
  storage::CommitNumber last_commit() const {
    return std::max({commits_.last(), layers_.last_commit(), queue_.last_commit()});
  }

  // `done` is called on the control thread or inside the call. Errors: kResourceConflict when it exists, those of
  // apply(), of CodeStore::add() and of the fetched object.
  void create(CreateRequest request, FunctionDone done);
  void update_code(UpdateCodeRequest request, FunctionDone done);
  Result<Function> update_settings(const FunctionName& name, const SettingsChange& change,
                                   const std::optional<std::string>& revision);
  // With all its versions, aliases and queued events. Mappings stay, as on AWS.
  Result<void> remove(const FunctionName& name);
  Result<Function> get(const FunctionName& name) const;
  // The version that a qualifier means; an alias means its first one. kResourceNotFound names the qualified ARN.
  Result<Function> get(const FunctionReference& reference) const;
  std::vector<Function> list(const Scope& scope) const;  // by name
  std::vector<Function> list_all() const;
  // The archive as it was uploaded. kResourceNotFound for a function without one (hot reload).
  Result<std::filesystem::path> archive_of(const FunctionReference& reference) const;
  // Deletes every function of an account, all regions.
  void reset(std::string_view account);

  // `done` as of create(). Errors: those of the code.
  void publish_layer(LayerVersion version, CodeSource code, std::function<void(Result<LayerVersion>)> done);
  Layers& layers() { return layers_; }

  // A snapshot of $LATEST under the next number; the last version again when nothing has changed since. Errors:
  // kPreconditionFailed, kInvalidParameterValue for another CodeSha256.
  Result<Function> publish(const PublishRequest& request);
  std::vector<Function> versions(const FunctionName& name) const;  // numbers only, ascending
  // kResourceConflict while an alias refers to it.
  Result<void> remove_version(const FunctionName& name, const std::string& version);

  // Errors: kResourceConflict, kResourceNotFound, kPreconditionFailed, kInvalidParameterValue for weights AWS refuses.
  Result<Alias> create_alias(const FunctionName& name, const std::string& alias, const AliasChange& change);
  Result<Alias> update_alias(const FunctionName& name, const std::string& alias, const AliasChange& change);
  Result<void> remove_alias(const FunctionName& name, const std::string& alias);  // fine when there is none
  Result<Alias> get_alias(const FunctionName& name, const std::string& alias) const;
  Result<std::vector<Alias>> aliases(const FunctionName& name) const;  // by name

  Result<void> put_concurrency(const FunctionName& name, int reserved);
  Result<void> delete_concurrency(const FunctionName& name);
  Concurrency concurrency(const Scope& scope) const;

  // Of a function, version or alias.
  Result<EventInvokeConfig> put_event_invoke(const FunctionReference& target, const EventInvokeChange& change);
  Result<EventInvokeConfig> get_event_invoke(const FunctionReference& target) const;
  Result<void> delete_event_invoke(const FunctionReference& target);
  // By qualifier, "$LATEST" first.
  std::map<std::string, EventInvokeConfig> event_invokes(const FunctionName& name) const;

  // The resource policy of a function, version or alias: recorded, not enforced. The answer is the statement.
  Result<codec::Json> add_permission(const FunctionReference& target, const Permission& permission,
                                     const std::optional<std::string>& revision);
  Result<void> remove_permission(const FunctionReference& target, const std::string& sid,
                                 const std::optional<std::string>& revision);
  Result<Policy> policy(const FunctionReference& target) const;

  // One URL per function ("") or alias. Errors: kResourceConflict, kResourceNotFound.
  Result<FunctionUrl> create_url(const FunctionReference& target, const UrlChange& change);
  Result<FunctionUrl> update_url(const FunctionReference& target, const UrlChange& change);
  Result<FunctionUrl> url(const FunctionReference& target) const;
  Result<void> delete_url(const FunctionReference& target);
  std::map<std::string, FunctionUrl> urls(const FunctionName& name) const;  // by qualifier
  std::optional<std::pair<FunctionReference, FunctionUrl>> find_url(std::string_view id) const;

  Result<void> tag(const FunctionName& name, const StringMap& tags);
  Result<void> untag(const FunctionName& name, const std::vector<std::string>& keys);

  // Runs the function, after its last change is durable. `done` is called once, from any thread. Errors:
  // kResourceNotFound, kTooManyRequests with the members Reason and Type, kInvalidRequestContent,
  // kRequestEntityTooLarge, kServiceError.
  void invoke(InvokeRequest request, InvokeDone done);
  // Queues an event; it is accepted once last_commit() is durable. Returns its request id.
  Result<std::string> invoke_async(InvokeRequest request);
  // What invoke() would refuse before running: DryRun.
  Result<void> check_invoke(const FunctionReference& target) const;

  // Calls `done` (at once, or on the committer's thread) when all that an answer of now may rest on is durable, or with
  // the error that prevents it.
  void when_answerable(std::function<void(const Error*)> done) const {
    services_.commits.when_answerable(last_commit(), std::move(done));
  }

  // For event source mappings: `payload` is trusted JSON; `done` is called on the control thread.
  void invoke_for_mapping(const std::string& function_arn, std::string request_id, std::string payload,
                          traces::Cause cause, std::function<void(MappingResult)> done);

  // Before the server stops: no event and no batch is begun any more (both stay where they are, at no cost of attempts)
  // while those that run may finish. A failure from now on may be the stop's doing, so that its event is tried again
  // after the next start. Direct invocations go on.
  void drain() { draining_ = true; }

  // For delivery::Target (functions/target.h).
  Result<delivery::AfterCommit> stage_event(const FunctionReference& target, std::string payload,
                                            storage::WriteBatch& batch);

  int running(const FunctionName& name) const;  // invocations in flight
  // Whether `function_arn` (with or without qualifier) can be mapped and invoked.
  bool exists(const std::string& function_arn) const;
  std::vector<PastInvocation> history(const FunctionName& name) const;  // newest first
  std::vector<AsyncQueue::LaneStatus> async_status() const { return queue_.status(); }
  // Which interpreter runs it.
  std::string interpreter_of(const std::string& runtime) const;

 private:
  struct Unit;
  struct Entry;
  using UnitPointer = std::shared_ptr<Unit>;
  using EntryPointer = std::shared_ptr<Entry>;
  // What an invocation runs.
  struct Target {
    EntryPointer entry;
    UnitPointer unit;
  };
  struct Start;
  struct Ready {
    std::shared_ptr<runtimes::Runtime> runtime;
    storage::CommitNumber commit = 0;  // the last change of the function that the runtime may have seen
  };

  std::optional<EventPolicy> policy_of(const FunctionReference& function) override;
  void run(const Event& event, std::function<void(EventAnswer)> done) override;
  void measure(Measurement measurement) override;

  Result<Code> obtain_code(const CodeStore& store, const FunctionName& name, const CodeSource& source,
                           const std::string& id) const;
  using Registry = std::map<FunctionName, EntryPointer>;
  Result<Registry> read_functions() const;
  Result<void> read_versions(Registry& functions) const;
  Result<void> restore();
  // What was uploaded while writing has stopped: nothing refers to it.
  std::optional<Error> refused_upload(const FunctionName& name, const Code& code);
  Result<Function> add(CreateRequest request, Settings settings, Code code);
  Result<Function> replace_code(const UpdateCodeRequest& request, Code code);
  Result<EntryPointer> find(const FunctionName& name) const;                      // guarded
  Result<EntryPointer> find_qualified(const FunctionReference& reference) const;  // guarded
  Result<Target> find_target(const FunctionReference& reference) const;           // guarded; draws for a weighted alias
  Result<Function> publish_guarded(const EntryPointer& entry, const PublishRequest& request,
                                   storage::WriteBatch& batch);
  Result<void> change_alias(Entry& entry, Alias& alias, const AliasChange& change) const;  // guarded
  void save(Entry& entry, storage::WriteBatch batch);                                      // guarded
  void save(Entry& entry);                                                                 // guarded
  void stamp(Function& function) const;
  bool uses_code(const Entry& entry, const std::string& id) const;              // guarded
  int unreserved_limit(const Scope& scope, const FunctionName* without) const;  // guarded
  // Removes what nobody will run any more, some time after the commit that took it from its record.
  void retire_code(const FunctionName& name, const std::string& id, storage::CommitNumber freed_by);
  Result<Target> admit(const FunctionReference& target);
  void start(const Target& target, InvokeRequest request, std::string request_id, std::string source, InvokeDone done);
  void launch_durably(std::shared_ptr<Start> start, Ready ready);
  void launch(std::shared_ptr<Start> start, const std::shared_ptr<runtimes::Runtime>& runtime);
  void give_up(const Start& start, const Error& why);
  void finish(const Target& target, const FunctionReference& invoked, PastInvocation past,
              const runtimes::Outcome& outcome);
  traces::Recorder::Handle begin_trace(const Target& target, const InvokeRequest& request,
                                       const std::string& request_id, std::string& header);
  std::string event_trace(const FunctionReference& target, std::string header);
  Ready present_runtime(const Start& start) const;
  Result<Ready> make_runtime(const Start& start);  // on the pool
  runtimes::FunctionSpec spec_of(const Function& function, std::string code_folder,
                                 std::string opt_folder) const;  // guarded
  void measure_invocation(const FunctionReference& target, const PastInvocation& past,
                          const runtimes::Outcome& outcome);
  void count_throttle(const FunctionReference& target);
  void measure_concurrency(const EntryPointer& entry, const std::string& resource);

  const Services services_;
  const Options options_;
  const CodeStore code_;
  Layers layers_;  // synchronises itself
  storage::ServiceCommits commits_;
  std::atomic<bool> draining_{false};
  Observer* observer_ = nullptr;          // constant after the start
  traces::Recorder* recorder_ = nullptr;  // the same

  mutable std::mutex mutex_;  // guards below
  Registry functions_;
  std::string endpoint_;
  std::string tracing_daemon_;

  AsyncQueue queue_;  // synchronises itself
};

// TooManyRequestsException with its Reason (AWS).
Error throttled(std::string_view reason);

}  // namespace millrace::functions
