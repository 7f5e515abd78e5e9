// Keys of this folder in the store. Pure.
//
//   kItems     be32(table) be16(index) key      index 0: key = model::key_bytes of the item's key, value = stored item
//                                               index n: key = model::key_bytes of the index's key, then the encodings
//                                               of the table's key; value = what the index projects, in stored form
//   kQueue     "ttl/" be64(expiry, seconds) be32(table) item key                  value = ""
//   kQueue     "txn/" account "/" region "/" token                                value = JSON
//   kCatalogue "tables/next"                    be32(next table id)
//   kCatalogue "tables/table/" be32(table)      JSON, see table.h
//   kCatalogue "tables/count/" be32(table) be16(index) 'i' | 'b'                  counters: items, bytes
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tables/table.h"

namespace millrace::tables {

inline constexpr std::string_view kNextIdKey = "tables/next";
inline constexpr std::string_view kTablePrefix = "tables/table/";
inline constexpr std::string_view kExpiryPrefix = "ttl/";
inline constexpr std::string_view kTokenPrefix = "txn/";
inline constexpr std::size_t kItemPrefixBytes = 6;

std::string item_prefix(TableId table, std::uint16_t index);
std::string item_key(TableId table, std::string_view key_bytes);
// nullopt: the item has no entry there, since it lacks a key attribute of the index (or, damaged, of the table).
std::optional<std::string> index_key(const TableInfo& info, const Index& index, const model::Item& item);
std::string table_key(TableId table);
std::string count_prefix(TableId table);
std::string count_key(TableId table, std::uint16_t index, char what);

struct ExpiryEntry {
  std::int64_t seconds = 0;
  TableId table;
  std::string_view key_bytes;
};
std::string expiry_key(const ExpiryEntry& entry);
std::string expiry_bound(std::int64_t seconds);  // before all entries of that second
std::optional<ExpiryEntry> read_expiry_key(std::string_view key);

}  // namespace millrace::tables
