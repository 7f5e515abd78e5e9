#include "storage/stamping.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "storage/log_key.h"

namespace millrace::storage {

namespace {

using Operation = WriteBatch::Operation;
using Kind = WriteBatch::Kind;

constexpr std::string_view kHeadKey = "store/head";

// Sums the counter deltas of a group. A counter that is put or erased in the group starts again from there.
class Counters {
 public:
  Counters(const Store& store, const WriteBatch& merged) : store_(store), merged_(merged) {}

  Result<void> add(const std::string& key, std::uint64_t delta) {
    auto it = values_.find(key);
    if (it == values_.end()) {
      MR_ASSIGN_OR_RETURN(const std::uint64_t base, current(key));
      it = values_.emplace(key, base).first;
    }
    it->second += delta;  // modulo 2^64: two's complement
    return {};
  }

  // A plain change of kCatalogue, about to be appended to the merged batch.
  void overwritten(const Operation& operation) {
    ++plain_;
    if (values_.empty()) return;
    if (operation.kind == Kind::kEraseRange) {
      values_.erase(values_.lower_bound(operation.key), values_.lower_bound(operation.value));
    } else {
      values_.erase(operation.key);
    }
  }

  void write_to(WriteBatch& out) const {
    for (const auto& [key, value] : values_) {
      std::string bytes;
      append_be64(bytes, value);
      out.put(Family::kCatalogue, key, bytes);
    }
  }

 private:
  Result<std::uint64_t> current(const std::string& key) const {
    if (plain_ > 0) {
      const auto& operations = merged_.operations();
      for (auto it = operations.rbegin(); it != operations.rend(); ++it) {
        if (it->family != Family::kCatalogue) continue;
        if (it->kind == Kind::kEraseRange) {
          if (it->key <= key && key < it->value) return std::uint64_t{0};
        } else if (it->key == key) {
          if (it->kind == Kind::kErase) return std::uint64_t{0};
          return decode(key, it->value);
        }
      }
    }
    MR_ASSIGN_OR_RETURN(const std::optional<std::string> stored, store_.get(Family::kCatalogue, key));
    if (!stored) return std::uint64_t{0};
    return decode(key, *stored);
  }

  static Result<std::uint64_t> decode(const std::string& key, std::string_view value) {
    if (value.size() != 8) return Error(kStorageFailed, "The stored counter " + key + " is not a number of 8 bytes");
    return read_be64(value);
  }

  const Store& store_;
  const WriteBatch& merged_;
  std::map<std::string, std::uint64_t> values_;
  std::size_t plain_ = 0;
};

// Turns a kLog operation into the put of its record.
void stamp_record(Operation& operation, Stamp stamp, Time time) {
  operation.kind = Kind::kPut;
  operation.key = log_key(operation.number, stamp);
  std::string header;
  append_be64(header, static_cast<std::uint64_t>(to_unix_ms(time)));
  operation.value.replace(0, kLogHeaderBytes, header);  // of the same size: nothing moves
}

void put_head(const Head& head, WriteBatch& batch) {
  std::string bytes;
  append_be64(bytes, head.next_stamp);
  append_be64(bytes, static_cast<std::uint64_t>(to_unix_ms(head.time)));
  batch.put(Family::kCatalogue, kHeadKey, bytes);
}

}  // namespace

Result<Head> load_head(const Store& store) {
  MR_ASSIGN_OR_RETURN(const std::optional<std::string> stored, store.get(Family::kCatalogue, kHeadKey));
  if (!stored) return Head{};
  constexpr std::int64_t kTimeMost = std::int64_t{1} << 51;  // ms: some 70,000 years
  const Error damaged(kStorageFailed, "The stored head of the log is damaged");
  if (stored->size() != 16) return damaged;
  const std::string_view bytes = *stored;
  const std::uint64_t next_stamp = read_be64(bytes);
  const auto time = static_cast<std::int64_t>(read_be64(bytes.substr(8)));
  if (next_stamp > kCounterMost || time < -kTimeMost || time > kTimeMost) return damaged;
  return Head{next_stamp, from_unix_ms(time)};
}

Result<void> raise_head(Store& store) {
  MR_ASSIGN_OR_RETURN(Head head, load_head(store));
  head.next_stamp += kRestoredGap;
  WriteBatch batch;
  put_head(head, batch);
  return store.write(batch, Store::Sync::kSynced);
}

Result<Stamper> Stamper::open(const Store& store, const platform::Clock& clock) {
  MR_ASSIGN_OR_RETURN(Head head, load_head(store));
  const Stamp stored = head.next_stamp;
  const auto machine = std::chrono::duration_cast<std::chrono::microseconds>(clock.machine_now().time_since_epoch());
  head.next_stamp = std::max(head.next_stamp + 1, static_cast<Stamp>(std::max<std::int64_t>(machine.count(), 0)));
  return Stamper(store, clock, head, stored);
}

Result<Stamper::Group> Stamper::merge(std::span<WriteBatch*> batches) const {
  Group group;
  group.head = head_;
  group.time = std::max(head_.time, clock_->now());
  Counters counters(*store_, group.batch);
  for (WriteBatch* batch : batches) {
    const Stamp after = group.head.next_stamp + batch->log_count();
    group.first_stamps.push_back(group.head.next_stamp);
    group.next_stamps.push_back(after);
    for (Operation& operation : batch->take()) {
      if (operation.kind == Kind::kAdd) {
        MR_RETURN_IF_ERROR(counters.add(operation.key, operation.number));
        continue;
      }
      if (operation.kind == Kind::kLog) {
        group.shards.push_back(operation.number);
        stamp_record(operation, group.head.next_stamp++, group.time);
      } else if (operation.kind == Kind::kPutStamped) {
        operation.kind = Kind::kPut;
        append_be64(operation.value, after);
      }
      if (operation.family == Family::kCatalogue) {
        counters.overwritten(operation);
      }
      group.batch.add_operation(std::move(operation));
    }
  }
  counters.write_to(group.batch);
  const bool logged = !group.shards.empty();
  group.stores_head = logged || (!group.batch.empty() && stored_stamp_ != head_.next_stamp);
  if (!group.stores_head) return group;

  if (logged) group.head.time = group.time;
  put_head(group.head, group.batch);
  std::sort(group.shards.begin(), group.shards.end());
  group.shards.erase(std::unique(group.shards.begin(), group.shards.end()), group.shards.end());
  return group;
}

}  // namespace millrace::storage
