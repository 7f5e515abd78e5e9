#include "streams/internal/catalogue.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "codec/json.h"
#include "codec/key.h"

namespace millrace::streams {

namespace {

using codec::Json;
using codec::KeyReader;
using codec::KeyWriter;
using storage::Family;
using storage::WriteBatch;

constexpr std::string_view kPrefix = "streams/";
constexpr std::string_view kNext = "streams/next";
constexpr std::string_view kFloor = "streams/floor";
constexpr std::string_view kStream = "streams/stream/";
constexpr std::string_view kShard = "streams/shard/";
constexpr std::string_view kStart = "streams/start/";
constexpr std::string_view kEnd = "streams/end/";

std::string key(std::string_view prefix, std::uint64_t number) { return KeyWriter(prefix).be64(number).str(); }

// 64-bit hashes do not fit a JSON number.
std::string hex(std::uint64_t value) {
  char text[16];
  const auto end = std::to_chars(text, text + sizeof(text), value, 16).ptr;
  return {text, end};
}
std::optional<std::uint64_t> parse_hex(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Json key_json(const model::KeyAttribute& attribute) {
  return Json::object({{"name", attribute.name}, {"type", std::string(model::key_type_name(attribute.type))}});
}
std::optional<model::KeyAttribute> parse_key(const Json* json) {
  if (json == nullptr) return std::nullopt;
  const std::string_view type = json->string_or("type", "");
  for (const auto known : {model::KeyType::kString, model::KeyType::kNumber, model::KeyType::kBinary}) {
    if (type == model::key_type_name(known))
      return model::KeyAttribute{std::string(json->string_or("name", "")), known};
  }
  return std::nullopt;
}

std::optional<Stream> parse_stream(StreamId id, const Json& json) {
  const auto view = model::parse_view_type(json.string_or("view", ""));
  auto partition = parse_key(json.find("partitionKey"));
  if (json.int_or("v", 0) != 1 || !view || !partition) return std::nullopt;
  Stream stream;
  stream.id = id;
  stream.scope = {std::string(json.string_or("account", "")), std::string(json.string_or("region", ""))};
  stream.table_name = json.string_or("table", "");
  stream.table_id = json.string_or("tableId", "");
  stream.label = json.string_or("label", "");
  stream.arn = stream_arn(stream.scope, stream.table_name, stream.label);
  stream.view = *view;
  stream.key_schema = {std::move(*partition), parse_key(json.find("sortKey"))};
  stream.created = from_unix_ms(json.int_or("created", 0));
  stream.initial_shards = static_cast<int>(json.int_or("shards", 1));
  if (const Json* own = json.find("retentionMs"); own != nullptr && own->is_int()) {
    if (own->as_int() <= 0) return std::nullopt;  // would trim everything
    stream.retention = Milliseconds(own->as_int());
  }
  if (const Json* closed = json.find("closed")) stream.closed = from_unix_ms(closed->is_int() ? closed->as_int() : 0);
  return stream;
}

std::optional<std::pair<StreamId, Shard>> parse_shard(ShardNumber number, const Json& json) {
  const auto from = parse_hex(json.string_or("hashFrom", ""));
  const auto to = parse_hex(json.string_or("hashTo", ""));
  if (json.int_or("v", 0) != 1 || !from || !to) return std::nullopt;
  Shard shard;
  shard.number = number;
  shard.id = json.string_or("shardId", "");
  if (const Json* parent = json.find("parent"); parent != nullptr && parent->is_int()) {
    shard.parent = ShardNumber(static_cast<std::uint64_t>(parent->as_int()));
    shard.parent_id = json.string_or("parentId", "");
  }
  if (const Json* other = json.find("secondParent"); other != nullptr && other->is_int()) {
    shard.second_parent = ShardNumber(static_cast<std::uint64_t>(other->as_int()));
    shard.second_parent_id = json.string_or("secondParentId", "");
  }
  shard.hash_from = *from;
  shard.hash_to = *to;
  shard.created = from_unix_ms(json.int_or("created", 0));
  return std::pair(StreamId(static_cast<std::uint64_t>(json.int_or("stream", 0))), std::move(shard));
}

// Collects what one pass over the prefix finds; keys come in the order end, next, shard, start, stream.
struct Loader {
  Catalogue catalogue;
  std::map<ShardNumber, std::pair<StreamId, Shard>> shards;
  std::map<ShardNumber, std::pair<Time, Stamp>> ends;

  // False: damaged.
  bool take(std::string_view stored_key, std::string_view value) {
    KeyReader reader(stored_key);
    if (stored_key == kNext) {
      const auto next = KeyReader(value).be64();
      catalogue.next_id = next.value_or(0);
      return next.has_value();
    }
    if (stored_key == kFloor) {
      const auto floor = KeyReader(value).be64();
      catalogue.floor = floor.value_or(0);
      return floor.has_value();
    }
    if (reader.skip(kEnd)) return take_end(reader.be64(), KeyReader(value));
    if (reader.skip(kStart)) return take_start(reader.be64(), KeyReader(value).be64());
    const bool is_shard = reader.skip(kShard);
    if (!is_shard && !reader.skip(kStream)) return false;
    const auto number = reader.be64();
    const auto json = codec::parse_json(value);
    if (!number || !json.ok()) return false;
    if (is_shard) {
      auto shard = parse_shard(ShardNumber(*number), *json);
      return shard && shards.emplace(ShardNumber(*number), std::move(*shard)).second;
    }
    auto stream = parse_stream(StreamId(*number), *json);
    return stream && catalogue.streams.emplace(StreamId(*number), std::move(*stream)).second;
  }

  bool take_end(std::optional<std::uint64_t> number, KeyReader value) {
    const auto closed = value.be64();
    const auto next = value.be64();
    if (!number || !closed || !next) return false;
    ends[ShardNumber(*number)] = {from_unix_ms(static_cast<std::int64_t>(*closed)), *next};
    return true;
  }

  bool take_start(std::optional<std::uint64_t> number, std::optional<std::uint64_t> start) {
    if (!number || !start) return false;
    const auto it = shards.find(ShardNumber(*number));
    if (it == shards.end()) return false;
    it->second.second.start = *start;
    return true;
  }

  bool join() {
    for (auto& [number, entry] : shards) {
      const auto stream = catalogue.streams.find(entry.first);
      if (stream == catalogue.streams.end()) return false;
      Shard& shard = entry.second;
      if (const auto end = ends.find(number); end != ends.end()) {
        shard.closed = end->second.first;
        shard.end = std::max(shard.start, end->second.second - 1);
      }
      stream->second.shards.push_back(std::move(shard));
    }
    return true;
  }
};

// A write finds its shard by its key's hash: one open shard of an enabled stream for each.
bool has_a_shard_for_every_hash(const Stream& stream) {
  std::map<std::uint64_t, std::uint64_t> open;  // the last hash by the first
  for (const Shard& shard : stream.shards) {
    if (shard.is_open() && !open.emplace(shard.hash_from, shard.hash_to).second) return false;
  }
  std::uint64_t next = 0;
  for (const auto& [from, to] : open) {
    if (from != next || to < from) return false;
    next = to + 1;  // 0 after kHashMax, where none can begin again
  }
  return !open.empty() && open.rbegin()->second == kHashMax;
}

}  // namespace

std::string stream_arn(const Scope& scope, const std::string& table, const std::string& label) {
  return "arn:aws:dynamodb:" + scope.region + ":" + scope.account + ":table/" + table + "/stream/" + label;
}

void put_stream(const Stream& stream, WriteBatch& batch) {
  Json json = Json::object({{"v", 1},
                            {"account", stream.scope.account},
                            {"region", stream.scope.region},
                            {"table", stream.table_name},
                            {"tableId", stream.table_id},
                            {"label", stream.label},
                            {"view", std::string(model::view_type_name(stream.view))},
                            {"created", to_unix_ms(stream.created)},
                            {"shards", stream.initial_shards},
                            {"partitionKey", key_json(stream.key_schema.partition)}});
  if (stream.key_schema.sort) json.set("sortKey", key_json(*stream.key_schema.sort));
  if (stream.retention) json.set("retentionMs", stream.retention->count());
  if (!stream.is_enabled()) json.set("closed", to_unix_ms(stream.closed));
  batch.put(Family::kCatalogue, key(kStream, stream.id.value()), json.dump());
}

void put_shard(StreamId stream, const Shard& shard, WriteBatch& batch) {
  Json json = Json::object({{"v", 1},
                            {"stream", stream.value()},
                            {"shardId", shard.id},
                            {"hashFrom", hex(shard.hash_from)},
                            {"hashTo", hex(shard.hash_to)},
                            {"created", to_unix_ms(shard.created)}});
  if (shard.parent) json.set("parent", shard.parent->value()).set("parentId", shard.parent_id);
  if (shard.second_parent) {
    json.set("secondParent", shard.second_parent->value()).set("secondParentId", shard.second_parent_id);
  }
  batch.put(Family::kCatalogue, key(kShard, shard.number.value()), json.dump());
  batch.put_stamped(Family::kCatalogue, key(kStart, shard.number.value()), "");
}

void put_end(const Shard& shard, WriteBatch& batch) {
  batch.put_stamped(Family::kCatalogue, key(kEnd, shard.number.value()),
                    codec::be64(static_cast<std::uint64_t>(to_unix_ms(shard.closed))));
}

void put_next_id(std::uint64_t next, WriteBatch& batch) { batch.put(Family::kCatalogue, kNext, codec::be64(next)); }

void put_floor(Stamp floor, WriteBatch& batch) { batch.put(Family::kCatalogue, kFloor, codec::be64(floor)); }

void erase_stream(const Stream& stream, WriteBatch& batch) {
  for (const Shard& shard : stream.shards) erase_shard(shard, batch);
  batch.erase(Family::kCatalogue, key(kStream, stream.id.value()));
}

void erase_shard(const Shard& shard, WriteBatch& batch) {
  for (const auto prefix : {kShard, kStart, kEnd}) batch.erase(Family::kCatalogue, key(prefix, shard.number.value()));
}

Result<Catalogue> load_catalogue(const storage::Store& store) {
  Loader loader;
  const auto it = store.iterate(Family::kCatalogue, {std::string(kPrefix), storage::prefix_end(kPrefix)});
  for (it->seek(kPrefix); it->valid(); it->next()) {
    if (!loader.take(it->key(), it->value())) {
      return Error(storage::kStorageFailed,
                   "The stored description of streams is damaged at " + Json(it->key()).dump());
    }
  }
  MR_RETURN_IF_ERROR(it->status());
  if (!loader.join()) return Error(storage::kStorageFailed, "The stored description of streams lacks a stream");
  for (const auto& [id, stream] : loader.catalogue.streams) {
    if (stream.is_enabled() && !has_a_shard_for_every_hash(stream)) {
      return Error(storage::kStorageFailed,
                   "The stored description of streams is damaged: not every key has one open shard of " + stream.arn);
    }
  }
  return std::move(loader.catalogue);
}

}  // namespace millrace::streams
