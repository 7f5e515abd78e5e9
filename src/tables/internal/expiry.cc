// Time to live: settings, the entries of items that were there before, and the sweeper.
#include "tables/expiry.h"

#include "storage/no_blocking.h"
#include "tables/errors.h"
#include "tables/internal/engine.h"
#include "telemetry/log.h"

namespace millrace::tables {

using internal::Planned;
using internal::Stripes;
using internal::TablePtr;
using internal::Target;
using storage::CommitNumber;
using storage::Family;
using storage::WriteBatch;

namespace {

// False: nothing more to say. AWS: contents are checked before the cool-down (spec 5.1).
Result<void> edit_ttl(TableInfo& info, std::string_view attribute, bool enabled, Time now, bool cool_down) {
  TimeToLive& ttl = info.ttl;
  if (ttl.enabled && ttl.attribute != attribute) {
    return invalid("TimeToLive is active on a different AttributeName: current AttributeName is " + ttl.attribute);
  }
  if (ttl.enabled == enabled)
    return invalid(enabled ? "TimeToLive is already enabled" : "TimeToLive is already disabled");
  if (cool_down && ttl.changed != Time{} && now < ttl.changed + kTtlCoolDown) {
    return invalid("Time to live has been modified multiple times within a fixed interval");
  }
  ttl = {std::string(attribute), enabled, false, now};
  return {};
}

}  // namespace

// One pass over the entries that are due.
struct Tables::Engine::Sweep {
  Time now{};
  std::int64_t floor = 0;
  bool more = false;              // the chunk ended before the due entries did
  std::int64_t next = INT64_MAX;  // the first entry that is not due yet
  CommitNumber last_commit = 0;
  std::optional<Error> error;
};

Result<CommitNumber> Tables::Engine::set_ttl(const Scope& scope, std::string_view name, std::string_view attribute,
                                             bool enabled) {
  TableId id;
  const auto edit = [&](TableInfo& info) -> Result<bool> {
    MR_RETURN_IF_ERROR(edit_ttl(info, attribute, enabled, scheduler_.now(), options_.aws_timing));
    id = info.id;
    return true;
  };
  MR_ASSIGN_OR_RETURN(const CommitNumber commit, change(scope, name, edit));
  if (!enabled) return commit;
  // Writes that were planned before TTL was on are durable once `commit` is: only then does the walk see all of them.
  auto busy = std::make_shared<platform::Busy>(scheduler_.busy());
  commits_.when_durable(commit, [weak = weak_from_this(), id, busy](const Error* error) {
    const auto engine = weak.lock();
    if (engine == nullptr || error != nullptr) return;
    engine->scheduler_.post([weak, id] {
      if (const auto same = weak.lock()) same->fill_expiry(id, "");
    });
  });
  return commit;
}

// --- items that were there before ---------------------------------------------------------------------------------

void Tables::Engine::fill_expiry(TableId id, std::string from) {
  if (waits_to_write([id, from](Engine& engine) { engine.fill_expiry(id, from); })) return;
  struct State {
    std::shared_ptr<Engine> engine;
    std::optional<std::string> next;
    CommitNumber last = 0;
    platform::Busy busy;
  };
  auto state = std::make_shared<State>();
  state->engine = shared_from_this();
  state->busy = platform::Busy(scheduler_.busy());
  const auto work = [state, id, from = std::move(from)] {
    const TablePtr table = state->engine->find(id);
    if (table != nullptr) state->next = state->engine->fill_chunk(table, from, state->last);
  };
  // Foreground writes share every group; none waits for more than one chunk.
  const auto done = [state, id] {
    if (!state->next || state->engine->stopped_) return;
    state->engine->commits_.when_durable(state->last, [state, id](const Error* error) {
      if (error != nullptr) return;
      state->engine->scheduler_.post([state, id] { state->engine->fill_expiry(id, *state->next); });
    });
  };
  scheduler_.offload(work, done);
}

// Gives a chunk of items their entries; the key to go on from, nullopt at the end (or when TTL is off again).
std::optional<std::string> Tables::Engine::fill_chunk(const TablePtr& table, const std::string& from,
                                                      CommitNumber& last) {
  std::shared_ptr<const TableInfo> info;
  {
    const std::shared_lock lock(table->lock);
    info = table->info;
    if (table->deleted || stopped_ || !info->ttl.enabled || info->ttl.filled) return std::nullopt;
  }
  // Not filled, hence taken up again at the next start.
  const auto stop = [&](const Error& error) -> std::optional<std::string> {
    telemetry::log_error("tables", "items of table " + info->name +
                                       " do not get their expiry before the next start: " + error.message());
    return std::nullopt;
  };
  const std::string prefix = item_prefix(table->id, 0);
  auto items = store_.iterate(Family::kItems, {prefix, storage::prefix_end(prefix), true});
  items->seek(from.empty() ? prefix : from);
  for (std::size_t i = 0; items->valid(); items->next(), ++i) {
    if (i == kFillChunk) return std::string(items->key());
    if (!expiry_of(*info, StoredItem(std::string(items->value())))) continue;
    const auto filled = storage::read_ahead(store_, [&] { return fill_one(table, items->key(), last); });
    if (!filled.ok()) return stop(filled.error());
  }
  if (const auto status = items->status(); !status.ok()) return stop(status.error());
  const auto finish = [](TableInfo& edited) -> Result<bool> {
    if (!edited.ttl.enabled) return false;
    edited.ttl.filled = true;
    return true;
  };
  if (const auto done = change(info->scope, info->name, finish); !done.ok()) {
    telemetry::log_debug("tables", "table " + info->name + " was deleted while its items got their expiry entries");
  }
  return std::nullopt;
}

Result<void> Tables::Engine::fill_one(const TablePtr& table, std::string_view item_key, CommitNumber& last) {
  const std::string key(item_key);
  const std::shared_lock table_lock(table->lock);
  const Stripes::Latch latch(stripes_, {Stripes::stripe_of(key)});
  if (table->deleted) return {};
  MR_ASSIGN_OR_RETURN(const Before before, find_before(*table->info, key));
  const auto expiry = expiry_of(*table->info, before.item);
  if (!expiry) return {};
  WriteBatch batch;
  batch.put(Family::kQueue, expiry_key({*expiry, table->id, key.substr(kItemPrefixBytes)}), "");
  // Busy until the sweeper knows of it: whoever waits for idleness then finds what was due already gone.
  auto busy = std::make_shared<platform::Busy>(scheduler_.busy());
  const auto done = [weak = weak_from_this(), busy, at = *expiry](const storage::Committed& committed) {
    const auto engine = weak.lock();
    if (engine != nullptr && committed.error == nullptr) engine->expiry_added(at);
  };
  last = commits_.submit(std::move(batch), done);
  return {};
}

// --- the sweeper ----------------------------------------------------------------------------------------------------

void Tables::Engine::start_sweeper() {
  std::vector<TableId> unfilled;
  {
    const std::shared_lock lock(mutex_);
    for (const auto& [id, table] : by_id_) {
      if (table->info->ttl.enabled && !table->info->ttl.filled) unfilled.push_back(id);
    }
  }
  for (const TableId id : unfilled) fill_expiry(id, "");
  const std::lock_guard lock(sweep_mutex_);
  arm(0);  // the first pass finds out what there is
}

void Tables::Engine::stop_sweeper() {
  platform::Timer timer;  // ends outside of the lock
  const std::lock_guard lock(sweep_mutex_);
  stopped_ = true;
  timer = std::move(timer_);
}

Time Tables::Engine::next_expiry() const {
  const std::int64_t at = wake_at_.load();
  return at == INT64_MAX ? kNever : from_unix_ms(at * 1000);
}

// REQUIRES: sweep_mutex_ is held.
void Tables::Engine::arm(std::int64_t seconds) {
  wake_at_.store(seconds);
  if (stopped_ || seconds == INT64_MAX) return;
  timer_ = scheduler_.at(from_unix_ms(seconds * 1000), [weak = weak_from_this()] {
    if (const auto engine = weak.lock()) engine->sweep();
  });
}

void Tables::Engine::expiry_added(std::int64_t seconds) {
  const std::lock_guard lock(sweep_mutex_);
  lowered_to_ = std::min(lowered_to_, seconds);
  sweep_floor_ = std::min(sweep_floor_, seconds);
  if (!sweeping_ && seconds < wake_at_.load()) arm(seconds);
}

// Whatever was due while nothing could be written.
void Tables::Engine::resume_sweeper() {
  const std::lock_guard lock(sweep_mutex_);
  if (!sweeping_) arm(wake_at_.load());
}

void Tables::Engine::sweep() {
  struct State {
    std::shared_ptr<Engine> engine;
    Sweep sweep;
    platform::Busy busy;
  };
  if (!catalogue_commits_.may_write(storage::Commits::Purpose::kFrees)) return;
  auto state = std::make_shared<State>();
  {
    const std::lock_guard lock(sweep_mutex_);
    if (stopped_ || sweeping_) return;
    sweeping_ = true;
    lowered_to_ = INT64_MAX;
    state->sweep.now = scheduler_.now();
    state->sweep.floor = sweep_floor_;
  }
  state->engine = shared_from_this();
  state->busy = platform::Busy(scheduler_.busy());
  const auto work = [state] { state->engine->sweep_on_pool(state->sweep); };
  const auto done = [state] {
    // Busy until the deletes are durable: whoever moves the clock then finds them in the streams.
    Engine& engine = *state->engine;
    engine.commits_.when_durable(state->sweep.last_commit, [state](const Error*) {
      state->engine->scheduler_.post([state] { state->engine->finish_sweep(state->sweep); });
    });
  };
  scheduler_.offload(work, done);
}

void Tables::Engine::sweep_on_pool(Sweep& sweep) {
  const std::int64_t now = to_unix_s(sweep.now);
  const std::int64_t oldest = now - kExpiryHorizon.count();
  const std::string prefix(kExpiryPrefix);
  auto entries = store_.iterate(Family::kQueue, {prefix, storage::prefix_end(prefix), true});
  entries->seek(expiry_bound(std::max<std::int64_t>({sweep.floor, oldest, 0})));
  std::size_t count = 0;
  for (; entries->valid(); entries->next()) {
    const std::optional<ExpiryEntry> entry = read_expiry_key(entries->key());
    if (!entry) continue;
    sweep.floor = entry->seconds;
    if (entry->seconds > now) {
      sweep.next = entry->seconds;
      break;
    }
    if (count++ == kSweepChunk) {
      sweep.more = true;
      break;
    }
    const auto expired = storage::read_ahead(store_, [&] { return expire_one(*entry, entries->key(), sweep); });
    if (!expired.ok()) {
      sweep.error = expired.error();
      break;
    }
  }
  if (const Result<void> status = entries->status(); !status.ok()) sweep.error = status.error();
  if (!entries->valid() && !sweep.error) sweep.floor = now;
}

Result<void> Tables::Engine::expire_one(const ExpiryEntry& entry, std::string_view key, Sweep& sweep) {
  const auto drop = [&]() -> Result<void> {  // the entry speaks of nothing that is there
    WriteBatch batch;
    batch.erase(Family::kQueue, key);
    sweep.last_commit = commits_.submit(std::move(batch));
    return {};
  };
  const TablePtr table = find(entry.table);
  if (table == nullptr) return drop();
  const std::shared_lock table_lock(table->lock);
  if (table->deleted) return drop();
  Target target;
  target.table = table;
  target.info = table->info;
  target.key_bytes = entry.key_bytes;
  target.item_key = item_key(table->id, entry.key_bytes);
  const Stripes::Latch latch(stripes_, {Stripes::stripe_of(target.item_key)});
  MR_ASSIGN_OR_RETURN(Before before, find_before(*target.info, target.item_key));
  // One that cannot be read stays; without its entry no later pass comes to it again.
  if (before.damage) return drop();
  if (expiry_of(*target.info, before.item) != entry.seconds) return drop();
  std::vector<Planned> planned(1);
  planned[0] = {&target, std::move(before.item), StoredItem()};
  MR_ASSIGN_OR_RETURN(sweep.last_commit, submit(planned, model::ChangeOrigin::kTimeToLive));
  return {};
}

void Tables::Engine::finish_sweep(const Sweep& sweep) {
  const std::lock_guard lock(sweep_mutex_);
  sweeping_ = false;
  sweep_floor_ = std::min(sweep.floor, lowered_to_);
  if (sweep.error) {
    telemetry::log_error("tables", "expired items cannot be deleted: " + sweep.error->message());
    return arm(to_unix_s(sweep.now) + 60);
  }
  arm(std::min(sweep.more ? to_unix_s(sweep.now) : sweep.next, lowered_to_));
}

}  // namespace millrace::tables
