#include "app/server.h"

#include <filesystem>
#include <future>

#include <stdlib.h>

#include "api/cloudformation/resource_answers.h"
#include "api/cloudformation/service.h"
#include "api/cloudtrail/service.h"
#include "api/cloudwatch/service.h"
#include "api/dynamodb/service.h"
#include "api/dynamodb/streams_service.h"
#include "api/ecr/service.h"
#include "api/events/service.h"
#include "api/iam/service.h"
#include "api/kms/service.h"
#include "api/lambda/function_urls.h"
#include "api/lambda/mappings.h"
#include "api/lambda/service.h"
#include "api/logs/service.h"
#include "api/s3/service.h"
#include "api/sns/service.h"
#include "api/sqs/service.h"
#include "api/ssm/service.h"
#include "api/xray/service.h"
#include "app/admin.h"
#include "app/backup.h"
#include "app/internal/bootstrap.h"
#include "app/internal/clock_note.h"
#include "app/internal/elsewhere.h"
#include "app/internal/function_invoker.h"
#include "app/internal/mapping_jobs.h"
#include "app/internal/metric_sources.h"
#include "app/internal/parts.h"
#include "app/internal/queue_source.h"
#include "app/internal/sam_transform.h"
#include "app/internal/self_writes.h"
#include "app/internal/stream_source.h"
#include "app/internal/trace_export.h"
#include "app/internal/traced_calls.h"
#include "app/internal/xray_daemon.h"
#include "app/upgrade.h"
#include "delivery/delivery.h"
#include "events/service.h"
#include "functions/service.h"
#include "functions/target.h"
#include "http/server.h"
#include "iam/identities.h"
#include "iam/managed_policies.h"
#include "iam/roles.h"
#include "iam/sessions.h"
#include "logs/service.h"
#include "metrics/alarms.h"
#include "metrics/store.h"
#include "platform/control_loop.h"
#include "platform/random.h"
#include "records/records.h"
#include "resources/types.h"
#include "runtimes/interpreters.h"
#include "runtimes/process_host.h"
#include "s3/blob_store.h"
#include "s3/object_store.h"
#include "s3/target.h"
#include "sns/service.h"
#include "sns/target.h"
#include "sqs/errors.h"
#include "sqs/service.h"
#include "sqs/target.h"
#include "stacks/stacks.h"
#include "storage/group_committer.h"
#include "storage/rocks/data_directory.h"
#include "storage/rocks/rocks_store.h"
#include "streams/streams.h"
#include "tables/tables.h"
#include "telemetry/log.h"
#include "telemetry/metrics.h"
#include "traces/recorder.h"
#include "triggers/engine.h"
#include "triggers/settlement.h"
#include "wire/dispatcher.h"
#include "wire/faults.h"
#include "wire/operations.h"
#include "wire/shapes.h"

namespace millrace::app {
namespace {

constexpr Seconds kFunctionSession = std::chrono::hours(12);

std::vector<std::string> strings(const std::vector<std::filesystem::path>& paths) {
  std::vector<std::string> out;
  for (const auto& path : paths) out.push_back(std::filesystem::absolute(path).string());
  return out;
}

telemetry::Level level_of(const std::string& name) {
  if (name == "debug") return telemetry::Level::kDebug;
  if (name == "warning") return telemetry::Level::kWarning;
  return name == "error" ? telemetry::Level::kError : telemetry::Level::kInfo;
}

Result<std::filesystem::path> temporary_directory() {
  std::string pattern = (std::filesystem::temp_directory_path() / "millrace-ephemeral-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr)
    return Error(kBadConfiguration, "cannot create a temporary directory like " + pattern);
  return std::filesystem::path(pattern);
}

// Who asked for what, for those who look (log level debug).
void log_request(const wire::Finished& finished) {
  if (!telemetry::is_logged(telemetry::Level::kDebug)) return;
  const wire::Caller& caller = finished.context.caller;
  std::string line(finished.service);
  line.append(".").append(finished.context.operation->name).append(" by ").append(caller.principal_arn());
  line.append(" in ").append(caller.scope.account).append("/").append(caller.scope.region);
  if (!finished.context.resource.empty()) line.append(" on ").append(finished.context.resource);
  line.append(": ").append(std::to_string(finished.status));
  if (!finished.error.empty()) line.append(" ").append(finished.error);
  line.append(", request ").append(finished.context.request_id);
  telemetry::log_debug("requests", line);
}

}  // namespace

// Members are destroyed in reverse order: nobody outlives what it refers to.
struct Server::Impl {
  explicit Impl(Config configuration) : config(std::move(configuration)) {}

  Config config;
  std::unique_ptr<storage::DataDirectory> directory;
  std::unique_ptr<storage::RocksStore> store;
  telemetry::Registry registry;
  platform::SystemRandom random;
  std::unique_ptr<platform::ControlLoop> loop;
  std::unique_ptr<storage::Committer> committer;
  delivery::Delivery delivery;
  std::unique_ptr<metrics::Store> metrics;
  std::unique_ptr<metrics::Alarms> alarms;
  std::unique_ptr<MetricSources> sources;

  std::unique_ptr<streams::Streams> streams;
  std::unique_ptr<tables::Tables> tables;
  std::unique_ptr<s3::BlobStore> blobs;
  std::unique_ptr<s3::ObjectStore> objects;
  std::unique_ptr<s3::BucketTarget> bucket_target;
  std::unique_ptr<sqs::Service> queues;
  std::unique_ptr<sqs::QueueTarget> queue_target;
  std::unique_ptr<MeasuredQueues> measured_queues;
  std::unique_ptr<sns::Service> topics;
  std::unique_ptr<sns::TopicTarget> topic_target;
  std::unique_ptr<iam::Roles> roles;
  std::unique_ptr<iam::ManagedPolicies> policies;
  std::unique_ptr<iam::Identities> identities;
  std::unique_ptr<records::Records> records;
  std::unique_ptr<iam::Sessions> sessions;
  std::unique_ptr<logs::Service> logs;
  std::unique_ptr<traces::Store> traces;
  std::unique_ptr<traces::Sampler> sampler;
  std::unique_ptr<traces::Recorder> recorder;
  std::unique_ptr<TraceExport> trace_export;
  std::unique_ptr<XRayDaemon> daemon;
  std::unique_ptr<runtimes::Interpreters> interpreters;
  std::unique_ptr<runtimes::ProcessHost> processes;
  std::unique_ptr<functions::Functions> functions;
  std::unique_ptr<functions::FunctionTarget> function_target;
  std::unique_ptr<events::Events> events;

  std::unique_ptr<StreamSource> source;
  std::unique_ptr<QueueSource> queue_source;
  std::unique_ptr<FunctionInvoker> invoker;
  std::unique_ptr<triggers::CommitSettlement> settlement;
  std::unique_ptr<triggers::Engine> engine;
  MappingJobs jobs;

  std::vector<std::unique_ptr<wire::Service>> faces;
  std::unique_ptr<wire::Operations> operations;
  stacks::TypeRegistry resource_types;
  std::unique_ptr<SamTransform> sam;
  std::unique_ptr<stacks::Stacks> stacks;
  wire::FaultPlan faults;
  std::unique_ptr<Elsewhere> elsewhere;
  std::unique_ptr<api_lambda::FunctionUrls> function_urls;
  std::unique_ptr<api_cloudformation::ResourceAnswers> resource_answers;
  std::unique_ptr<SelfWrites> self_writes;
  std::unique_ptr<wire::Dispatcher> dispatcher;
  Parts parts;
  BackupJob backup;
  std::unique_ptr<Admin> admin;
  std::unique_ptr<http::Server> http;
  std::string endpoint;
  bool running = false;  // the loop has started
  bool stopped = false;

  Result<void> open(const std::string& command);
  Result<void> load();
  Result<void> load_traces();
  Result<void> load_functions();
  Result<void> listen();
  Result<void> start_daemon(std::uint16_t own_port);
  void serve_faces();
  void fill_parts();
  void stop(Milliseconds limit);
  runtimes::Credentials credentials_of(const functions::FunctionName& name, const std::string& role);
  Result<std::string> read_object(const Scope& scope, const std::string& bucket, const std::string& key,
                                  const std::string& version);
};

Result<void> Server::Impl::open(const std::string& command) {
  if (config.ephemeral) {
    config.durable = false;
    if (config.data.empty()) {
      MR_ASSIGN_OR_RETURN(config.data, temporary_directory());
    }
  }
  if (config.data.empty()) config.data = default_data_directory();
  MR_ASSIGN_OR_RETURN(directory, storage::DataDirectory::open(config.data.string(), command));
  storage::RocksOptions options;
  options.path = directory->database_path();
  options.memory_bytes = config.memory;
  options.reserve_bytes = config.reserve;
  options.accept_lost_writes = config.accept_lost_writes;
  if (config.durable) options.head_file = directory->head_path();
  MR_ASSIGN_OR_RETURN(store, storage::RocksStore::open(options));
  MR_RETURN_IF_ERROR(upgrade(*directory, *store));
  platform::ControlLoopOptions loop_options;
  MR_ASSIGN_OR_RETURN(const auto moved, store->get(storage::Family::kCatalogue, kClockKey));
  if (moved) {
    MR_ASSIGN_OR_RETURN(loop_options.offset, read_clock_note(*moved));
  }
  loop = std::make_unique<platform::ControlLoop>(loop_options);
  storage::Committer::Options committing;
  committing.durability = config.durable ? storage::Durability::kSynced : storage::Durability::kOperatingSystem;
  committing.registry = &registry;
  committing.busy = &loop->busy();
  committing.log_takes = [this](std::size_t bytes) { return store->log_takes(bytes); };
  MR_ASSIGN_OR_RETURN(committer, storage::Committer::start(*store, *loop, committing));
  return {};
}

Result<void> Server::Impl::load() {
  metrics = std::make_unique<metrics::Store>(*store, *committer, *loop);
  MR_RETURN_IF_ERROR(metrics->load());
  alarms = std::make_unique<metrics::Alarms>(metrics::Alarms::Resources{*store, *committer, *loop, delivery, *metrics});
  sources = std::make_unique<MetricSources>(*metrics, parts);
  MR_RETURN_IF_ERROR(alarms->load(api_cloudwatch::alarm_queries));
  streams::StreamsOptions streaming;
  streaming.retention = config.retention;
  streaming.bytes_max = config.stream_bytes_max;
  streaming.log_bytes = [this](std::string_view from) {
    return store->approximate_bytes(storage::Family::kLog, from, {});
  };
  streaming.reshaping.roll_after = config.roll_after;
  streaming.reshaping.split_rate = config.split_rate;
  streaming.reshaping.shards_max = static_cast<int>(config.shards_max);
  MR_ASSIGN_OR_RETURN(streams, streams::Streams::load(*store, *committer, *loop, random, streaming));
  MR_ASSIGN_OR_RETURN(tables, tables::Tables::load(
                                  *store, *committer, *streams, *loop, random,
                                  {.stream_shards = static_cast<int>(config.shards), .aws_timing = config.aws_timing}));
  MR_ASSIGN_OR_RETURN(const std::string object_folder, directory->directory("objects"));
  MR_ASSIGN_OR_RETURN(blobs, s3::open_file_blob_store(object_folder, [this](const Error& cause) {
                        committer->fail(cause);  // as after a failed sync of the log
                      }));
  objects = std::make_unique<s3::ObjectStore>(*loop, random, *store, *committer, *blobs);
  objects->notify_through(delivery);
  MR_RETURN_IF_ERROR(objects->load());
  bucket_target = std::make_unique<s3::BucketTarget>(*objects);
  delivery.add("s3", *bucket_target);
  queues = std::make_unique<sqs::Service>(*store, *committer, *loop, random);
  MR_RETURN_IF_ERROR(queues->load());
  queue_target = std::make_unique<sqs::QueueTarget>(*queues);
  measured_queues = std::make_unique<MeasuredQueues>(*queue_target, *sources);
  delivery.add("sqs", *measured_queues);
  topics =
      std::make_unique<sns::Service>(sns::Service::Resources{*store, *committer, *loop, random, registry, delivery});
  MR_RETURN_IF_ERROR(topics->load());
  topic_target = std::make_unique<sns::TopicTarget>(*topics);
  delivery.add("sns", *topic_target);
  roles = std::make_unique<iam::Roles>(*store, *committer, *loop, random);
  MR_RETURN_IF_ERROR(roles->load());
  policies = std::make_unique<iam::ManagedPolicies>(*store, *committer, *loop, random);
  MR_RETURN_IF_ERROR(policies->load());
  identities = std::make_unique<iam::Identities>(*store, *committer, *loop, random);
  MR_RETURN_IF_ERROR(identities->load());
  records = std::make_unique<records::Records>(*store, *committer);
  MR_RETURN_IF_ERROR(records->load());
  sessions = std::make_unique<iam::Sessions>(*store, *committer, *loop, random, *roles);
  sessions->know(*identities);
  MR_RETURN_IF_ERROR(sessions->load());
  logs::Limits limits;
  limits.group_bytes = config.log_bytes_per_group;
  logs = std::make_unique<logs::Service>(*store, *committer, *loop, limits);
  MR_RETURN_IF_ERROR(logs->load());
  logs->set_metric_sink([this](const Scope& scope, const logs::MetricFilter& filter, const logs::MetricDatum& datum,
                               Time at) { sources->feed_filter(scope, filter, datum, at); });
  MR_RETURN_IF_ERROR(load_traces());
  MR_RETURN_IF_ERROR(load_functions());
  events = std::make_unique<events::Events>(events::Events::Resources{*store, *committer, *loop, random, delivery});
  MR_RETURN_IF_ERROR(events->load());
  source = std::make_unique<StreamSource>(*streams);
  queue_source = std::make_unique<QueueSource>(*queues);
  invoker = std::make_unique<FunctionInvoker>(*functions, *loop, *sources);
  settlement = std::make_unique<triggers::CommitSettlement>(*committer, delivery);
  engine = std::make_unique<triggers::Engine>(triggers::Engine::Resources{*loop, random, registry, *store, *committer},
                                              triggers::Ports{*source, *invoker, *settlement, queue_source.get()});
  return {};
}

Result<void> Server::Impl::load_traces() {
  traces::Limits keeping;
  keeping.bytes = config.trace_bytes_max;
  traces = std::make_unique<traces::Store>(*store, *committer, *loop, keeping);
  if (!config.otlp.empty()) {
    MR_ASSIGN_OR_RETURN(trace_export, TraceExport::start(config.otlp, registry));
    traces->on_segment(
        [this](const Scope& scope, const traces::Segment& segment) { trace_export->add(scope, segment); });
  }
  MR_RETURN_IF_ERROR(traces->load());
  sampler =
      std::make_unique<traces::Sampler>(config.sample_all_traces ? traces::SamplingRule() : traces::kAwsRule, random);
  recorder = std::make_unique<traces::Recorder>(*traces, *loop, random, *sampler);
  daemon = std::make_unique<XRayDaemon>(*traces, registry);
  return {};
}

// A program that uses an X-Ray SDK sends segments by UDP and asks for sampling rules by TCP, at one address: the
// server's own port number serves both, unless another program has it for UDP.
Result<void> Server::Impl::start_daemon(std::uint16_t own_port) {
  if (config.daemon_port) return daemon->start(*config.daemon_port);
  if (daemon->start(own_port).ok()) return {};
  MR_RETURN_IF_ERROR(daemon->start(0));
  telemetry::log_info("app",
                      "UDP port " + std::to_string(own_port) +
                          " is taken: segments of X-Ray's SDKs go to 127.0.0.1:" + std::to_string(daemon->port()));
  return {};
}

Result<void> Server::Impl::load_functions() {
  interpreters = std::make_unique<runtimes::Interpreters>(strings(config.interpreters));
  runtimes::HostOptions hosting;
  MR_ASSIGN_OR_RETURN(hosting.run_folder, directory->directory("run"));
  hosting.node_modules = strings(config.node_modules);
  hosting.python_packages = strings(config.python_path);
  hosting.bubblewrap = config.isolate_functions;
  processes =
      std::make_unique<runtimes::ProcessHost>(hosting, *loop, random, *interpreters, [this](runtimes::LogLines lines) {
        std::vector<logs::NewEvent> written;
        for (auto& [time, text] : lines.lines) written.push_back({time, std::move(text)});
        logs->append({lines.scope, lines.group}, lines.stream, std::move(written));
      });
  functions::Options options;
  MR_ASSIGN_OR_RETURN(options.folder, directory->directory("functions"));
  options.async_payload_bytes_max = config.async_payload_bytes;
  options.account_concurrency = static_cast<int>(config.account_concurrency);
  options.fetch_object = [this](const Scope& scope, const std::string& bucket, const std::string& key,
                                const std::string& version) { return read_object(scope, bucket, key, version); };
  options.credentials = [this](const functions::FunctionName& name, const std::string& role) {
    return credentials_of(name, role);
  };
  functions = std::make_unique<functions::Functions>(
      functions::Services{*store, *committer, *loop, random, registry, delivery, *processes}, std::move(options));
  functions->set_observer(*sources);
  MR_RETURN_IF_ERROR(functions->load());
  function_target = std::make_unique<functions::FunctionTarget>(*functions);
  delivery.add("lambda", *function_target);
  return {};
}

// A function's calls go to its own account and region, as the role that it was given.
runtimes::Credentials Server::Impl::credentials_of(const functions::FunctionName& name, const std::string& role) {
  const auto issued = sessions->issue(role, name.name, kFunctionSession);
  if (issued.ok()) return {issued->access_key, issued->secret_key, issued->session_token};
  return {name.scope.account, "none", ""};
}

Result<std::string> Server::Impl::read_object(const Scope& scope, const std::string& bucket, const std::string& key,
                                              const std::string& version) {
  if (!version.empty() && version != "null")
    return Error(s3::kNoSuchKey,
                 "Error occurred while GetObject. S3 Error Code: NoSuchVersion. S3 Error Message: The specified "
                 "version does not exist.");
  MR_ASSIGN_OR_RETURN(auto opened, objects->open_object(scope.account, bucket, key));
  return opened.content->read(0, opened.info.bytes);
}

void Server::Impl::serve_faces() {
  faces.push_back(api_dynamodb::make_dynamodb_service(*tables, *loop));
  faces.push_back(api_dynamodb::make_dynamodb_streams_service(*streams));
  faces.push_back(api_s3::make_s3_service(*objects, bootstrap_bucket));
  faces.push_back(api_sqs::make_sqs_service(*queues));
  sources->measure_queues(*faces.back());
  faces.push_back(api_sns::make_sns_service(*topics));
  faces.push_back(api_iam::make_iam_service({*roles, *policies, *identities}));
  faces.push_back(api_iam::make_sts_service(*sessions, *roles));
  faces.push_back(api_ssm::make_ssm_service(*records, *loop, {{kBootstrapParameter, kBootstrapVersion}}));
  faces.push_back(api_events::make_events_service({*events, delivery, *loop, random}));
  faces.push_back(api_kms::make_kms_service(*records, *loop, random));
  faces.push_back(api_ecr::make_ecr_service(*records, *loop));
  faces.push_back(api_cloudtrail::make_cloudtrail_service());
  faces.push_back(api_xray::make_xray_service({*traces, *sampler, *loop}));
  faces.push_back(api_logs::make_logs_service(*logs));
  faces.push_back(api_cloudwatch::make_cloudwatch_service({*metrics, *alarms, *loop}));
  faces.push_back(api_lambda::make_lambda_service(*functions));
  api_lambda::MappingLookups lookups;
  lookups.function_exists = [this](const std::string& arn) { return functions->exists(arn); };
  lookups.stream_exists = [this](const std::string& arn) { return streams->find(arn).has_value(); };
  lookups.queue = [this](const std::string& arn) -> std::optional<api_lambda::MappingLookups::Queue> {
    const auto name = sqs::parse_queue_arn(arn);
    const auto facts = name ? queues->facts(*name) : Result<sqs::Service::Facts>(Error(sqs::kQueueDoesNotExist, arn));
    if (!facts.ok()) return std::nullopt;
    return api_lambda::MappingLookups::Queue{facts->is_fifo, facts->visibility_seconds};
  };
  lookups.function_timeout = [this](const std::string& arn) -> std::optional<std::int64_t> {
    const auto target = functions::parse_reference({}, arn);
    const auto function = target ? functions->get(*target) : Result<functions::Function>(Error(kNotFound, arn));
    if (!function.ok()) return std::nullopt;
    return function->settings.timeout_seconds;
  };
  lookups.check_destination = [this](const std::string& arn) { return delivery.check(arn); };
  lookups.last_commit = [this] {
    return std::max({functions->last_commit(), queues->last_commit(), topics->last_commit()});
  };
  api_lambda::register_mapping_operations(*faces.back(), *engine, std::move(lookups));
  operations = std::make_unique<wire::Operations>(random, *committer);
  for (const auto& face : faces) operations->add(*face);
  resources::register_types(resource_types);
  for (const std::string& type : config.skipped_types) resource_types.skip(type);
  sam = std::make_unique<SamTransform>(config.sam_python, *loop);
  stacks = std::make_unique<stacks::Stacks>(
      stacks::Services{*store, *committer, *loop, random, *operations, resource_types,
                       [this](const Scope& scope, const std::string& bucket, const std::string& key) {
                         return read_object(scope, bucket, key, "");
                       },
                       sam.get()});
  faces.push_back(api_cloudformation::make_cloudformation_service(*stacks, *loop));
  for (const auto& face : faces) dispatcher->add(*face);
}

void Server::Impl::fill_parts() {
  parts.config = &config;
  parts.started = loop->monotonic_now();
  parts.loop = loop.get();
  parts.registry = &registry;
  parts.store = store.get();
  parts.backup = &backup;
  parts.committer = committer.get();
  parts.streams = streams.get();
  parts.tables = tables.get();
  parts.objects = objects.get();
  parts.queues = queues.get();
  parts.topics = topics.get();
  parts.identities = identities.get();
  parts.policies = policies.get();
  parts.roles = roles.get();
  parts.records = records.get();
  parts.sessions = sessions.get();
  parts.logs = logs.get();
  parts.metrics = metrics.get();
  parts.alarms = alarms.get();
  parts.traces = traces.get();
  parts.events = events.get();
  parts.processes = processes.get();
  parts.functions = functions.get();
  parts.engine = engine.get();
  parts.stacks = stacks.get();
  parts.jobs = &jobs;
  parts.dispatcher = dispatcher.get();
  parts.faults = &faults;
}

Result<void> Server::Impl::listen() {
  wire::DispatcherOptions dispatching;
  dispatching.allowed_hosts = config.hosts;
  if (!is_loopback(config.address)) dispatching.allowed_hosts.push_back(config.address);
  dispatcher = std::make_unique<wire::Dispatcher>(*loop, random, *committer, registry, dispatching);
  serve_faces();
  fill_parts();
  admin = std::make_unique<Admin>(parts);
  dispatcher->set_admin(*admin);
  dispatcher->set_faults(faults);
  dispatcher->set_observer([this](const wire::Finished& finished) {
    sources->observe(finished);
    trace_call(*recorder, finished);
    log_request(finished);
  });
  function_urls = std::make_unique<api_lambda::FunctionUrls>(*functions, *loop, random);
  dispatcher->set_function_urls(*function_urls);
  resource_answers = std::make_unique<api_cloudformation::ResourceAnswers>(*stacks);
  dispatcher->set_resource_answers(*resource_answers);
  elsewhere = std::make_unique<Elsewhere>(parts);
  dispatcher->set_not_found([this](const wire::NotFound& missing) { elsewhere->look(missing); });
  self_writes = std::make_unique<SelfWrites>(parts);
  parts.self_writes = self_writes.get();
  dispatcher->set_watch(*self_writes);
  dispatcher->set_access_keys([this](std::string_view key) -> std::optional<wire::KnownCaller> {
    auto known = sessions->principal_of(key);
    if (!known) return std::nullopt;
    return wire::KnownCaller{std::move(known->account), std::move(known->arn)};
  });
  http::ServerOptions serving;
  serving.address = config.address == "localhost" ? "127.0.0.1" : config.address;
  serving.port = config.port;
  serving.threads = static_cast<int>(config.threads);
  serving.limits.connections = config.connections;
  http = std::make_unique<http::Server>(serving, *dispatcher, *loop);
  MR_RETURN_IF_ERROR(http->bind());
  // Functions reach the server on loopback, whatever it listens on.
  const std::string port = std::to_string(http->port());
  const bool everywhere = config.address == "0.0.0.0" || config.address == "::";
  endpoint = "http://" + (everywhere ? std::string("127.0.0.1") : serving.address) + ":" + port;
  parts.endpoint = endpoint;
  functions->set_endpoint(endpoint);
  MR_RETURN_IF_ERROR(start_daemon(http->port()));
  functions->set_tracing(*recorder, "127.0.0.1:" + std::to_string(daemon->port()));
  operations->set_service_host(endpoint);
  stacks->set_endpoint(endpoint);
  MR_RETURN_IF_ERROR(stacks->load());
  // Nothing runs before the loop does, nobody is answered before everything runs.
  loop->start();
  running = true;
  objects->start();
  alarms->start();
  events->start();
  MR_RETURN_IF_ERROR(engine->start());
  sources->start();
  stacks->start();
  // What they handed to the loop has run when the first request is answered.
  const auto ran = std::make_shared<std::promise<void>>();
  loop->post([ran] { ran->set_value(); });
  ran->get_future().wait();
  return http->start();
}

// Deliveries first, while functions still reach the server; then requests; then what serves them.
void Server::Impl::stop(Milliseconds limit) {
  if (std::exchange(stopped, true)) return;
  if (loop == nullptr) return;
  const Deadline end = loop->monotonic_now() + limit;
  backup.stop();
  if (functions) functions->drain();
  if (running) {
    telemetry::log_info("app", "stopping: what is in flight may finish within " + format_duration(limit));
    const auto told = std::make_shared<std::promise<void>>();
    loop->when_idle([told](bool) { told->set_value(); }, loop->monotonic_now() + limit / 2);
    told->get_future().wait();
  }
  if (operations) operations->stop();
  if (stacks) stacks->stop();
  if (engine) engine->stop();
  if (http) http->stop(end);
  if (objects) objects->stop();
  if (processes) processes->stop();
  if (logs) logs->flush();
  if (metrics) metrics->flush();
  if (daemon) daemon->stop();
  if (traces) traces->flush();
  if (trace_export) trace_export->stop();
  loop->stop();
  if (committer) committer->stop();
}

Result<std::unique_ptr<Server>> Server::start(Config config, const std::string& command) {
  MR_RETURN_IF_ERROR(check_config(config));
  telemetry::set_log_level(level_of(config.log_level));
  auto impl = std::make_unique<Impl>(std::move(config));
  if (!is_loopback(impl->config.address))
    telemetry::log_warning("app", "listening on " + impl->config.address + " for anyone: credentials are not verified");
  std::unique_ptr<Server> server(new Server(std::move(impl)));
  MR_RETURN_IF_ERROR(server->impl_->open(command));
  MR_RETURN_IF_ERROR(server->impl_->load());
  MR_RETURN_IF_ERROR(server->impl_->listen());
  return server;
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Server::~Server() {
  impl_->stop(Milliseconds(0));
  const bool remove = impl_->config.ephemeral && impl_->directory != nullptr;
  const auto data = impl_->config.data;
  impl_.reset();
  std::error_code ignored;
  if (remove) std::filesystem::remove_all(data, ignored);
}

const std::string& Server::endpoint() const { return impl_->endpoint; }
const Config& Server::config() const { return impl_->config; }
void Server::stop(Milliseconds limit) { impl_->stop(limit); }

}  // namespace millrace::app
