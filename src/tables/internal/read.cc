// Reading: durable state only, straight from the store.
#include <algorithm>

#include "codec/key.h"
#include "expressions/evaluate.h"
#include "model/json.h"
#include "model/stored.h"
#include "tables/damage.h"
#include "tables/errors.h"
#include "tables/internal/engine.h"

namespace millrace::tables {

using expressions::KeyCondition;
using internal::TablePtr;
using model::AttributeValue;
using model::Item;
using storage::Family;

namespace {

// What is read: the table itself, or one of its indexes.
struct Source {
  std::shared_ptr<const TableInfo> info;
  const Index* index = nullptr;  // nullptr: the table
  const model::KeySchema& keys() const { return index == nullptr ? info->keys : index->keys; }
  std::string prefix() const { return item_prefix(info->id, index == nullptr ? 0 : index->number); }
  bool projects(const std::string& attribute) const {
    if (index == nullptr || index->projection.kind == IndexProjection::Kind::kAll) return true;
    if (info->keys.has(attribute) || index->keys.has(attribute)) return true;
    const auto& more = index->projection.attributes;
    return std::find(more.begin(), more.end(), attribute) != more.end();
  }
};

Result<Source> source_of(std::shared_ptr<const TableInfo> info, const ReadRequest& request) {
  Source source;
  source.info = std::move(info);
  if (request.index.empty()) return source;
  source.index = source.info->find_index(request.index);
  if (source.index == nullptr) return invalid("The table does not have the specified index: " + request.index);
  if (source.index->kind == Index::Kind::kLocal) return source;
  if (source.index->building) {
    return invalid("Cannot read from backfilling global secondary index: " + request.index);
  }
  if (request.consistent) return invalid("Consistent reads are not supported on global secondary indexes");
  if (request.all_attributes && source.index->projection.kind != IndexProjection::Kind::kAll) {
    return invalid(
        "One or more parameter values were invalid: Select type ALL_ATTRIBUTES is not supported for global secondary "
        "index " +
        request.index + " because its projection type is not ALL");
  }
  return source;
}

void collect_roots(const expressions::Operand& operand, std::vector<const std::string*>& roots) {
  if (operand.kind == expressions::Operand::Kind::kPath) roots.push_back(&operand.path.root());
  for (const expressions::Operand& argument : operand.arguments) collect_roots(argument, roots);
}

void collect_roots(const expressions::Condition& condition, std::vector<const std::string*>& roots) {
  for (const expressions::Condition& child : condition.children) collect_roots(child, roots);
  for (const expressions::Operand& operand : condition.operands) collect_roots(operand, roots);
}

// Top-level attributes that filter and projection look at.
std::vector<const std::string*> roots_of(const ReadRequest& request) {
  std::vector<const std::string*> roots;
  if (request.filter != nullptr) collect_roots(*request.filter, roots);
  if (request.projection != nullptr) {
    for (const expressions::Path& path : *request.projection) roots.push_back(&path.root());
  }
  return roots;
}

// Whether entries must be completed from the table (local indexes); an error where that is impossible (global ones).
Result<bool> needs_table(const Source& source, const ReadRequest& request) {
  if (source.index == nullptr || source.index->projection.kind == IndexProjection::Kind::kAll) return false;
  if (request.all_attributes) return true;
  for (const std::string* root : roots_of(request)) {
    if (source.projects(*root)) continue;
    if (source.index->kind == Index::Kind::kLocal) return true;
    return invalid("One or more parameter values were invalid: Global secondary index " + source.index->name +
                   " does not project [" + *root + "]");
  }
  return false;
}

// --- ranges ---------------------------------------------------------------------------------------------------------

struct Range {
  std::string lower;
  std::string upper;  // exclusive; empty = no end
};

std::string with_value(std::string key, const AttributeValue& value) {
  model::append_key_value(key, value);
  return key;
}

Range range_of(const Source& source, const KeyCondition& condition) {
  const std::string base = source.prefix() + model::key_bytes(condition.partition, nullptr);
  Range range{base, storage::prefix_end(base)};
  if (condition.sort == KeyCondition::Sort::kAll) return range;
  std::string low = with_value(base, condition.low);
  switch (condition.sort) {
    case KeyCondition::Sort::kEqual:
      return {low, storage::prefix_end(low)};
    case KeyCondition::Sort::kLess:
      return {base, low};
    case KeyCondition::Sort::kLessOrEqual:
      return {base, storage::prefix_end(low)};
    case KeyCondition::Sort::kGreater:
      return {storage::prefix_end(low), range.upper};
    case KeyCondition::Sort::kGreaterOrEqual:
      return {low, range.upper};
    case KeyCondition::Sort::kBetween:
      return {low, storage::prefix_end(with_value(base, condition.high))};
    default:
      low.resize(low.size() - 2);  // begins_with: the encoding without its terminator
      return {low, storage::prefix_end(low)};
  }
}

Range segment_range(const Source& source, std::uint32_t segment, std::uint32_t total) {
  const std::string prefix = source.prefix();
  const auto bound = [&](std::uint64_t at) {
    __extension__ typedef unsigned __int128 Wide;
    const auto hash = static_cast<std::uint64_t>((static_cast<Wide>(at) << 64) / total);
    return codec::KeyWriter(prefix).be64(hash).str();
  };
  return {segment == 0 ? prefix : bound(segment),
          segment + 1 == total ? storage::prefix_end(prefix) : bound(segment + 1)};
}

// The key attributes of source and table: what LastEvaluatedKey holds. nullopt: one is missing or of another type.
std::optional<Item> position_of(const Source& source, const Item& item) {
  std::optional<Item> key = model::key_of(source.info->keys, item);
  if (!key || source.index == nullptr) return key;
  const std::optional<Item> own = model::key_of(source.index->keys, item);
  if (!own) return std::nullopt;
  for (const model::Attribute& attribute : *own) key->set(attribute.name, attribute.value);
  return key;
}

// Where in the store ExclusiveStartKey is.
Result<std::string> start_key(const Source& source, const Item& start) {
  const Error mismatch =
      invalid("The provided starting key is invalid: The provided key element does not match the schema");
  const auto position = position_of(source, start);
  if (!position || position->size() != start.size()) return mismatch;
  if (source.index != nullptr) return *index_key(*source.info, *source.index, start);
  return item_key(source.info->id, *model::key_bytes(source.info->keys, start));
}

// --- pages ----------------------------------------------------------------------------------------------------------

// What the step to an entry, and looking an item up, take besides the bytes that are read: as long as that many bytes.
constexpr std::size_t kStepBytes = 64;
constexpr std::size_t kLookUpBytes = 1024;

class PageReader {
 public:
  PageReader(const storage::Store& store, const Source& source, const ReadRequest& request, const bool complete)
      : store_(store), source_(source), request_(request), complete_(complete) {}

  Result<Page> read(const Range& range, const std::optional<std::string>& after, const bool forward) {
    auto entries = store_.iterate(Family::kItems, {range.lower, range.upper, request_.long_run});
    if (forward) {
      entries->seek(after ? *after : range.lower);
      if (after && entries->valid() && entries->key() == *after) entries->next();
    } else {
      entries->seek_for_prev(after ? *after : range.upper);
      if (after && entries->valid() && entries->key() == *after) entries->prev();
    }
    if (!request_.count_only) page_.items_json = "[";
    while (entries->valid()) {
      MR_RETURN_IF_ERROR(look_at(entries->key(), entries->value()));
      if (cost_ > request_.give_up_bytes.value_or(cost_)) return Error(kReadTooLong, "a long page");
      if (request_.limit && page_.scanned >= *request_.limit) {
        // AWS: a page that ends by Limit has a LastEvaluatedKey, also when nothing follows.
        MR_RETURN_IF_ERROR(remember(entries->key(), entries->value()));
        break;
      }
      const bool full = page_.bytes >= kPageBytesMax;
      if (full) MR_RETURN_IF_ERROR(remember(entries->key(), entries->value()));
      forward ? entries->next() : entries->prev();
      if (full && entries->valid()) break;
      if (full) page_.last_key.reset();
    }
    MR_RETURN_IF_ERROR(entries->status());
    if (!request_.count_only) page_.items_json += "]";
    return std::move(page_);
  }

 private:
  Error damaged(std::string_view key) const {
    const std::string_view own = key.substr(kItemPrefixBytes);
    return store_.damage().note("tables", source_.index == nullptr ? damaged_item(*source_.info, own)
                                                                   : damaged_entry(*source_.info, *source_.index, own));
  }

  Result<void> remember(std::string_view key, std::string_view stored) {
    const std::optional<Item> item = model::from_stored(stored);
    if (item) page_.last_key = position_of(source_, *item);
    if (!page_.last_key) return damaged(key);
    return {};
  }

  Result<void> look_at(std::string_view key, std::string_view stored) {
    ++page_.scanned;
    const std::optional<std::size_t> bytes = model::size_of_stored(stored);
    if (!bytes) return damaged(key);
    page_.bytes += *bytes;
    cost_ += *bytes + kStepBytes;
    if (!complete_ && request_.filter == nullptr && request_.projection == nullptr) return take(key, stored);
    std::optional<Item> item = model::from_stored(stored);
    if (!item || (complete_ && !model::key_bytes(source_.info->keys, *item))) return damaged(key);
    if (complete_) MR_RETURN_IF_ERROR(complete(*item));
    if (request_.filter != nullptr && !expressions::matches(*request_.filter, *item)) return {};
    ++page_.count;
    if (request_.count_only) return {};
    separate();
    model::append_json(page_.items_json,
                       request_.projection != nullptr ? expressions::project(*item, *request_.projection) : *item);
    return {};
  }

  Result<void> take(std::string_view key, std::string_view stored) {
    ++page_.count;
    if (request_.count_only) return {};
    separate();
    if (!model::append_json_of_stored(page_.items_json, stored)) return damaged(key);
    return {};
  }

  void separate() {
    if (page_.items_json.size() > 1) page_.items_json += ',';
  }

  // REQUIRES: the item has the key of its table.
  Result<void> complete(Item& item) {
    const std::string own = *model::key_bytes(source_.info->keys, item);
    const std::string key = item_key(source_.info->id, own);
    MR_ASSIGN_OR_RETURN(const std::optional<std::string> stored, store_.get(Family::kItems, key));
    cost_ += kLookUpBytes;
    if (!stored) return {};
    cost_ += stored->size();
    std::optional<Item> whole = model::from_stored(*stored);
    if (!whole) return store_.damage().note("tables", damaged_item(*source_.info, own));
    item = *std::move(whole);
    return {};
  }

  const storage::Store& store_;
  const Source& source_;
  const ReadRequest& request_;
  const bool complete_;
  Page page_;
  std::size_t cost_ = 0;  // of what has been done so far, as bytes looked at
};

Result<void> check_filter_keys(const Source& source, const QueryRequest& request) {
  if (request.filter == nullptr) return {};
  std::vector<const std::string*> roots;
  collect_roots(*request.filter, roots);
  for (const std::string* root : roots) {
    if (!source.keys().has(*root)) continue;
    return invalid("Filter Expression can only contain non-primary key attributes: Primary key attribute: " + *root);
  }
  return {};
}

}  // namespace

Result<std::optional<std::string>> Tables::Engine::get(const Scope& scope, std::string_view name,
                                                       const Item& key) const {
  MR_ASSIGN_OR_RETURN(const auto table, readable(scope, name));
  MR_RETURN_IF_ERROR(check_key(table->keys, key));
  return store_.get(Family::kItems, item_key(table->id, *model::key_bytes(table->keys, key)));
}

Result<std::vector<std::optional<std::string>>> Tables::Engine::get_together(const Scope& scope,
                                                                             const std::vector<Wanted>& keys) const {
  std::vector<std::string> wanted;
  for (const Wanted& one : keys) {
    MR_ASSIGN_OR_RETURN(const auto table, readable(scope, one.table));
    MR_RETURN_IF_ERROR(check_key(table->keys, one.key));
    wanted.push_back(item_key(table->id, *model::key_bytes(table->keys, one.key)));
  }
  std::vector<std::optional<std::string>> found;
  const auto snapshot = store_.iterate(Family::kItems, {});
  for (const std::string& key : wanted) {
    snapshot->seek(key);
    const bool hit = snapshot->valid() && snapshot->key() == key;
    found.push_back(hit ? std::optional<std::string>(snapshot->value()) : std::nullopt);
    MR_RETURN_IF_ERROR(snapshot->status());
  }
  return found;
}

Error Tables::Engine::damaged(const Scope& scope, std::string_view name, const Item& key) const {
  const auto table = readable(scope, name);
  const auto bytes = table.ok() ? model::key_bytes((*table)->keys, key) : std::nullopt;
  if (!bytes) return Error(kResourceNotFound, "Requested resource not found");  // deleted since it was read
  return store_.damage().note("tables", damaged_item(**table, *bytes));
}

Result<Page> Tables::Engine::query(const Scope& scope, std::string_view name, const QueryRequest& request) const {
  MR_ASSIGN_OR_RETURN(auto table, readable(scope, name));
  MR_ASSIGN_OR_RETURN(const Source source, source_of(std::move(table), request));
  MR_ASSIGN_OR_RETURN(const KeyCondition condition,
                      expressions::to_key_condition(*request.key_condition, source.keys()));
  MR_RETURN_IF_ERROR(check_filter_keys(source, request));
  MR_ASSIGN_OR_RETURN(const bool complete, needs_table(source, request));
  const Range range = range_of(source, condition);
  std::optional<std::string> after;
  if (request.exclusive_start) {
    MR_ASSIGN_OR_RETURN(after, start_key(source, *request.exclusive_start));
    const std::string partition = source.prefix() + model::key_bytes(condition.partition, nullptr);
    const bool inside =
        after->starts_with(partition) && (request.forward ? *after >= range.lower : *after < range.upper);
    if (!inside) {
      return invalid("The provided starting key is outside query boundaries based on provided conditions");
    }
  }
  if (range.lower >= range.upper) {
    Page empty;
    if (!request.count_only) empty.items_json = "[]";
    return empty;
  }
  return PageReader(store_, source, request, complete).read(range, after, request.forward);
}

Result<Page> Tables::Engine::scan(const Scope& scope, std::string_view name, const ScanRequest& request) const {
  MR_ASSIGN_OR_RETURN(auto table, readable(scope, name));
  MR_ASSIGN_OR_RETURN(const Source source, source_of(std::move(table), request));
  MR_ASSIGN_OR_RETURN(const bool complete, needs_table(source, request));
  if (request.give_up_bytes && !request.limit) {
    // Known beforehand, so that nothing is read twice.
    MR_ASSIGN_OR_RETURN(const TableCounts held,
                        counts(source.info->id, source.index == nullptr ? 0 : source.index->number));
    const std::size_t bytes = static_cast<std::size_t>(std::max<std::int64_t>(held.bytes, 0)) / request.total_segments;
    if (bytes > *request.give_up_bytes) return Error(kReadTooLong, "a long page");
  }
  const Range range = segment_range(source, request.segment, request.total_segments);
  std::optional<std::string> after;
  if (request.exclusive_start) {
    MR_ASSIGN_OR_RETURN(after, start_key(source, *request.exclusive_start));
    if (*after < range.lower || *after >= range.upper) {
      return invalid(
          "The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct "
          "Segment. TotalSegments: " +
          std::to_string(request.total_segments) + " Segment: " + std::to_string(request.segment));
    }
  }
  return PageReader(store_, source, request, complete).read(range, after, true);
}

}  // namespace millrace::tables
