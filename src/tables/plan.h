// One write as a pure decision: what the item was, what is asked -> what happens, and the batch entries of it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "expressions/ast.h"
#include "model/change_record.h"
#include "storage/store.h"
#include "tables/table.h"

namespace millrace::tables {

// An item as it lies in the store; decoded when somebody asks.
class StoredItem {
 public:
  StoredItem() = default;  // no item
  explicit StoredItem(std::optional<std::string> bytes) : bytes_(std::move(bytes)) {}
  static StoredItem of(model::Item item);

  bool exists() const { return bytes_.has_value(); }
  const std::string& bytes() const { return *bytes_; }  // REQUIRES: exists()
  const std::optional<std::string>& maybe_bytes() const { return bytes_; }
  // The empty item when there is none. Damaged bytes stop the process: they were written by us and checked by the
  // store's checksums.
  const model::Item& item() const;
  std::size_t size() const;  // 0 when there is none

 private:
  std::optional<std::string> bytes_;
  mutable std::optional<model::Item> item_;
  mutable std::optional<std::size_t> size_;
};

enum class WriteKind : std::uint8_t { kPut, kUpdate, kDelete, kCheck };

struct WriteRequest {
  WriteKind kind = WriteKind::kPut;
  model::Item item;  // kPut: the item; else: the key
  const expressions::Condition* condition = nullptr;
  const expressions::Update* update = nullptr;  // kUpdate: may be null (creates an item of the key alone)
  bool return_old_on_failure = false;           // puts Item into the error of a failed condition
  bool count_units = false;                     // fills the result's WriteUnits
};

// What a request does to one item. Errors: kConditionalCheckFailed ("The conditional request failed"; with the old item
// as detail "Item" if asked and there was one), kValidationException.
struct Outcome {
  bool changed = false;  // false: nothing to write, no stream record
  StoredItem after;      // REQUIRES for use: kPut or kUpdate, or deleted = no item
};
Result<Outcome> decide(const TableInfo& info, const WriteRequest& request, const StoredItem& before);

// Checks of a whole item or a key against the schema, with AWS's texts. All kValidationException.
Result<void> check_item(const TableInfo& info, const model::Item& item);
Result<void> check_key(const model::KeySchema& keys, const model::Item& key);
Result<void> check_item_size(const model::Item& item, WriteKind kind);
// An update must not touch the table's key.
Result<void> check_update_paths(const TableInfo& info, const expressions::Update& update);

struct Change {
  std::string_view key_bytes;  // model::key_bytes
  const StoredItem& before;
  const StoredItem& after;
  model::ChangeOrigin origin = model::ChangeOrigin::kClient;
  // The number of an index that is being built and has no entry of `before` yet, so that none is taken from its
  // counters; 0: none.
  std::uint16_t unindexed = 0;
};

// Appends item, index entries, expiry entry, counters and (when `shard` is given) the stream record of one change.
// REQUIRES: before != after.
void append_change(const TableInfo& info, const Change& change, std::optional<std::uint64_t> shard,
                   storage::WriteBatch& batch);

// When the item expires: whole seconds since the epoch; nullopt when the table has no TTL enabled, or the item no such
// attribute of type N. AWS: fractions count, hence rounded up.
std::optional<std::int64_t> expiry_of(const TableInfo& info, const StoredItem& item);

// The entry of an item that was there before an index that is being built, and its counters. False: it has none there.
bool append_index_entry(const TableInfo& info, const Index& index, const StoredItem& item, storage::WriteBatch& batch);

// What `index` shows of an item.
model::Item project_for_index(const TableInfo& info, const Index& index, const model::Item& item);

// Hash of the partition key, from the beginning of its key bytes.
std::uint64_t hash_of_key_bytes(std::string_view key_bytes);

}  // namespace millrace::tables
