#include "tables/table.h"

#include <algorithm>

#include "codec/json.h"

namespace millrace::tables {
namespace {

using codec::Json;

constexpr int kVersion = 1;
constexpr ErrorType kDamaged{"InternalServerError", 500, ErrorKind::kServer};

Json to_json(const model::KeyAttribute& attribute) {
  return Json::object({{"name", attribute.name}, {"type", model::key_type_name(attribute.type)}});
}

Json to_json(const model::KeySchema& keys) {
  Json out = Json::object({{"partition", to_json(keys.partition)}});
  if (keys.sort) out.set("sort", to_json(*keys.sort));
  return out;
}

Json to_json(const Throughput& throughput) {
  return Json::object({{"read", throughput.read}, {"write", throughput.write}});
}

Json to_json(const Index& index) {
  Json attributes = Json::array();
  for (const std::string& name : index.projection.attributes) attributes.push(name);
  return Json::object({{"number", static_cast<int>(index.number)},
                       {"name", index.name},
                       {"global", index.kind == Index::Kind::kGlobal},
                       {"keys", to_json(index.keys)},
                       {"projection", static_cast<int>(index.projection.kind)},
                       {"attributes", std::move(attributes)},
                       {"building", index.building},
                       {"throughput", to_json(index.throughput)}});
}

Json to_json(const TableStream& stream) {
  return Json::object({{"id", stream.id},
                       {"arn", stream.arn},
                       {"label", stream.label},
                       {"view", model::view_type_name(stream.view)},
                       {"enabled", stream.enabled}});
}

void set_time(Json& json, std::string_view name, const std::optional<Time>& time) {
  if (time) json.set(name, to_unix_ms(*time));
}

std::optional<Time> time_of(const Json& json, std::string_view name) {
  const Json* value = json.find(name);
  if (value == nullptr || !value->is_int()) return std::nullopt;
  return from_unix_ms(value->as_int());
}

const Json& member(const Json& json, std::string_view name) {
  static const Json kNone;
  const Json* found = json.find(name);
  return found == nullptr ? kNone : *found;
}

model::KeyAttribute read_attribute(const Json& json) {
  const std::string_view type = json.string_or("type", "");
  // Without a name it is damaged.
  if (type != "S" && type != "N" && type != "B") return {};
  return {std::string(json.string_or("name", "")), type == "N"   ? model::KeyType::kNumber
                                                   : type == "B" ? model::KeyType::kBinary
                                                                 : model::KeyType::kString};
}

model::KeySchema read_keys(const Json& json) {
  model::KeySchema keys;
  keys.partition = read_attribute(member(json, "partition"));
  if (const Json* sort = json.find("sort")) keys.sort = read_attribute(*sort);
  return keys;
}

Throughput read_throughput(const Json& json) { return {json.int_or("read", 0), json.int_or("write", 0)}; }

Index read_index(const Json& json) {
  Index index;
  index.number = static_cast<std::uint16_t>(json.int_or("number", 0));
  index.name = json.string_or("name", "");
  index.kind = json.bool_or("global", true) ? Index::Kind::kGlobal : Index::Kind::kLocal;
  index.keys = read_keys(member(json, "keys"));
  index.projection.kind = static_cast<IndexProjection::Kind>(json.int_or("projection", 0));
  if (const Json* names = json.find("attributes"); names != nullptr && names->is_array()) {
    for (const Json& name : names->as_array()) {
      if (name.is_string()) index.projection.attributes.push_back(name.as_string());
    }
  }
  index.throughput = read_throughput(member(json, "throughput"));
  index.building = json.bool_or("building", false);
  return index;
}

TableStream read_stream(const Json& json) {
  TableStream stream;
  stream.id = static_cast<std::uint64_t>(json.int_or("id", 0));
  stream.arn = json.string_or("arn", "");
  stream.label = json.string_or("label", "");
  stream.view = model::parse_view_type(json.string_or("view", "")).value_or(model::ViewType::kNewAndOldImages);
  stream.enabled = json.bool_or("enabled", false);
  return stream;
}

bool is_complete(const model::KeySchema& keys) {
  return !keys.partition.name.empty() && (!keys.sort || !keys.sort->name.empty());
}

bool is_complete(const Index& index) {
  return index.number != 0 && !index.name.empty() && is_complete(index.keys) &&
         index.projection.kind <= IndexProjection::Kind::kInclude;
}

template <typename T, typename F>
void read_list(const Json& json, std::string_view name, std::vector<T>& out, F&& read) {
  const Json* list = json.find(name);
  if (list == nullptr || !list->is_array()) return;
  for (const Json& element : list->as_array()) out.push_back(read(element));
}

void read_settings(const Json& json, TableInfo& info) {
  info.billing = json.bool_or("pay_per_request", false) ? BillingMode::kPayPerRequest : BillingMode::kProvisioned;
  info.throughput = read_throughput(member(json, "throughput"));
  info.pay_per_request_since = time_of(json, "pay_per_request_since");
  info.throughput_raised = time_of(json, "throughput_raised");
  info.throughput_lowered = time_of(json, "throughput_lowered");
  if (const Json* stream = json.find("stream")) info.stream = read_stream(*stream);
  if (const Json* encryption = json.find("encryption")) {
    info.encryption = Encryption{std::string(encryption->string_or("key_arn", ""))};
  }
  info.table_class = json.string_or("table_class", "");
  info.deletion_protection = json.bool_or("deletion_protection", false);
  if (const Json* tags = json.find("tags"); tags != nullptr && tags->is_object()) {
    for (const auto& [key, value] : tags->as_object()) {
      if (value.is_string()) info.tags[key] = value.as_string();
    }
  }
  const Json& ttl = member(json, "ttl");
  info.ttl.attribute = ttl.string_or("attribute", "");
  info.ttl.enabled = ttl.bool_or("enabled", false);
  info.ttl.filled = ttl.bool_or("filled", false);
  info.ttl.changed = time_of(ttl, "changed").value_or(Time{});
}

}  // namespace

const Index* TableInfo::find_index(std::string_view index_name) const {
  for (const Index& index : indexes) {
    if (index.name == index_name) return &index;
  }
  return nullptr;
}

std::string to_catalogue(const TableInfo& info) {
  Json json = Json::object({{"v", kVersion},
                            {"account", info.scope.account},
                            {"region", info.scope.region},
                            {"name", info.name},
                            {"id", std::int64_t{info.id.value()}},
                            {"uuid", info.uuid},
                            {"created", to_unix_ms(info.created)},
                            {"keys", to_json(info.keys)}});
  Json definitions = Json::array();
  for (const model::KeyAttribute& attribute : info.definitions) definitions.push(to_json(attribute));
  json.set("definitions", std::move(definitions));
  Json indexes = Json::array();
  for (const Index& index : info.indexes) indexes.push(to_json(index));
  json.set("indexes", std::move(indexes));
  json.set("next_index", static_cast<int>(info.next_index));
  json.set("pay_per_request", info.billing == BillingMode::kPayPerRequest);
  json.set("throughput", to_json(info.throughput));
  set_time(json, "pay_per_request_since", info.pay_per_request_since);
  set_time(json, "throughput_raised", info.throughput_raised);
  set_time(json, "throughput_lowered", info.throughput_lowered);
  if (info.stream) json.set("stream", to_json(*info.stream));
  if (info.encryption) json.set("encryption", Json::object({{"key_arn", info.encryption->key_arn}}));
  json.set("table_class", info.table_class);
  json.set("deletion_protection", info.deletion_protection);
  Json tags = Json::object();
  for (const auto& [key, value] : info.tags) tags.set(key, value);
  json.set("tags", std::move(tags));
  json.set("ttl", Json::object({{"attribute", info.ttl.attribute},
                                {"enabled", info.ttl.enabled},
                                {"filled", info.ttl.filled},
                                {"changed", to_unix_ms(info.ttl.changed)}}));
  return json.dump();
}

Result<TableInfo> from_catalogue(std::string_view record) {
  Result<Json> parsed = codec::parse_json(record);
  if (!parsed.ok()) return Error(kDamaged, "damaged catalogue record of a table: " + parsed.error().message());
  const Json& json = *parsed;
  if (json.int_or("v", 0) != kVersion) return Error(kDamaged, "catalogue record of a table is of another version");
  TableInfo info;
  info.scope = {std::string(json.string_or("account", "")), std::string(json.string_or("region", ""))};
  info.name = json.string_or("name", "");
  info.id = TableId(static_cast<std::uint32_t>(json.int_or("id", 0)));
  info.uuid = json.string_or("uuid", "");
  info.arn = table_arn(info.scope, info.name);
  info.created = time_of(json, "created").value_or(Time{});
  info.keys = read_keys(member(json, "keys"));
  read_list(json, "definitions", info.definitions, read_attribute);
  read_list(json, "indexes", info.indexes, read_index);
  info.next_index = static_cast<std::uint16_t>(json.int_or("next_index", 1));
  for (const Index& index : info.indexes) {  // a record of format 1 says it by its indexes alone
    info.next_index = std::max(info.next_index, static_cast<std::uint16_t>(index.number + 1));
  }
  read_settings(json, info);
  if (info.name.empty() || info.id == TableId() || !is_complete(info.keys) ||
      !std::ranges::all_of(info.indexes, [](const Index& index) { return is_complete(index); })) {
    return Error(kDamaged, "damaged catalogue record of a table: incomplete");
  }
  return info;
}

std::string table_arn(const Scope& scope, std::string_view name) {
  return "arn:aws:dynamodb:" + scope.region + ":" + scope.account + ":table/" + std::string(name);
}

std::string index_arn(const TableInfo& info, std::string_view index_name) {
  return info.arn + "/index/" + std::string(index_name);
}

}  // namespace millrace::tables
