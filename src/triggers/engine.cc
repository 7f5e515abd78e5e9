#include "triggers/engine.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include "storage/scan.h"
#include "storage/service_commits.h"
#include "telemetry/log.h"
#include "triggers/event.h"
#include "triggers/internal/queue_runner.h"
#include "triggers/internal/runner.h"
#include "triggers/internal/sending.h"
#include "triggers/internal/shard.h"

namespace millrace::triggers {

using internal::QueueRunner;
using internal::Runner;
using internal::SavedShard;

namespace {

std::string mapping_key(std::string_view uuid) { return std::string(kMappingPrefix) + std::string(uuid); }

Result<void> read_mapping(std::string_view key, std::string_view value,
                          std::map<std::string, Mapping, std::less<>>& into) {
  auto mapping = decode_mapping(value);
  if (!mapping.ok() || mapping_key(mapping->uuid) != key) return storage::damaged("event source mapping", key);
  std::string uuid = mapping->uuid;
  into[std::move(uuid)] = *std::move(mapping);
  return {};
}

// "f" of arn:aws:lambda:REGION:ACCOUNT:function:f, "f:alias" with a qualifier.
std::string function_name(const std::string& arn) {
  const std::size_t at = arn.find(":function:");
  return at == std::string::npos ? arn : arn.substr(at + 10);
}

constexpr const char* kNotMade = "nothing was changed: the mapping has been deleted, or the server stops";

// Tells once, on the control thread and without the engine's mutex, what became of an intervention; at the latest when
// nobody holds it any more.
class Answer {
 public:
  Answer(platform::Scheduler& scheduler, Engine::InterventionDone done)
      : scheduler_(scheduler), done_(std::move(done)), busy_(scheduler.busy()) {}
  ~Answer() { tell(Error(kResourceNotFound, kNotMade)); }
  Answer(const Answer&) = delete;
  Answer& operator=(const Answer&) = delete;
  void tell(Result<void> result) {
    if (!done_) return;
    scheduler_.post([done = std::exchange(done_, nullptr), result = std::move(result)] { done(result); });
    busy_.release();
  }

 private:
  platform::Scheduler& scheduler_;
  Engine::InterventionDone done_;
  platform::Busy busy_;
};
using AnswerPointer = std::shared_ptr<Answer>;

Error not_found() { return Error(kResourceNotFound, "The resource you requested does not exist."); }

Error no_position() {
  return Error(kInvalidParameter,
               "the mapping's source is a queue, which has no positions: what failed comes again when its visibility "
               "ends, and what was done is deleted");
}

}  // namespace

class Engine::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(const Resources& resources, const Ports& ports)
      : scheduler(resources.scheduler),
        random(resources.random),
        store(resources.store),
        commits(resources.commits, "triggers"),
        source(ports.source),
        gate(std::make_shared<internal::PoolGate>()),
        host{.scheduler = resources.scheduler,
             .random = resources.random,
             .registry = resources.registry,
             .source = ports.source,
             .invoker = ports.invoker,
             .settlement = ports.settlement,
             .gate = gate,
             .may_write = [this] { return commits.may_write(storage::Commits::Purpose::kFrees); },
             .guarded = [this](std::uint64_t id, auto work) { return guarded(id, std::move(work)); }},
        queue_host{.scheduler = resources.scheduler,
                   .random = resources.random,
                   .registry = resources.registry,
                   .commits = resources.commits,
                   .source = ports.queues,
                   .invoker = ports.invoker,
                   .settlement = ports.settlement,
                   .gate = gate,
                   .may_write = host.may_write,
                   .guarded = [this](std::uint64_t id, std::function<void(QueueRunner&)> work) {
                     return entering([id, work = std::move(work)](Impl& impl) {
                       const auto found = impl.queue_runners.find(id);
                       if (found != impl.queue_runners.end()) work(*found->second);
                     });
                   }} {}

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
  // Makes the catalogue what the store holds. Runners follow what is durable anyway, and are paused by now.
  Result<void> restore();
  void resume();
  void start_all(const std::map<std::string, Mapping, std::less<>>& durable);
  void apply(const Mapping& mapping);
  void apply_queue(const Mapping& mapping);
  QueueRunner* queue_runner(std::string_view uuid);
  void fill_queue(Status& status) const;
  // Why there is no Runner of that UUID.
  Error no_runner(const Scope& scope, std::string_view uuid) {
    const Mapping* mapping = find(scope, uuid);
    return mapping != nullptr && is_queue_mapping(*mapping) ? no_position() : not_found();
  }
  // `take_effect` runs on the scheduler once the batch is durable.
  void submit(storage::WriteBatch batch, std::function<void()> take_effect);
  void write(const Mapping& mapping);
  Result<void> check_conflict(const Mapping& mapping) const;
  Mapping* find(const Scope& scope, std::string_view uuid);
  void erase(const std::string& uuid);
  // Decides about copies of a mapping and its positions; what it returns goes into the history.
  using Change = std::function<Result<HistoryEntry>(Mapping&, internal::Positions&)>;
  void intervene(const Scope& scope, const std::string& uuid, Change change, AnswerPointer answer);
  void carry_out(std::uint64_t id, const std::string& uuid, const Change& change, const AnswerPointer& answer);
  void replace(std::uint64_t id, const Mapping& mapping, internal::Positions positions);
  Runner* runner(const Scope& scope, std::string_view uuid);
  struct Trial;
  void try_batch(const Scope& scope, std::string_view uuid, std::shared_ptr<Trial> trial);
  void invoke_trial(const std::shared_ptr<Trial>& trial);
  void end_trial(Trial& trial);

  platform::Scheduler& scheduler;
  platform::Random& random;
  storage::Store& store;
  storage::ServiceCommits commits;
  EventSource& source;
  const std::shared_ptr<internal::PoolGate> gate;

  mutable std::mutex mutex;  // guards what follows
  internal::Host host;
  internal::QueueHost queue_host;
  bool stopped = false;
  std::uint64_t last_runner = 0;
  std::map<std::string, Mapping, std::less<>> mappings;
  std::map<std::string, std::uint64_t, std::less<>> runner_of;
  std::map<std::uint64_t, std::unique_ptr<Runner>> runners;
  std::map<std::string, std::uint64_t, std::less<>> queue_runner_of;
  std::map<std::uint64_t, std::unique_ptr<QueueRunner>> queue_runners;
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
      MR_RETURN_IF_ERROR(read_mapping(key, it->value(), mappings));
      continue;
    }
    const std::uint64_t shard = internal::shard_of_key(key);
    auto saved = internal::decode_shard(it->value());
    if (shard == 0 || !saved.ok()) return storage::damaged("position of an event source mapping", key);
    loaded[std::string(key.substr(prefix.size(), slash - prefix.size()))][shard] = *std::move(saved);
  }
  MR_RETURN_IF_ERROR(it->status());
  return load_totals();
}

Result<void> Engine::Impl::restore() {
  const std::lock_guard lock(mutex);
  std::map<std::string, Mapping, std::less<>> stored;
  const std::string prefix(kMappingPrefix);
  const auto it = store.iterate(storage::Family::kCatalogue, {prefix, storage::prefix_end(prefix)});
  for (it->seek(prefix); it->valid(); it->next()) {
    if (it->key().find('/', prefix.size()) != std::string_view::npos) continue;  // a position
    MR_RETURN_IF_ERROR(read_mapping(it->key(), it->value(), stored));
  }
  MR_RETURN_IF_ERROR(it->status());
  mappings = std::move(stored);
  return {};
}

void Engine::Impl::resume() {
  for (const auto& [id, runner] : runners) runner->resume();
  for (const auto& [id, runner] : queue_runners) runner->resume();
}

Result<void> Engine::Impl::load_totals() {
  const std::string prefix(internal::kTotalsPrefix);
  const auto it = store.iterate(storage::Family::kCatalogue, {prefix, storage::prefix_end(prefix)});
  for (it->seek(prefix); it->valid(); it->next()) {
    auto saved = internal::decode_totals(it->value());
    if (!saved.ok()) return storage::damaged("totals of an event source mapping", it->key());
    loaded_totals[std::string(it->key().substr(prefix.size()))] = *std::move(saved);
  }
  return it->status();
}

// `durable`: the mappings as they were loaded. What has been changed since takes effect with its own commit.
void Engine::Impl::start_all(const std::map<std::string, Mapping, std::less<>>& durable) {
  for (const auto& [uuid, mapping] : durable) {
    if (runner_of.count(uuid) == 0 && queue_runner_of.count(uuid) == 0) apply(mapping);
  }
  loaded.clear();
  loaded_totals.clear();
}

// Brings the runner in line with `mapping`, which is durable; what the catalogue holds by now may not be.
void Engine::Impl::apply(const Mapping& mapping) {
  const std::string& uuid = mapping.uuid;
  if (mappings.count(uuid) == 0) return;
  if (is_queue_mapping(mapping)) return apply_queue(mapping);
  const auto running = runner_of.find(uuid);
  if (running != runner_of.end()) return runners.at(running->second)->configure(mapping);
  const std::uint64_t id = ++last_runner;
  runner_of[uuid] = id;
  auto& runner = runners[id] =
      std::make_unique<Runner>(host, id, mapping, std::move(loaded[uuid]), std::move(loaded_totals[uuid]));
  loaded.erase(uuid);
  loaded_totals.erase(uuid);
  runner->start();
}

void Engine::Impl::apply_queue(const Mapping& mapping) {
  if (QueueRunner* running = queue_runner(mapping.uuid)) return running->configure(mapping);
  const std::uint64_t id = ++last_runner;
  queue_runner_of[mapping.uuid] = id;
  auto& runner = queue_runners[id] =
      std::make_unique<QueueRunner>(queue_host, id, mapping, std::move(loaded_totals[mapping.uuid]));
  loaded_totals.erase(mapping.uuid);
  runner->start();
}

QueueRunner* Engine::Impl::queue_runner(std::string_view uuid) {
  const auto found = queue_runner_of.find(uuid);
  return found == queue_runner_of.end() ? nullptr : queue_runners.at(found->second).get();
}

// What the queue itself says.
void Engine::Impl::fill_queue(Status& status) const {
  if (queue_host.source == nullptr) return;
  const auto facts = queue_host.source->facts(status.mapping.stream_arn);
  if (!facts) return;
  QueueStatus& queue = *status.queue;
  queue.exists = true;
  queue.ready = facts->ready;
  queue.delayed = facts->delayed;
  queue.in_flight = facts->in_flight;
  ShardStatus& shard = status.shards.front();
  shard.backlog_records = shard.lanes.front().backlog_records = facts->ready + facts->delayed + facts->in_flight;
  shard.oldest = shard.lanes.front().oldest = facts->oldest;
}

void Engine::Impl::submit(storage::WriteBatch batch, std::function<void()> take_effect) {
  commits.submit(std::move(batch), [scheduler = &scheduler, busy = std::make_shared<platform::Busy>(scheduler.busy()),
                                    take_effect = std::move(take_effect)](const storage::Committed& committed) {
    if (committed.error == nullptr) scheduler->post(take_effect);
    busy->release();
  });
}

void Engine::Impl::write(const Mapping& mapping) {
  storage::WriteBatch batch;
  batch.put(storage::Family::kCatalogue, mapping_key(mapping.uuid), encode(mapping));
  // It takes effect once it is durable: no function sees an option that a power cut could take back.
  submit(std::move(batch), entering([mapping](Impl& impl) { impl.apply(mapping); }));
}

Result<void> Engine::Impl::check_conflict(const Mapping& mapping) const {
  for (const auto& [uuid, other] : mappings) {
    if (uuid == mapping.uuid || other.stream_arn != mapping.stream_arn || other.function_arn != mapping.function_arn)
      continue;
    if (is_queue_mapping(mapping)) {
      return Error(kResourceConflict, "An event source mapping with SQS arn (\" " + mapping.stream_arn +
                                          " \") and function (\" " + function_name(mapping.function_arn) +
                                          " \") already exists. Please update or delete the existing mapping with "
                                          "UUID " +
                                          uuid);
    }
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
  if (const auto running = queue_runner_of.find(uuid); running != queue_runner_of.end()) {
    queue_runners.erase(running->second);
    queue_runner_of.erase(running);
  }
  storage::WriteBatch batch;
  batch.erase(storage::Family::kCatalogue, mapping_key(uuid));
  const std::string positions = mapping_key(uuid) + "/";
  batch.erase_range(storage::Family::kCatalogue, positions, storage::prefix_end(positions));
  batch.erase(storage::Family::kCatalogue, internal::totals_key(uuid));
  const std::string history = history_range(uuid);
  batch.erase_range(storage::Family::kText, history, storage::prefix_end(history));
  commits.submit(std::move(batch));
  mappings.erase(uuid);
}

Runner* Engine::Impl::runner(const Scope& scope, std::string_view uuid) {
  const auto running = runner_of.find(uuid);
  return find(scope, uuid) == nullptr || running == runner_of.end() ? nullptr : runners.at(running->second).get();
}

void Engine::Impl::intervene(const Scope& scope, const std::string& uuid, Change change, AnswerPointer answer) {
  Runner* held = runner(scope, uuid);
  if (held == nullptr) return answer->tell(no_runner(scope, uuid));
  if (held->is_held()) {
    return answer->tell(Error(kResourceInUse, "another change of this mapping waits for the invocation that runs"));
  }
  const std::uint64_t id = runner_of.find(uuid)->second;
  held->hold(entering([id, uuid, change = std::move(change), answer = std::move(answer)](Impl& impl) {
    impl.carry_out(id, uuid, change, answer);
  }));
}

// The runner is held, and nothing is in flight.
void Engine::Impl::carry_out(std::uint64_t id, const std::string& uuid, const Change& change,
                             const AnswerPointer& answer) {
  const auto held = runners.find(id);
  if (held == runners.end()) return;
  if (auto refused = commits.paused(storage::Commits::Purpose::kAdds)) {
    held->second->let_go();
    return answer->tell(*std::move(refused));
  }
  const Mapping before = mappings.at(uuid);
  Mapping mapping = before;
  internal::Positions positions = held->second->positions();
  auto entry = change(mapping, positions);
  if (!entry.ok()) {
    held->second->let_go();
    return answer->tell(entry.error());
  }
  held->second->retire();
  entry->time = scheduler.now();
  held->second->ledger().note(std::move(*entry));
  storage::WriteBatch batch;
  held->second->ledger().stage(batch);
  if (mapping != before) batch.put(storage::Family::kCatalogue, mapping_key(uuid), encode(mapping));
  // All of them: what has moved in memory only is decided upon, too.
  for (const auto& [number, saved] : positions) {
    batch.put(storage::Family::kCatalogue, internal::shard_key(uuid, number), internal::encode(saved));
  }
  mappings.at(uuid) = mapping;
  submit(std::move(batch), entering([id, mapping, positions = std::move(positions), answer](Impl& impl) {
           impl.replace(id, mapping, positions);
           answer->tell({});
         }));
}

// A runner that starts where a restart would: there is one way to begin, not two.
void Engine::Impl::replace(std::uint64_t id, const Mapping& mapping, internal::Positions positions) {
  const std::string& uuid = mapping.uuid;
  const auto old = runners.find(id);
  if (old == runners.end()) return;
  loaded[uuid] = std::move(positions);
  loaded_totals[uuid] = old->second->ledger().saved();
  runners.erase(old);
  runner_of.erase(uuid);
  apply(mapping);
}

// One try of a failing batch, from the read to the answer.
struct Engine::Impl::Trial {
  Trial(platform::Scheduler& scheduler, std::function<void(Result<Tried>)> done)
      : busy(scheduler.busy()), scheduler_(scheduler), done_(std::move(done)) {}
  ~Trial() { tell(Error(kResourceNotFound, kNotMade)); }
  void tell(Result<Tried> result) {
    if (!done_) return;
    scheduler_.post([done = std::exchange(done_, nullptr), result = std::move(result)] { done(result); });
  }

  platform::Busy busy;
  std::string function_arn;
  Mapping mapping;
  internal::FailingBatch batch;
  std::shared_ptr<internal::ReadJob> job;
  Tried tried;

 private:
  platform::Scheduler& scheduler_;
  std::function<void(Result<Tried>)> done_;
};

void Engine::Impl::try_batch(const Scope& scope, std::string_view uuid, std::shared_ptr<Trial> trial) {
  const Runner* of = runner(scope, uuid);
  if (of == nullptr) return trial->tell(no_runner(scope, uuid));
  const auto failing = of->failing_batch();
  if (!failing) return trial->tell(Error(kInvalidParameter, "no batch of this mapping is failing: nothing to try"));
  if (failing->is_running) {
    return trial->tell(Error(kResourceInUse, "the batch is being invoked right now; pause the mapping, or try again"));
  }
  trial->mapping = mappings.find(uuid)->second;
  if (trial->function_arn.empty()) trial->function_arn = trial->mapping.function_arn;
  trial->batch = *failing;
  trial->job = of->reader_of(*failing);
  scheduler.offload([job = trial->job] { job->run(); }, entering([trial](Impl& impl) { impl.invoke_trial(trial); }));
}

void Engine::Impl::invoke_trial(const std::shared_ptr<Trial>& trial) {
  if (trial->job->error) return trial->tell(*trial->job->error);
  std::deque<Record>& records = trial->job->arrived.records;
  while (!records.empty() && records.back().sequence > trial->batch.last) records.pop_back();
  const bool is_final = trial->batch.tumbling && trial->batch.after >= trial->batch.last;
  if (records.empty() && !is_final) {
    return trial->tell(
        Error(kInvalidParameter, "the records of the batch have left the stream, or no filter lets them pass"));
  }
  auto finish = [scheduler = &scheduler, trial,
                 end = entering([trial](Impl& impl) { impl.end_trial(*trial); })](InvokeResult result) {
    trial->tried.result = std::move(result);
    scheduler->post(end);
  };
  host.invoker.invoke({.function_arn = trial->function_arn,
                       .request_id = random.uuid(),
                       .mapping = trial->mapping.uuid,
                       .payload = render_event(Batch{.records = records, .tries = {}}, trial->batch.tumbling,
                                               trial->batch.shard.id, trial->mapping.stream_arn)},
                      std::move(finish));
}

void Engine::Impl::end_trial(Trial& trial) {
  const std::deque<Record>& records = trial.job->arrived.records;
  Tried& tried = trial.tried;
  tried.shard = trial.batch.shard.id;
  tried.lane = trial.batch.lane;
  if (!records.empty()) {
    tried.first = records.front().sequence;
    tried.last = records.back().sequence;
  }
  tried.records = records.size();
  tried.done = internal::done_of(tried.result, records, trial.mapping.report_failures);
  tried.ok =
      tried.done == tried.records && tried.result.function_error.empty() && tried.result.outcome == Outcome::kAnswered;
  if (trial.batch.tumbling && !returned_state(tried.result.payload)) {
    tried.ok = false;  // AWS: without a state all of it has failed
    tried.done = 0;
  }
  tried.tries = trial.batch.tries;
  if (Runner* of = runner(trial.mapping.scope, trial.mapping.uuid); of != nullptr) {
    HistoryEntry entry{.what = "try", .result = internal::result_word(tried.result, tried.done, tried.records)};
    if (!tried.ok && entry.result == "ok") entry.result = "failed";
    entry.time = scheduler.now();
    entry.shard = tried.shard;
    entry.lane = tried.lane;
    entry.first = tried.first;
    entry.last = tried.last;
    entry.records = tried.records;
    entry.done = tried.done;
    entry.duration = tried.result.duration;
    entry.request_id = tried.result.request_id;
    if (trial.function_arn != trial.mapping.function_arn) entry.function = function_name(trial.function_arn);
    entry.text = internal::failure_text(tried.result, tried.ok);
    of->ledger().note(std::move(entry));
    of->save_ledger();
  }
  trial.tell(tried);
}

Engine::Engine(const Resources& resources, const Ports& ports) : impl_(std::make_shared<Impl>(resources, ports)) {
  impl_->commits.set_restore([weak = std::weak_ptr(impl_)]() -> Result<void> {
    const auto impl = weak.lock();
    return impl ? impl->restore() : Result<void>();
  });
  impl_->commits.set_resume(resources.scheduler, impl_->entering([](Impl& impl) { impl.resume(); }));
}

Engine::~Engine() { stop(); }

Result<void> Engine::start() {
  MR_RETURN_IF_ERROR(impl_->load());
  impl_->scheduler.post(impl_->entering([durable = impl_->mappings](Impl& impl) { impl.start_all(durable); }));
  return {};
}

void Engine::stop() {
  std::map<std::uint64_t, std::unique_ptr<Runner>> runners;
  std::map<std::uint64_t, std::unique_ptr<QueueRunner>> queue_runners;
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopped = true;
    runners.swap(impl_->runners);
    impl_->runner_of.clear();
    queue_runners.swap(impl_->queue_runners);
    impl_->queue_runner_of.clear();
  }
  runners.clear();
  queue_runners.clear();
  impl_->gate->close();
}

Result<Changed> Engine::create(Mapping mapping) {
  const std::lock_guard lock(impl_->mutex);
  mapping.uuid = impl_->random.uuid();
  mapping.last_modified = impl_->scheduler.now();
  MR_RETURN_IF_ERROR(impl_->check_conflict(mapping));
  mapping.start_after = mapping.starting_position == "LATEST" ? impl_->commits.commits().next_stamp() - 1 : 0;
  impl_->mappings[mapping.uuid] = mapping;
  impl_->write(mapping);
  return Changed{std::move(mapping), impl_->commits.last()};
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
  return Changed{std::move(changed), impl_->commits.last()};
}

Result<Changed> Engine::change_tags(const Scope& scope, std::string_view uuid,
                                    const std::function<void(std::map<std::string, std::string>&)>& change) {
  const std::lock_guard lock(impl_->mutex);
  Mapping* found = impl_->find(scope, uuid);
  if (found == nullptr) return not_found();
  change(found->tags);
  impl_->write(*found);
  return Changed{*found, impl_->commits.last()};
}

Result<Changed> Engine::remove(const Scope& scope, std::string_view uuid) {
  const std::lock_guard lock(impl_->mutex);
  const Mapping* found = impl_->find(scope, uuid);
  if (found == nullptr) return not_found();
  Changed out{*found, 0};
  impl_->erase(out.mapping.uuid);
  out.after = impl_->commits.last();
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

void Engine::rewind(const Scope& scope, std::string_view uuid, SequenceNumber target, std::string said,
                    InterventionDone done) {
  auto change = [target, said = std::move(said)](Mapping& mapping, internal::Positions& positions) {
    HistoryEntry entry{.what = "rewind", .result = "rewound", .first = target, .text = "to " + said};
    entry.records = 0;
    return internal::rewind(mapping, positions, target) > 0
               ? Result<HistoryEntry>(std::move(entry))
               : Error(kInvalidParameter, "nothing to rewind: no shard has been settled beyond that");
  };
  auto answer = std::make_shared<Answer>(impl_->scheduler, std::move(done));
  impl_->scheduler.post(
      impl_->entering([scope, uuid = std::string(uuid), change = std::move(change),
                       answer = std::move(answer)](Impl& impl) { impl.intervene(scope, uuid, change, answer); }));
}

void Engine::skip(const Scope& scope, std::string_view uuid, SkippedRecord record, std::uint64_t key_hash,
                  std::string reason, InterventionDone done) {
  auto change = [record, key_hash, reason = std::move(reason), source = &impl_->source](
                    Mapping& mapping, internal::Positions& positions) -> Result<HistoryEntry> {
    MR_RETURN_IF_ERROR(internal::skip(mapping, positions, record, key_hash));
    HistoryEntry entry{.what = "skip", .result = "skipped", .first = record.sequence, .last = record.sequence};
    entry.records = 1;
    entry.text = reason;
    const auto info = source->describe(mapping.stream_arn);
    if (!info.ok()) return entry;
    for (const ShardInfo& shard : info->shards) {
      if (shard.number == record.shard) entry.shard = shard.id;
    }
    return entry;
  };
  auto answer = std::make_shared<Answer>(impl_->scheduler, std::move(done));
  impl_->scheduler.post(
      impl_->entering([scope, uuid = std::string(uuid), change = std::move(change),
                       answer = std::move(answer)](Impl& impl) { impl.intervene(scope, uuid, change, answer); }));
}

void Engine::try_batch(const Scope& scope, std::string_view uuid, std::string function_arn,
                       std::function<void(Result<Tried>)> done) {
  auto trial = std::make_shared<Impl::Trial>(impl_->scheduler, std::move(done));
  trial->function_arn = std::move(function_arn);
  impl_->scheduler.post(impl_->entering(
      [scope, uuid = std::string(uuid), trial = std::move(trial)](Impl& impl) { impl.try_batch(scope, uuid, trial); }));
}

Result<std::deque<Record>> Engine::read_failed_batch(const Mapping& mapping, const Failure& failure) const {
  if (!impl_->gate->enter()) return Error(kUnavailable, "the server is stopping");
  auto out = triggers::read_failed_batch(impl_->source, mapping, failure);
  impl_->gate->leave();
  return out;
}

SenderTools Engine::sender_tools(const Scope& scope, std::string_view uuid) {
  auto note = [weak = impl_->weak_from_this(), scope, uuid = std::string(uuid)](HistoryEntry entry) {
    const auto impl = weak.lock();
    if (!impl) return;
    const std::lock_guard lock(impl->mutex);
    Runner* runner = impl->runner(scope, uuid);
    if (runner == nullptr) return;
    entry.time = impl->scheduler.now();
    runner->ledger().note(std::move(entry));
    runner->save_ledger();
  };
  return {impl_->scheduler, impl_->random, impl_->host.invoker, std::move(note)};
}

Result<std::shared_ptr<Replay>> Engine::replay(const Scope& scope, std::string_view uuid, ReplayRequest request) {
  const auto mapping = find(scope, uuid);
  if (!mapping) return not_found();
  if (is_queue_mapping(*mapping)) return no_position();
  request.mapping = *mapping;
  auto replay = std::make_shared<Replay>(sender_tools(scope, uuid), impl_->source, impl_->gate, std::move(request));
  replay->start();
  return replay;
}

std::string Engine::last_result(std::string_view uuid) const {
  const std::lock_guard lock(impl_->mutex);
  if (const QueueRunner* queue = impl_->queue_runner(uuid)) return queue->last_result();
  const auto running = impl_->runner_of.find(uuid);
  return running == impl_->runner_of.end() ? "No records processed" : impl_->runners.at(running->second)->last_result();
}

storage::CommitNumber Engine::last_commit() const { return impl_->commits.last(); }

std::optional<Status> Engine::status(std::string_view uuid) const {
  std::optional<Status> out;
  {
    const std::lock_guard lock(impl_->mutex);
    if (const QueueRunner* queue = impl_->queue_runner(uuid)) out = queue->status();
    const auto running = impl_->runner_of.find(uuid);
    if (running == impl_->runner_of.end() && !out) return std::nullopt;
    if (!out) out = impl_->runners.at(running->second)->status();
  }
  if (!impl_->gate->enter()) return out;
  if (out->queue) {
    impl_->fill_queue(*out);
    impl_->gate->leave();
    return out;
  }
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
    for (const auto& [uuid, runner] : impl_->queue_runner_of) uuids.push_back(uuid);
  }
  std::vector<Status> out;
  for (const std::string& uuid : uuids) {
    if (auto each = status(uuid)) out.push_back(std::move(*each));
  }
  return out;
}

}  // namespace millrace::triggers
