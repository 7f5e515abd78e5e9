// Sizes and limits of DynamoDB items (docs/limits.md). Pure.
#pragma once

#include <cstddef>

#include "base/result.h"
#include "model/attribute_value.h"

namespace millrace::model {

inline constexpr std::size_t kItemBytesMax = 400 * 1024;
inline constexpr std::size_t kPartitionKeyBytesMax = 2048;
inline constexpr std::size_t kSortKeyBytesMax = 1024;
inline constexpr int kNestingMax = 32;  // levels of M and L below the item

// AWS: UTF-8 bytes of each name plus its value: S/B bytes; N see Number::size; BOOL and NULL 1; sets the sum; M and L 3
// plus one per element plus the elements.
std::size_t size_of(const AttributeValue& value);
std::size_t size_of(const Item& item);
inline std::size_t size_of_attribute(std::string_view name, const AttributeValue& value) {
  return name.size() + size_of(value);
}

}  // namespace millrace::model
