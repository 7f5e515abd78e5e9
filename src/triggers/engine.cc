#include "triggers/engine.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include "telemetry/log.h"
#include "triggers/internal/runner.h"
#include "triggers/internal/shard.h"

namespace millrace::triggers {

using internal::Runner;
using internal::SavedShard;

namespace {

std::string mapping_key(std::string_view uuid) { return std::string(kMappingPrefix) + std::string(uuid); }

// "f" of arn:aws:lambda:REGION:ACCOUNT:function:f, "f:alias" with a qualifier.
std::string function_name(const std::string& arn) {
  const std::size_t at = arn.find(":function:");
  return at == std::string::npos ? arn : arn.substr(at + 10);
}

Error not_found() { return Error(kResourceNotFound, "The resource you requested does not exist."); }

}  // namespace

class Engine::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(const Resources& resources, const Ports& ports)
      : scheduler(resources.scheduler),
        random(resources.random),
        store(resources.store),
        commits(resources.commits),
        source(ports.source),
        gate(std::make_shared<internal::PoolGate>()),
        host{.scheduler = resources.scheduler,
             .random = resources.random,
             .registry = resources.registry,
             .source = ports.source,
             .invoker = ports.invoker,
             .settlement = ports.settlement,
             .gate = gate,
             .guarded = [this](std::uint64_t id, auto work) { return guarded(id, std::move(work)); }} {}

  std::function<void()> guarded(std::uint64_t id, std::function<void(Runner&)> work) {
    return entering([id, work = std::move(work)](Impl& impl) {
      const auto found = impl.runners.find(id);
      if (found != impl.runners.end()) work(*found->second);
    });
  }

  // A function that takes the mutex and calls `work`, unless the engine has stopped or is gone.
  std::function<void()> entering(std::function<void(Impl&)> work) {
    return [weak = weak_from_this(), work = std::move(work)] {
      const auto impl = weak.lock();
      if (!impl) return;
      const std::lock_guard lock(impl->mutex);
      if (!impl->stopped) work(*impl);
    };
  }

  Result<void> load();
  Result<void> load_totals();
  void start_all();
  void apply(const std::string& uuid);
  void write(const Mapping& mapping);
  Result<void> check_conflict(const Mapping& mapping) const;
  Mapping* find(const Scope& scope, std::string_view uuid);
  void erase(const std::string& uuid);

  platform::Scheduler& scheduler;
  platform::Random& random;
  storage::Store& store;
  storage::Commits& commits;
  EventSource& source;
  const std::shared_ptr<internal::PoolGate> gate;

  mutable std::mutex mutex;  // guards what follows
  internal::Host host;
  bool stopped = false;
  std::uint64_t last_runner = 0;
  storage::CommitNumber last_commit = 0;
  std::map<std::string, Mapping, std::less<>> mappings;
  std::map<std::string, std::uint64_t, std::less<>> runner_of;
  std::map<std::uint64_t, std::unique_ptr<Runner>> runners;
  std::map<std::string, std::map<std::uint64_t, SavedShard>> loaded;  // until start_all
  std::map<std::string, internal::SavedTotals> loaded_totals;         // the same
};

Result<void> Engine::Impl::load() {
  const std::lock_guard lock(mutex);
  const std::string prefix(kMappingPrefix);
  const auto it = store.iterate(storage::Family::kCatalogue, {prefix, storage::prefix_end(prefix)});
  for (it->seek(prefix); it->valid(); it->next()) {
    const std::string_view key = it->key();
    const std::size_t slash = key.find('/', prefix.size());
    if (slash == std::string_view::npos) {
      MR_ASSIGN_OR_RETURN(Mapping mapping, decode_mapping(it->value()));
      mappings[mapping.uuid] = std::move(mapping);
      continue;
    }
    const std::uint64_t shard = internal::shard_of_key(key);
    if (shard == 0) return Error(kInternalError, "the catalogue holds a key of event source mappings that is damaged");
    MR_ASSIGN_OR_RETURN(SavedShard saved, internal::decode_shard(it->value()));
    loaded[std::string(key.substr(prefix.size(), slash - prefix.size()))][shard] = std::move(saved);
  }
  MR_RETURN_IF_ERROR(it->status());
  return load_totals();
}

Result<void> Engine::Impl::load_totals() {
  const std::string prefix(internal::kTotalsPrefix);
  const auto it = store.iterate(storage::Family::kCatalogue, {prefix, storage::prefix_end(prefix)});
  for (it->seek(prefix); it->valid(); it->next()) {
    MR_ASSIGN_OR_RETURN(auto saved, internal::decode_totals(it->value()));
    loaded_totals[std::string(it->key().substr(prefix.size()))] = std::move(saved);
  }
  return it->status();
}

void Engine::Impl::start_all() {
  for (const auto& [uuid, mapping] : mappings) {
    if (runner_of.count(uuid) == 0) apply(uuid);
  }
  loaded.clear();
  loaded_totals.clear();
}

// Brings the runner in line with the catalogue.
void Engine::Impl::apply(const std::string& uuid) {
  const auto mapping = mappings.find(uuid);
  if (mapping == mappings.end()) return;
  const auto running = runner_of.find(uuid);
  if (running != runner_of.end()) return runners.at(running->second)->configure(mapping->second);
  const std::uint64_t id = ++last_runner;
  runner_of[uuid] = id;
  auto& runner = runners[id] =
      std::make_unique<Runner>(host, id, mapping->second, std::move(loaded[uuid]), std::move(loaded_totals[uuid]));
  loaded.erase(uuid);
  loaded_totals.erase(uuid);
  runner->start();
}

void Engine::Impl::write(const Mapping& mapping) {
  storage::WriteBatch batch;
  batch.put(storage::Family::kCatalogue, mapping_key(mapping.uuid), encode(mapping));
  // It takes effect once it is durable: no function sees an option that a power cut could take back.
  auto take_effect = entering([uuid = mapping.uuid](Impl& impl) { impl.apply(uuid); });
  last_commit = commits.submit(std::move(batch),
                               [scheduler = &scheduler, busy = std::make_shared<platform::Busy>(scheduler.busy()),
                                take_effect = std::move(take_effect)](const storage::Committed& committed) {
                                 if (committed.error == nullptr) scheduler->post(take_effect);
                                 busy->release();
                               });
}

Result<void> Engine::Impl::check_conflict(const Mapping& mapping) const {
  for (const auto& [uuid, other] : mappings) {
    if (uuid == mapping.uuid || other.stream_arn != mapping.stream_arn || other.function_arn != mapping.function_arn)
      continue;
    return Error(kResourceConflict, "The event source arn (\" " + mapping.stream_arn + " \") and function (\" " +
                                        function_name(mapping.function_arn) +
                                        " \") provided mapping already exists. Please update or delete the existing "
                                        "mapping with UUID " +
                                        uuid);
  }
  return {};
}

Mapping* Engine::Impl::find(const Scope& scope, std::string_view uuid) {
  const auto found = mappings.find(uuid);
  return found == mappings.end() || found->second.scope != scope ? nullptr : &found->second;
}

void Engine::Impl::erase(const std::string& uuid) {
  if (const auto running = runner_of.find(uuid); running != runner_of.end()) {
    runners.erase(running->second);
    runner_of.erase(running);
  }
  storage::WriteBatch batch;
  batch.erase(storage::Family::kCatalogue, mapping_key(uuid));
  const std::string positions = mapping_key(uuid) + "/";
  batch.erase_range(storage::Family::kCatalogue, positions, storage::prefix_end(positions));
  batch.erase(storage::Family::kCatalogue, internal::totals_key(uuid));
  const std::string history = history_range(uuid);
  batch.erase_range(storage::Family::kText, history, storage::prefix_end(history));
  last_commit = commits.submit(std::move(batch));
  mappings.erase(uuid);
}

Engine::Engine(const Resources& resources, const Ports& ports) : impl_(std::make_shared<Impl>(resources, ports)) {}

Engine::~Engine() { stop(); }

Result<void> Engine::start() {
  MR_RETURN_IF_ERROR(impl_->load());
  impl_->scheduler.post(impl_->entering([](Impl& impl) { impl.start_all(); }));
  return {};
}

void Engine::stop() {
  std::map<std::uint64_t, std::unique_ptr<Runner>> runners;
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopped = true;
    runners.swap(impl_->runners);
    impl_->runner_of.clear();
  }
  runners.clear();
  impl_->gate->close();
}

Result<Changed> Engine::create(Mapping mapping) {
  const std::lock_guard lock(impl_->mutex);
  mapping.uuid = impl_->random.uuid();
  mapping.last_modified = impl_->scheduler.now();
  MR_RETURN_IF_ERROR(impl_->check_conflict(mapping));
  mapping.start_after = mapping.starting_position == "LATEST" ? impl_->commits.next_stamp() - 1 : 0;
  impl_->mappings[mapping.uuid] = mapping;
  impl_->write(mapping);
  return Changed{std::move(mapping), impl_->last_commit};
}

std::optional<Mapping> Engine::find(const Scope& scope, std::string_view uuid) const {
  const std::lock_guard lock(impl_->mutex);
  const Mapping* found = impl_->find(scope, uuid);
  return found == nullptr ? std::nullopt : std::optional(*found);
}

std::vector<Mapping> Engine::list(const Scope& scope) const {
  const std::lock_guard lock(impl_->mutex);
  std::vector<Mapping> out;
  for (const auto& [uuid, mapping] : impl_->mappings) {
    if (mapping.scope == scope) out.push_back(mapping);
  }
  return out;
}

Result<Changed> Engine::update(const Scope& scope, std::string_view uuid,
                               const std::function<Result<void>(Mapping&)>& change) {
  const std::lock_guard lock(impl_->mutex);
  Mapping* found = impl_->find(scope, uuid);
  if (found == nullptr) return not_found();
  Mapping changed = *found;
  MR_RETURN_IF_ERROR(change(changed));
  MR_RETURN_IF_ERROR(impl_->check_conflict(changed));
  changed.last_modified = impl_->scheduler.now();
  *found = changed;
  impl_->write(changed);
  return Changed{std::move(changed), impl_->last_commit};
}

Result<Changed> Engine::remove(const Scope& scope, std::string_view uuid) {
  const std::lock_guard lock(impl_->mutex);
  const Mapping* found = impl_->find(scope, uuid);
  if (found == nullptr) return not_found();
  Changed out{*found, 0};
  impl_->erase(out.mapping.uuid);
  out.after = impl_->last_commit;
  return out;
}

Result<Changed> Engine::set_enabled(const Scope& scope, std::string_view uuid, bool enabled) {
  return update(scope, uuid, [enabled](Mapping& mapping) -> Result<void> {
    mapping.enabled = enabled;
    return {};
  });
}

void Engine::remove_all(const Scope& scope) {
  for (const Mapping& mapping : list(scope)) {
    // Gone meanwhile is as good.
    (void)remove(scope, mapping.uuid);
  }
}

std::string Engine::last_result(std::string_view uuid) const {
  const std::lock_guard lock(impl_->mutex);
  const auto running = impl_->runner_of.find(uuid);
  return running == impl_->runner_of.end() ? "No records processed" : impl_->runners.at(running->second)->last_result();
}

storage::CommitNumber Engine::last_commit() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->last_commit;
}

std::optional<Status> Engine::status(std::string_view uuid) const {
  std::optional<Status> out;
  {
    const std::lock_guard lock(impl_->mutex);
    const auto running = impl_->runner_of.find(uuid);
    if (running == impl_->runner_of.end()) return std::nullopt;
    out = impl_->runners.at(running->second)->status();
  }
  if (!impl_->gate->enter()) return out;
  for (ShardStatus& shard : out->shards) {
    const auto lowest =
        std::min_element(shard.lanes.begin(), shard.lanes.end(),
                         [](const LaneStatus& a, const LaneStatus& b) { return a.position < b.position; });
    if (lowest == shard.lanes.end() || lowest->waiting == Waiting::kShardEnd) continue;
    const Backlog backlog = impl_->source.backlog(out->mapping.stream_arn, shard.number, lowest->position);
    shard.backlog_records = backlog.records;
    shard.backlog_is_lower_bound = backlog.is_lower_bound;
    shard.oldest = backlog.oldest;
  }
  impl_->gate->leave();
  return out;
}

Result<std::vector<HistoryEntry>> Engine::history(std::string_view uuid, std::size_t limit) const {
  if (!impl_->gate->enter()) return Error(kUnavailable, "the server is stopping");
  auto out = read_history(impl_->store, uuid, limit);
  impl_->gate->leave();
  return out;
}

std::vector<Status> Engine::statuses() const {
  std::vector<std::string> uuids;
  {
    const std::lock_guard lock(impl_->mutex);
    for (const auto& [uuid, runner] : impl_->runner_of) uuids.push_back(uuid);
  }
  std::vector<Status> out;
  for (const std::string& uuid : uuids) {
    if (auto each = status(uuid)) out.push_back(std::move(*each));
  }
  return out;
}

}  // namespace millrace::triggers
