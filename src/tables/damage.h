// What is said of stored bytes that cannot be decoded although their checksums are right. kStorageFailed; pure.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "tables/table.h"

namespace millrace::tables {

// {"pk":{"S":"x"}} of a key as it is stored, without table and index; an index's key with that of its item. In
// hexadecimal what is no such key.
std::string key_text(const TableInfo& info, const Index* index, std::string_view key_bytes);

// "damaged item in the data directory: table T, key {"pk":{"S":"x"}}"
Error damaged_item(const TableInfo& info, std::string_view key_bytes);
// The same of an entry: "... index I of table T, key ...", as LastEvaluatedKey has it.
Error damaged_entry(const TableInfo& info, const Index& index, std::string_view key_bytes);

}  // namespace millrace::tables
