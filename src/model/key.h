// Primary keys: schema, order-preserving bytes, hash.
//
// Key bytes of one item: hash64 of the partition key's encoding (be64), the partition key's encoding, the sort key's
// encoding. Encodings are self-delimiting and compare like the values: S and B: each 0x00 becomes 0x00 0xFF, end is
// 0x00 0x01; N: Number::append_key. Hence the items of one partition are adjacent and in sort-key order, and partitions
// are in hash order, as a Scan wants them. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/attribute_value.h"

namespace millrace::model {

enum class KeyType : std::uint8_t { kString, kNumber, kBinary };

struct KeyAttribute {
  std::string name;
  KeyType type = KeyType::kString;
  friend bool operator==(const KeyAttribute&, const KeyAttribute&) = default;
};

struct KeySchema {
  KeyAttribute partition;
  std::optional<KeyAttribute> sort;
  bool has(std::string_view name) const { return partition.name == name || (sort && sort->name == name); }
  friend bool operator==(const KeySchema&, const KeySchema&) = default;
};

std::string_view key_type_name(KeyType type);  // "S", "N", "B"
bool matches(KeyType type, const AttributeValue& value);

// Stable for ever: decides shards and lanes. Same number, however written, same hash.
std::uint64_t hash64(std::string_view bytes);
// Of a partition key's encoding.
std::uint64_t partition_hash(const AttributeValue& partition_key);

// REQUIRES: value is S, N or B.
void append_key_value(std::string& out, const AttributeValue& value);
// Reads one encoding of that type from the front of `in`; nullopt when malformed.
std::optional<AttributeValue> read_key_value(std::string_view& in, KeyType type);

// be64(hash) partition [sort]. REQUIRES: values of the schema's types; `sort` given if and only if the schema has one.
std::string key_bytes(const AttributeValue& partition, const AttributeValue* sort);
// Of an item that has valid key attributes (tables checks that). nullopt when one is missing or of another type.
std::optional<std::string> key_bytes(const KeySchema& schema, const Item& item);
// The key attributes alone. nullopt when one is missing.
std::optional<Item> key_of(const KeySchema& schema, const Item& item);

}  // namespace millrace::model
