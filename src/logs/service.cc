#include "logs/service.h"

#include <algorithm>
#include <charconv>

#include "codec/json.h"
#include "crypto/encoding.h"
#include "logs/errors.h"
#include "logs/internal/state.h"
#include "storage/scan.h"
#include "telemetry/log.h"

namespace millrace::logs {

using codec::Json;
using storage::Family;
using storage::WriteBatch;

namespace internal {

void append_be(std::string& out, std::uint64_t value, int bytes) {
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}

std::uint64_t read_be(std::string_view& text, std::size_t bytes) {
  std::uint64_t value = 0;
  for (const char c : text.substr(0, bytes)) value = value << 8 | static_cast<unsigned char>(c);
  text.remove_prefix(bytes);
  return value;
}

std::string key(std::string_view prefix, std::uint64_t group) {
  std::string text(prefix);
  append_be(text, group, 8);
  return text;
}

std::string key(std::string_view prefix, std::uint64_t group, std::uint64_t chunk) {
  std::string text = key(prefix, group);
  append_be(text, chunk, 8);
  return text;
}

std::string position_text(const Position& position) {
  return std::to_string(to_unix_ms(position.timestamp)) + "-" + std::to_string(position.chunk) + "-" +
         std::to_string(position.index);
}

std::optional<Position> parse_position(std::string_view text) {
  std::int64_t ms = 0;
  Position position;
  const char* const end = text.data() + text.size();
  auto result = std::from_chars(text.data(), end, ms);
  if (result.ec != std::errc() || result.ptr == end || *result.ptr != '-') return std::nullopt;
  result = std::from_chars(result.ptr + 1, end, position.chunk);
  if (result.ec != std::errc() || result.ptr == end || *result.ptr != '-') return std::nullopt;
  result = std::from_chars(result.ptr + 1, end, position.index);
  if (result.ec != std::errc() || result.ptr != end) return std::nullopt;
  position.timestamp = from_unix_ms(ms);
  return position;
}

}  // namespace internal

namespace {

std::string catalogue_key(const GroupName& name) {
  return std::string(internal::kGroupPrefix) + name.scope.account + "/" + name.scope.region + "/" + name.name;
}

constexpr int kRetentionDays[] = {1,   3,   5,   7,   14,   30,   60,   90,   120,  150,  180,
                                  365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653};

Result<void> check_tags(const Tags& tags) {
  if (tags.size() > 50) return Error(kTooManyTags, "A resource can have at most 50 tags.");
  return {};
}

}  // namespace

std::string GroupInfo::arn() const {
  return "arn:aws:logs:" + name.scope.region + ":" + name.scope.account + ":log-group:" + name.name;
}

Service::Service(storage::Store& store, storage::Commits& commits, platform::Scheduler& scheduler, Limits limits)
    : store_(store), commits_(commits, "logs"), scheduler_(scheduler), limits_(limits) {
  commits_.set_restore([this] { return restore(); });
  commits_.set_resume(scheduler, [this] { resume(); });
}

Service::~Service() = default;

// --- start ---

Result<void> Service::load() {
  const std::scoped_lock lock(mutex_);
  MR_RETURN_IF_ERROR(numbers_.load(store_, scheduler_));
  return read_all();
}

Result<void> Service::read_all() {
  MR_RETURN_IF_ERROR(load_groups());
  MR_RETURN_IF_ERROR(load_streams());
  MR_RETURN_IF_ERROR(load_chunks());
  for (auto& [name, group] : groups_) arm_retention(*group);
  return {};
}

// What was gathered goes with what was refused: it will never be stored.
Result<void> Service::restore() {
  const std::scoped_lock lock(mutex_);
  for (auto& [name, group] : groups_) {
    for (auto& [stream_name, stream] : group->streams) discard_open(*group, stream);
  }
  by_number_.clear();
  groups_.clear();
  return read_all();
}

void Service::resume() {
  {
    const std::scoped_lock lock(mutex_);
    for (auto& [name, group] : groups_) arm_retention(*group);
  }
  flush();
}

Result<void> Service::load_groups() {
  const std::string prefix(internal::kGroupPrefix);
  auto it = store_.iterate(Family::kCatalogue, {prefix, storage::prefix_end(prefix)});
  for (it->seek(prefix); it->valid(); it->next()) {
    auto json = codec::parse_json(it->value());
    if (!json.ok()) return storage::damaged("log group", it->key());
    auto group = std::make_unique<Group>();
    group->number = static_cast<std::uint64_t>(json->int_or("number", 0));
    group->info.name = {Scope{std::string(json->string_or("account", "")), std::string(json->string_or("region", ""))},
                        std::string(json->string_or("name", ""))};
    group->info.created = from_unix_ms(json->int_or("created", 0));
    if (json->find("retention") != nullptr) {
      const auto days = json->int_or("retention", 0);
      // Any other number could drop what is to be kept.
      if (std::ranges::find(kRetentionDays, days) == std::end(kRetentionDays)) {
        return storage::damaged("log group", it->key());
      }
      group->info.retention_days = static_cast<int>(days);
    }
    group->info.log_class = json->string_or("class", "STANDARD");
    if (const Json* tags = json->find("tags"); tags != nullptr && tags->is_object()) {
      for (const auto& [tag, value] : tags->as_object()) {
        group->info.tags[tag] = value.is_string() ? value.as_string() : "";
      }
    }
    if (const Json* filters = json->find("filters"); filters != nullptr && filters->is_array()) {
      MetricFilters all;
      for (const auto& each : filters->as_array()) {
        auto filter = metric_filter_from_json(each);
        if (!filter.ok()) return storage::damaged("metric filter of the log group", it->key());
        std::string filter_name = filter->name;
        all[std::move(filter_name)] = *std::move(filter);
      }
      group->filters = std::make_shared<const MetricFilters>(std::move(all));
    }
    if (catalogue_key(group->info.name) != it->key() || group->number == 0 || by_number_.contains(group->number)) {
      return storage::damaged("log group", it->key());
    }
    numbers_.pass(group->number);
    by_number_[group->number] = group.get();
    groups_[group->info.name] = std::move(group);
  }
  return it->status();
}

Result<void> Service::load_streams() {
  const std::string prefix(internal::kStreamPrefix);
  auto it = store_.iterate(Family::kText, {prefix, storage::prefix_end(prefix)});
  for (it->seek(prefix); it->valid(); it->next()) {
    std::string_view rest = it->key().substr(prefix.size());
    std::string_view value = it->value();
    if (rest.size() < 8 || value.size() != 16) return storage::damaged("log stream", it->key());
    const auto group = by_number_.find(internal::read_be(rest, 8));
    if (group == by_number_.end()) continue;
    Stream stream;
    stream.info.name = rest;
    stream.number = internal::read_be(value, 8);
    stream.info.created = from_unix_ms(static_cast<std::int64_t>(internal::read_be(value, 8)));
    numbers_.pass(stream.number);
    if (!group->second->stream_names.emplace(stream.number, stream.info.name).second) {
      return storage::damaged("log stream", it->key());
    }
    group->second->streams.emplace(stream.info.name, std::move(stream));
  }
  return it->status();
}

Result<void> Service::load_chunks() {
  const std::string prefix(internal::kIndexPrefix);
  auto it = store_.iterate(Family::kText, {prefix, storage::prefix_end(prefix)});
  for (it->seek(prefix); it->valid(); it->next()) {
    std::string_view rest = it->key().substr(prefix.size());
    std::string_view value = it->value();
    if (rest.size() != 16 || value.size() != 44) return storage::damaged("log chunk", it->key());
    const auto found = by_number_.find(internal::read_be(rest, 8));
    const std::uint64_t number = internal::read_be(rest, 8);
    numbers_.pass(number);
    if (found == by_number_.end()) continue;
    const auto time = [&] { return from_unix_ms(static_cast<std::int64_t>(internal::read_be(value, 8))); };
    Group& group = *found->second;
    Chunk chunk;
    chunk.stream = internal::read_be(value, 8);
    chunk.first = time();
    chunk.last = time();
    chunk.ingested = time();
    chunk.count = static_cast<std::uint32_t>(internal::read_be(value, 4));
    chunk.bytes = internal::read_be(value, 8);
    group.info.stored_bytes += chunk.bytes;
    if (const auto name = group.stream_names.find(chunk.stream); name != group.stream_names.end()) {
      StreamInfo& info = group.streams.find(name->second)->second.info;
      info.first_event = std::min(info.first_event.value_or(chunk.first), chunk.first);
      info.last_event = std::max(info.last_event.value_or(chunk.last), chunk.last);
      info.last_ingestion = std::max(info.last_ingestion.value_or(chunk.ingested), chunk.ingested);
    }
    group.chunks.emplace(number, std::move(chunk));
  }
  return it->status();
}

// --- groups and streams ---

Result<Service::Group*> Service::find(const GroupName& name) {
  const auto it = groups_.find(name);
  if (it != groups_.end()) return it->second.get();
  for (const auto& [other, group] : groups_) {
    if (other.name != name.name) continue;
    telemetry::log_info("logs", "no log group '" + name.name + "' in account " + name.scope.account + ", region " +
                                    name.scope.region + "; there is one in account " + other.scope.account +
                                    ", region " + other.scope.region);
    break;
  }
  return Error(kResourceNotFound, "The specified log group does not exist.");
}

Result<Service::Stream*> Service::find_stream(Group& group, std::string_view stream) {
  const auto it = group.streams.find(stream);
  if (it == group.streams.end()) return Error(kResourceNotFound, "The specified log stream does not exist.");
  return &it->second;
}

void Service::save(const Group& group, WriteBatch& batch) const {
  Json tags = Json::object();
  for (const auto& [tag, value] : group.info.tags) tags.set(tag, value);
  const GroupName& name = group.info.name;
  Json json = Json::object();
  json.set("v", 1)
      .set("number", group.number)
      .set("account", name.scope.account)
      .set("region", name.scope.region)
      .set("name", name.name)
      .set("created", to_unix_ms(group.info.created))
      .set_if(group.info.retention_days.has_value(), "retention", group.info.retention_days.value_or(0))
      .set("class", group.info.log_class)
      .set("tags", std::move(tags));
  if (group.filters) {
    Json filters = Json::array();
    for (const auto& [filter_name, filter] : *group.filters) filters.push(to_json(filter));
    json.set("filters", std::move(filters));
  }
  batch.put(Family::kCatalogue, catalogue_key(name), json.dump());
}

Service::Group& Service::make_group(const GroupName& name, std::string log_class, const Tags& tags, WriteBatch& batch) {
  auto group = std::make_unique<Group>();
  group->number = numbers_.take(batch);
  group->info.name = name;
  group->info.created = scheduler_.now();
  group->info.log_class = std::move(log_class);
  group->info.tags = tags;
  save(*group, batch);
  by_number_[group->number] = group.get();
  return *(groups_[name] = std::move(group));
}

Service::Stream& Service::make_stream(Group& group, std::string_view name, WriteBatch& batch) {
  Stream stream;
  stream.number = numbers_.take(batch);
  stream.info.name = name;
  stream.info.created = scheduler_.now();
  std::string value;
  internal::append_be(value, stream.number, 8);
  internal::append_be(value, static_cast<std::uint64_t>(to_unix_ms(stream.info.created)), 8);
  batch.put(Family::kText, internal::key(internal::kStreamPrefix, group.number) + stream.info.name, value);
  group.stream_names[stream.number] = stream.info.name;
  return group.streams.emplace(std::string(name), std::move(stream)).first->second;
}

Result<void> Service::create_group(const GroupName& name, std::string log_class, const Tags& tags) {
  MR_RETURN_IF_ERROR(check_tags(tags));
  const std::scoped_lock lock(mutex_);
  if (groups_.contains(name)) return Error(kResourceAlreadyExists, "The specified log group already exists");
  WriteBatch batch;
  make_group(name, std::move(log_class), tags, batch);
  commits_.submit(std::move(batch));
  return {};
}

Result<void> Service::create_stream(const GroupName& name, std::string_view stream) {
  const std::scoped_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(Group * group, find(name));
  if (group->streams.contains(stream)) {
    return Error(kResourceAlreadyExists, "The specified log stream already exists");
  }
  WriteBatch batch;
  make_stream(*group, stream, batch);
  commits_.submit(std::move(batch));
  return {};
}

void Service::erase_group(Group& group, WriteBatch& batch) {
  batch.erase(Family::kCatalogue, catalogue_key(group.info.name));
  for (const auto prefix : {internal::kStreamPrefix, internal::kIndexPrefix, internal::kChunkPrefix}) {
    const std::string from = internal::key(prefix, group.number);
    batch.erase_range(Family::kText, from, storage::prefix_end(from));
  }
  for (auto& [name, stream] : group.streams) discard_open(group, stream);
  by_number_.erase(group.number);
  const GroupName name = group.info.name;
  groups_.erase(name);
}

Result<void> Service::delete_group(const GroupName& name) {
  const std::scoped_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(Group * group, find(name));
  WriteBatch batch;
  erase_group(*group, batch);
  commits_.submit(std::move(batch));
  return {};
}

void Service::reset(std::string_view account) {
  const std::scoped_lock lock(mutex_);
  std::vector<Group*> groups;
  for (auto& [name, group] : groups_) {
    if (name.scope.account == account) groups.push_back(group.get());
  }
  if (groups.empty()) return;
  WriteBatch batch;
  for (Group* group : groups) erase_group(*group, batch);
  commits_.submit(std::move(batch));
}

Result<void> Service::delete_stream(const GroupName& name, std::string_view stream_name) {
  const std::scoped_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(Group * group, find(name));
  MR_ASSIGN_OR_RETURN(Stream * stream, find_stream(*group, stream_name));
  WriteBatch batch;
  discard_open(*group, *stream);
  std::vector<std::uint64_t> chunks;
  for (const auto& [number, chunk] : group->chunks) {
    if (chunk.stream == stream->number) chunks.push_back(number);
  }
  for (const auto number : chunks) drop_chunk(*group, number, batch);
  batch.erase(Family::kText, internal::key(internal::kStreamPrefix, group->number) + stream->info.name);
  group->stream_names.erase(stream->number);
  group->streams.erase(group->streams.find(stream_name));
  commits_.submit(std::move(batch));
  return {};
}

Result<void> Service::set_retention(const GroupName& name, std::optional<int> days) {
  if (days && std::ranges::find(kRetentionDays, *days) == std::end(kRetentionDays)) {
    std::string allowed;
    for (const int one : kRetentionDays) allowed += (allowed.empty() ? "" : ", ") + std::to_string(one);
    return Error(kInvalidParameter, "1 validation error detected: Value '" + std::to_string(*days) +
                                        "' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum "
                                        "value set: [" +
                                        allowed + "]");
  }
  const std::scoped_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(Group * group, find(name));
  group->info.retention_days = days;
  WriteBatch batch;
  save(*group, batch);
  commits_.submit(std::move(batch));
  arm_retention(*group);
  return {};
}

Result<void> Service::tag(const GroupName& name, const Tags& tags) {
  const std::scoped_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(Group * group, find(name));
  Tags changed = group->info.tags;
  for (const auto& [tag, value] : tags) changed[tag] = value;
  MR_RETURN_IF_ERROR(check_tags(changed));
  group->info.tags = std::move(changed);
  WriteBatch batch;
  save(*group, batch);
  commits_.submit(std::move(batch));
  return {};
}

Result<void> Service::untag(const GroupName& name, const std::vector<std::string>& keys) {
  const std::scoped_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(Group * group, find(name));
  for (const auto& tag : keys) group->info.tags.erase(tag);
  WriteBatch batch;
  save(*group, batch);
  commits_.submit(std::move(batch));
  return {};
}

Result<GroupInfo> Service::describe_group(const GroupName& name) {
  const std::scoped_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(Group * group, find(name));
  return group->info;
}

Result<Page<GroupInfo>> Service::list_groups(const Scope& scope, const std::function<bool(const GroupInfo&)>& wanted,
                                             std::size_t limit, std::string_view token) {
  std::string after;
  if (!token.empty()) {
    auto decoded = crypto::base64_decode(token);
    if (!decoded) return Error(kInvalidParameter, "The specified nextToken is invalid.");
    after = *std::move(decoded);
  }
  const std::scoped_lock lock(mutex_);
  Page<GroupInfo> page;
  for (auto it = groups_.upper_bound(GroupName{scope, after}); it != groups_.end() && it->first.scope == scope; ++it) {
    if (!wanted(it->second->info)) continue;
    if (page.items.size() == limit) {
      page.next_token = crypto::base64_encode(page.items.back().name.name);
      break;
    }
    page.items.push_back(it->second->info);
  }
  return page;
}

Result<Page<StreamInfo>> Service::list_streams(const GroupName& name, const StreamQuery& query) {
  using SortKey = std::pair<std::int64_t, std::string>;
  const bool by_time = query.order == StreamQuery::Order::kLastEventTime;
  const bool descending = query.direction == StreamQuery::Direction::kDescending;
  const auto key_of = [&](const StreamInfo& info) {
    return SortKey(by_time && info.last_event ? to_unix_ms(*info.last_event) : 0, info.name);
  };
  const auto before = [&](const SortKey& a, const SortKey& b) { return descending ? b < a : a < b; };
  std::optional<SortKey> after;
  if (!query.token.empty()) {
    const auto decoded = crypto::base64_decode(query.token);
    std::int64_t ms = 0;
    const auto slash = decoded ? decoded->find('/') : std::string::npos;
    if (slash == std::string::npos || std::from_chars(decoded->data(), decoded->data() + slash, ms).ec != std::errc()) {
      return Error(kInvalidParameter, "The specified nextToken is invalid.");
    }
    after = SortKey(ms, decoded->substr(slash + 1));
  }
  const std::scoped_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(Group * group, find(name));
  seal_all(*group);
  Page<StreamInfo> page;
  for (const auto& [stream_name, stream] : group->streams) {
    if (!stream_name.starts_with(query.prefix)) continue;
    if (!after || before(*after, key_of(stream.info))) page.items.push_back(stream.info);
  }
  std::ranges::sort(page.items, before, key_of);
  if (page.items.size() > query.limit) {
    page.items.resize(query.limit);
    const SortKey last = key_of(page.items.back());
    page.next_token = crypto::base64_encode(std::to_string(last.first) + "/" + last.second);
  }
  return page;
}

}  // namespace millrace::logs
