#include "tables/keys.h"

#include "codec/key.h"

namespace millrace::tables {

using codec::KeyReader;
using codec::KeyWriter;

std::string item_prefix(TableId table, std::uint16_t index) {
  return KeyWriter()
      .be32(table.value())
      .u8(static_cast<std::uint8_t>(index >> 8))
      .u8(static_cast<std::uint8_t>(index))
      .str();
}

std::string item_key(TableId table, std::string_view key_bytes) {
  std::string key = item_prefix(table, 0);
  key.reserve(key.size() + key_bytes.size());
  key += key_bytes;
  return key;
}

namespace {

// Nothing is appended for an item that is damaged: without the attribute, or with one of another type.
bool append_key_attribute(std::string& key, const model::KeyAttribute& attribute, const model::Item& item) {
  const model::AttributeValue* value = item.find(attribute.name);
  if (value == nullptr || !model::matches(attribute.type, *value)) return false;
  model::append_key_value(key, *value);
  return true;
}

}  // namespace

std::optional<std::string> index_key(const TableInfo& info, const Index& index, const model::Item& item) {
  const std::optional<std::string> own = model::key_bytes(index.keys, item);
  if (!own) return std::nullopt;
  std::string key = item_prefix(info.id, index.number) + *own;
  if (!append_key_attribute(key, info.keys.partition, item)) return std::nullopt;
  if (info.keys.sort && !append_key_attribute(key, *info.keys.sort, item)) return std::nullopt;
  return key;
}

std::string table_key(TableId table) { return KeyWriter(kTablePrefix).be32(table.value()).str(); }

std::string count_prefix(TableId table) { return KeyWriter("tables/count/").be32(table.value()).str(); }

std::string count_key(TableId table, std::uint16_t index, char what) {
  std::string key = count_prefix(table);
  key += static_cast<char>(index >> 8);
  key += static_cast<char>(index);
  key += what;
  return key;
}

std::string expiry_key(const ExpiryEntry& entry) {
  return KeyWriter(kExpiryPrefix)
      .be64(static_cast<std::uint64_t>(entry.seconds))
      .be32(entry.table.value())
      .raw(entry.key_bytes)
      .str();
}

std::string expiry_bound(std::int64_t seconds) {
  return KeyWriter(kExpiryPrefix).be64(static_cast<std::uint64_t>(seconds)).str();
}

std::optional<ExpiryEntry> read_expiry_key(std::string_view key) {
  KeyReader reader(key);
  if (!reader.skip(kExpiryPrefix)) return std::nullopt;
  const auto seconds = reader.be64();
  const auto table = reader.be32();
  // No item expires later (expiry_of()): beyond that no clock could wait for it.
  constexpr std::uint64_t kMost = (std::uint64_t{1} << 53) + 1;
  if (!seconds || *seconds > kMost || !table) return std::nullopt;
  return ExpiryEntry{static_cast<std::int64_t>(*seconds), TableId(*table), reader.rest()};
}

}  // namespace millrace::tables
