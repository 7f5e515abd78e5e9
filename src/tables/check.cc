#include "tables/check.h"

#include <map>
#include <unordered_map>
#include <vector>

#include "codec/key.h"
#include "model/stored.h"
#include "storage/scan.h"
#include "streams/check.h"
#include "tables/damage.h"
#include "tables/keys.h"
#include "tables/plan.h"
#include "tables/table.h"

namespace millrace::tables {

namespace {

using storage::Family;

class Checker {
 public:
  Checker(const storage::Store& store, const std::function<void(std::string)>& problem,
          const std::function<void(std::uint64_t)>& progress)
      : store_(store), problem_(problem), progress_(progress) {}

  Result<CheckCounts> run() {
    MR_RETURN_IF_ERROR(load());
    for (const auto& [id, info] : tables_) MR_RETURN_IF_ERROR(check_table(info));
    MR_RETURN_IF_ERROR(check_strays());
    MR_RETURN_IF_ERROR(check_records());
    return counts_;
  }

 private:
  struct Sums {
    std::int64_t items = 0;
    std::int64_t bytes = 0;
  };
  struct LastRecord {
    std::uint64_t stamp = 0;
    bool exists = false;
    std::size_t image = 0;  // a hash of the new image; 0: the stream keeps none
  };

  // Whether `record` may be the next one of the item.
  static bool follows(const LastRecord& before, const model::ChangeRecord& record) {
    const bool existed = record.event != model::ChangeEvent::kInsert;
    if (existed != before.exists) return false;
    return !existed || before.image == 0 || record.old_image.empty() ||
           before.image == std::hash<std::string_view>()(record.old_image);
  }

  void step() { progress_(++seen_); }

  template <typename F>
  Result<void> each(Family family, const std::string& prefix, F&& use) {
    return storage::for_each(store_, family, prefix, [&](std::string_view key, std::string_view value) {
      step();
      return use(key, value);
    });
  }

  Result<void> load() {
    return each(Family::kCatalogue, std::string(kTablePrefix), [this](auto, auto value) -> Result<void> {
      MR_ASSIGN_OR_RETURN(TableInfo info, from_catalogue(value));
      if (info.stream && info.stream->enabled) by_stream_[info.stream->id] = info.id;
      tables_.emplace(info.id, std::move(info));
      return {};
    });
  }

  Result<void> check_table(const TableInfo& info) {
    ++counts_.tables;
    std::map<std::uint16_t, Sums> sums;
    const auto item = [&](std::string_view key, std::string_view value) { return check_item(info, key, value, sums); };
    MR_RETURN_IF_ERROR(each(Family::kItems, item_prefix(info.id, 0), item));
    for (const Index& index : info.indexes) {
      const auto entry = [&](std::string_view key, std::string_view value) {
        return check_entry(info, index, key, value, sums[index.number]);
      };
      MR_RETURN_IF_ERROR(each(Family::kItems, item_prefix(info.id, index.number), entry));
    }
    MR_RETURN_IF_ERROR(check_counter(info, 0, "table " + info.name, sums[0]));
    for (const Index& index : info.indexes) {
      MR_RETURN_IF_ERROR(
          check_counter(info, index.number, "index " + index.name + " of table " + info.name, sums[index.number]));
    }
    return {};
  }

  // An item for messages.
  static std::string name_of(const TableInfo& info, std::string_view key) {
    return "The item with the key " + key_text(info, nullptr, key.substr(kItemPrefixBytes)) + " of table " + info.name;
  }
  static std::string hex(std::string_view bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    std::string out;
    for (const unsigned char byte : bytes) {
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
    return out;
  }

  Result<void> check_item(const TableInfo& info, std::string_view key, std::string_view value,
                          std::map<std::uint16_t, Sums>& sums) {
    ++counts_.items;
    const auto decoded = model::from_stored(value);
    if (!decoded) {
      problem_(name_of(info, key) + " cannot be decoded");
      return {};
    }
    const auto own = model::key_bytes(info.keys, *decoded);
    if (!own || item_key(info.id, *own) != key) problem_(name_of(info, key) + " lies under another item's key");
    const StoredItem item{std::string(value)};
    ++sums[0].items;
    sums[0].bytes += static_cast<std::int64_t>(item.size());
    for (const Index& index : info.indexes) {
      const auto entry = index.building ? std::nullopt : index_key(info, index, *decoded);
      if (!entry) continue;
      MR_ASSIGN_OR_RETURN(const auto stored, store_.get(Family::kItems, *entry));
      if (!stored) problem_(name_of(info, key) + " has no entry in index " + index.name);
    }
    const auto expiry = expiry_of(info, item);
    if (!expiry || !info.ttl.filled) return {};
    MR_ASSIGN_OR_RETURN(const auto entry,
                        store_.get(Family::kQueue, expiry_key({*expiry, info.id, key.substr(kItemPrefixBytes)})));
    if (!entry) problem_(name_of(info, key) + " would never expire: its expiry entry is missing");
    return {};
  }

  Result<void> check_entry(const TableInfo& info, const Index& index, std::string_view key, std::string_view value,
                           Sums& sums) {
    ++counts_.index_entries;
    const auto wrong = [&](const std::string& why) {
      problem_("The entry " + key_text(info, &index, key.substr(kItemPrefixBytes)) + " of index " + index.name +
               " of table " + info.name + " " + why);
    };
    const auto shown = model::from_stored(value);
    const auto own = shown ? model::key_bytes(info.keys, *shown) : std::nullopt;
    if (!own) {
      wrong("cannot be decoded");
      return {};
    }
    ++sums.items;
    sums.bytes += static_cast<std::int64_t>(model::size_of_stored(value).value_or(0));
    MR_ASSIGN_OR_RETURN(const auto stored, store_.get(Family::kItems, item_key(info.id, *own)));
    const auto item = stored ? model::from_stored(*stored) : std::nullopt;
    if (!item) {
      wrong("is of an item that does not exist");
    } else if (index_key(info, index, *item) != key ||
               model::to_stored(project_for_index(info, index, *item)) != value) {
      wrong("does not show what its item is");
    }
    return {};
  }

  Result<void> check_counter(const TableInfo& info, std::uint16_t index, const std::string& name, const Sums& sums) {
    for (const auto& [what, expected] : {std::pair('i', sums.items), std::pair('b', sums.bytes)}) {
      MR_ASSIGN_OR_RETURN(const auto stored, store_.get(Family::kCatalogue, count_key(info.id, index, what)));
      const auto counted = stored ? static_cast<std::int64_t>(codec::KeyReader(*stored).be64().value_or(0)) : 0;
      if (counted == expected) continue;
      problem_("The counter of the " + std::string(what == 'i' ? "items" : "bytes") + " of " + name + " says " +
               std::to_string(counted) + ", there are " + std::to_string(expected));
    }
    return {};
  }

  // What belongs to no table. Expiry entries may: the sweeper drops them when they are due.
  Result<void> check_strays() {
    const auto it = store_.iterate(Family::kItems, {});
    it->seek("");
    while (it->valid()) {
      codec::KeyReader reader(it->key());
      const auto table = reader.be32();
      const auto high = reader.u8();
      const auto low = reader.u8();
      if (!table || !high || !low) {
        problem_("There is an item with the impossible key " + hex(it->key()));
        it->next();
        continue;
      }
      const auto number = static_cast<std::uint16_t>(*high << 8 | *low);
      const auto found = tables_.find(TableId(*table));
      bool known = found != tables_.end() && number == 0;
      if (found != tables_.end()) {
        for (const Index& index : found->second.indexes) known = known || index.number == number;
      }
      if (!known) {
        problem_("There are items of " + std::string(number == 0 ? "table" : "an index of table") + " number " +
                 std::to_string(*table) + ", which does not exist");
      }
      const std::string next = storage::prefix_end(it->key().substr(0, kItemPrefixBytes));
      if (next.empty()) break;
      it->seek(next);
    }
    MR_RETURN_IF_ERROR(it->status());
    return each(Family::kQueue, std::string(kExpiryPrefix), [this](auto key, auto) -> Result<void> {
      ++counts_.expiry_entries;
      if (!read_expiry_key(key)) problem_("There is an expiry entry with the impossible key " + hex(key));
      return {};
    });
  }

  Result<void> check_records() {
    std::unordered_map<std::string, LastRecord> last;
    streams::LogCheck check;
    check.problem = problem_;
    check.record = [&](const streams::Stream& stream, std::uint64_t stamp, const model::ChangeRecord& record) {
      step();
      const auto table = by_stream_.find(stream.id.value());
      if (table == by_stream_.end()) return;  // disabled: the item may have gone on without it
      const auto keys = model::from_stored(record.keys);
      const auto bytes = keys ? model::key_bytes(tables_.at(table->second).keys, *keys) : std::nullopt;
      if (!bytes) {
        problem_("Record " + std::to_string(stamp) + " of stream " + stream.arn + " has no key of its table");
        return;
      }
      LastRecord& latest = last[item_key(table->second, *bytes)];
      if (stamp < latest.stamp) return;
      if (latest.stamp != 0 && !follows(latest, record)) {
        problem_("Record " + std::to_string(stamp) + " of stream " + stream.arn + " does not go on where record " +
                 std::to_string(latest.stamp) + " of the same item ended: a record between them is lost");
      }
      latest = {stamp, record.event != model::ChangeEvent::kRemove,
                record.new_image.empty() ? 0 : std::hash<std::string_view>()(record.new_image)};
    };
    MR_ASSIGN_OR_RETURN(counts_.records, streams::check_log(store_, check));
    for (const auto& [key, record] : last) {
      step();
      MR_ASSIGN_OR_RETURN(const auto item, store_.get(Family::kItems, key));
      const bool same = item.has_value() == record.exists &&
                        (!item || record.image == 0 || record.image == std::hash<std::string_view>()(*item));
      if (same) continue;
      const TableInfo& info = tables_.at(TableId(codec::KeyReader(key).be32().value_or(0)));
      problem_(name_of(info, key) + " is not what its last stream record " + std::to_string(record.stamp) + " says");
    }
    return {};
  }

  const storage::Store& store_;
  const std::function<void(std::string)>& problem_;
  const std::function<void(std::uint64_t)>& progress_;
  std::map<TableId, TableInfo> tables_;
  std::map<std::uint64_t, TableId> by_stream_;
  CheckCounts counts_;
  std::uint64_t seen_ = 0;
};

}  // namespace

Result<CheckCounts> check_tables(const storage::Store& store, const std::function<void(std::string)>& problem,
                                 const std::function<void(std::uint64_t)>& progress) {
  return Checker(store, problem, progress).run();
}

}  // namespace millrace::tables
