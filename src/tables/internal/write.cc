// Writing items: latch, read, decide, submit.
#include <algorithm>

#include "codec/json.h"
#include "model/json.h"
#include "model/limits.h"
#include "storage/no_blocking.h"
#include "tables/damage.h"
#include "tables/errors.h"
#include "tables/internal/engine.h"

namespace millrace::tables {

using internal::Planned;
using internal::Stripes;
using internal::TablePtr;
using internal::Target;
using storage::CommitNumber;
using storage::Family;
using storage::WriteBatch;

namespace {

// Checks that need the schema but not the item that is there.
Result<void> check_request(const TableInfo& info, const WriteRequest& request) {
  if (request.kind == WriteKind::kPut) {
    MR_RETURN_IF_ERROR(check_item(info, request.item));
    return check_item_size(request.item, WriteKind::kPut);
  }
  MR_RETURN_IF_ERROR(check_key(info.keys, request.item));
  if (request.update != nullptr) return check_update_paths(info, *request.update);
  return {};
}

std::string_view reason_code(const std::optional<Error>& error) {
  if (!error) return "None";
  return error->is(kConditionalCheckFailed) ? "ConditionalCheckFailed" : "ValidationError";
}

// AWS: the reasons stand in the message as a list of codes and in CancellationReasons in full, in request order.
Error cancelled(const std::vector<std::optional<Error>>& errors) {
  std::string codes;
  std::string reasons;
  for (const std::optional<Error>& error : errors) {
    codes += codes.empty() ? "" : ", ";
    codes += reason_code(error);
    reasons += reasons.empty() ? "[" : ",";
    reasons += "{\"Code\":\"" + std::string(reason_code(error)) + "\"";
    if (error) {
      reasons += ",\"Message\":";
      codec::append_json_string(reasons, error->message());
      for (const auto& [name, json] : error->details()) reasons += ",\"" + name + "\":" + json;
    }
    reasons += "}";
  }
  return Error(kTransactionCanceled,
               "Transaction cancelled, please refer cancellation reasons for specific reasons [" + codes + "]")
      .with("CancellationReasons", reasons + "]");
}

}  // namespace

Result<Tables::Engine::Before> Tables::Engine::find_before(const TableInfo& info, const std::string& item_key) {
  Before before;
  if (std::optional<internal::Pending> pending = stripes_.find(item_key)) {
    before.item = StoredItem(std::move(pending->stored));
    before.commit = pending->commit;
    return before;
  }
  MR_ASSIGN_OR_RETURN(std::optional<std::string> stored, store_.get(Family::kItems, item_key));
  if (!stored) return before;
  const std::string_view key_bytes = std::string_view(item_key).substr(kItemPrefixBytes);
  if (auto item = StoredItem::read(info.keys, key_bytes, *std::move(stored))) {
    before.item = *std::move(item);
  } else {
    before.damage = store_.damage().note("tables", damaged_item(info, key_bytes));
  }
  return before;
}

Result<Tables::Engine::Before> Tables::Engine::read_before(const Target& target) {
  MR_ASSIGN_OR_RETURN(Before before, find_before(*target.info, target.item_key));
  if (before.damage) return *std::move(before.damage);
  return before;
}

Result<void> Tables::Engine::append(const Planned& planned, model::ChangeOrigin origin, WriteBatch& batch) {
  const TableInfo& info = *planned.target->info;
  std::optional<std::uint64_t> shard;
  if (info.stream && info.stream->enabled) {
    shard = streams_.shard_for(streams::StreamId(info.stream->id), hash_of_key_bytes(planned.target->key_bytes));
  }
  std::uint16_t unindexed = 0;
  for (const Index& index : info.indexes) {
    if (!index.building || !planned.before.exists()) continue;
    MR_ASSIGN_OR_RETURN(const bool indexed,
                        is_indexed(*planned.target->table, index, planned.target->item_key, planned.before));
    if (!indexed) unindexed = index.number;
  }
  append_change(info, {planned.target->key_bytes, planned.before, planned.after, origin, unindexed}, shard, batch,
                planned.units);
  return {};
}

Result<CommitNumber> Tables::Engine::submit(const std::vector<Planned>& planned, model::ChangeOrigin origin,
                                            WriteBatch batch) {
  for (const Planned& write : planned) MR_RETURN_IF_ERROR(append(write, origin, batch));
  const std::uint64_t token = last_token_.fetch_add(1, std::memory_order_relaxed) + 1;
  std::vector<std::string> keys;
  keys.reserve(planned.size());
  std::int64_t first_expiry = INT64_MAX;
  for (const Planned& write : planned) {
    stripes_.enter(write.target->item_key, write.after.shared(), token);
    keys.push_back(write.target->item_key);
    first_expiry = std::min(first_expiry, expiry_of(*write.target->info, write.after).value_or(INT64_MAX));
  }
  auto done = [weak = weak_from_this(), keys, token, first_expiry](const storage::Committed& committed) {
    const auto engine = weak.lock();
    if (engine == nullptr) return;
    for (const std::string& key : keys) engine->stripes_.settle(key, token);
    if (committed.error == nullptr && first_expiry != INT64_MAX) engine->expiry_added(first_expiry);
  };
  const CommitNumber number = commits_.submit(std::move(batch), std::move(done));
  for (const std::string& key : keys) stripes_.set_commit(key, token, number);
  return number;
}

// REQUIRES: the table's lock is held.
Result<Target> Tables::Engine::target_of(const TablePtr& table, const WriteRequest& request) const {
  if (table->deleted) return Error(kResourceNotFound, "Requested resource not found");
  Target target;
  target.table = table;
  target.info = table->info;
  MR_RETURN_IF_ERROR(check_request(*target.info, request));
  target.key_bytes = *model::key_bytes(target.info->keys, request.item);
  target.item_key = item_key(target.info->id, target.key_bytes);
  return target;
}

Result<WriteResult> Tables::Engine::write(const Scope& scope, std::string_view name, const WriteRequest& request) {
  MR_ASSIGN_OR_RETURN(const TablePtr table, find(scope, name));
  return storage::read_ahead(store_, [&] { return write_locked(table, request); });
}

Result<WriteResult> Tables::Engine::write_locked(const TablePtr& table, const WriteRequest& request) {
  const std::shared_lock table_lock(table->lock);
  MR_ASSIGN_OR_RETURN(const Target target, target_of(table, request));
  const Stripes::Latch latch(stripes_, {Stripes::stripe_of(target.item_key)});
  MR_ASSIGN_OR_RETURN(Before before, read_before(target));
  Result<Outcome> outcome = decide(*target.info, request, before.item);
  if (!outcome.ok()) return std::move(std::move(outcome).error()).hold_until(before.commit);
  WriteResult result;
  if (request.count_units) result.units.table = write_units(std::max(before.item.size(), outcome->after.size()));
  result.after_commit = std::max(before.commit, table->changed);
  if (!outcome->changed) {
    result.before = before.item;
    result.after = std::move(before.item);  // whatever was there, or nothing
    return result;
  }
  std::vector<Planned> planned(1);
  planned[0] = {&target, std::move(before.item), std::move(outcome->after)};
  if (request.count_units) planned[0].units = &result.units;
  MR_ASSIGN_OR_RETURN(result.after_commit, submit(planned, model::ChangeOrigin::kClient));
  result.before = std::move(planned[0].before);
  result.after = std::move(planned[0].after);
  return result;
}

// --- transactions ---------------------------------------------------------------------------------------------------

// One claim of a client token: held from before planning until after submitting, so that a repetition finds either
// nothing or a commit to wait for. Nothing is remembered or forgotten unless the batch was submitted: keep().
class Tables::Engine::TokenClaim {
 public:
  TokenClaim(Engine& engine, const Scope& scope, const TransactionToken& token)
      : engine_(engine),
        lock_(engine.token_mutex_),
        key_(std::string(kTokenPrefix) + scope.account + "/" + scope.region + "/" + token.token),
        hash_(token.request_hash) {}
  // The earlier transaction's commit, if there was one; else claims the token for this one.
  Result<std::optional<CommitNumber>> claim(WriteBatch& batch) {
    now_ = engine_.scheduler_.now();
    const auto it = engine_.tokens_.find(key_);
    if (it != engine_.tokens_.end() && !is_over(it->second.created)) {
      if (it->second.hash == hash_) return std::optional(it->second.commit);
      return Error(kIdempotentParameterMismatch,
                   "The request uses the same client token as a previous, but non-identical request. Do not reuse a "
                   "client token with different requests, unless the requests are identical")
          .hold_until(it->second.commit);
    }
    for (const auto& [created, key] : engine_.token_order_) {
      if (!is_over(created) || over_ == kTokensForgottenMax) break;
      if (is_same(created, key)) batch.erase(Family::kQueue, key);
      ++over_;
    }
    const codec::Json record =
        codec::Json::object({{"v", 1}, {"hash", static_cast<std::int64_t>(hash_)}, {"created", to_unix_ms(now_)}});
    batch.put(Family::kQueue, key_, record.dump());
    return std::optional<CommitNumber>();
  }

  void keep(CommitNumber commit) {
    auto& order = engine_.token_order_;
    for (; over_ > 0; --over_) {
      if (is_same(order.front().first, order.front().second)) engine_.tokens_.erase(order.front().second);
      order.pop_front();
    }
    engine_.tokens_[key_] = {hash_, now_, commit};
    order.emplace_back(now_, key_);
  }

 private:
  static constexpr std::size_t kTokensForgottenMax = 100;

  bool is_over(Time created) const { return created + kTokenLifetime <= now_; }
  // Whether the token has not been claimed again since.
  bool is_same(Time created, const std::string& key) const {
    const auto it = engine_.tokens_.find(key);
    return it != engine_.tokens_.end() && it->second.created == created;
  }

  Engine& engine_;
  std::lock_guard<std::mutex> lock_;
  const std::string key_;
  const std::uint64_t hash_;
  Time now_{};
  std::size_t over_ = 0;  // so many of the oldest are forgotten by the batch
};

Result<TransactionResult> Tables::Engine::transact(const Scope& scope, const std::vector<TransactionEntry>& entries,
                                                   const std::optional<TransactionToken>& token) {
  std::vector<TablePtr> tables;
  for (const TransactionEntry& entry : entries) {
    MR_ASSIGN_OR_RETURN(TablePtr table, find(scope, entry.table));
    tables.push_back(std::move(table));
  }
  return storage::read_ahead(store_, [&] { return transact_once(scope, entries, tables, token); });
}

Result<TransactionResult> Tables::Engine::transact_once(const Scope& scope,
                                                        const std::vector<TransactionEntry>& entries,
                                                        const std::vector<TablePtr>& tables,
                                                        const std::optional<TransactionToken>& token) {
  if (!token) return transact_locked(entries, tables, {});
  TokenClaim claim(*this, scope, *token);
  WriteBatch batch;
  MR_ASSIGN_OR_RETURN(const std::optional<CommitNumber> earlier, claim.claim(batch));
  if (earlier) {
    TransactionResult result;
    result.units.resize(entries.size());
    result.repeated = true;
    result.after_commit = *earlier;
    return result;
  }
  MR_ASSIGN_OR_RETURN(TransactionResult result, transact_locked(entries, tables, std::move(batch)));
  claim.keep(result.after_commit);
  return result;
}

Result<std::vector<Target>> Tables::Engine::targets_of(const std::vector<TransactionEntry>& entries,
                                                       const std::vector<TablePtr>& tables) const {
  std::vector<Target> targets;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    MR_ASSIGN_OR_RETURN(Target target, target_of(tables[i], entries[i].request));
    bytes += model::size_of(entries[i].request.item);
    targets.push_back(std::move(target));
  }
  std::vector<std::string_view> keys;
  for (const Target& target : targets) keys.push_back(target.item_key);
  std::sort(keys.begin(), keys.end());
  if (std::adjacent_find(keys.begin(), keys.end()) != keys.end()) {
    return Error(kValidationException, "Transaction request cannot include multiple operations on one item");
  }
  if (bytes > kTransactionBytesMax) {
    return Error(kValidationException, "Aggregated size of all items in a transaction exceeds the limit of 4 MB");
  }
  return targets;
}

Result<TransactionResult> Tables::Engine::transact_locked(const std::vector<TransactionEntry>& entries,
                                                          const std::vector<TablePtr>& tables, WriteBatch batch) {
  std::map<TableId, TablePtr> ordered;
  for (const TablePtr& table : tables) ordered.emplace(table->id, table);
  std::vector<std::shared_lock<std::shared_mutex>> locks;
  for (const auto& [id, table] : ordered) locks.emplace_back(table->lock);
  MR_ASSIGN_OR_RETURN(const std::vector<Target> targets, targets_of(entries, tables));
  return transact_latched(entries, targets, std::move(batch));
}

Result<TransactionResult> Tables::Engine::transact_latched(const std::vector<TransactionEntry>& entries,
                                                           const std::vector<Target>& targets, WriteBatch batch) {
  std::vector<std::size_t> wanted;
  for (const Target& target : targets) wanted.push_back(Stripes::stripe_of(target.item_key));
  const Stripes::Latch latch(stripes_, std::move(wanted));
  TransactionResult result;
  result.units.reserve(entries.size());  // they are pointed at
  std::vector<Planned> planned;
  std::vector<std::optional<Error>> errors(entries.size());
  bool failed = false;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    Result<Before> read = read_before(targets[i]);
    if (!read.ok()) {
      // Whatever else is not in memory is read before the next attempt, too.
      while (++i < entries.size()) static_cast<void>(read_before(targets[i]).ok());
      return std::move(read).error();
    }
    Before before = std::move(read).value();
    result.after_commit = std::max({result.after_commit, before.commit, targets[i].table->changed});
    Result<Outcome> outcome = decide(*targets[i].info, entries[i].request, before.item);
    if (!outcome.ok()) {
      errors[i] = std::move(outcome).error();
      failed = true;
      continue;
    }
    WriteUnits& units = result.units.emplace_back();
    const bool counted = entries[i].request.count_units;
    if (counted) units.table = write_units(std::max(before.item.size(), outcome->after.size()));
    if (!outcome->changed) continue;
    planned.push_back({&targets[i], std::move(before.item), std::move(outcome->after)});
    if (counted) planned.back().units = &units;
  }
  if (failed) return cancelled(errors).hold_until(result.after_commit);
  if (!planned.empty() || !batch.empty()) {
    MR_ASSIGN_OR_RETURN(result.after_commit, submit(planned, model::ChangeOrigin::kClient, std::move(batch)));
  }
  for (WriteUnits& units : result.units) {
    units.table *= 2;  // AWS: transactions prepare and commit
    for (auto& [name, count] : units.indexes) count *= 2;
  }
  return result;
}

}  // namespace millrace::tables
