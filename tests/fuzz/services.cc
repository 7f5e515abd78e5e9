// Services started from a store that holds anything. The input is a list of entries, each: the family's digit, the key,
// the byte 1f, the value, the byte 1e. A service refuses to start with an error, or starts, works, and what it has
// written by then it can start from again.
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "app/upgrade.h"
#include "delivery/delivery.h"
#include "events/service.h"
#include "functions/check.h"
#include "functions/service.h"
#include "iam/identities.h"
#include "iam/managed_policies.h"
#include "iam/roles.h"
#include "iam/sessions.h"
#include "logs/service.h"
#include "metrics/alarms.h"
#include "metrics/store.h"
#include "model/json.h"
#include "platform/random.h"
#include "records/records.h"
#include "s3/check.h"
#include "s3/internal/memory_blob_store.h"
#include "s3/object_store.h"
#include "sns/service.h"
#include "sqs/check.h"
#include "sqs/service.h"
#include "stacks/stacks.h"
#include "storage/memory/memory_store.h"
#include "storage/rocks/data_directory.h"
#include "storage/scan.h"
#include "storage/stamping.h"
#include "streams/check.h"
#include "streams/streams.h"
#include "tables/check.h"
#include "tables/damage.h"
#include "tables/keys.h"
#include "tables/tables.h"
#include "targets.h"
#include "telemetry/metrics.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"
#include "traces/store.h"
#include "triggers/check.h"
#include "triggers/engine.h"
#include "wire/operations.h"

namespace millrace::fuzzing {
namespace {

constexpr char kKeyEnd = '\x1f';
constexpr char kEntryEnd = '\x1e';
constexpr int kTimers = 6;  // that run after a start

const Scope kScope{"000000000000", "us-east-1"};

storage::WriteBatch entries_of(std::string_view input) {
  storage::WriteBatch batch;
  while (!input.empty()) {
    const std::size_t end = std::min(input.find(kEntryEnd), input.size());
    const std::string_view entry = input.substr(0, end);
    input.remove_prefix(std::min(end + 1, input.size()));
    const std::size_t key_end = entry.find(kKeyEnd);
    if (key_end == std::string_view::npos || key_end < 2 || entry[0] < '0' || entry[0] > '5') continue;
    batch.put(static_cast<storage::Family>(entry[0] - '0'), entry.substr(1, key_end - 1), entry.substr(key_end + 1));
  }
  return batch;
}

// One life of a server's parts on a store.
struct World {
  explicit World(storage::Store& kept) : store(kept), commits(kept, scheduler) {}
  storage::Store& store;
  testing::VirtualScheduler scheduler{from_unix_ms(1'795'381'200'000)};  // just after the seeds were written
  testing::TestCommits commits;
  platform::SeededRandom random{1};
  telemetry::Registry registry;
  delivery::Delivery delivery;

  void work() {
    scheduler.run_ready();
    for (int i = 0; i < kTimers && scheduler.run_next_timer(); ++i) scheduler.run_ready();
  }
};

// Starts with `start` (which gives a Result<void>), works, and starts once more.
template <typename Start>
void lives(std::string_view input, Start start) {
  storage::MemoryStore store;
  require(store.write(entries_of(input), storage::Store::Sync::kSynced).ok(), "entries can be written");
  if (!storage::load_head(store).ok()) return;  // no server starts
  for (int life = 0; life < 2; ++life) {
    World world(store);
    const Result<void> started = start(world);
    require(started.ok() || !started.error().message().empty(), "an error says something");
    require(started.ok() || life == 0, "what a server wrote it can start from");
    if (!started.ok()) return;
  }
}

void ignore(const std::string&) {}

// Asks for each item that lies in the store, by the key it lies under, and writes it.
void use_items(World& world, tables::Tables& tables, const std::string& name) {
  const auto info = tables.info(kScope, name);
  if (!info.ok()) return;
  std::vector<model::Item> keys;
  const std::string prefix = tables::item_prefix((*info)->id, 0);
  const auto found =
      storage::for_each(world.store, storage::Family::kItems, prefix, [&](auto key, auto) -> Result<void> {
        const auto text = codec::parse_json(tables::key_text(**info, nullptr, key.substr(prefix.size())));
        if (!text.ok() || !text->is_object()) return {};  // no such key
        if (auto item = model::read_item(*text); item.ok()) keys.push_back(*std::move(item));
        return {};
      });
  require(found.ok(), "items can be read");
  for (const model::Item& key : keys) {
    (void)tables.get(kScope, name, key);
    (void)tables.damaged(kScope, name, key);
    tables::WriteRequest request;
    request.item = key;
    request.return_old_on_failure = true;
    for (const auto kind : {tables::WriteKind::kCheck, tables::WriteKind::kUpdate, tables::WriteKind::kPut}) {
      request.kind = kind;
      (void)tables.write(kScope, name, request);
    }
    (void)tables.transact(kScope, {{name, request}}, std::nullopt);
  }
  if (keys.empty()) return;
  tables::WriteRequest request;
  request.kind = tables::WriteKind::kDelete;
  request.item = keys.front();
  (void)tables.write(kScope, name, request);
}

void start_tables(std::string_view input) {
  lives(input, [](World& world) -> Result<void> {
    (void)tables::check_tables(world.store, ignore, [](std::uint64_t) {});
    (void)streams::check_log(world.store, {ignore, [](const auto&, auto, const auto&) {}});
    MR_ASSIGN_OR_RETURN(const auto streams,
                        streams::Streams::load(world.store, world.commits, world.scheduler, world.random));
    MR_ASSIGN_OR_RETURN(const auto tables,
                        tables::Tables::load(world.store, world.commits, *streams, world.scheduler, world.random));
    for (const streams::Stream& stream : streams->list(kScope)) {
      for (const streams::Shard& shard : stream.shards) (void)streams->read(shard.number, 0, {});
    }
    for (const std::string& name : tables->list(kScope, "", 10).names) {
      (void)tables->describe(kScope, name);
      tables::ScanRequest request;
      request.limit = 2;
      (void)tables->scan(kScope, name, request);
      request.all_attributes = true;
      for (const tables::Index& index : (*tables->info(kScope, name))->indexes) {
        request.index = index.name;
        (void)tables->scan(kScope, name, request);
      }
    }
    world.work();
    for (const std::string& name : tables->list(kScope, "", 10).names) use_items(world, *tables, name);
    world.work();
    return {};
  });
}

void start_queues(std::string_view input) {
  lives(input, [](World& world) -> Result<void> {
    (void)sqs::check_queues(world.store, ignore);
    sqs::Service queues(world.store, world.commits, world.scheduler, world.random);
    MR_RETURN_IF_ERROR(queues.load());
    for (const sqs::QueueName& name : queues.all_queues()) {
      (void)queues.peek(name, 3);
      (void)queues.take_batch(name, 3, 1000);
      (void)queues.get_attributes(name, {"All"});
    }
    world.work();
    return {};
  });
}

void start_topics(std::string_view input) {
  lives(input, [](World& world) -> Result<void> {
    sns::Service topics({world.store, world.commits, world.scheduler, world.random, world.registry, world.delivery});
    MR_RETURN_IF_ERROR(topics.load());
    for (const auto& topic : topics.all_topics()) {
      sns::Outgoing message;
      message.body = "{\"a\":1}";
      (void)topics.publish(topic->name, message);
    }
    world.work();
    return {};
  });
}

void read_some(s3::ObjectContent& content) {
  const auto bytes = std::min<std::uint64_t>(content.bytes(), 100);
  (void)content.read(content.bytes() - bytes, bytes);
  (void)content.read(0, bytes);
}

void start_objects(std::string_view input) {
  lives(input, [](World& world) -> Result<void> {
    s3::internal::MemoryBlobStore blobs;
    (void)s3::check_objects(world.store, blobs, ignore, [](std::uint64_t) {});
    s3::ObjectStore objects(world.scheduler, world.random, world.store, world.commits, blobs);
    objects.notify_through(world.delivery);
    MR_RETURN_IF_ERROR(objects.load());
    objects.start();
    for (const s3::BucketPointer& bucket : objects.buckets(kScope.account)) {
      s3::ListRequest request;
      const auto page = objects.list_objects(kScope.account, bucket->name, request);
      (void)objects.list_uploads(kScope.account, bucket->name);
      if (!page.ok()) continue;
      for (const auto& object : page->objects) {
        const auto opened = objects.open_object(kScope.account, bucket->name, object.key);
        if (opened.ok()) read_some(*opened->content);
      }
    }
    world.work();
    return {};
  });
}

class NoRuntimes final : public runtimes::RuntimeFactory {
  class Silent final : public runtimes::Runtime {
    void invoke(runtimes::Invocation, std::function<void(runtimes::Outcome)>) override {}
    void stop() override {}
  };
  std::shared_ptr<runtimes::Runtime> create(runtimes::FunctionSpec) override { return std::make_shared<Silent>(); }
  std::string describe(std::string_view) override { return ""; }
};

void start_functions(std::string_view input) {
  lives(input, [](World& world) -> Result<void> {
    const std::filesystem::path folder = "/nonexistent/functions";
    (void)functions::check_functions(world.store, folder, ignore);
    NoRuntimes runtimes;
    functions::Options options;
    options.folder = folder;
    functions::Functions functions(
        {world.store, world.commits, world.scheduler, world.random, world.registry, world.delivery, runtimes}, options);
    MR_RETURN_IF_ERROR(functions.load());
    for (const functions::Function& each : functions.list_all()) {
      (void)functions.versions(each.name);
      (void)functions.aliases(each.name);
      (void)functions.policy({each.name, ""});
      (void)functions.urls(each.name);
    }
    world.work();
    return {};
  });
}

void start_identities(std::string_view input) {
  lives(input, [](World& world) -> Result<void> {
    iam::Roles roles(world.store, world.commits, world.scheduler, world.random);
    MR_RETURN_IF_ERROR(roles.load());
    iam::ManagedPolicies policies(world.store, world.commits, world.scheduler, world.random);
    MR_RETURN_IF_ERROR(policies.load());
    iam::Identities identities(world.store, world.commits, world.scheduler, world.random);
    MR_RETURN_IF_ERROR(identities.load());
    iam::Sessions sessions(world.store, world.commits, world.scheduler, world.random, roles);
    sessions.know(identities);
    MR_RETURN_IF_ERROR(sessions.load());
    world.work();
    return {};
  });
}

void start_logs(std::string_view input) {
  lives(input, [](World& world) -> Result<void> {
    logs::Service logs(world.store, world.commits, world.scheduler);
    MR_RETURN_IF_ERROR(logs.load());
    const auto groups = logs.list_groups(
        kScope, [](const auto&) { return true; }, 5, "");
    if (groups.ok()) {
      for (const logs::GroupInfo& group : groups->items) {
        (void)logs.list_streams(group.name, {});
        (void)logs.filter_events(group.name, {}, {}, {});
      }
    }
    world.work();
    logs.flush();
    world.work();
    return {};
  });
}

Result<std::vector<metrics::Query>> some_query(const Scope& scope, const codec::Json& definition) {
  metrics::Query query;
  query.id = "m1";
  query.metric = metrics::MetricId{scope, "AWS/S", std::string(definition.string_or("MetricName", "m")), {}};
  query.statistic = "Sum";
  query.period = Seconds(60);
  std::vector<metrics::Query> queries{query};
  MR_RETURN_IF_ERROR(metrics::check_queries(queries));
  return queries;
}

void start_metrics(std::string_view input) {
  lives(input, [](World& world) -> Result<void> {
    metrics::Store metrics(world.store, world.commits, world.scheduler);
    MR_RETURN_IF_ERROR(metrics.load());
    metrics::Alarms alarms({world.store, world.commits, world.scheduler, world.delivery, metrics});
    MR_RETURN_IF_ERROR(alarms.load(some_query));
    alarms.start();
    const Time now = world.scheduler.now();
    for (const auto& id : metrics.list(kScope, Time{}, [](const auto&) { return true; })) {
      (void)metrics.fetch({id, std::nullopt, now - std::chrono::hours(30), now, Seconds(60)});
    }
    (void)alarms.history(kScope, std::nullopt);
    world.work();
    metrics.flush();
    world.work();
    return {};
  });
}

void start_traces(std::string_view input) {
  lives(input, [](World& world) -> Result<void> {
    traces::Store traces(world.store, world.commits, world.scheduler);
    MR_RETURN_IF_ERROR(traces.load());
    for (const auto& id : traces.list(kScope, traces::RangeType::kTraceId, Time{}, kNever, 9)) {
      (void)traces.find(kScope, id);
    }
    world.work();
    traces.flush();
    return {};
  });
}

void start_events(std::string_view input) {
  lives(input, [](World& world) -> Result<void> {
    events::Events events({world.store, world.commits, world.scheduler, world.random, world.delivery});
    MR_RETURN_IF_ERROR(events.load());
    records::Records records(world.store, world.commits);
    MR_RETURN_IF_ERROR(records.load());
    events.start();
    world.work();
    events.publish(kScope, {codec::Json::object({{"source", "a"}, {"detail", codec::Json::object({{"x", 1}})}})});
    world.work();
    return {};
  });
}

class NoCalls final : public wire::Calls {
  Result<wire::Document> call(std::string_view, std::string_view, const wire::Caller&, wire::Document) override {
    return Error(storage::kStorageFailed, "nothing is served here");
  }
};

void start_stacks(std::string_view input) {
  lives(input, [](World& world) -> Result<void> {
    NoCalls calls;
    const stacks::TypeRegistry types;
    stacks::Stacks stacks({world.store, world.commits, world.scheduler, world.random, calls, types, {}, nullptr});
    MR_RETURN_IF_ERROR(stacks.load());
    const wire::Caller caller;
    const auto listed = stacks.describe(caller, wire::Document::object());
    (void)stacks.list(caller, wire::Document::object());
    (void)stacks.list_exports(caller, wire::Document::object());
    if (!listed.ok() || listed->find("Stacks") == nullptr) return {};
    for (const wire::Document& each : listed->find("Stacks")->as_array()) {
      wire::Document named = wire::Document::object({{"StackName", each.string_or("StackName", "")}});
      (void)stacks.describe_events(caller, named);
      (void)stacks.describe_resources(caller, named);
      (void)stacks.get_template(caller, named);
    }
    return {};
  });
}

class NoSource final : public triggers::EventSource {
  Result<triggers::StreamInfo> describe(const std::string&) override {
    return triggers::StreamInfo{{{"shardId-00000000000000000001-00000001", 1, 0, 0}}, std::chrono::hours(24)};
  }
  Result<triggers::Page> read(const triggers::ReadRequest& request) override {
    triggers::Page page;
    page.read_to = request.after;
    page.at_tail = true;
    return page;
  }
  triggers::Backlog backlog(const std::string&, std::uint64_t, triggers::SequenceNumber) override { return {}; }
  triggers::Subscription subscribe(const std::string&, std::function<void(std::uint64_t)>) override { return nullptr; }
};
class NoInvoker final : public triggers::Invoker {
  void invoke(triggers::InvokeRequest, std::function<void(triggers::InvokeResult)>) override {}
};
class PlainSettlement final : public triggers::Settlement {
 public:
  explicit PlainSettlement(storage::Commits& commits) : commits_(commits) {}
  Result<void> settle(storage::WriteBatch batch, const triggers::Letter&) override {
    commits_.submit(std::move(batch));
    return {};
  }

 private:
  storage::Commits& commits_;
};

void start_mappings(std::string_view input) {
  lives(input, [](World& world) -> Result<void> {
    (void)triggers::check_mappings(world.store, ignore);
    NoSource source;
    NoInvoker invoker;
    PlainSettlement settlement(world.commits);
    triggers::Engine engine({world.scheduler, world.random, world.registry, world.store, world.commits},
                            {source, invoker, settlement});
    MR_RETURN_IF_ERROR(engine.start());
    world.work();
    for (const triggers::Mapping& mapping : engine.list(kScope)) {
      (void)triggers::read_history(world.store, mapping.uuid, 5);
    }
    engine.stop();
    world.scheduler.run_ready();
    return {};
  });
}

std::vector<std::string> contents(const storage::Store& store) {
  std::vector<std::string> all;
  for (int family = 0; family < storage::kFamilyCount; ++family) {
    const auto it = store.iterate(static_cast<storage::Family>(family), {});
    for (it->seek(""); it->valid(); it->next()) {
      all.push_back(std::to_string(family) + std::string(it->key()) + kKeyEnd + std::string(it->value()));
    }
  }
  return all;
}

// A directory that the first version wrote. Again, as after a stop before the new format was noted: nothing changes.
void upgrade(std::string_view input) {
  storage::MemoryStore store;
  require(store.write(entries_of(input), storage::Store::Sync::kSynced).ok(), "entries can be written");
  const auto upgraded = [&] {
    scratch_file("{\"format\":1}", "millrace.json");
    const auto directory = storage::DataDirectory::look(scratch_folder().string());
    require(directory.ok() && (*directory)->format() == 1, "a directory of the first version");
    const Result<void> done = app::upgrade(**directory, store);
    require(done.ok() == ((*directory)->format() == storage::kDataFormat), "a format is noted when it is reached");
    return done.ok();
  };
  if (!upgraded()) return;
  const std::vector<std::string> once = contents(store);
  require(upgraded() && contents(store) == once, "an upgrade may run again");
}

}  // namespace

Targets service_targets() {
  return {{"start_tables", start_tables},
          {"start_queues", start_queues},
          {"start_topics", start_topics},
          {"start_objects", start_objects},
          {"start_functions", start_functions},
          {"start_identities", start_identities},
          {"start_logs", start_logs},
          {"start_metrics", start_metrics},
          {"start_traces", start_traces},
          {"start_events", start_events},
          {"start_stacks", start_stacks},
          {"start_mappings", start_mappings},
          {"upgrade", upgrade}};
}

}  // namespace millrace::fuzzing
