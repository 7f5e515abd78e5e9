// DynamoDB's tables: catalogue, items, indexes, transactions, queries, expiry.
//
// Writes: one atomic WriteBatch each (item, index entries, expiry entry, counters, stream record), planned under the
// latches of their keys and submitted before the latches are released, hence per key: order of planning = order of
// commits. Nothing waits for a sync: results carry the CommitNumber that an answer must wait for. Reads of items see
// durable state only, of tables too, take no lock and wait for nothing. Schema changes hold their table's lock
// exclusively, writers hold it shared (docs/adr/0002-table-lock-instead-of-epochs.md).
//
// Thread-safe. `store`, `commits`, `streams`, `scheduler` and `random` outlive it; callbacks of the committer that come
// after its end are ignored. Locks, in this order: catalogue, tables by id, stripes by number, pending values; see
// docs/internals/locks.md.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "expressions/ast.h"
#include "expressions/key_condition.h"
#include "platform/clock.h"
#include "platform/random.h"
#include "storage/committer.h"
#include "storage/store.h"
#include "streams/streams.h"
#include "tables/plan.h"
#include "tables/schema.h"
#include "tables/table.h"

namespace millrace::tables {

inline constexpr std::size_t kPageBytesMax = std::size_t{1} << 20;    // AWS: of a Query or Scan
inline constexpr std::size_t kBatchBytesMax = std::size_t{16} << 20;  // AWS: of a BatchGetItem
inline constexpr std::size_t kTransactionItemsMax = 100;
inline constexpr std::size_t kTransactionBytesMax = std::size_t{4} << 20;
inline constexpr Milliseconds kTokenLifetime = std::chrono::minutes(10);  // AWS: ClientRequestToken
// With aws_timing only: how long a table is CREATING, UPDATING and DELETING, and between two changes of its TTL.
inline constexpr Milliseconds kCreatingTime = std::chrono::seconds(5);
inline constexpr Milliseconds kUpdatingTime = std::chrono::seconds(5);
inline constexpr Milliseconds kDeletingTime = std::chrono::seconds(5);
inline constexpr Milliseconds kTtlCoolDown = std::chrono::minutes(30);

struct TablesOptions {
  int stream_shards = 1;    // of a new stream
  bool aws_timing = false;  // AWS's delays and cool-downs. Not remembered: after a restart every table is ACTIVE
};

enum class TableStatus : std::uint8_t { kActive, kCreating, kUpdating, kDeleting };
constexpr std::string_view status_name(TableStatus status) {
  constexpr std::string_view kNames[] = {"ACTIVE", "CREATING", "UPDATING", "DELETING"};
  return kNames[static_cast<std::size_t>(status)];
}

struct TableCounts {
  std::int64_t items = 0;
  std::int64_t bytes = 0;
};

struct Description {
  std::shared_ptr<const TableInfo> info;
  TableStatus status = TableStatus::kActive;
  TableCounts counts;
  std::vector<TableCounts> index_counts;  // as info->indexes
  storage::CommitNumber after = 0;
};

struct WriteResult {
  StoredItem before;
  StoredItem after;
  WriteUnits units;  // only if the request asked for them
  storage::CommitNumber after_commit = 0;
};

struct TransactionEntry {
  std::string table;
  WriteRequest request;
};
struct TransactionResult {
  std::vector<WriteUnits> units;  // as the entries
  bool repeated = false;          // the token's transaction had been done before
  storage::CommitNumber after_commit = 0;
};

struct TransactionToken {
  std::string token;
  std::uint64_t request_hash = 0;
};

inline constexpr ErrorType kReadTooLong{"ReadTooLong", 500, ErrorKind::kServer};  // never seen by clients
struct ReadRequest {
  std::string index;  // "" = the table
  const expressions::Condition* filter = nullptr;
  const expressions::Projection* projection = nullptr;
  bool count_only = false;
  bool all_attributes = false;  // Select ALL_ATTRIBUTES, also where the index does not project them
  bool consistent = false;
  std::optional<std::size_t> limit;            // items looked at
  std::optional<model::Item> exclusive_start;  // checked against the schema
  // For callers that others wait for: once more than this has been looked at, or as much time spent on entries and
  // look-ups, the answer is kReadTooLong instead.
  std::optional<std::size_t> give_up_bytes;
  bool long_run = false;  // what is read is not kept in memory, see storage::Bounds
};
struct QueryRequest : ReadRequest {
  const expressions::Condition* key_condition = nullptr;
  bool forward = true;
};
struct ScanRequest : ReadRequest {
  std::uint32_t segment = 0;
  std::uint32_t total_segments = 1;
};
struct Page {
  std::string items_json;  // "[{...},...]"; empty with count_only
  std::size_t count = 0;
  std::size_t scanned = 0;
  std::size_t bytes = 0;  // looked at
  std::optional<model::Item> last_key;
};

class Tables {
 public:
  // Reads the catalogue and starts the sweeper. Errors: of the store; a damaged record is named.
  static Result<std::unique_ptr<Tables>> load(storage::Store& store, storage::Commits& commits,
                                              streams::Streams& streams, platform::Scheduler& scheduler,
                                              platform::Random& random, TablesOptions options = {});
  ~Tables();

  // --- Catalogue. Changes are visible here and to writes at once; answers must wait for `after`, errors say what for
  // (Error::held_until). ---
  // Errors: kResourceInUse "Table already exists: T", kValidationException. With aws_timing, items of a table that is
  // CREATING or DELETING are not found, and what changes a table that is not ACTIVE ends in kResourceInUse.
  Result<Description> create(const Scope& scope, const CreateRequest& request);
  // Errors here and below: kResourceNotFound.
  Result<Description> describe(const Scope& scope, std::string_view table) const;
  // In name order, after `start` (need not exist), at most `limit`; `more` tells whether there are others. What is on
  // disk: without tables whose creation is under way, with those whose deletion is.
  struct Listing {
    std::vector<std::string> names;
    bool more = false;
  };
  Listing list(const Scope& scope, std::string_view start, std::size_t limit) const;
  std::vector<Scope> scopes_of(std::string_view table) const;  // those that have a table of this name
  Result<Description> update(const Scope& scope, std::string_view table, const UpdateRequest& request);
  // Errors: kValidationException while deletion protection is on. The answer describes the table as it was,
  // with status DELETING.
  Result<Description> remove(const Scope& scope, std::string_view table);
  Result<storage::CommitNumber> tag(const Scope& scope, std::string_view table,
                                    const std::map<std::string, std::string>& tags);
  Result<storage::CommitNumber> untag(const Scope& scope, std::string_view table, const std::vector<std::string>& keys);
  Result<storage::CommitNumber> set_ttl(const Scope& scope, std::string_view table, std::string_view attribute,
                                        bool enabled);
  // Changes the shards of the table's enabled stream as `choose` says, while no write is between choosing its shard and
  // its commit. Errors: kResourceNotFound also when it has no such stream, those of `choose` and of Streams::reshape.
  using ChooseReshape = std::function<Result<streams::Reshape>(const streams::Stream&)>;
  Result<storage::CommitNumber> reshape(const Scope& scope, std::string_view table, const ChooseReshape& choose);
  // The table as it is; a snapshot that never changes.
  Result<std::shared_ptr<const TableInfo>> info(const Scope& scope, std::string_view table) const;
  // The table as its last durable change left it: what reads of items go by. Takes no lock.
  Result<std::shared_ptr<const TableInfo>> readable(const Scope& scope, std::string_view table) const;

  // --- Items. `table` is a name. Errors: kResourceNotFound, those of plan.h, of the store. ---
  Result<WriteResult> write(const Scope& scope, std::string_view table, const WriteRequest& request);
  // All or nothing. Error: kTransactionCanceled with detail "CancellationReasons"; kIdempotentParameterMismatch.
  Result<TransactionResult> transact(const Scope& scope, const std::vector<TransactionEntry>& entries,
                                     const std::optional<TransactionToken>& token);
  // The stored item, see model/stored.h; nullopt: there is none. REQUIRES: nothing; checks the key. Whoever finds that
  // it cannot be decoded answers damaged(); everything else here answers such an error by itself.
  Result<std::optional<std::string>> get(const Scope& scope, std::string_view table, const model::Item& key) const;
  // Several items as of one moment, in order.
  struct Wanted {
    std::string table;
    model::Item key;
  };
  Result<std::vector<std::optional<std::string>>> get_together(const Scope& scope,
                                                               const std::vector<Wanted>& keys) const;
  // What is said of an item that cannot be decoded (tables/damage.h); noted, see storage/damage.h.
  Error damaged(const Scope& scope, std::string_view table, const model::Item& key) const;
  Result<Page> query(const Scope& scope, std::string_view table, const QueryRequest& request) const;
  // How large the item collection of a partition is, in whole GiB: the items and their entries in local indexes. An
  // estimate from durable state, as on AWS, that reads no items but the table's counters. Errors: of the store; a
  // counter that is damaged.
  Result<std::int64_t> collection_gib(const TableInfo& info, const model::AttributeValue& partition) const;
  Result<Page> scan(const Scope& scope, std::string_view table, const ScanRequest& request) const;

  // What the sweeper waits for: kNever = nothing. For settle() of the admin endpoints and tests.
  Time next_expiry() const;
  // Drops all tables of an account, in all regions and even if protected (admin reset). Their streams close as with
  // remove().
  storage::CommitNumber reset(std::string_view account);

  class Engine;

 private:
  explicit Tables(std::shared_ptr<Engine> engine);
  // Shared with callbacks of the committer and the scheduler, which hold it weakly.
  std::shared_ptr<Engine> engine_;
};

}  // namespace millrace::tables
