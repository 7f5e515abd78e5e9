#include "tables/damage.h"

#include <algorithm>

#include "model/json.h"
#include "storage/store.h"

namespace millrace::tables {
namespace {

std::string hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (const unsigned char byte : bytes) out.append({kDigits[byte >> 4], kDigits[byte & 15]});
  return out;
}

}  // namespace

std::string key_text(const TableInfo& info, const Index* index, std::string_view key_bytes) {
  constexpr std::size_t kHashBytes = 8;
  std::string_view rest = key_bytes.substr(std::min(kHashBytes, key_bytes.size()));
  model::Item key;
  const auto take = [&](const model::KeyAttribute& attribute) {
    auto value = model::read_key_value(rest, attribute.type);
    if (value) key.set(attribute.name, *std::move(value));
    return value.has_value();
  };
  const auto take_all = [&](const model::KeySchema& keys) {
    return take(keys.partition) && (!keys.sort || take(*keys.sort));
  };
  if ((index != nullptr && !take_all(index->keys)) || !take_all(info.keys)) return hex(key_bytes);
  return model::to_json(key);
}

Error damaged_item(const TableInfo& info, std::string_view key_bytes) {
  return Error(storage::kStorageFailed, "damaged item in the data directory: table " + info.name + ", key " +
                                            key_text(info, nullptr, key_bytes));
}

Error damaged_entry(const TableInfo& info, const Index& index, std::string_view key_bytes) {
  return Error(storage::kStorageFailed, "damaged item in the data directory: index " + index.name + " of table " +
                                            info.name + ", key " + key_text(info, &index, key_bytes));
}

}  // namespace millrace::tables
