// Indexes that are created and deleted while the table is in use.
//
// From the commit that creates it, every write keeps the index (plan.cc), and a walk over the items that were there
// gives each its entry, under the item's latch, unless a writer has done so since. Who has is known from the entry
// itself, or from the pending value of a write that knew of the index; so counters are exact. A stop in the middle is
// harmless: the walk begins again and skips what has its entry. At most kIndexChunk entries wait for one sync, then the
// walk waits too: foreground writes share every group, and none waits for more than one chunk.
#include "storage/no_blocking.h"
#include "tables/errors.h"
#include "tables/internal/engine.h"
#include "telemetry/log.h"

namespace millrace::tables {

using internal::Pending;
using internal::Stripes;
using internal::Table;
using internal::TablePtr;
using storage::CommitNumber;
using storage::Family;
using storage::WriteBatch;

namespace {

constexpr std::size_t kIndexChunk = 200;

const Index* find_building(const TableInfo& info, std::uint16_t number) {
  for (const Index& index : info.indexes) {
    if (index.number == number && index.building) return &index;
  }
  return nullptr;
}

}  // namespace

struct Tables::Engine::IndexChunk {
  std::uint16_t index = 0;
  std::string from;
  bool done = false;      // nothing is left, or nobody wants it any more
  bool vanished = false;  // the index or its table was deleted meanwhile
  CommitNumber last_commit = 0;
  std::optional<Error> error;
};

Result<bool> Tables::Engine::is_indexed(const Table& table, const Index& index, const std::string& item_key,
                                        const StoredItem& item) {
  if (const std::optional<Pending> pending = stripes_.find(item_key)) return pending->token > table.building_token;
  const std::optional<std::string> key = index_key(*table.info, index, item.item());
  if (!key) return false;
  MR_ASSIGN_OR_RETURN(const std::optional<std::string> entry, store_.get(Family::kItems, *key));
  return entry.has_value();
}

// One chunk, once `after` is durable; then the next.
void Tables::Engine::build_index(TableId id, std::uint16_t index, std::string from, CommitNumber after) {
  auto busy = std::make_shared<platform::Busy>(scheduler_.busy());
  commits_.when_durable(after, [weak = weak_from_this(), id, index, from = std::move(from), busy](const Error* error) {
    const auto engine = weak.lock();
    if (engine == nullptr || error != nullptr) return;
    engine->scheduler_.post([weak, id, index, from, busy] {
      if (const auto same = weak.lock()) same->go_on_with_index(id, index, from);
    });
  });
}

// On the control thread.
void Tables::Engine::go_on_with_index(TableId id, std::uint16_t index, const std::string& from) {
  if (waits_to_write([id, index, from](Engine& engine) { engine.go_on_with_index(id, index, from); })) return;
  struct State {
    std::shared_ptr<Engine> engine;
    IndexChunk chunk;
    platform::Busy busy;
  };
  auto state = std::make_shared<State>();
  state->engine = shared_from_this();
  state->busy = platform::Busy(scheduler_.busy());
  state->chunk.index = index;
  state->chunk.from = from;
  const auto done = [state, id] {
    IndexChunk& chunk = state->chunk;
    if (chunk.error) {
      return telemetry::log_error("tables",
                                  "building an index stopped until the next start: " + chunk.error->message());
    }
    if (chunk.vanished || state->engine->stopped_) return;
    if (!chunk.done) return state->engine->build_index(id, chunk.index, chunk.from, chunk.last_commit);
    state->engine->commits_.when_durable(chunk.last_commit, [state, id](const Error* error) {
      if (error != nullptr) return;
      state->engine->scheduler_.post([state, id] { state->engine->finish_index_soon(id, state->chunk.index); });
    });
  };
  scheduler_.offload([state, id] { state->engine->index_chunk(id, state->chunk); }, done);
}

void Tables::Engine::index_chunk(TableId id, IndexChunk& chunk) {
  const TablePtr table = find(id);
  if (table == nullptr || stopped_) {
    chunk.vanished = true;
    return;
  }
  const std::string prefix = item_prefix(id, 0);
  auto items = store_.iterate(Family::kItems, {prefix, storage::prefix_end(prefix), true});
  items->seek(chunk.from.empty() ? prefix : chunk.from);
  for (std::size_t i = 0; items->valid() && !chunk.vanished; items->next(), ++i) {
    if (i == kIndexChunk) {
      chunk.from = items->key();
      return;
    }
    const auto indexed = storage::read_ahead(store_, [&] { return index_one(table, items->key(), chunk); });
    if (!indexed.ok()) {
      chunk.error = indexed.error();
      return;
    }
  }
  if (const auto status = items->status(); !status.ok()) chunk.error = status.error();
  chunk.done = true;
}

Result<void> Tables::Engine::index_one(const TablePtr& table, std::string_view item_key, IndexChunk& chunk) {
  const std::string key(item_key);
  const std::shared_lock table_lock(table->lock);
  const Index* index = table->deleted ? nullptr : find_building(*table->info, chunk.index);
  if (index == nullptr) {
    chunk.vanished = true;
    return {};
  }
  const Stripes::Latch latch(stripes_, {Stripes::stripe_of(key)});
  MR_ASSIGN_OR_RETURN(const Before before, find_before(*table->info, key));
  if (!before.item.exists()) return {};  // nor has one that cannot be read an entry
  MR_ASSIGN_OR_RETURN(const bool indexed, is_indexed(*table, *index, key, before.item));
  if (indexed) return {};
  WriteBatch batch;
  if (!append_index_entry(*table->info, *index, before.item, batch)) return {};
  // Pending like a write of the item: who writes it next knows that it has its entry.
  const std::uint64_t token = last_token_.fetch_add(1, std::memory_order_relaxed) + 1;
  stripes_.enter(key, before.item.shared(), token);
  chunk.last_commit = commits_.submit(std::move(batch), [weak = weak_from_this(), key, token](const auto&) {
    if (const auto engine = weak.lock()) engine->stripes_.settle(key, token);
  });
  stripes_.set_commit(key, token, chunk.last_commit);
  return {};
}

// On the control thread.
void Tables::Engine::finish_index_soon(TableId id, std::uint16_t number) {
  if (waits_to_write([id, number](Engine& engine) { engine.finish_index_soon(id, number); })) return;
  scheduler_.offload([self = shared_from_this(), id, number] { self->finish_index(id, number); }, [] {});
}

// Everything is in it and durable: it can be read.
void Tables::Engine::finish_index(TableId id, std::uint16_t number) {
  const TablePtr table = find(id);
  if (table == nullptr || stopped_) return;
  const std::unique_lock lock(table->lock);
  if (table->deleted || find_building(*table->info, number) == nullptr) return;
  TableInfo info = *table->info;
  for (Index& index : info.indexes) {
    if (index.number == number) index.building = false;
  }
  put_info(*table, std::move(info), {});
}

void Tables::Engine::resume_indexes() {
  std::vector<std::pair<TableId, std::uint16_t>> interrupted;
  {
    const std::shared_lock lock(mutex_);
    for (const auto& [id, table] : by_id_) {
      for (const Index& index : table->info->indexes) {
        if (index.building) interrupted.emplace_back(id, index.number);
      }
    }
  }
  for (const auto& [id, index] : interrupted) build_index(id, index, "", 0);
}

// What an index that is gone leaves nothing of.
void Tables::Engine::drop_indexes(const TableInfo& before, const TableInfo& after, WriteBatch& batch) {
  for (const Index& index : before.indexes) {
    if (after.find_index(index.name) != nullptr) continue;
    const std::string entries = item_prefix(before.id, index.number);
    batch.erase_range(Family::kItems, entries, storage::prefix_end(entries));
    for (const char what : {'i', 'b'}) batch.erase(Family::kCatalogue, count_key(before.id, index.number, what));
  }
}

void Tables::Engine::reclaim_index(TableId id, std::uint16_t index, CommitNumber commit) {
  commits_.when_durable(commit, [weak = weak_from_this(), id, index](const Error* error) {
    const auto engine = weak.lock();
    if (engine == nullptr || error != nullptr) return;
    const auto work = [engine, id, index] {
      const std::string entries = item_prefix(id, index);
      engine->store_.reclaim(Family::kItems, entries, storage::prefix_end(entries));
    };
    engine->scheduler_.post([engine, work] { engine->scheduler_.offload(work, [] {}); });
  });
}

}  // namespace millrace::tables
