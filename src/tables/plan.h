// One write as a pure decision: what the item was, what is asked -> what happens, and the batch entries of it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "expressions/ast.h"
#include "model/change_record.h"
#include "storage/store.h"
#include "tables/table.h"

namespace millrace::tables {

// An item as it lies in the store; decoded when somebody asks. Copies share the bytes.
class StoredItem {
 public:
  StoredItem() = default;  // no item
  // What the store has under the key `key_bytes`. nullopt: it cannot be decoded, or is another key's item.
  static std::optional<StoredItem> read(const model::KeySchema& keys, std::string_view key_bytes, std::string bytes);
  // REQUIRES: bytes that model::to_stored made.
  explicit StoredItem(std::optional<std::string> bytes)
      : bytes_(bytes ? std::make_shared<const std::string>(*std::move(bytes)) : nullptr) {}
  explicit StoredItem(std::shared_ptr<const std::string> bytes) : bytes_(std::move(bytes)) {}
  static StoredItem of(model::Item item);

  bool exists() const { return bytes_ != nullptr; }
  const std::string& bytes() const { return *bytes_; }                         // REQUIRES: exists()
  const std::shared_ptr<const std::string>& shared() const { return bytes_; }  // nullptr: there is none
  const model::Item& item() const;                                             // the empty item when there is none
  std::size_t size() const;                                                    // 0 when there is none

 private:
  std::shared_ptr<const std::string> bytes_;
  mutable std::optional<model::Item> item_;
  mutable std::optional<std::size_t> size_;
};

// How much of a table's and its indexes' capacity a write used, before rounding rules of consistency.
struct WriteUnits {
  std::int64_t table = 0;
  std::vector<std::pair<std::string, std::int64_t>> indexes;  // those that were written
};
std::int64_t write_units(std::size_t bytes);  // AWS: 1 KB each, at least one

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

// Appends item, index entries, expiry entry, counters and (when `shard` is given) the stream record of one change. Adds
// what the index entries cost to `units`, if there are any. REQUIRES: before != after.
void append_change(const TableInfo& info, const Change& change, std::optional<std::uint64_t> shard,
                   storage::WriteBatch& batch, WriteUnits* units = nullptr);

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
