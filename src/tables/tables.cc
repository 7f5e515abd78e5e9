#include "tables/tables.h"

#include "tables/internal/engine.h"

namespace millrace::tables {

Result<std::unique_ptr<Tables>> Tables::load(storage::Store& store, storage::Commits& commits,
                                             streams::Streams& streams, platform::Scheduler& scheduler,
                                             platform::Random& random, TablesOptions options) {
  auto engine = std::make_shared<Engine>(store, commits, streams, scheduler, random, options);
  MR_RETURN_IF_ERROR(engine->load());
  engine->watch_commits();
  engine->start_sweeper();
  engine->start_reshaping();
  engine->resume_indexes();
  return std::unique_ptr<Tables>(new Tables(std::move(engine)));
}

Tables::Tables(std::shared_ptr<Engine> engine) : engine_(std::move(engine)) {}
Tables::~Tables() { engine_->stop_sweeper(); }

// What is refused by name, schema or status is refused because of changes of the catalogue that may be pending: hence
// held() around whatever does not read durable state only.
Result<Description> Tables::create(const Scope& scope, const CreateRequest& request) {
  return engine_->held(engine_->create(scope, request));
}
Result<Description> Tables::describe(const Scope& scope, std::string_view table) const {
  return engine_->held(engine_->describe(scope, table));
}
Tables::Listing Tables::list(const Scope& scope, std::string_view start, std::size_t limit) const {
  return engine_->list(scope, start, limit);
}
std::vector<Scope> Tables::scopes_of(std::string_view table) const { return engine_->scopes_of(table); }
Result<Description> Tables::update(const Scope& scope, std::string_view table, const UpdateRequest& request) {
  return engine_->held(engine_->update(scope, table, request));
}
Result<Description> Tables::remove(const Scope& scope, std::string_view table) {
  return engine_->held(engine_->remove(scope, table, false));
}

Result<storage::CommitNumber> Tables::tag(const Scope& scope, std::string_view table,
                                          const std::map<std::string, std::string>& tags) {
  return engine_->held(engine_->change(scope, table, [&](TableInfo& info) -> Result<bool> {
    for (const auto& [key, value] : tags) info.tags[key] = value;
    if (info.tags.size() > kTagsMax) {
      return Error(model::kValidationException, "Too many tags: the limit is 50 per resource");
    }
    return true;
  }));
}

Result<storage::CommitNumber> Tables::untag(const Scope& scope, std::string_view table,
                                            const std::vector<std::string>& keys) {
  return engine_->held(engine_->change(scope, table, [&](TableInfo& info) -> Result<bool> {
    for (const std::string& key : keys) info.tags.erase(key);
    return true;
  }));
}

Result<storage::CommitNumber> Tables::set_ttl(const Scope& scope, std::string_view table, std::string_view attribute,
                                              bool enabled) {
  return engine_->held(engine_->set_ttl(scope, table, attribute, enabled));
}
Result<storage::CommitNumber> Tables::reshape(const Scope& scope, std::string_view table, const ChooseReshape& choose) {
  return engine_->held(engine_->reshape(scope, table, choose));
}
Result<std::shared_ptr<const TableInfo>> Tables::info(const Scope& scope, std::string_view table) const {
  return engine_->held(engine_->info(scope, table));
}
Result<std::shared_ptr<const TableInfo>> Tables::readable(const Scope& scope, std::string_view table) const {
  return engine_->readable(scope, table);
}
Result<WriteResult> Tables::write(const Scope& scope, std::string_view table, const WriteRequest& request) {
  return engine_->held(engine_->write(scope, table, request));
}
Result<TransactionResult> Tables::transact(const Scope& scope, const std::vector<TransactionEntry>& entries,
                                           const std::optional<TransactionToken>& token) {
  return engine_->held(engine_->transact(scope, entries, token));
}
Result<std::optional<std::string>> Tables::get(const Scope& scope, std::string_view table,
                                               const model::Item& key) const {
  return engine_->get(scope, table, key);
}
Result<std::vector<std::optional<std::string>>> Tables::get_together(const Scope& scope,
                                                                     const std::vector<Wanted>& keys) const {
  return engine_->get_together(scope, keys);
}
Error Tables::damaged(const Scope& scope, std::string_view table, const model::Item& key) const {
  return engine_->damaged(scope, table, key);
}

Result<Page> Tables::query(const Scope& scope, std::string_view table, const QueryRequest& request) const {
  return engine_->query(scope, table, request);
}
Result<Page> Tables::scan(const Scope& scope, std::string_view table, const ScanRequest& request) const {
  return engine_->scan(scope, table, request);
}
Result<std::int64_t> Tables::collection_gib(const TableInfo& info, const model::AttributeValue& partition) const {
  return engine_->collection_gib(info, partition);
}
Time Tables::next_expiry() const { return engine_->next_expiry(); }
storage::CommitNumber Tables::reset(std::string_view account) { return engine_->reset(account); }

}  // namespace millrace::tables
