// What a table is: its schema, indexes and settings, as plain values; what the catalogue keeps.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/scope.h"
#include "base/strong_id.h"
#include "base/time.h"
#include "model/change_record.h"
#include "model/key.h"

namespace millrace::tables {

// Store-wide, never reused: a table that is created again under its old name is another one.
using TableId = StrongId<struct TableIdTag, std::uint32_t>;

inline constexpr std::size_t kLocalIndexesMax = 5;
inline constexpr std::size_t kGlobalIndexesMax = 20;
inline constexpr std::size_t kProjectedAttributesMax = 100;  // non-key attributes over all indexes
inline constexpr std::size_t kTagsMax = 50;

enum class BillingMode : std::uint8_t { kProvisioned, kPayPerRequest };

struct Throughput {
  std::int64_t read = 0;
  std::int64_t write = 0;
  friend bool operator==(const Throughput&, const Throughput&) = default;
};

struct IndexProjection {
  enum class Kind : std::uint8_t { kAll, kKeysOnly, kInclude };
  Kind kind = Kind::kAll;
  std::vector<std::string> attributes;  // kInclude: beside the keys
  friend bool operator==(const IndexProjection&, const IndexProjection&) = default;
};

struct Index {
  enum class Kind : std::uint8_t { kLocal, kGlobal };
  std::uint16_t number = 0;  // 1.., never reused within its table; 0 is the table itself
  std::string name;
  Kind kind = Kind::kGlobal;
  model::KeySchema keys;
  IndexProjection projection;
  Throughput throughput;  // kGlobal
  bool building = false;  // kGlobal: items that were there before it get their entries; not to be read yet
};

// The latest stream of a table, enabled or not.
struct TableStream {
  std::uint64_t id = 0;
  std::string arn;
  std::string label;
  model::ViewType view = model::ViewType::kNewAndOldImages;
  bool enabled = false;
};

struct Encryption {
  std::string key_arn;  // of KMS
};

struct TimeToLive {
  std::string attribute;
  bool enabled = false;
  bool filled = false;  // items that were there when it was enabled have their expiry entries
  Time changed{};
};

struct TableInfo {
  Scope scope;
  std::string name;
  TableId id;
  std::string uuid;  // shown as TableId
  std::string arn;
  Time created{};
  model::KeySchema keys;
  std::vector<model::KeyAttribute> definitions;  // AttributeDefinitions, as given
  std::vector<Index> indexes;                    // local ones first
  std::uint16_t next_index = 1;                  // the number of the next new one
  BillingMode billing = BillingMode::kProvisioned;
  Throughput throughput;
  std::optional<Time> pay_per_request_since;
  std::optional<Time> throughput_raised;
  std::optional<Time> throughput_lowered;
  std::optional<TableStream> stream;
  std::optional<Encryption> encryption;
  std::string table_class;  // "" until one was given
  bool deletion_protection = false;
  std::map<std::string, std::string> tags;
  TimeToLive ttl;

  const Index* find_index(std::string_view index_name) const;  // nullptr: none of that name
};

// Catalogue record: JSON with "v":1. The error names what is wrong with a damaged or newer one.
std::string to_catalogue(const TableInfo& info);
Result<TableInfo> from_catalogue(std::string_view record);

std::string table_arn(const Scope& scope, std::string_view name);
std::string index_arn(const TableInfo& info, std::string_view index_name);

}  // namespace millrace::tables
