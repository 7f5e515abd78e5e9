// The catalogue: tables by name, their records, counters and streams.
#include <algorithm>
#include <set>

#include "codec/json.h"
#include "codec/key.h"
#include "storage/scan.h"
#include "tables/errors.h"
#include "tables/internal/engine.h"

namespace millrace::tables {

using internal::Readable;
using internal::Table;
using internal::TablePtr;
using storage::CommitNumber;
using storage::Family;
using storage::WriteBatch;

namespace {

Error table_not_found(std::string_view name) {
  return Error(kResourceNotFound, "Requested resource not found: Table: " + std::string(name) + " not found");
}

Error in_use(std::string_view what, std::string_view name) {
  return Error(kResourceInUse, "Attempt to change a resource which is still in use: Table is being " +
                                   std::string(what) + ": " + std::string(name));
}

// Valid until the thread's next call.
const std::string& readable_key(const Scope& scope, std::string_view name) {
  thread_local std::string key;
  key.assign(scope.account).append(1, '\0').append(scope.region).append(1, '\0').append(name);
  return key;
}

// What a deleted table leaves nothing of. Expiry entries are found and dropped by the sweeper.
void erase_everything(const TableInfo& info, WriteBatch& batch) {
  batch.erase(Family::kCatalogue, table_key(info.id));
  const std::string items = codec::KeyWriter().be32(info.id.value()).str();
  batch.erase_range(Family::kItems, items, storage::prefix_end(items));
  const std::string counters = count_prefix(info.id);
  batch.erase_range(Family::kCatalogue, counters, storage::prefix_end(counters));
}

}  // namespace

Result<Tables::Engine::Stored> Tables::Engine::read_stored() const {
  Stored stored;
  MR_ASSIGN_OR_RETURN(const std::optional<std::string> next, store_.get(Family::kCatalogue, kNextIdKey));
  if (next) {
    const auto number = codec::KeyReader(*next).be32();
    // A number that was given out before would show another table's items.
    if (!number || next->size() != 4) return storage::damaged("number", kNextIdKey);
    stored.next_id = *number;
  }
  const std::string prefix(kTablePrefix);
  auto records = store_.iterate(Family::kCatalogue, {prefix, storage::prefix_end(prefix)});
  for (records->seek(prefix); records->valid(); records->next()) {
    auto read = from_catalogue(records->value());
    if (!read.ok() || table_key(read->id) != records->key()) return storage::damaged("table", records->key());
    TableInfo info = *std::move(read);
    stored.next_id = std::max(stored.next_id, info.id.value() + 1);
    stored.tables.emplace(info.id, std::move(info));
  }
  MR_RETURN_IF_ERROR(records->status());
  return stored;
}

Result<void> Tables::Engine::load() {
  MR_RETURN_IF_ERROR(restore());
  const std::string tokens(kTokenPrefix);
  auto entries = store_.iterate(Family::kQueue, {tokens, storage::prefix_end(tokens)});
  for (entries->seek(tokens); entries->valid(); entries->next()) {
    const Result<codec::Json> record = codec::parse_json(entries->value());
    if (!record.ok()) return storage::damaged("token of a transaction", entries->key());
    const Time created = from_unix_ms(record->int_or("created", 0));
    tokens_[std::string(entries->key())] = {static_cast<std::uint64_t>(record->int_or("hash", 0)), created, 0};
    token_order_.emplace_back(created, entries->key());
  }
  std::sort(token_order_.begin(), token_order_.end());
  return entries->status();
}

// On the committer's thread after a refused commit: nothing is written any more. What a stopped change has left in its
// table goes with the table; who still holds it submits what is refused, too.
Result<void> Tables::Engine::restore() {
  MR_ASSIGN_OR_RETURN(Stored stored, read_stored());
  std::vector<std::pair<std::string, std::shared_ptr<const Readable>>> readable;
  const std::unique_lock lock(mutex_);
  std::set<std::string> gone;
  for (const auto& [key, table] : tables_) gone.insert(readable_key(key.first, key.second));
  for (const auto& [key, commit] : removed_) gone.insert(readable_key(key.first, key.second));
  const auto before = std::exchange(by_id_, {});
  tables_.clear();
  removed_.clear();
  for (auto& [id, info] : stored.tables) {
    auto table = std::make_shared<Table>(std::make_shared<const TableInfo>(std::move(info)));
    if (const auto known = before.find(id); known != before.end()) {
      table->active_from = known->second->active_from;
      const std::shared_lock table_lock(known->second->lock);
      table->updating_until = known->second->updating_until;
    }
    const Key key(table->info->scope, table->info->name);
    std::string name = readable_key(key.first, key.second);
    gone.erase(name);
    readable.emplace_back(std::move(name), std::make_shared<const Readable>(Readable{table->info, table->active_from}));
    leaving_.erase(key);
    tables_[key] = table;
    by_id_[id] = table;
  }
  next_id_ = std::max(next_id_, stored.next_id);
  readable_.set_all(std::move(readable));
  for (const std::string& key : gone) readable_.erase(key);
  return {};
}

void Tables::Engine::watch_commits() {
  catalogue_commits_.set_restore([weak = weak_from_this()]() -> Result<void> {
    const auto engine = weak.lock();
    return engine == nullptr ? Result<void>() : engine->restore();
  });
  catalogue_commits_.set_resume(scheduler_, [weak = weak_from_this()] {
    if (const auto engine = weak.lock()) engine->resume_sweeper();
  });
}

bool Tables::Engine::waits_to_write(std::function<void(Engine&)> then) {
  constexpr auto kPurpose = storage::Commits::Purpose::kAdds;
  if (!commits_.refusal(kPurpose)) return false;
  commits_.when_accepting(kPurpose, [weak = weak_from_this(), then = std::move(then)] {
    const auto engine = weak.lock();
    if (engine == nullptr) return;
    engine->scheduler_.post([weak, then] {
      if (const auto same = weak.lock()) then(*same);
    });
  });
  return true;
}

Result<TablePtr> Tables::Engine::find(const Scope& scope, std::string_view name) const {
  MR_ASSIGN_OR_RETURN(TablePtr table, find_in_catalogue(scope, name));
  if (options_.aws_timing && scheduler_.now() < table->active_from) {
    return Error(kResourceNotFound, "Requested resource not found");
  }
  return table;
}

Result<TablePtr> Tables::Engine::find_in_catalogue(const Scope& scope, std::string_view name) const {
  const std::shared_lock lock(mutex_);
  const auto it = tables_.find(KeyView{scope, name});
  // AWS: item operations do not name the table; the operations on tables do.
  if (it == tables_.end()) return Error(kResourceNotFound, "Requested resource not found");
  return it->second;
}

std::optional<Description> Tables::Engine::find_leaving(const Scope& scope, std::string_view name) const {
  const std::shared_lock lock(mutex_);
  const auto it = leaving_.find(KeyView{scope, name});
  if (it == leaving_.end() || it->second.until <= scheduler_.now()) return std::nullopt;
  return it->second.description;
}

TableStatus Tables::Engine::status_locked(const Table& table) const {
  if (!options_.aws_timing) return TableStatus::kActive;
  const Time now = scheduler_.now();
  if (now < table.active_from) return TableStatus::kCreating;
  return now < table.updating_until ? TableStatus::kUpdating : TableStatus::kActive;
}

Result<void> Tables::Engine::check_active(const Table& table) const {
  const TableStatus status = status_locked(table);
  if (status == TableStatus::kActive) return {};
  return in_use(status == TableStatus::kCreating ? "created" : "updated", table.info->name);
}

TablePtr Tables::Engine::find(TableId id) const {
  const std::shared_lock lock(mutex_);
  const auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : it->second;
}

Result<std::shared_ptr<const TableInfo>> Tables::Engine::info(const Scope& scope, std::string_view name) const {
  MR_ASSIGN_OR_RETURN(const TablePtr table, find(scope, name));
  const std::shared_lock lock(table->lock);
  return table->info;
}

// Of durable state only: a table whose creation is pending is not there yet, and one whose deletion is pending still
// is.
Result<std::shared_ptr<const TableInfo>> Tables::Engine::readable(const Scope& scope, std::string_view name) const {
  const std::shared_ptr<const Readable> found = readable_.find(readable_key(scope, name));
  if (found == nullptr || (options_.aws_timing && scheduler_.now() < found->active_from)) {
    return Error(kResourceNotFound, "Requested resource not found");
  }
  return std::shared_ptr<const TableInfo>(found, found->info.get());  // counted with what this thread found
}

std::function<void(Tables::Engine&)> Tables::Engine::show(const Table& table) const {
  return [shown = std::make_shared<const Readable>(Readable{table.info, table.active_from})](Engine& engine) {
    engine.readable_.set(readable_key(shown->info->scope, shown->info->name), shown);
  };
}

CommitNumber Tables::Engine::submit_catalogue(WriteBatch batch, std::function<void(Engine&)> done) {
  auto committed = [weak = weak_from_this(), done = std::move(done)](const storage::Committed& outcome) {
    const auto engine = weak.lock();
    if (engine != nullptr && outcome.error == nullptr && done) done(*engine);
  };
  return catalogue_commits_.submit(std::move(batch), std::move(committed));
}

// REQUIRES: the table's lock is held exclusively.
CommitNumber Tables::Engine::put_info(Table& table, TableInfo info, WriteBatch batch) {
  batch.put(Family::kCatalogue, table_key(table.id), to_catalogue(info));
  table.info = std::make_shared<const TableInfo>(std::move(info));
  table.changed = submit_catalogue(std::move(batch), show(table));
  return table.changed;
}

void Tables::Engine::open_stream(TableInfo& info, model::ViewType view, WriteBatch& batch) {
  streams::OpenRequest request;
  request.scope = info.scope;
  request.table_name = info.name;
  request.table_id = info.uuid;
  request.view = view;
  request.key_schema = info.keys;
  request.shard_count = options_.stream_shards;
  const streams::Opened opened = streams_.open(request, batch);
  info.stream = TableStream{opened.id.value(), opened.arn, opened.label, view, true};
}

Result<TableCounts> Tables::Engine::counts(TableId id, std::uint16_t index) const {
  const auto read = [&](char what) -> Result<std::int64_t> {
    const std::string key = count_key(id, index, what);
    MR_ASSIGN_OR_RETURN(const auto value, store_.get(Family::kCatalogue, key));
    if (!value) return std::int64_t{0};
    const auto count = codec::KeyReader(*value).be64();
    if (!count || value->size() != 8) return storage::damaged("counter of a table", key);
    return static_cast<std::int64_t>(*count);
  };
  TableCounts counts;
  MR_ASSIGN_OR_RETURN(counts.items, read('i'));
  MR_ASSIGN_OR_RETURN(counts.bytes, read('b'));
  return counts;
}

Result<Tables::Engine::CountsByIndex> Tables::Engine::all_counts(const TableInfo& info) const {
  CountsByIndex all;
  MR_ASSIGN_OR_RETURN(all[0], counts(info.id, 0));
  for (const Index& index : info.indexes) {
    MR_ASSIGN_OR_RETURN(all[index.number], counts(info.id, index.number));
  }
  return all;
}

// Counters know what a table has, the store knows about how much any range takes as it is stored: a partition has as
// much of the one as of the other, so that compression does not matter.
Result<std::int64_t> Tables::Engine::collection_gib(const TableInfo& info,
                                                    const model::AttributeValue& partition) const {
  constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;
  std::vector<std::pair<std::uint16_t, double>> parts;
  const auto add = [&](std::uint16_t index) -> Result<void> {
    MR_ASSIGN_OR_RETURN(const TableCounts held, counts(info.id, index));
    parts.emplace_back(index, static_cast<double>(held.bytes));
    return {};
  };
  MR_RETURN_IF_ERROR(add(0));
  for (const Index& index : info.indexes) {
    if (index.kind == Index::Kind::kLocal) MR_RETURN_IF_ERROR(add(index.number));
  }
  double all = 0;
  for (const auto& [_, bytes] : parts) all += bytes;
  if (all < kGiB) return std::int64_t{0};  // no partition has more than the table
  const auto stored = [&](const std::string& prefix) {
    return static_cast<double>(store_.approximate_bytes(Family::kItems, prefix, storage::prefix_end(prefix)));
  };
  double here = 0;
  for (const auto& [number, bytes] : parts) {
    const std::string prefix = item_prefix(info.id, number);
    const double whole = stored(prefix);
    if (whole > 0) here += bytes * std::min(1.0, stored(prefix + model::key_bytes(partition, nullptr)) / whole);
  }
  return static_cast<std::int64_t>(here / kGiB);
}

Description Tables::Engine::describe_locked(const Table& table, const CountsByIndex& counts) const {
  const auto held = [&](std::uint16_t index) {
    const auto found = counts.find(index);
    return found == counts.end() ? TableCounts() : found->second;
  };
  Description description;
  description.info = table.info;
  description.status = status_locked(table);
  description.counts = held(0);
  for (const Index& index : table.info->indexes) description.index_counts.push_back(held(index.number));
  description.after = table.changed;
  return description;
}

Result<Description> Tables::Engine::create(const Scope& scope, const CreateRequest& request) {
  MR_ASSIGN_OR_RETURN(TableInfo info, make_table(scope, request));
  const std::unique_lock lock(mutex_);
  const auto leaving = leaving_.find(KeyView{scope, request.name});
  const bool is_leaving = leaving != leaving_.end() && scheduler_.now() < leaving->second.until;
  if (is_leaving || tables_.contains(KeyView{scope, request.name})) {
    return Error(kResourceInUse, "Table already exists: " + request.name);
  }
  if (leaving != leaving_.end()) leaving_.erase(leaving);
  WriteBatch batch;
  info.id = TableId(next_id_++);
  info.uuid = random_.uuid();
  info.created = scheduler_.now();
  if (info.billing == BillingMode::kPayPerRequest) info.pay_per_request_since = info.created;
  batch.put(Family::kCatalogue, kNextIdKey, codec::KeyWriter().be32(next_id_).str());
  if (request.stream && request.stream->enabled) open_stream(info, *request.stream->view, batch);
  batch.put(Family::kCatalogue, table_key(info.id), to_catalogue(info));
  auto table = std::make_shared<Table>(std::make_shared<const TableInfo>(std::move(info)));
  if (options_.aws_timing) table->active_from = table->info->created + kCreatingTime;
  tables_[{scope, request.name}] = table;
  by_id_[table->id] = table;
  const std::unique_lock table_lock(table->lock);
  table->created = table->changed = submit_catalogue(std::move(batch), show(*table));
  return describe_locked(*table, {});
}

Result<Description> Tables::Engine::describe(const Scope& scope, std::string_view name) const {
  const Result<TablePtr> table = find_in_catalogue(scope, name);
  if (!table.ok()) {
    if (auto leaving = find_leaving(scope, name)) return *std::move(leaving);
    return table_not_found(name);
  }
  MR_ASSIGN_OR_RETURN(const CountsByIndex counts, counts_before(**table));
  const std::shared_lock lock((*table)->lock);
  return describe_locked(**table, counts);
}

// Read before the table's lock is taken for more: others wait for it.
Result<Tables::Engine::CountsByIndex> Tables::Engine::counts_before(Table& table) const {
  std::shared_ptr<const TableInfo> info;
  {
    const std::shared_lock lock(table.lock);
    info = table.info;
  }
  return all_counts(*info);
}

Tables::Listing Tables::Engine::list(const Scope& scope, std::string_view start, std::size_t limit) const {
  const std::shared_lock lock(mutex_);
  const Time now = scheduler_.now();
  const CommitNumber durable = commits_.durable();
  std::set<std::string_view> names;
  const auto collect = [&](const auto& from, const auto& is_there) {
    for (auto it = from.upper_bound(KeyView{scope, start}); it != from.end() && it->first.first == scope; ++it) {
      if (is_there(it->second)) names.insert(it->first.second);
    }
  };
  collect(tables_, [&](const TablePtr& table) { return table->created <= durable; });
  collect(removed_, [&](CommitNumber commit) { return commit > durable; });
  collect(leaving_, [&](const Leaving& leaving) { return now < leaving.until; });
  Listing listing;
  for (const std::string_view name : names) {
    listing.more = listing.names.size() == limit;
    if (listing.more) break;
    listing.names.emplace_back(name);
  }
  return listing;
}

std::vector<Scope> Tables::Engine::scopes_of(std::string_view table) const {
  std::vector<Scope> scopes;
  const std::shared_lock lock(mutex_);
  for (const auto& [key, entry] : tables_)
    if (key.second == table) scopes.push_back(key.first);
  return scopes;
}

Result<Description> Tables::Engine::update(const Scope& scope, std::string_view name, const UpdateRequest& request) {
  const Result<TablePtr> found = find_in_catalogue(scope, name);
  if (!found.ok()) return find_leaving(scope, name) ? in_use("deleted", name) : table_not_found(name);
  Table& table = **found;
  MR_ASSIGN_OR_RETURN(const CountsByIndex counts, counts_before(table));
  const std::unique_lock lock(table.lock);
  if (table.deleted) return table_not_found(name);
  MR_RETURN_IF_ERROR(check_active(table));
  MR_ASSIGN_OR_RETURN(TableInfo info, apply_update(*table.info, request, scheduler_.now()));
  WriteBatch batch;
  if (request.stream && request.stream->enabled) open_stream(info, *request.stream->view, batch);
  if (request.stream && !request.stream->enabled) streams_.close(streams::StreamId(info.stream->id), batch);
  const std::shared_ptr<const TableInfo> before = table.info;
  drop_indexes(*before, info, batch);
  if (!request.create_indexes.empty()) table.building_token = last_token_.load();
  const CommitNumber commit = put_info(table, std::move(info), std::move(batch));
  for (const Index& index : before->indexes) {
    if (table.info->find_index(index.name) == nullptr) reclaim_index(table.id, index.number, commit);
  }
  // Writes that were planned before the index are durable once `commit` is: only then does the walk see all of them.
  if (!request.create_indexes.empty()) build_index(table.id, table.info->indexes.back().number, "", commit);
  if (options_.aws_timing) table.updating_until = scheduler_.now() + kUpdatingTime;
  return describe_locked(table, counts);
}

Result<CommitNumber> Tables::Engine::change(const Scope& scope, std::string_view name,
                                            const std::function<Result<bool>(TableInfo&)>& edit) {
  const Result<TablePtr> found = find_in_catalogue(scope, name);
  if (!found.ok()) return find_leaving(scope, name) ? in_use("deleted", name) : table_not_found(name);
  Table& table = **found;
  const std::unique_lock lock(table.lock);
  if (table.deleted) return table_not_found(name);
  if (status_locked(table) == TableStatus::kCreating) return in_use("created", name);
  TableInfo info = *table.info;
  MR_ASSIGN_OR_RETURN(const bool changed, edit(info));
  if (!changed) return table.changed;
  return put_info(table, std::move(info), {});
}

Result<Description> Tables::Engine::remove(const Scope& scope, std::string_view name, bool force) {
  const Result<TablePtr> found = find_in_catalogue(scope, name);
  if (!found.ok()) return find_leaving(scope, name) ? in_use("deleted", name) : table_not_found(name);
  Table& table = **found;
  CountsByIndex counts;
  if (!force) {
    MR_ASSIGN_OR_RETURN(counts, counts_before(table));
  }
  const std::unique_lock catalogue_lock(mutex_);
  const std::unique_lock lock(table.lock);
  if (table.deleted) return table_not_found(name);
  if (!force) MR_RETURN_IF_ERROR(check_active(table));
  if (table.info->deletion_protection && !force) {
    return Error(
        kValidationException,
        "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection "
        "first.");
  }
  Description description = describe_locked(table, counts);
  description.status = TableStatus::kDeleting;
  WriteBatch batch;
  if (table.info->stream && table.info->stream->enabled) {
    streams_.close(streams::StreamId(table.info->stream->id), batch);
  }
  erase_everything(*table.info, batch);
  table.deleted = true;
  tables_.erase(tables_.find(KeyView{scope, name}));
  by_id_.erase(table.id);
  description.after = submit_catalogue(std::move(batch), [scope, name = std::string(name)](Engine& engine) {
    engine.readable_.erase(readable_key(scope, name));
  });
  std::erase_if(removed_, [this](const auto& entry) { return entry.second <= commits_.durable(); });
  if (table.created <= commits_.durable()) removed_[{scope, std::string(name)}] = description.after;
  const Time now = scheduler_.now();
  std::erase_if(leaving_, [now](const auto& entry) { return entry.second.until <= now; });
  if (options_.aws_timing && !force) leaving_[{scope, std::string(name)}] = {description, now + kDeletingTime};
  reclaim_items(table.id, description.after);
  return description;
}

// Gives the space of a deleted table back, by whole files, once nothing can read it any more.
void Tables::Engine::reclaim_items(TableId id, CommitNumber commit) {
  commits_.when_durable(commit, [weak = weak_from_this(), id](const Error* error) {
    const auto engine = weak.lock();
    if (engine == nullptr || error != nullptr) return;
    const auto work = [engine, id] {
      const std::string items = codec::KeyWriter().be32(id.value()).str();
      engine->store_.reclaim(Family::kItems, items, storage::prefix_end(items));
    };
    engine->scheduler_.offload(work, [] {});
  });
}

CommitNumber Tables::Engine::reset(std::string_view account) {
  std::vector<std::pair<Scope, std::string>> found;
  {
    const std::unique_lock lock(mutex_);
    std::erase_if(leaving_, [account](const auto& entry) { return entry.first.first.account == account; });
    for (const auto& [key, _] : tables_)
      if (key.first.account == account) found.push_back(key);
  }
  CommitNumber last = 0;
  for (const auto& [scope, name] : found) {
    if (const Result<Description> removed = remove(scope, name, true); removed.ok()) last = removed->after;
  }
  return last;
}

}  // namespace millrace::tables
