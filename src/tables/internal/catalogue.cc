// The catalogue: tables by name, their records, counters and streams.
#include <algorithm>

#include "codec/json.h"
#include "codec/key.h"
#include "tables/errors.h"
#include "tables/internal/engine.h"

namespace millrace::tables {

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

// What a deleted table leaves nothing of. Expiry entries are found and dropped by the sweeper.
void erase_everything(const TableInfo& info, WriteBatch& batch) {
  batch.erase(Family::kCatalogue, table_key(info.id));
  const std::string items = codec::KeyWriter().be32(info.id.value()).str();
  batch.erase_range(Family::kItems, items, storage::prefix_end(items));
  const std::string counters = count_prefix(info.id);
  batch.erase_range(Family::kCatalogue, counters, storage::prefix_end(counters));
}

}  // namespace

Result<void> Tables::Engine::load() {
  MR_ASSIGN_OR_RETURN(const std::optional<std::string> next, store_.get(Family::kCatalogue, kNextIdKey));
  if (next) next_id_ = codec::KeyReader(*next).be32().value_or(1);
  const std::string prefix(kTablePrefix);
  auto records = store_.iterate(Family::kCatalogue, {prefix, storage::prefix_end(prefix)});
  for (records->seek(prefix); records->valid(); records->next()) {
    MR_ASSIGN_OR_RETURN(TableInfo info, from_catalogue(records->value()));
    next_id_ = std::max(next_id_, info.id.value() + 1);
    auto table = std::make_shared<Table>(std::make_shared<const TableInfo>(std::move(info)));
    tables_[{table->info->scope, table->info->name}] = table;
    by_id_[table->id] = table;
  }
  MR_RETURN_IF_ERROR(records->status());
  const std::string tokens(kTokenPrefix);
  auto entries = store_.iterate(Family::kQueue, {tokens, storage::prefix_end(tokens)});
  for (entries->seek(tokens); entries->valid(); entries->next()) {
    const Result<codec::Json> record = codec::parse_json(entries->value());
    if (!record.ok()) return Error(record.error());
    const Time created = from_unix_ms(record->int_or("created", 0));
    tokens_[std::string(entries->key())] = {static_cast<std::uint64_t>(record->int_or("hash", 0)), created, 0};
    token_order_.emplace_back(created, entries->key());
  }
  std::sort(token_order_.begin(), token_order_.end());
  return entries->status();
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

CommitNumber Tables::Engine::submit_catalogue(WriteBatch batch) {
  const CommitNumber number = commits_.submit(std::move(batch));
  // Submissions race only between tables; the highest number is what a reader of the catalogue must wait for.
  CommitNumber seen = last_catalogue_commit_.load();
  while (seen < number && !last_catalogue_commit_.compare_exchange_weak(seen, number)) {
  }
  return number;
}

// REQUIRES: the table's lock is held exclusively.
CommitNumber Tables::Engine::put_info(Table& table, TableInfo info, WriteBatch batch) {
  batch.put(Family::kCatalogue, table_key(table.id), to_catalogue(info));
  table.info = std::make_shared<const TableInfo>(std::move(info));
  return submit_catalogue(std::move(batch));
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

TableCounts Tables::Engine::counts(TableId id, std::uint16_t index) const {
  const auto read = [&](char what) -> std::int64_t {
    const auto value = store_.get(Family::kCatalogue, count_key(id, index, what));
    if (!value.ok() || !value->has_value()) return 0;
    return static_cast<std::int64_t>(codec::KeyReader(**value).be64().value_or(0));
  };
  return {read('i'), read('b')};
}

Description Tables::Engine::describe_locked(const Table& table) const {
  Description description;
  description.info = table.info;
  description.status = status_locked(table);
  description.counts = counts(table.id, 0);
  for (const Index& index : table.info->indexes) description.index_counts.push_back(counts(table.id, index.number));
  description.after = last_catalogue_commit_.load();
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
  submit_catalogue(std::move(batch));
  return describe_locked(*table);
}

Result<Description> Tables::Engine::describe(const Scope& scope, std::string_view name) const {
  const Result<TablePtr> table = find_in_catalogue(scope, name);
  if (!table.ok()) {
    if (auto leaving = find_leaving(scope, name)) return *std::move(leaving);
    return table_not_found(name);
  }
  const std::shared_lock lock((*table)->lock);
  return describe_locked(**table);
}

Tables::Listing Tables::Engine::list(const Scope& scope, std::string_view start, std::size_t limit) const {
  Listing listing;
  listing.after = last_catalogue_commit_.load();
  const std::shared_lock lock(mutex_);
  const Time now = scheduler_.now();
  auto here = tables_.upper_bound(KeyView{scope, start});
  auto leaving = leaving_.upper_bound(KeyView{scope, start});
  while (true) {
    while (leaving != leaving_.end() && leaving->second.until <= now) ++leaving;
    const bool more_here = here != tables_.end() && here->first.first == scope;
    const bool more_leaving = leaving != leaving_.end() && leaving->first.first == scope;
    listing.more = more_here || more_leaving;
    if (!listing.more || listing.names.size() == limit) break;
    const bool take_here = !more_leaving || (more_here && here->first.second < leaving->first.second);
    listing.names.push_back(take_here ? (here++)->first.second : (leaving++)->first.second);
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
  return describe_locked(table);
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
  if (!changed) return last_catalogue_commit_.load();
  return put_info(table, std::move(info), {});
}

Result<Description> Tables::Engine::remove(const Scope& scope, std::string_view name, bool force) {
  const Result<TablePtr> found = find_in_catalogue(scope, name);
  if (!found.ok()) return find_leaving(scope, name) ? in_use("deleted", name) : table_not_found(name);
  Table& table = **found;
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
  Description description = describe_locked(table);
  description.status = TableStatus::kDeleting;
  WriteBatch batch;
  if (table.info->stream && table.info->stream->enabled) {
    streams_.close(streams::StreamId(table.info->stream->id), batch);
  }
  erase_everything(*table.info, batch);
  table.deleted = true;
  tables_.erase(tables_.find(KeyView{scope, name}));
  by_id_.erase(table.id);
  description.after = submit_catalogue(std::move(batch));
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
  CommitNumber last = last_catalogue_commit_.load();
  for (const auto& [scope, name] : found) {
    if (const Result<Description> removed = remove(scope, name, true); removed.ok()) last = removed->after;
  }
  return last;
}

}  // namespace millrace::tables
