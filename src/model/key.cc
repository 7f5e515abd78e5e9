#include "model/key.h"

#include <cstring>

#include "base/assert.h"

namespace millrace::model {
namespace {

void append_escaped(std::string& out, std::string_view bytes) {
  for (const char c : bytes) {
    out += c;
    if (c == '\0') out += '\xFF';
  }
  out += '\0';
  out += '\1';
}

std::optional<std::string> read_escaped(std::string_view& in) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < in.size(); ++i) {
    if (in[i] != '\0') {
      bytes += in[i];
    } else if (in[i + 1] == '\1') {
      in.remove_prefix(i + 2);
      return bytes;
    } else if (in[i + 1] == '\xFF') {
      bytes += in[i++];
    } else {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

std::uint64_t mixed(std::uint64_t x) {  // the finalizer of SplitMix64: every input bit reaches every output bit
  x ^= x >> 30;
  x *= 0xBF58476D1CE4E5B9ULL;
  x ^= x >> 27;
  x *= 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

void append_be64(std::string& out, std::uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
}

const AttributeValue* key_value(const KeyAttribute& attribute, const Item& item) {
  const AttributeValue* value = item.find(attribute.name);
  return value != nullptr && matches(attribute.type, *value) ? value : nullptr;
}

}  // namespace

std::string_view key_type_name(KeyType type) {
  constexpr std::string_view kNames[] = {"S", "N", "B"};
  return kNames[static_cast<std::size_t>(type)];
}

bool matches(KeyType type, const AttributeValue& value) {
  switch (type) {
    case KeyType::kString:
      return value.is(Type::kString);
    case KeyType::kNumber:
      return value.is(Type::kNumber);
    case KeyType::kBinary:
      return value.is(Type::kBinary);
  }
  return false;
}

std::uint64_t hash64(std::string_view bytes) {
  std::uint64_t hash = 0x9E3779B97F4A7C15ULL ^ bytes.size();
  std::size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < 8; ++i) {  // big endian on every machine: the hash is stored
      word = (word << 8) | static_cast<unsigned char>(bytes[at + i]);
    }
    hash = mixed(hash ^ word) + 0x9E3779B97F4A7C15ULL;
  }
  std::uint64_t word = 0;
  for (; at < bytes.size(); ++at) word = (word << 8) | static_cast<unsigned char>(bytes[at]);
  return mixed(hash ^ word);
}

std::uint64_t partition_hash(const AttributeValue& partition_key) {
  std::string encoded;
  append_key_value(encoded, partition_key);
  return hash64(encoded);
}

void append_key_value(std::string& out, const AttributeValue& value) {
  switch (value.type()) {
    case Type::kString:
      return append_escaped(out, value.get<std::string>());
    case Type::kBinary:
      return append_escaped(out, value.get<Binary>().bytes);
    case Type::kNumber:
      return value.get<Number>().append_key(out);
    default:
      MR_ASSERT(!"key of a type that is no key type");
  }
}

std::optional<AttributeValue> read_key_value(std::string_view& in, KeyType type) {
  if (type == KeyType::kNumber) {
    const std::optional<Number> number = Number::read_key(in);
    if (!number) return std::nullopt;
    return AttributeValue::number(*number);
  }
  std::optional<std::string> bytes = read_escaped(in);
  if (!bytes) return std::nullopt;
  return type == KeyType::kString ? AttributeValue::string(*std::move(bytes))
                                  : AttributeValue::binary(*std::move(bytes));
}

std::string key_bytes(const AttributeValue& partition, const AttributeValue* sort) {
  std::string encoded;
  append_key_value(encoded, partition);
  std::string out;
  out.reserve(encoded.size() + 32);
  append_be64(out, hash64(encoded));
  out += encoded;
  if (sort != nullptr) append_key_value(out, *sort);
  return out;
}

std::optional<std::string> key_bytes(const KeySchema& schema, const Item& item) {
  const AttributeValue* partition = key_value(schema.partition, item);
  const AttributeValue* sort = schema.sort ? key_value(*schema.sort, item) : nullptr;
  if (partition == nullptr || (schema.sort && sort == nullptr)) return std::nullopt;
  return key_bytes(*partition, sort);
}

std::optional<Item> key_of(const KeySchema& schema, const Item& item) {
  const AttributeValue* partition = key_value(schema.partition, item);
  const AttributeValue* sort = schema.sort ? key_value(*schema.sort, item) : nullptr;
  if (partition == nullptr || (schema.sort && sort == nullptr)) return std::nullopt;
  Item key;
  key.set(schema.partition.name, *partition);
  if (sort != nullptr) key.set(schema.sort->name, *sort);
  return key;
}

}  // namespace millrace::model
