// The stored form of items: compact, versioned, readable without building the item.
//
//   item   = version(1) body            version = 1
//   body   = varint(count) (name value)*          sorted by name
//   name   = varint(length) bytes
//   value  = type(1) payload            type = model::Type
//   payload: null ''; bool 0|1; string, binary varint(length) bytes; number Number::append_stored
//            map varint(bytes) body; list varint(bytes) varint(count) value*
//            sets varint(bytes) varint(count) element*, elements as string or number payloads
// Pure. Readers accept damaged input: they answer nullopt or false, never read outside. from_stored and size_of_stored
// agree about what is damaged; append_json_of_stored succeeds wherever they do.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "model/attribute_value.h"

namespace millrace::model {

void append_stored(std::string& out, const Item& item);
std::string to_stored(const Item& item);
// nullopt: damaged or of a newer version.
std::optional<Item> from_stored(std::string_view stored);

// Writes DynamoDB JSON ({"name":{"S":"x"},...}) straight from the stored form. False: damaged (out is then partial).
bool append_json_of_stored(std::string& out, std::string_view stored);
// model::size_of the item, without building it; nullopt: damaged.
std::optional<std::size_t> size_of_stored(std::string_view stored);
// One attribute of a stored item, or nullopt when it has none of that name.
std::optional<AttributeValue> stored_attribute(std::string_view stored, std::string_view name);

}  // namespace millrace::model
