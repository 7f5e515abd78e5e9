// The state behind Tables. Used inside this folder only.
#pragma once

#include <algorithm>
#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <tuple>
#include <unordered_map>

#include "base/read_mostly_map.h"
#include "storage/service_commits.h"
#include "tables/internal/stripes.h"
#include "tables/keys.h"
#include "tables/tables.h"

namespace millrace::tables {

namespace internal {

// One table at run time.
struct Table {
  explicit Table(std::shared_ptr<const TableInfo> first) : id(first->id), info(std::move(first)) {}
  const TableId id;
  std::shared_mutex lock;                 // writers shared, schema changes exclusive
  std::shared_ptr<const TableInfo> info;  // guarded by lock; replaced, never changed
  bool deleted = false;                   // guarded by lock
  storage::CommitNumber changed = 0;      // guarded by lock; the commit of `info`
  std::uint64_t building_token = 0;       // guarded by lock; the last write that did not know of the index being built
  Time active_from{};                     // constant once others see the table; with aws_timing
  Time updating_until{};                  // guarded by lock; with aws_timing
  storage::CommitNumber created = 0;      // constant once others see the table
};
using TablePtr = std::shared_ptr<Table>;

// What reads see of a table.
struct Readable {
  std::shared_ptr<const TableInfo> info;
  Time active_from{};
};

// One item that a write touches.
struct Target {
  TablePtr table;
  std::shared_ptr<const TableInfo> info;
  std::string key_bytes;
  std::string item_key;
};

// A change that has been decided.
struct Planned {
  const Target* target = nullptr;
  StoredItem before;
  StoredItem after;
  WriteUnits* units = nullptr;  // gets what the indexes' entries cost
};

}  // namespace internal

class Tables::Engine : public std::enable_shared_from_this<Tables::Engine> {
 public:
  Engine(storage::Store& store, storage::Commits& commits, streams::Streams& streams, platform::Scheduler& scheduler,
         platform::Random& random, TablesOptions options)
      : store_(store),
        commits_(commits),
        streams_(streams),
        scheduler_(scheduler),
        random_(random),
        options_(options),
        catalogue_commits_(commits, "tables") {}

  // catalogue.cc
  Result<void> load();
  void watch_commits();  // once, after load()
  Result<Description> create(const Scope& scope, const CreateRequest& request);
  Result<Description> describe(const Scope& scope, std::string_view name) const;
  Listing list(const Scope& scope, std::string_view start, std::size_t limit) const;
  std::vector<Scope> scopes_of(std::string_view table) const;
  Result<Description> update(const Scope& scope, std::string_view name, const UpdateRequest& request);
  Result<Description> remove(const Scope& scope, std::string_view name, bool force);
  // Changes the table's record as `edit` says; `edit` answers false when nothing is to be written.
  Result<storage::CommitNumber> change(const Scope& scope, std::string_view name,
                                       const std::function<Result<bool>(TableInfo&)>& edit);
  storage::CommitNumber reset(std::string_view account);
  void start_reshaping();
  Result<std::int64_t> collection_gib(const TableInfo& info, const model::AttributeValue& partition) const;
  Result<storage::CommitNumber> reshape(const Scope& scope, std::string_view name, const ChooseReshape& choose);
  // For operations on items: a table that is being created is not there yet.
  Result<internal::TablePtr> find(const Scope& scope, std::string_view name) const;
  internal::TablePtr find(TableId id) const;  // nullptr: deleted
  Result<std::shared_ptr<const TableInfo>> info(const Scope& scope, std::string_view name) const;
  Result<std::shared_ptr<const TableInfo>> readable(const Scope& scope, std::string_view name) const;
  // A result whose error may have been computed from the catalogue: it waits for all that is pending there.
  template <typename T>
  Result<T> held(Result<T> result) const {
    if (result.ok()) return result;
    const storage::CommitNumber pending = std::max(result.error().held_until(), catalogue_commits_.last());
    return std::move(result).error().hold_until(pending);
  }

  // write.cc
  Result<WriteResult> write(const Scope& scope, std::string_view name, const WriteRequest& request);
  Result<TransactionResult> transact(const Scope& scope, const std::vector<TransactionEntry>& entries,
                                     const std::optional<TransactionToken>& token);

  // read.cc
  Result<std::optional<std::string>> get(const Scope& scope, std::string_view name, const model::Item& key) const;
  Result<std::vector<std::optional<std::string>>> get_together(const Scope& scope,
                                                               const std::vector<Wanted>& keys) const;
  Error damaged(const Scope& scope, std::string_view name, const model::Item& key) const;
  Result<Page> query(const Scope& scope, std::string_view name, const QueryRequest& request) const;
  Result<Page> scan(const Scope& scope, std::string_view name, const ScanRequest& request) const;

  // expiry.cc
  Result<storage::CommitNumber> set_ttl(const Scope& scope, std::string_view name, std::string_view attribute,
                                        bool enabled);
  void start_sweeper();
  void resume_indexes();  // after load(): builds that a stop interrupted
  void stop_sweeper();
  Time next_expiry() const;

 private:
  struct Before {
    StoredItem item;
    storage::CommitNumber commit = 0;  // the pending write it was read from
    std::optional<Error> damage;       // there is an item, which cannot be read; it has been noted
  };
  struct Sweep;
  class TokenClaim;

  Result<Before> find_before(const TableInfo& info, const std::string& item_key);
  Result<Before> read_before(const internal::Target& target);  // damage is an error
  // Enters the changes as pending and submits them with `batch`; an error of the store: nothing was done. REQUIRES: the
  // targets' tables are locked and their stripes latched.
  Result<storage::CommitNumber> submit(const std::vector<internal::Planned>& planned, model::ChangeOrigin origin,
                                       storage::WriteBatch batch = {});
  Result<void> append(const internal::Planned& planned, model::ChangeOrigin origin, storage::WriteBatch& batch);
  // Whether an item has its entry in an index that is being built. REQUIRES: its table is locked, its stripe latched.
  Result<bool> is_indexed(const internal::Table& table, const Index& index, const std::string& item_key,
                          const StoredItem& item);
  Result<WriteResult> write_locked(const internal::TablePtr& table, const WriteRequest& request);
  Result<TransactionResult> transact_once(const Scope& scope, const std::vector<TransactionEntry>& entries,
                                          const std::vector<internal::TablePtr>& tables,
                                          const std::optional<TransactionToken>& token);

  // indexing.cc
  void build_index(TableId id, std::uint16_t index, std::string from, storage::CommitNumber after);
  void go_on_with_index(TableId id, std::uint16_t index, const std::string& from);
  struct IndexChunk;
  void index_chunk(TableId id, IndexChunk& chunk);
  Result<void> index_one(const internal::TablePtr& table, std::string_view item_key, IndexChunk& chunk);
  void finish_index_soon(TableId id, std::uint16_t index);
  void finish_index(TableId id, std::uint16_t index);
  void drop_indexes(const TableInfo& before, const TableInfo& after, storage::WriteBatch& batch);
  void reclaim_index(TableId id, std::uint16_t index, storage::CommitNumber commit);

  Result<internal::Target> target_of(const internal::TablePtr& table, const WriteRequest& request) const;
  Result<std::vector<internal::Target>> targets_of(const std::vector<TransactionEntry>& entries,
                                                   const std::vector<internal::TablePtr>& tables) const;
  Result<TransactionResult> transact_locked(const std::vector<TransactionEntry>& entries,
                                            const std::vector<internal::TablePtr>& tables, storage::WriteBatch batch);
  Result<TransactionResult> transact_latched(const std::vector<TransactionEntry>& entries,
                                             const std::vector<internal::Target>& targets, storage::WriteBatch batch);

  // Tables by id, as the store has them, and the number of the next one.
  struct Stored {
    std::map<TableId, TableInfo> tables;
    std::uint32_t next_id = 1;
  };
  Result<Stored> read_stored() const;
  // Makes the catalogue in memory what the store holds.
  Result<void> restore();
  // Whether background work has to wait, as writes are refused: `then` goes on with it, on the control thread, once
  // they are taken again. Who asks holds no Busy token meanwhile.
  bool waits_to_write(std::function<void(Engine&)> then);

  using CountsByIndex = std::map<std::uint16_t, TableCounts>;  // 0: of the table; what is absent has nothing
  Description describe_locked(const internal::Table& table, const CountsByIndex& counts) const;
  Result<internal::TablePtr> find_in_catalogue(const Scope& scope, std::string_view name) const;
  TableStatus status_locked(const internal::Table& table) const;
  // Errors: kResourceInUse unless the table is ACTIVE. REQUIRES: its lock is held.
  Result<void> check_active(const internal::Table& table) const;
  std::optional<Description> find_leaving(const Scope& scope, std::string_view name) const;
  Result<TableCounts> counts(TableId id, std::uint16_t index) const;
  Result<CountsByIndex> all_counts(const TableInfo& info) const;
  Result<CountsByIndex> counts_before(internal::Table& table) const;
  storage::CommitNumber put_info(internal::Table& table, TableInfo info, storage::WriteBatch batch);
  // `done`, which may be empty, is called once the batch is durable, on the committer's thread, before anybody is
  // answered.
  storage::CommitNumber submit_catalogue(storage::WriteBatch batch, std::function<void(Engine&)> done = {});
  std::function<void(Engine&)> show(const internal::Table& table) const;  // to readers, from then on
  void reclaim_items(TableId id, storage::CommitNumber commit);
  void open_stream(TableInfo& info, model::ViewType view, storage::WriteBatch& batch);

  void expiry_added(std::int64_t seconds);
  void resume_sweeper();
  void arm(std::int64_t seconds);
  void sweep();
  void sweep_on_pool(Sweep& sweep);
  Result<void> expire_one(const ExpiryEntry& entry, std::string_view key, Sweep& sweep);
  void fill_expiry(TableId id, std::string from);
  std::optional<std::string> fill_chunk(const internal::TablePtr& table, const std::string& from,
                                        storage::CommitNumber& last);
  Result<void> fill_one(const internal::TablePtr& table, std::string_view item_key, storage::CommitNumber& last);
  void finish_sweep(const Sweep& sweep);

  // Constant after construction.
  storage::Store& store_;
  storage::Commits& commits_;
  streams::Streams& streams_;
  platform::Scheduler& scheduler_;
  platform::Random& random_;
  const TablesOptions options_;

  // Synchronise themselves.
  internal::Stripes stripes_;
  std::atomic<std::uint64_t> last_token_{0};
  storage::ServiceCommits catalogue_commits_;
  // Tables by readable_key(), as of their last durable change: reads look here and take no lock.
  ReadMostlyMap<const internal::Readable> readable_;

  // Guarded by mutex_.
  using Key = std::pair<Scope, std::string>;
  struct KeyView {
    const Scope& scope;
    std::string_view name;
  };
  struct KeyLess {
    using is_transparent = void;
    static auto tie(const Key& key) { return std::tuple<const Scope&, std::string_view>(key.first, key.second); }
    static auto tie(const KeyView& key) { return std::tuple<const Scope&, std::string_view>(key.scope, key.name); }
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      return tie(a) < tie(b);
    }
  };
  mutable std::shared_mutex mutex_;
  std::map<Key, internal::TablePtr, KeyLess> tables_;
  std::unordered_map<TableId, internal::TablePtr> by_id_;
  std::uint32_t next_id_ = 1;
  std::map<Key, storage::CommitNumber, KeyLess> removed_;  // tables whose deletion may not be durable yet
  struct Leaving {
    Description description;
    Time until{};
  };
  std::map<Key, Leaving, KeyLess> leaving_;  // with aws_timing: tables that are shown as DELETING for a while

  // Tokens of transactions, guarded by token_mutex_, which is held while submitting: no committer callback takes it.
  struct Token {
    std::uint64_t hash = 0;
    Time created{};
    storage::CommitNumber commit = 0;
  };
  std::mutex token_mutex_;
  std::map<std::string, Token> tokens_;
  std::deque<std::pair<Time, std::string>> token_order_;

  // The sweeper: guarded by sweep_mutex_, but for the atomic.
  std::atomic<std::int64_t> wake_at_{INT64_MAX};  // seconds; INT64_MAX: nothing to wait for
  mutable std::mutex sweep_mutex_;
  platform::Timer timer_;
  std::int64_t sweep_floor_ = 0;         // no entries before this second
  std::int64_t lowered_to_ = INT64_MAX;  // the earliest entry added since the sweep in progress began
  bool sweeping_ = false;
  std::atomic<bool> stopped_{false};  // written under the mutex
};

}  // namespace millrace::tables
