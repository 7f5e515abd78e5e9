// Answers as text: objects written member by member, capacities, table references. Pure but for ItemCollectionMetrics.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/dynamodb/internal/item_call.h"
#include "base/result.h"
#include "tables/tables.h"
#include "wire/service.h"

namespace millrace::api_dynamodb {

// Writes {"a":...,"b":...}; each value is appended to out() after its key.
class ObjectText {
 public:
  explicit ObjectText(std::string& out) : out_(out) { out_ += '{'; }
  std::string& key(std::string_view name);
  void end() { out_ += '}'; }

 private:
  std::string& out_;
  bool first_ = true;
};

// TableName of a request: a name of the caller's, or an ARN of a table.
struct TableRef {
  Scope scope;
  std::string name;
};
// Errors: kValidationException, AccessDeniedException (another account), kResourceNotFound never.
Result<TableRef> resolve_table(const Scope& caller, std::string_view given);
// The ARN alone (tag operations).
Result<TableRef> resolve_arn(const Scope& caller, std::string_view arn);

// Capacity in half units, the least that AWS counts.
struct Consumed {
  std::int64_t table = 0;
  std::vector<std::pair<std::string, std::int64_t>> indexes;

  std::int64_t total() const;
  void add(const Consumed& other);
};
Consumed written(const tables::WriteUnits& units);
// AWS: 4 KB each, half when eventually consistent, at least one.
std::int64_t read_half_units(std::size_t bytes, bool consistent);

enum class CapacityKind : std::uint8_t { kPlain, kTransactionRead, kTransactionWrite };
// One ConsumedCapacity. `table` is shown as the request gave it. REQUIRES: capacity is not kNone.
void append_capacity(std::string& out, std::string_view table, const Consumed& consumed, const tables::TableInfo& info,
                     Capacity capacity, CapacityKind kind = CapacityKind::kPlain);

// {"ItemCollectionKey":...,"SizeEstimateRangeGB":[..]}; nothing (false) when the table has no local index. An estimate
// from durable state, as on AWS; taken before the write that it is told with, as what cannot be read, or only on the
// pool, must be known before anything is done. Errors: of Tables::collection_gib().
Result<bool> append_collection_metrics(std::string& out, const tables::Tables& tables, const tables::TableInfo& info,
                                       const model::Item& item);

// {"name":{"S":..},..} of a stored item, or only what `projection` selects. REQUIRES: it has a size
// (model::size_of_stored), else it is damaged.
void append_item(std::string& out, std::string_view stored, const std::optional<expressions::Projection>& projection);

Error invalid(std::string message);

}  // namespace millrace::api_dynamodb
